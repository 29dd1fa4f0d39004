"""What to send, to whom, when, and how its success is judged."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from campaigns.channels import channel_choices
from segmentation.models import Purpose, Segment

SHARE = [MinValueValidator(0.0), MaxValueValidator(1.0)]


def new_salt() -> str:
    return secrets.token_hex(8)


class Campaign(models.Model):
    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        SCHEDULED = "scheduled", _("scheduled")
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        COMPLETED = "completed", _("completed")
        CANCELLED = "cancelled", _("cancelled")

    class Metric(models.TextChoices):
        CONVERSION = "conversion", _("share of people who buy")
        REVENUE = "revenue", _("revenue per person")

    name = models.CharField(_("name"), max_length=120)
    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.DRAFT
    )
    channel = models.CharField(_("channel"), max_length=20, choices=channel_choices)
    to_everyone = models.BooleanField(
        _("to everyone"),
        default=False,
        help_text=_("Everyone who can be reached and agreed; else only the segments."),
    )
    segments = models.ManyToManyField(
        Segment, verbose_name=_("segments"), blank=True, related_name="+"
    )
    starts_at = models.DateTimeField(_("starts at"), null=True, blank=True)
    holdout_share = models.FloatField(
        _("held-out share"),
        default=0.1,
        validators=SHARE,
        help_text=_("0 to 1: people who get nothing, to compare with."),
    )
    salt = models.CharField(max_length=16, default=new_salt, editable=False)
    n_products = models.PositiveSmallIntegerField(
        _("products in it"), default=3, validators=[MaxValueValidator(10)]
    )
    purpose = models.CharField(
        _("products are chosen to"),
        max_length=10,
        choices=[(p.value, p.label) for p in (Purpose.AGAIN, Purpose.DISCOVER)],
        default=Purpose.DISCOVER,
    )
    primary_metric = models.CharField(
        _("primary metric"), max_length=12, choices=Metric, default=Metric.CONVERSION
    )
    window_hours = models.PositiveIntegerField(
        _("outcome window, hours"),
        default=72,
        help_text=_("Purchases this long after planning count, for every arm alike."),
    )
    ttl_seconds = models.PositiveIntegerField(_("time to live, seconds"), default=86400)
    cap_per_week = models.PositiveSmallIntegerField(
        _("messages a person a week"), null=True, blank=True
    )
    is_simulated = models.BooleanField(
        _("answers are simulated"), default=False, editable=False
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("created by"),
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        permissions = [("launch_campaign", _("Can launch a campaign"))]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(holdout_share__gte=0, holdout_share__lte=1),
                name="holdout_share_is_a_share",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="scheduled")
                | models.Q(starts_at__isnull=False),
                name="a_scheduled_campaign_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Variant(models.Model):
    """One version of the content. ``{{ recommendations.0.title }}`` is filled in."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="variants")
    name = models.CharField(_("name"), max_length=60, default="A")
    share = models.FloatField(_("share"), default=1.0, validators=SHARE)
    title = models.CharField(_("title"), max_length=120)
    body = models.TextField(_("text"), max_length=600)
    link = models.CharField(_("opens"), max_length=2000)
    image = models.CharField(_("image"), max_length=2000, blank=True)

    class Meta:
        verbose_name = _("variant")
        verbose_name_plural = _("variants")
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "name"], name="one_variant_per_name"
            )
        ]

    def __str__(self) -> str:
        return self.name
