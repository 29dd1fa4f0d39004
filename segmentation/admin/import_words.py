"""What the pages of imports call fields, kinds and values."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from segmentation import conf
from segmentation.engine import mapping
from segmentation.engine.mapping.rows import OF_FIELD
from segmentation.engine.sentences import Sentence
from segmentation.models import Kind
from segmentation.services import consents
from segmentation.services.saying import say
from segmentation.templatetags.strata import NOTHING, number

FIELDS: dict[str, tuple[Any, Any]] = {
    "customer": (
        gettext_lazy("Customer"),
        gettext_lazy("the id of the customer in this source"),
    ),
    "visitor": (
        gettext_lazy("Visitor"),
        gettext_lazy("an id of somebody who is not signed in"),
    ),
    "item": (gettext_lazy("Item"), gettext_lazy("the id of the product or variant")),
    "kind": (
        gettext_lazy("What happened"),
        gettext_lazy("a view, a purchase … or the same in every row"),
    ),
    "occurred_at": (
        gettext_lazy("When"),
        gettext_lazy("without a zone: in the shop's time zone"),
    ),
    "value": (gettext_lazy("Rating"), gettext_lazy("stars, for example")),
    "quantity": (gettext_lazy("Quantity"), gettext_lazy("1 where there is none")),
    "price": (gettext_lazy("Price"), gettext_lazy("of one piece")),
    "amount": (gettext_lazy("Amount"), gettext_lazy("of the whole line")),
    "currency": (
        gettext_lazy("Currency"),
        "",  # `hint` names the shop's
    ),
    "order": (gettext_lazy("Order"), gettext_lazy("the number of the order")),
    "event_id": (
        gettext_lazy("Event id"),
        gettext_lazy("an id that no other line has"),
    ),
    "session": (gettext_lazy("Session"), gettext_lazy("the id of one visit")),
    "source": (
        gettext_lazy("Source of the line"),
        gettext_lazy("where lines come from several places"),
    ),
    "title": (gettext_lazy("Title"), gettext_lazy("what customers read")),
    "group": (
        gettext_lazy("Product group"),
        gettext_lazy("the same for all variants of a product"),
    ),
    "category": (gettext_lazy("Category"), ""),
    "brand": (gettext_lazy("Brand"), ""),
    "url": (gettext_lazy("Page"), gettext_lazy("the address of the product's page")),
    "image": (gettext_lazy("Picture"), gettext_lazy("the address of a picture")),
    "available": (gettext_lazy("In stock"), gettext_lazy("yes or no")),
    "description": (gettext_lazy("Description"), ""),
    "attributes": (
        gettext_lazy("All attributes"),
        gettext_lazy('an object of JSON such as {"colour": "red"}'),
    ),
    "email": (pgettext_lazy("field", "E-mail"), gettext_lazy("is stored encrypted")),
    "phone": (gettext_lazy("Phone"), gettext_lazy("is stored encrypted")),
    "name": (pgettext_lazy("field", "Name"), gettext_lazy("is stored encrypted")),
    "locale": (gettext_lazy("Language"), gettext_lazy("such as en or zh-CN")),
    "timezone": (gettext_lazy("Time zone"), gettext_lazy("such as Asia/Shanghai")),
    "created_at": (gettext_lazy("Customer since"), ""),
    "same_as": (
        gettext_lazy("Same as"),
        gettext_lazy("the id that this customer has in the other source"),
    ),
    "same_source": (gettext_lazy("Other source"), ""),
}


def label(target: str) -> str:
    """What a field is called; attributes and consents by their own names."""
    if target.startswith(mapping.ATTRIBUTES):
        name = target.removeprefix(mapping.ATTRIBUTES)
        return _("Attribute “%(name)s”") % {"name": name}
    if target.startswith(mapping.CONSENT):
        name = consents.label(target.removeprefix(mapping.CONSENT))
        return _("Consent to %(name)s") % {"name": name}
    return str(FIELDS[target][0]) if target in FIELDS else target


def hint(target: str) -> str:
    if target == "currency":
        text = _("lines in another than %(currency)s are rejected")
        return text % {"currency": conf.currency()}
    return str(FIELDS[target][1]) if target in FIELDS else ""


def reason(told: str, *, is_named: bool = False) -> str:
    """Why a row was refused; ``is_named``: its field stands beside it already."""
    if not isinstance(told, Sentence) or told.template != OF_FIELD:
        return say(told)
    why = say(told.words["why"])
    return why if is_named else f"{label(told.words['field'])} {why}"


def value(target: str, cell: Any) -> str:
    """A value that arrived, as a person reads it."""
    if cell is None:
        return NOTHING
    if target == "kind":
        return str(Kind(cell).label) if cell in Kind.values else str(cell)
    if isinstance(cell, bool):
        return _("yes") if cell else _("no")
    if isinstance(cell, datetime):
        return _moment(cell)
    if isinstance(cell, float):
        return number(cell, 0 if cell.is_integer() else 2)
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _moment(instant: datetime) -> str:
    """An instant in the shop's time zone, to the second where seconds are said."""
    local = instant.astimezone(conf.time_zone())
    form = "Y-m-d H:i:s" if local.second else "Y-m-d H:i"
    return formats.date_format(local, form)
