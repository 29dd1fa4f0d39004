"""What a message says: templates filled in, links signed, all of it small enough.

Templates know variables and filters, nothing else: no tags, no loaders, and only plain
texts and numbers to look at, so that a marketer's text can reach no code of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
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


@dataclass(frozen=True, slots=True)
class Person:
    """One delivery's reader: what the templates and the links need."""

    delivery_id: int
    customer_id: int
    name: str
    item_ids: Sequence[int]


@dataclass(frozen=True)
class Product:
    """A product as messages show it; made once for all who get it."""

    item_id: int
    seen: Mapping[str, Any]
    entry: Mapping[str, str]
    target: str  # "": the message's own link

    @classmethod
    def of(cls, item: Item) -> Product:
        """Everything a message may say of an item."""
        title = item.title or item.external_id
        entry = {"item_id": item.external_id, "title": title[:ITEM_TITLE]}
        target = destination(item.url) if item.url else ""
        return cls(
            item_id=item.pk,
            seen=_seen(item),
            entry=entry | {"image": item.image},
            target=target if is_web_address(target) else "",
        )


class Content:
    """One variant, compiled once, to be filled in for many people."""

    def __init__(self, variant: Variant) -> None:
        engine = _engine()
        texts = {part: getattr(variant, part) for part in PARTS}
        self._plain = {part: text for part, text in texts.items() if "{" not in text}
        self._templates = {
            part: Template(text, engine=engine)
            for part, text in texts.items()
            if part not in self._plain
        }
        self.needs_name = any("customer" in text for text in texts.values())

    def filled(self, person: Person, products: Sequence[Product]) -> dict[str, str]:
        """Title, body, link and image for one person."""
        if not self._templates:
            return self._plain
        context = Context(
            {
                "customer": {"name": person.name},
                "recommendations": [product.seen for product in products],
            },
            autoescape=False,
        )
        filled = {part: each.render(context) for part, each in self._templates.items()}
        return self._plain | filled


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
    labels = {each.name: each.verbose_name for each in Variant._meta.concrete_fields}
    for part in PARTS:
        label = labels[part]
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
        elif "{{" in texts[part] or "}}" in texts[part]:
            half = _("a “{{” or “}}” stands alone; it would be sent as it is.")
            found.append(f"{label}: {half}")
    if not texts.get("title", "?").strip():
        found.append(_("The title is empty."))
    if "link" in texts and not is_link(texts["link"]):
        found.append(not_a_link())
    return found


def message(
    content: Content,
    person: Person,
    products: Mapping[int, Product],
    *,
    launch: Launch,
    links: Links,
    ttl_seconds: int,
    channel: Channel,
) -> Message:
    """The message for one person, made to fit the channel."""
    chosen = [products[pk] for pk in person.item_ids if pk in products]
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
        "items": [
            {
                **product.entry,
                "url": links.clicked(number, product.target or link, product.item_id),
            }
            for product in chosen
        ],
        "launch": launch.pk,
    }
    made = Message(payload, ttl_seconds=ttl_seconds, collapse_key=topic)
    return _fitted(made, channel.max_payload)


def destination(link: str) -> str:
    """A link as an absolute address; a path means one on our own public address."""
    return _joined(conf.public_url() + "/", link.strip())


def not_a_link() -> str:
    return _("The link must begin with https:// or, for a page of this address, /.")


def is_link(text: str) -> bool:
    """True for a web address or a path; a bare “www.shop.example” is neither."""
    text = text.strip()
    is_whole = text.startswith("/") or "://" in text
    return is_whole and is_web_address(destination(text))


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


@lru_cache(maxsize=1000)
def _joined(base: str, link: str) -> str:
    return urljoin(base, link)
