"""Who a customer id or a visitor id belongs to, and what a login changes.

Sets of ids are looked up and created by ``services/catalog.py``; this is for one.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import IntegrityError, transaction
from django.utils import timezone

from segmentation.models import Customer, Identity, Source

MAX_LENGTH = 120


class BadId(ValueError):
    """The text cannot be the id of a customer or a visitor."""


def find(
    source: Source, customer: str | None = None, visitor: str | None = None
) -> Identity | None:
    """The identity of a customer id, else of a visitor id; None when unknown.

    One query of one table, whose customer is not loaded; nothing is created.
    """
    if customer:
        rows = Identity.objects.filter(source=source, external_id=customer)
    elif visitor:
        rows = Identity.objects.filter(visitor_id=visitor)
    else:
        return None
    return next(iter(rows), None)  # a unique key: there is nothing to put in order


def resolve(
    source: Source, customer: str | None = None, visitor: str | None = None
) -> Identity:
    """The identity of an id, created together with its customer when it is new.

    Both ids say that they are one person: the visitor is linked, and the identity is
    the customer's. Raises BadId.
    """
    for text in filter(None, (customer, visitor)):
        _check(text)
    if not customer and not visitor:
        raise BadId("Neither a customer id nor a visitor id is given.")
    found = find(source, customer, visitor) or _create(source, customer, visitor)
    if customer and visitor:
        link_visitor(visitor, found.customer)
    return found


def link_all(pairs: Collection[tuple[str, str]], source: Source) -> None:
    """Link visitors to customers: pairs of their ids; known ones cost little."""
    if not pairs:
        return
    names, visitors = zip(*pairs, strict=True)
    rows = Identity.objects.filter(visitor_id__in=visitors)
    owners = dict(rows.values_list("visitor_id", "customer"))
    rows = Identity.objects.filter(source=source, external_id__in=names)
    people = dict(rows.values_list("external_id", "customer"))
    for name, visitor in sorted(pairs):
        if name not in people or owners.get(visitor) != people[name]:
            resolve(source, name, visitor)


def link_visitor(visitor_id: str, customer: Customer) -> Identity:
    """Say that an anonymous visitor is this customer; what they did goes with them.

    A visitor who is somebody already stays that one: two people who share a browser
    must not inherit each other's past.
    """
    _check(visitor_id)
    visitor, created = Identity.objects.get_or_create(
        visitor_id=visitor_id, defaults={"customer": customer}
    )
    if created or visitor.customer_id == customer.pk:
        return visitor
    # One statement decides, so that two logins at once cannot both win.
    moved = Identity.objects.filter(pk=visitor.pk).exclude(
        customer__in=Identity.objects.filter(external_id__isnull=False).values(
            "customer"
        )
    )
    if moved.update(customer=customer):
        visitor.customer = customer
    return visitor


def is_known(identity: Identity) -> bool:
    """True when the identity belongs to a customer whom a source knows by an id."""
    if identity.external_id is not None:
        return True
    named = Identity.objects.filter(external_id__isnull=False)
    return named.filter(customer=identity.customer_id).exists()


def _create(source: Source, customer: str | None, visitor: str | None) -> Identity:
    names = (
        {"source": source, "external_id": customer}
        if customer
        else {"visitor_id": visitor}
    )
    try:
        with transaction.atomic():  # the loser of a race leaves no empty customer
            person = Customer.objects.create(created_at=timezone.now())
            return Identity.objects.create(customer=person, **names)
    except IntegrityError:
        return Identity.objects.get(**names)


def _check(text: str) -> None:
    if len(text) > MAX_LENGTH or "\x00" in text or text != text.strip():
        raise BadId(f"An id has 1 to {MAX_LENGTH} characters and no outer spaces.")
