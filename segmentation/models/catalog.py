"""What is offered and who comes: items, customers, and the ids others know them by."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from segmentation.models.fields import EncryptedField


class Source(models.Model):
    """Where data came from. A higher trust wins when sources contradict each other."""

    name = models.CharField(_("name"), max_length=60, unique=True)
    trust = models.PositiveSmallIntegerField(_("trust"), default=50)
    importing_id = models.BigIntegerField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("source")
        verbose_name_plural = _("sources")

    def __str__(self) -> str:
        return self.name


class Category(models.Model):
    name = models.CharField(_("name"), max_length=200, unique=True)

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")

    def __str__(self) -> str:
        return self.name


class Item(models.Model):
    """Something in the catalogue: a product, a SKU, a video, an article."""

    external_id = models.CharField(_("item id"), max_length=120, unique=True)
    title = models.CharField(_("title"), max_length=300, blank=True)
    group = models.CharField(
        _("group"),
        max_length=120,
        blank=True,
        db_index=True,
        help_text=_("Variants of one product share a group."),
    )
    category = models.ForeignKey(
        Category,
        models.SET_NULL,
        verbose_name=_("category"),
        null=True,
        blank=True,
        related_name="items",
    )
    brand = models.CharField(_("brand"), max_length=200, blank=True)
    price = models.FloatField(_("price"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    url = models.CharField(_("address"), max_length=2000, blank=True)
    image = models.CharField(_("image"), max_length=2000, blank=True)
    available = models.BooleanField(_("available"), default=True)
    description = models.TextField(_("description"), blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    import_id = models.BigIntegerField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("item")
        verbose_name_plural = _("items")
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(external_id=""), name="item_has_an_id"
            )
        ]

    def __str__(self) -> str:
        return self.title or self.external_id


class ItemChange(models.Model):
    """A price or availability that an item had from an instant on."""

    item = models.ForeignKey(Item, models.CASCADE, related_name="changes")
    changed_at = models.DateTimeField(_("since"))
    price = models.FloatField(_("price"), null=True)
    available = models.BooleanField(_("available"), default=True)
    import_id = models.BigIntegerField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("price or stock change")
        verbose_name_plural = _("price and stock changes")
        constraints = [
            models.UniqueConstraint(
                fields=["item", "changed_at"], name="one_item_change_an_instant"
            )
        ]

    def __str__(self) -> str:
        return f"{self.item_id} {self.changed_at:%Y-%m-%d}"


def as_written_once(text: str) -> str:
    """An address as all would write it: without outer spaces and capitals."""
    return text.strip().lower()


class Customer(models.Model):
    """A shopper; never a Django user. Others know them through an Identity."""

    name = EncryptedField(_("name"), blank=True)
    email = EncryptedField(_("e-mail"), blank=True, named_by=as_written_once)
    email_hash = models.CharField(
        max_length=32, blank=True, db_index=True, editable=False
    )
    phone = EncryptedField(_("phone"), blank=True, named_by=as_written_once)
    phone_hash = models.CharField(
        max_length=32, blank=True, db_index=True, editable=False
    )
    locale = models.CharField(_("locale"), max_length=20, blank=True)
    timezone = models.CharField(_("time zone"), max_length=50, blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    # What somebody who said no did is not learned from; they see what everybody sees.
    personalised = models.BooleanField(
        _("may be personalised"),
        db_default=True,
        help_text=_(
            "Without it, nothing is learned from this customer, who sees what is "
            "popular and is in no interest segment."
        ),
    )
    # The import that brought the no, so that taking it back takes that back as well.
    refused_in = models.BigIntegerField(null=True, blank=True, editable=False)
    import_id = models.BigIntegerField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("known since"))
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(personalised=False),
                name="customer_not_personalised",
            )
        ]

    def __str__(self) -> str:
        return _("customer %(id)s") % {"id": self.pk}

    @classmethod
    def mark_of(cls, name: str, text: str) -> str:
        """The keyed hash by which an equal ``email`` or ``phone`` is found."""
        field: Any = cls._meta.get_field(name)
        mark: str = field.fingerprint_of(text)
        return mark


class Identity(models.Model):
    """One name of a customer: an id in a source, or an anonymous visitor id.

    Events keep the identity and the customer is looked up when they are read, so a
    merge, an unmerge and a login change rows of this table only.
    """

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="identities")
    source = models.ForeignKey(Source, models.PROTECT, null=True, blank=True)
    external_id = models.CharField(_("customer id"), max_length=120, null=True)  # noqa: DJ001
    visitor_id = models.CharField(  # noqa: DJ001 (null keeps it out of the unique key)
        _("visitor id"), max_length=120, null=True, blank=True
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("identity")
        verbose_name_plural = _("identities")
        constraints = [
            models.UniqueConstraint(
                fields=["source", "external_id"], name="one_identity_per_source_id"
            ),
            models.UniqueConstraint(
                fields=["visitor_id"], name="one_identity_per_visitor"
            ),
            models.CheckConstraint(
                name="identity_is_known_or_anonymous",
                condition=models.Q(
                    source__isnull=False,
                    external_id__isnull=False,
                    visitor_id__isnull=True,
                )
                & ~models.Q(external_id="")
                | models.Q(
                    source__isnull=True,
                    external_id__isnull=True,
                    visitor_id__isnull=False,
                )
                & ~models.Q(visitor_id=""),
            ),
        ]

    def __str__(self) -> str:
        return self.external_id or self.visitor_id or ""
