"""Slots in the shop, what may stand in them, and each answer that was given."""

from __future__ import annotations

import uuid

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from segmentation.models import Item, Segment


class Placement(models.Model):
    slug = models.SlugField(_("slug"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=120)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("placement")
        verbose_name_plural = _("placements")

    def __str__(self) -> str:
        return self.name


class Ad(models.Model):
    """A creative for a placement, and whom it is for."""

    placement = models.ForeignKey(
        Placement, models.CASCADE, related_name="ads", verbose_name=_("placement")
    )
    name = models.CharField(_("name"), max_length=120)
    is_active = models.BooleanField(_("active"), default=True)
    title = models.CharField(_("title"), max_length=120)
    body = models.CharField(_("text"), max_length=300, blank=True)
    image = models.CharField(_("image"), max_length=2000, blank=True)
    link = models.CharField(_("opens"), max_length=2000)
    item = models.ForeignKey(
        Item,
        models.SET_NULL,
        verbose_name=_("product"),
        null=True,
        blank=True,
        related_name="+",
    )
    segments = models.ManyToManyField(
        Segment,
        verbose_name=_("only for"),
        blank=True,
        related_name="+",
        help_text=_("Nobody chosen means everybody."),
    )
    weight = models.FloatField(
        _("weight"), default=1.0, validators=[MinValueValidator(0.0)]
    )
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    max_impressions = models.PositiveIntegerField(
        _("impressions in all"), null=True, blank=True
    )
    cap_per_day = models.PositiveSmallIntegerField(
        _("impressions a person a day"), null=True, blank=True
    )

    class Meta:
        verbose_name = _("ad")
        verbose_name_plural = _("ads")

    def __str__(self) -> str:
        return self.name


class Decision(models.Model):
    """One answer of the ad decision, and what became of it."""

    decision_id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    placement = models.ForeignKey(Placement, models.CASCADE, related_name="+")
    ad = models.ForeignKey(Ad, models.SET_NULL, null=True, related_name="decisions")
    identity_id = models.BigIntegerField(_("identity"), null=True)
    decided_at = models.DateTimeField(_("decided"))
    propensity = models.FloatField(
        _("propensity"), default=0.0, help_text=_("Chance that this ad was chosen.")
    )
    draw = models.FloatField(_("draw"), default=0.0)
    considered = models.JSONField(_("considered"), default=list)
    shown_at = models.DateTimeField(_("shown"), null=True, blank=True)
    clicked_at = models.DateTimeField(_("clicked"), null=True, blank=True)

    class Meta:
        verbose_name = _("ad decision")
        verbose_name_plural = _("ad decisions")
        indexes = [
            models.Index(fields=["ad", "shown_at"], name="decision_of_ad"),
            models.Index(fields=["identity_id", "shown_at"], name="decision_of_whom"),
        ]

    def __str__(self) -> str:
        return str(self.decision_id)
