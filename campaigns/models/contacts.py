"""Where a customer can be reached, and what they agreed to."""

from __future__ import annotations

import json

from django.db import models
from django.utils.translation import gettext_lazy as _

from campaigns.channels import channel_choices
from segmentation.models import Customer
from segmentation.models.fields import EncryptedField


class ContactPoint(models.Model):
    """One address of a customer on a channel: a browser, a phone, a mailbox."""

    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="+", verbose_name=_("customer")
    )
    channel = models.CharField(_("channel"), max_length=20, choices=channel_choices)
    address = EncryptedField(
        help_text=_("JSON: endpoint and keys, token or address."),
        named_by=lambda text: json.loads(text)["target"],
    )
    address_hash = models.CharField(max_length=32, editable=False)
    origin = models.CharField(_("service"), max_length=200, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    inactive_reason = models.CharField(_("reason"), max_length=60, blank=True)
    created_at = models.DateTimeField(_("since"), auto_now_add=True)
    last_accepted_at = models.DateTimeField(_("last accepted"), null=True, blank=True)

    class Meta:
        verbose_name = _("contact point")
        verbose_name_plural = _("contact points")
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "address_hash"], name="one_contact_point_each"
            )
        ]
        indexes = [
            models.Index(fields=["customer", "channel"], name="contact_of_customer")
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} {self.pk}"


class Consent(models.Model):
    """What a customer said last about one channel and one purpose."""

    class Purpose(models.TextChoices):
        MARKETING = "marketing", _("marketing")
        PERSONALISATION = "personalisation", _("personalisation")

    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="+", verbose_name=_("customer")
    )
    channel = models.CharField(_("channel"), max_length=20, choices=channel_choices)
    purpose = models.CharField(
        _("purpose"), max_length=20, choices=Purpose, default=Purpose.MARKETING
    )
    granted = models.BooleanField(_("granted"))
    said_at = models.DateTimeField(_("said at"))
    text_version = models.CharField(_("text version"), max_length=40, blank=True)
    proof = models.CharField(_("proof"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "channel", "purpose"], name="one_consent_each"
            )
        ]

    def __str__(self) -> str:
        word = _("granted") if self.granted else _("withdrawn")
        return f"{self.channel}/{self.purpose}: {word}"
