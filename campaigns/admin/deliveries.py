"""The ledger: launches with their progress, people with their arm, messages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from campaigns import queries
from campaigns.models import Delivery, Launch, Outcome, Recipient
from segmentation.admin.base import Deed, ReadOnly, badge, counted, link_to
from segmentation.admin.jobs import RUN_FIELDS, RUN_FIELDSET, JobAdmin
from segmentation.admin.paging import Facts
from segmentation.templatetags.strata import number

FACTS = (
    "campaign",
    "scheduled_for",
    "planned_at",
    "n_audience",
    "n_held_out",
    "n_suppressed",
    "n_deliveries",
)
TONES = {
    Delivery.Status.ACCEPTED: "good",
    Delivery.Status.FAILED: "bad",
    Delivery.Status.GONE: "plain",
    Delivery.Status.CANCELLED: "plain",
    Delivery.Status.PLANNED: "wait",
    Delivery.Status.RETRY: "wait",
    Delivery.Status.SENDING: "busy",
    Delivery.Status.UNKNOWN: "bad",
}


@admin.register(Launch)
class LaunchAdmin(ReadOnly, JobAdmin):
    progress_template = "campaigns/admin/launch_progress.html"
    list_display = (
        "__str__",
        "progress",
        counted("n_audience", _("audience")),
        counted("n_deliveries", _("messages")),
        counted("n_held_out", _("held out")),
        "n_left_out",
        "scheduled_for",
    )
    list_filter = ("status",)
    list_select_related = ("campaign",)
    search_fields = ("campaign__name",)
    readonly_fields = (*FACTS, *RUN_FIELDS)
    fieldsets = ((_("The launch"), {"fields": FACTS}), RUN_FIELDSET)
    ordering = ("-pk",)
    actions = None

    def get_deeds(self) -> list[Deed]:
        return []  # a launch is steered from its campaign's page

    def full_progress_context(self, job: Any) -> dict[str, Any]:
        """With the messages by status, which is a query."""
        counts = queries.progress([job.pk]).by_status
        messages = [
            {"label": status.label, "n": counts[status], "tone": TONES[status]}
            for status in Delivery.Status
            if counts[status]
        ]
        return self.progress_context(job) | {"messages_by_status": messages}

    @admin.display(description=_("left out"))
    def n_left_out(self, launch: Launch) -> str:
        return number(sum((launch.n_suppressed or {}).values()))


@admin.register(Recipient)
class RecipientAdmin(Facts):
    list_display = ("of_customer", "launch", "arm", "reason", "variant", "run")
    list_display_links = ("launch",)
    list_filter = ("arm", "reason")
    list_select_related = ("customer", "launch__campaign", "variant", "run")
    search_fields = ("customer__identities__external_id",)
    search_help_text = _("Customer id")
    ordering = ("-pk",)

    @admin.display(description=_("customer"))
    def of_customer(self, recipient: Recipient) -> str:
        return link_to(recipient.customer)


@admin.register(Delivery)
class DeliveryAdmin(Facts):
    list_display = (
        "__str__",
        "launch",
        "status_badge",
        "attempts",
        "http_status",
        "reason",
        "sent_at",
    )
    list_filter = ("status", "http_status")
    list_select_related = ("launch__campaign",)
    ordering = ("-pk",)

    @admin.display(description=_("status"))
    def status_badge(self, delivery: Delivery) -> str:
        tone = TONES[Delivery.Status(delivery.status)]
        return badge(delivery.get_status_display(), tone)


@admin.register(Outcome)
class OutcomeAdmin(Facts):
    list_display = ("happened_at", "kind", "by_what", "revenue")
    list_filter = ("kind",)
    list_select_related = ("delivery__launch__campaign", "decision__ad")
    ordering = ("-pk",)

    @admin.display(description=_("by"))
    def by_what(self, outcome: Outcome) -> str:
        if outcome.delivery is not None:
            return str(outcome.delivery.launch)
        return str(outcome.decision.ad) if outcome.decision else "–"
