"""The ledger: a launch, its recipients, and each message on its way."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from campaigns.models.campaigns import Campaign, Variant
from campaigns.models.contacts import ContactPoint
from segmentation.models import Customer, Job, ModelRun


class Launch(Job):
    """One sending of a campaign, unique by the instant it was scheduled for."""

    task = "campaigns.tasks.run_launch"
    queue = "send"

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="launches")
    scheduled_for = models.DateTimeField(_("scheduled for"))
    planned_at = models.DateTimeField(_("planned at"), null=True, blank=True)
    n_audience = models.PositiveIntegerField(_("audience"), default=0)
    n_held_out = models.PositiveIntegerField(_("held out"), default=0)
    n_suppressed = models.JSONField(_("suppressed"), default=dict, blank=True)
    n_deliveries = models.PositiveIntegerField(_("messages"), default=0)

    class Meta:
        verbose_name = _("launch")
        verbose_name_plural = _("launches")
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "scheduled_for"], name="one_launch_an_instant"
            )
        ]
        indexes = [models.Index(fields=["status"], name="launch_status")]

    def __str__(self) -> str:
        return f"{self.campaign} {self.scheduled_for:%Y-%m-%d %H:%M}"


class Recipient(models.Model):
    """One person of a launch: in an arm, or suppressed with the reason.

    The arm is drawn once, after eligibility, and never changes (intention to treat).
    """

    class Arm(models.TextChoices):
        TREATED = "treated", _("gets the message")
        HELD_OUT = "held_out", _("held out")
        SUPPRESSED = "suppressed", _("suppressed")

    class Reason(models.TextChoices):
        NONE = "", _("none")
        NO_CONSENT = "no_consent", _("no consent")
        UNREACHABLE = "unreachable", _("no contact point")
        CAPPED = "capped", _("message cap reached")
        NO_PRODUCTS = "no_products", _("no product to recommend")

    launch = models.ForeignKey(Launch, models.CASCADE, related_name="recipients")
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="+")
    arm = models.CharField(_("arm"), max_length=10, choices=Arm)
    variant = models.ForeignKey(Variant, models.PROTECT, null=True, related_name="+")
    reason = models.CharField(
        _("reason"), max_length=20, choices=Reason, default="", blank=True
    )
    run = models.ForeignKey(ModelRun, models.SET_NULL, null=True, related_name="+")
    item_ids = models.JSONField(_("products"), default=list)

    class Meta:
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")
        constraints = [
            models.UniqueConstraint(
                fields=["launch", "customer"], name="one_recipient_each"
            ),
            models.CheckConstraint(
                condition=models.Q(arm="treated", variant__isnull=False)
                | models.Q(arm__in=("held_out", "suppressed"), variant__isnull=True),
                name="only_the_treated_have_a_variant",
            ),
            models.CheckConstraint(
                condition=models.Q(arm="suppressed") & ~models.Q(reason="")
                | ~models.Q(arm="suppressed") & models.Q(reason=""),
                name="the_suppressed_have_a_reason",
            ),
        ]
        indexes = [models.Index(fields=["launch", "arm"], name="recipient_arm")]

    def __str__(self) -> str:
        return f"{self.launch_id}/{self.customer_id}"


class Delivery(models.Model):
    """One message to one contact point.

    ``sending`` is committed before the wire and the answer after it, so a crash leaves
    a trace: what was in flight becomes ``unknown`` and may be sent once more under the
    same topic, which replaces the first copy.
    """

    class Status(models.TextChoices):
        PLANNED = "planned", _("planned")
        SENDING = "sending", _("on its way")
        UNKNOWN = "unknown", _("unknown: the sender died on the way")
        RETRY = "retry", _("to be tried again")
        ACCEPTED = "accepted", _("accepted")
        FAILED = "failed", _("failed")
        GONE = "gone", _("address gone")
        CANCELLED = "cancelled", _("cancelled")

    TERMINAL = (Status.ACCEPTED, Status.FAILED, Status.GONE, Status.CANCELLED)

    launch = models.ForeignKey(Launch, models.CASCADE, related_name="deliveries")
    recipient = models.ForeignKey(Recipient, models.CASCADE, related_name="deliveries")
    contact_point = models.ForeignKey(ContactPoint, models.CASCADE, related_name="+")
    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.PLANNED
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    copies_possible = models.PositiveSmallIntegerField(default=0)
    send_at = models.DateTimeField(_("not before"))
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    http_status = models.PositiveSmallIntegerField(_("answer"), null=True, blank=True)
    provider_id = models.CharField(_("provider's id"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(
                fields=["recipient", "contact_point"], name="one_delivery_each"
            )
        ]
        indexes = [
            models.Index(fields=["launch", "status", "send_at"], name="delivery_due")
        ]

    def __str__(self) -> str:
        return f"{self.recipient_id}→{self.contact_point_id}"
