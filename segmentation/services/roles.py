"""The five roles of operators, as Django groups made after every migration."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

APPS = ("segmentation", "campaigns")
SECRET_MODELS = ("apikey", "signingsecret")
LABELS = {  # the names stand in the database as they are, for every language
    "Viewer": _("Viewer"),
    "Marketer": _("Marketer"),
    "Analyst": _("Analyst"),
    "Privacy officer": _("Privacy officer"),
    "Administrator": _("Administrator"),
}

# Role → models whose rows it may add and change (viewing is common to all).
CHANGES = {
    "Viewer": (),
    "Marketer": (
        "campaign",
        "variant",
        "launch",
        "placement",
        "ad",
        "listrule",
        "notice",
    ),
    "Analyst": (
        "item",
        "itemchange",
        "category",
        "source",
        "mapping",
        "importjob",
        "undojob",
        "exportjob",
        "merge",
        "qualityreport",
        "suspicion",
        "modelrun",
        "trainingplan",
        "listrefresh",
        "listrule",
        "segmentset",
        "segment",
        "notice",
    ),
    "Privacy officer": (
        "customer",
        "identity",
        "erasure",
        "merge",
        "contactpoint",
        "consent",
        "notice",
    ),
}
ALSO = {
    "Marketer": ("launch_campaign",),
    "Privacy officer": ("delete_contactpoint",),
}


def label(name: str) -> str:
    """A role in the reader's language; what a host named stays as it is."""
    return str(LABELS.get(name, name))


def after_migrate(sender: Any, **_more: Any) -> None:
    """Give each role its permissions; groups of other names stay as they are."""
    if sender.label != "campaigns" and sender.label != "segmentation":
        return
    ours = Permission.objects.filter(content_type__app_label__in=APPS)
    viewing = ours.filter(codename__startswith="view_").exclude(
        content_type__model__in=SECRET_MODELS
    )
    for role, models in CHANGES.items():
        group, _created = Group.objects.get_or_create(name=role)
        may = Q(pk__in=viewing) | Q(codename__in=ALSO.get(role, ()))
        for model in models:
            may |= Q(codename__in=(f"add_{model}", f"change_{model}"))
        group.permissions.add(*ours.filter(may))
    administrator, _created = Group.objects.get_or_create(name="Administrator")
    everything = Q(content_type__app_label__in=(*APPS, "auth"))
    administrator.permissions.add(*Permission.objects.filter(everything))
