"""Event: the narrow, append-only log of behaviour."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

from segmentation.models.fields import KeyField


class Kind(models.IntegerChoices):
    """What somebody did. The numbers are stored: never change one."""

    VIEW = 1, _("view")
    CLICK = 2, _("click")
    CART = 3, _("cart")
    FAVOURITE = 4, _("favourite")
    PURCHASE = 5, _("purchase")
    RETURN = 6, _("return")
    RATING = 7, _("rating")
    SEARCH = 8, _("search")
    REMOVE_FROM_CART = 9, _("removed from cart")
    COUPON_REDEEMED = 10, _("coupon redeemed")
    MESSAGE_ACCEPTED = 20, _("message accepted")
    MESSAGE_CLICKED = 21, _("message clicked")
    MESSAGE_DISMISSED = 22, _("message dismissed")
    AD_SHOWN = 23, _("ad shown")
    AD_CLICKED = 24, _("ad clicked")


class RefKind(models.IntegerChoices):
    """What an event came from, or what was sent or shown."""

    LAUNCH = 1, _("campaign launch")
    AD = 2, _("ad")
    SERVED_LIST = 3, _("recommendation list")


# What can be done without an item in it.
WITHOUT_ITEM = (
    Kind.SEARCH,
    Kind.COUPON_REDEEMED,
    Kind.MESSAGE_ACCEPTED,
    Kind.MESSAGE_CLICKED,
    Kind.MESSAGE_DISMISSED,
    Kind.AD_SHOWN,
    Kind.AD_CLICKED,
)

# How much one event of a kind says about interest, before time decay.
KIND_WEIGHTS = {
    Kind.VIEW: 0.1,
    Kind.CLICK: 0.1,
    Kind.CART: 0.3,
    Kind.FAVOURITE: 0.4,
    Kind.PURCHASE: 1.0,
    Kind.RETURN: -1.0,
    Kind.MESSAGE_CLICKED: 0.1,
    Kind.AD_CLICKED: 0.1,
}


class EventQuerySet(models.QuerySet):
    def of_kind(self, *kinds: Kind) -> EventQuerySet:
        return self.filter(kind__in=kinds)

    def since(self, instant: datetime) -> EventQuerySet:
        return self.filter(occurred_at__gte=instant)


class Event(models.Model):
    """One behaviour of one identity.

    No foreign keys: the table is written and read in sets of millions, its keys are
    checked when rows enter, and nothing may cascade into it (docs/decisions).
    """

    event_key = KeyField(primary_key=True)
    occurred_at = models.DateTimeField(_("time"))
    identity_id = models.BigIntegerField(_("identity"))
    item_id = models.BigIntegerField(_("item"), null=True)
    amount = models.FloatField(_("amount"), null=True)
    price = models.FloatField(_("price"), null=True)
    order_key = models.BigIntegerField(_("order"), null=True)
    session_key = models.BigIntegerField(_("session"), null=True)
    ref_id = models.BigIntegerField(null=True)
    quantity = models.FloatField(_("quantity"), default=1)
    value = models.FloatField(_("value"), null=True)
    # Narrow columns last: alignment would cost eight bytes a row on PostgreSQL.
    import_id = models.IntegerField(_("import"), null=True)
    kind = models.SmallIntegerField(_("kind"), choices=Kind)
    ref_kind = models.SmallIntegerField(choices=RefKind, null=True)
    currency = models.CharField(
        _("currency"),
        max_length=3,
        blank=True,
        help_text=_("Empty means the reporting currency."),
    )

    objects = EventQuerySet.as_manager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            models.Index(fields=["identity_id", "occurred_at"], name="event_of_whom"),
            models.Index(fields=["item_id"], name="event_of_item"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.occurred_at:%Y-%m-%d %H:%M}"


class EventDetail(models.Model):
    """The few events with words of their own: search terms and pages."""

    event_key = KeyField(primary_key=True)
    search_terms = models.CharField(_("search terms"), max_length=300, blank=True)
    page = models.CharField(_("page"), max_length=2000, blank=True)

    class Meta:
        verbose_name = _("event detail")
        verbose_name_plural = _("event details")

    def __str__(self) -> str:
        return self.search_terms or self.page
