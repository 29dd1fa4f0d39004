"""How the admin looks and what its sidebar holds; read by the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.templatetags.static import static
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext_lazy as _


def _may(permission: str) -> Callable[[Any], bool]:
    return lambda request: request.user.has_perm(permission)


def _list(title: Any, icon: str, app: str, model: str, **more: Any) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": _may(f"{app}.view_{model}"),
        **more,
    }


def _ours(title: Any, icon: str, model: str, **more: Any) -> dict[str, Any]:
    return _list(title, icon, "segmentation", model, **more)


def _campaigns(title: Any, icon: str, model: str, **more: Any) -> dict[str, Any]:
    return _list(title, icon, "campaigns", model, **more)


WORDS = (  # of Unfold's own pages, which it has in no Chinese
    _("Add row"),
    _("All applications"),
    _("After you've created a user, you’ll be able to edit more user options."),
    _("Apply Filters"),
    _("Choose file to upload"),
    _("Click to cancel"),
    _("Click to download"),
    _("Dark"),
    _("Date"),
    _("Date from"),
    _("Date to"),
    _("Expand row"),
    _("False"),
    _("From"),
    _("General"),
    _("Go back"),
    _("Light"),
    _("More actions"),
    _("Next"),
    _("No data"),
    _("Previous"),
    _("Return to site"),
    _("Run"),
    _("Select action"),
    _("Select action to run"),
    _("Select all"),
    _("Select all rows"),
    _("Select format"),
    _("Select record"),
    _("Select value"),
    _("System"),
    _("This exporter will export the following fields"),
    _("This item will be deleted."),
    _("To"),
    _("Toggle password visibility"),
    _("True"),
    _("Type to search"),
    _("Value"),
    _("Welcome"),
    _("Welcome back to"),
    _("You have been successfully logged out from the administration"),
)
MODELS = {
    "title": _("Models"),
    "icon": "leaderboard",
    "link": reverse_lazy("admin:segmentation_modelrun_compare"),
    "permission": _may("segmentation.view_modelrun"),
}
QUALITY = {
    "title": _("Data quality"),
    "icon": "troubleshoot",
    "link": reverse_lazy("admin:segmentation_qualityreport_look"),
    "permission": _may("segmentation.view_qualityreport"),
    "active": lambda request: (
        "/qualityreport/" in request.path or "/suspicion/" in request.path
    ),
}
NAVIGATION = [
    {
        "items": [
            {
                "title": _("Start"),
                "icon": "cycle",
                "link": reverse_lazy("home"),
                "active": lambda request: request.path == reverse("home"),
            },
            _ours(
                _("Notices"),
                "notifications",
                "notice",
                badge="segmentation.admin.records.open_notices",
                badge_variant="danger",
            ),
        ]
    },
    {
        "title": _("Data in"),
        "items": [
            _ours(_("Imports"), "upload_file", "importjob"),
            _ours(_("Items"), "inventory_2", "item"),
            _ours(_("Customers"), "group", "customer"),
            _ours(_("Who is who"), "diversity_3", "merge"),
            _ours(_("Sources"), "hub", "source"),
            _ours(_("Behaviour"), "footprint", "event"),
            _ours(_("Mappings"), "conversion_path", "mapping"),
            _ours(_("Exports"), "download", "exportjob"),
            QUALITY,
        ],
    },
    {
        "title": _("Interest"),
        "items": [
            MODELS,
            _ours(
                _("Model runs"),
                "model_training",
                "modelrun",
                active=lambda request: (
                    "/modelrun/" in request.path and "compare" not in request.path
                ),
            ),
            _ours(_("Training plans"), "event_repeat", "trainingplan"),
            _ours(_("Rules for lists"), "push_pin", "listrule"),
            _ours(_("Segment sets"), "bubble_chart", "segmentset"),
            _ours(_("Segments"), "group_work", "segment"),
        ],
    },
    {
        "title": _("Push and ads"),
        "items": [
            _campaigns(_("Campaigns"), "campaign", "campaign"),
            _campaigns(_("Launches"), "rocket_launch", "launch"),
            _campaigns(_("Placements"), "web", "placement"),
            _campaigns(_("Ads"), "ad", "ad"),
            _campaigns(_("Contact points"), "contact_phone", "contactpoint"),
            _campaigns(_("Consents"), "verified_user", "consent"),
            _ours(_("Erasures"), "person_remove", "erasure"),
        ],
    },
    {
        "title": _("Running it"),
        "items": [
            _ours(_("Audit trail"), "history", "auditentry"),
            _ours(_("API keys"), "key", "apikey"),
            _list(_("Users"), "person", "auth", "user"),
            _list(_("Roles"), "badge", "auth", "group"),
        ],
    },
]

# A calm teal whose 600 reads on white and whose 500 reads on the dark ground.
TEAL = {
    "50": "oklch(97.5% .014 205)",
    "100": "oklch(94.5% .026 205)",
    "200": "oklch(89% .045 205)",
    "300": "oklch(82% .068 205)",
    "400": "oklch(76% .085 205)",
    "500": "oklch(74% .09 205)",
    "600": "oklch(46% .078 210)",
    "700": "oklch(41% .07 210)",
    "800": "oklch(36% .06 210)",
    "900": "oklch(31% .05 210)",
    "950": "oklch(24% .04 210)",
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Strata",
    "SITE_HEADER": "Strata",
    "SITE_SUBHEADER": _("interest, segments, reach"),
    "SITE_SYMBOL": "stacks",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("segmentation/icon.svg"),
        }
    ],
    "SITE_URL": reverse_lazy("home"),
    "STYLES": [lambda request: static("segmentation/strata.css")],
    "SCRIPTS": [lambda request: static("segmentation/strata.js")],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": False,
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": TEAL,
        "font": {
            "subtle-light": "oklch(48% .027 264)",
            "subtle-dark": "oklch(76% .02 261)",
            "default-light": "var(--color-base-700)",
            "default-dark": "var(--color-base-200)",
            "important-light": "var(--color-base-900)",
            "important-dark": "var(--color-base-100)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": True,
        "navigation": NAVIGATION,
    },
}
