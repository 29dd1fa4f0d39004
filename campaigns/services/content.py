"""What a message says: templates filled in, links signed, all of it small enough.

Templates know variables and filters, nothing else: no tags, no loaders, and only plain
texts and numbers to look at, so that a marketer's text can reach no code of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urljoin, urlsplit

from django.template import Context, Engine, Template, TemplateSyntaxError
from django.utils.translation import gettext as _

from campaigns.channels.base import Channel, Message, collapse_key
from campaigns.models import Launch, Variant
from campaigns.services.tracking import Links
from segmentation import conf
from segmentation.models import Item

PARTS = ("title", "body", "link", "image")
MAX_TITLE, MAX_BODY = 200, 1200
ITEM_TITLE = 80
UNKNOWN = "\x00%s\x00"


class _Sandbox(Engine):
    default_builtins: ClassVar[list[str]] = ["django.template.defaultfilters"]


def _engine(string_if_invalid: str = "") -> Engine:
    return _Sandbox(autoescape=False, loaders=[], string_if_invalid=string_if_invalid)


@dataclass(frozen=True)
class Person:
    """One delivery's reader: what the templates and the links need."""

    delivery_id: int
    customer_id: int
    name: str
    item_ids: Sequence[int]


class Content:
    """One variant, compiled once, to be filled in for many people."""

    def __init__(self, variant: Variant) -> None:
        engine = _engine()
        self._parts = {
            part: Template(getattr(variant, part), engine=engine) for part in PARTS
        }
        self.needs_name = any("customer" in getattr(variant, part) for part in PARTS)

    def filled(self, person: Person, items: Sequence[Item]) -> dict[str, str]:
        """Title, body, link and image for one person."""
        context = Context(
            {
                "customer": {"name": person.name},
                "recommendations": [_seen(item) for item in items],
            },
            autoescape=False,
        )
        return {name: part.render(context) for name, part in self._parts.items()}


def problems(variant: Variant) -> list[str]:
    """What is wrong with a variant's templates and link, in words for a person."""
    found = []
    example = Item(
        external_id="1", title="Title", price=1.0, url="https://shop.example"
    )
    context = Context(
        {
            "customer": {"name": "Name"},
            "recommendations": [_seen(example)] * 10,
        },
        autoescape=False,
    )
    texts = {}
    for part in PARTS:
        label = Variant._meta.get_field(part).verbose_name
        try:
            template = Template(getattr(variant, part), engine=_engine(UNKNOWN))
            texts[part] = template.render(context)
        except (TemplateSyntaxError, ArithmeticError, TypeError, ValueError) as error:
            found.append(f"{label}: {error}")
            continue
        if "\x00" in texts[part]:
            name = texts[part].split("\x00")[1]
            unknown = _("“%(name)s” is not known here.") % {"name": name}
            found.append(f"{label}: {unknown}")
    if not texts.get("title", "?").strip():
        found.append(_("The title is empty."))
    if "link" in texts and not is_web_address(destination(texts["link"])):
        found.append(_("The link is not a web address."))
    return found


def message(
    content: Content,
    person: Person,
    items: Mapping[int, Item],
    *,
    launch: Launch,
    links: Links,
    ttl_seconds: int,
    channel: Channel,
) -> Message:
    """The message for one person, made to fit the channel."""
    chosen = [items[pk] for pk in person.item_ids if pk in items]
    texts = content.filled(person, chosen)
    link = destination(texts["link"])
    topic = collapse_key(launch.pk, person.customer_id)
    number = person.delivery_id
    payload = {
        "title": texts["title"].strip()[:MAX_TITLE],
        "body": texts["body"].strip()[:MAX_BODY],
        "image": destination(texts["image"]) if texts["image"] else "",
        "url": links.clicked(number, link),
        "dismiss_url": links.dismissed(number),
        "shown_url": links.shown(number),
        "unsubscribe_url": links.unsubscribe(number),
        "tag": topic,
        "items": [_entry(item, number, link, links) for item in chosen],
        "launch": launch.pk,
    }
    made = Message(payload, ttl_seconds=ttl_seconds, collapse_key=topic)
    return _fitted(made, channel.max_payload)


def destination(link: str) -> str:
    """A link as an absolute address; a path means one on our own public address."""
    return urljoin(conf.public_url() + "/", link.strip())


def is_web_address(url: str) -> bool:
    """True for what a click may lead to: http or https with a host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _seen(item: Item) -> dict[str, Any]:
    """What a template may say about a product."""
    return {
        "title": item.title or item.external_id,
        "external_id": item.external_id,
        "brand": item.brand,
        "price": item.price,
        "currency": item.currency or conf.currency(),
        "url": item.url,
        "image": item.image,
    }


def _entry(item: Item, number: int, link: str, links: Links) -> dict[str, str]:
    target = destination(item.url) if item.url else link
    if not is_web_address(target):
        target = link
    return {
        "item_id": item.external_id,
        "title": (item.title or item.external_id)[:ITEM_TITLE],
        "image": item.image,
        "url": links.clicked(number, target, item.pk),
    }


def _fitted(made: Message, limit: int | None) -> Message:
    """Give up the pictures, then products from the last, then the end of the text."""
    payload: dict[str, Any] = dict(made.payload)
    if limit is None or len(made.body()) <= limit:
        return made
    payload["items"] = [{**item, "image": ""} for item in payload["items"]]
    while len((made := _with(made, payload)).body()) > limit and payload["items"]:
        payload["items"] = payload["items"][:-1]
    if len(made.body()) > limit:
        payload["image"] = ""
    while len((made := _with(made, payload)).body()) > limit and payload["body"]:
        payload["body"] = payload["body"][: len(payload["body"]) * 3 // 4]
    return made


def _with(made: Message, payload: Mapping[str, Any]) -> Message:
    return Message(
        dict(payload), ttl_seconds=made.ttl_seconds, collapse_key=made.collapse_key
    )
