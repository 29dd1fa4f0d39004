"""What people did with a message or an ad."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from campaigns.models.deliveries import Delivery, Recipient
from campaigns.models.placements import Decision


class Outcome(models.Model):
    class Kind(models.TextChoices):
        DELIVERED = "delivered", _("delivered")
        OPENED = "opened", _("opened")
        CLICKED = "clicked", _("clicked")
        DISMISSED = "dismissed", _("dismissed")
        CONVERTED = "converted", _("converted")
        UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
        COMPLAINED = "complained", _("complained")

    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    recipient = models.ForeignKey(
        Recipient, models.CASCADE, null=True, blank=True, related_name="outcomes"
    )
    delivery = models.ForeignKey(
        Delivery, models.CASCADE, null=True, blank=True, related_name="outcomes"
    )
    decision = models.ForeignKey(
        Decision, models.CASCADE, null=True, blank=True, related_name="outcomes"
    )
    happened_at = models.DateTimeField(_("time"))
    revenue = models.FloatField(_("revenue"), null=True, blank=True)

    class Meta:
        verbose_name = _("outcome")
        verbose_name_plural = _("outcomes")
        constraints = [
            # A signed link counts once, however often and however parallel it is hit.
            models.UniqueConstraint(
                fields=["delivery", "kind"], name="one_outcome_a_delivery"
            ),
            models.UniqueConstraint(
                fields=["decision", "kind"], name="one_outcome_a_decision"
            ),
            models.CheckConstraint(
                condition=models.Q(delivery__isnull=False, decision__isnull=True)
                | models.Q(delivery__isnull=True, decision__isnull=False),
                name="an_outcome_has_one_cause",
            ),
        ]
        indexes = [
            models.Index(fields=["recipient", "kind"], name="outcome_of_recipient")
        ]

    def __str__(self) -> str:
        return self.kind
