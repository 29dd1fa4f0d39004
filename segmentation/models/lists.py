"""Lists that were given out, and what the operator says about every list."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from segmentation.models.catalog import Category, Item
from segmentation.models.runs import ModelRun, Purpose


class ServedList(models.Model):
    """A list that was given out, so that events can name it."""

    recommendation_id = models.UUIDField(
        unique=True, default=uuid.uuid4, editable=False
    )
    served_at = models.DateTimeField(_("served"), auto_now_add=True, db_index=True)
    run = models.ForeignKey(
        ModelRun, models.SET_NULL, null=True, related_name="+", verbose_name=_("run")
    )
    identity_id = models.BigIntegerField(_("identity"), null=True, db_index=True)
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose)
    placement = models.CharField(_("placement"), max_length=60, blank=True)
    list_source = models.CharField(_("source of the list"), max_length=20)
    item_ids = models.JSONField(_("items"), default=list)

    class Meta:
        verbose_name = _("served list")
        verbose_name_plural = _("served lists")

    def __str__(self) -> str:
        return str(self.recommendation_id)


class ListRule(models.Model):
    """What the operator says about every list: pin, boost, bury or block, for a time.

    It speaks of one item, or of all of a category or brand; ``purpose`` and
    ``placement`` empty mean every list.
    """

    class Action(models.TextChoices):
        PIN = "pin", _("pin: always at this place")
        BOOST = "boost", _("boost: further up")
        BURY = "bury", _("bury: further down")
        BLOCK = "block", _("block: never shown")

    action = models.CharField(_("action"), max_length=5, choices=Action)
    item = models.ForeignKey(
        Item,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="list_rules",
        verbose_name=_("item"),
    )
    category = models.ForeignKey(
        Category,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="list_rules",
        verbose_name=_("category"),
    )
    brand = models.CharField(_("brand"), max_length=120, blank=True)
    place = models.PositiveSmallIntegerField(
        _("place"), null=True, blank=True, help_text=_("Of a pinned item; 1 is first.")
    )
    factor = models.FloatField(
        _("factor"),
        null=True,
        blank=True,
        help_text=_("Of a boost or bury: the score is multiplied by it."),
    )
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose, blank=True)
    placement = models.CharField(_("placement"), max_length=60, blank=True)
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    enabled = models.BooleanField(_("enabled"), default=True)
    note = models.CharField(_("why"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
    )

    class Meta:
        verbose_name = _("rule for lists")
        verbose_name_plural = _("rules for lists")
        constraints = [
            models.CheckConstraint(
                name="a_list_rule_has_one_target",
                condition=(
                    models.Q(item__isnull=False, category=None, brand="")
                    | models.Q(item=None, category__isnull=False, brand="")
                    | (models.Q(item=None, category=None) & ~models.Q(brand=""))
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.item or self.category or self.brand}"
