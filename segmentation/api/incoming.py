"""Events as a shop sends them → rows in canonical names, and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from segmentation.api.authentication import person
from segmentation.api.serializers import ID_LENGTH, MAX_EVENTS, SHOP_KINDS
from segmentation.engine import mapping
from segmentation.services import events, references
from segmentation.services.events import RowError

CANONICAL = {"customer_id": "customer", "visitor_id": "visitor", "item_id": "item"}
DOCUMENTED = {canonical: name for name, canonical in CANONICAL.items()}
IDS = tuple(DOCUMENTED)
OUR_REFERENCES = ("launch", "ad")
NO_TEXT = re.compile("[\x00\ud800-\udfff]")  # NUL, and halves of surrogate pairs
# What a script writes when it has no id: strangers must not become one person by it.
NO_IDS = frozenset({*mapping.NULLS, "undefined", "[object object]"})


@dataclass
class Incoming:
    """Rows that may go on, where each stood in the call, and the ones that may not."""

    sent: Sequence[Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)

    def all_errors(self, recorded: events.Recorded) -> list[RowError]:
        """Errors found here and by the recorder, in the order of the call."""
        theirs = [
            RowError(self.positions[error.index], error.field, error.message)
            for error in recorded.errors
        ]
        found = [self._in_their_words(error) for error in self.errors + theirs]
        return sorted(found, key=lambda error: error.index)

    def _in_their_words(self, error: RowError) -> RowError:
        """The same error under the name that the row used, or the documented one."""
        name = DOCUMENTED.get(error.field)
        if name is None or error.field in self.sent[error.index]:
            return error
        return RowError(error.index, name, error.message)


def read(request: Request) -> Incoming:
    """Check the shape of a call and whom its key may speak for.

    Raises a problem when a browser names a customer without that customer's token;
    everything else is an error of its own row.
    """
    found = Incoming(_list_of(request.data))
    checked: dict[str | None, str | None] = {}  # named customer → vouched customer
    for position, sent in enumerate(found.sent):
        if not isinstance(sent, dict):
            found.errors.append(RowError(position, "", _("This is not an object.")))
            continue
        row = _canonical(sent)
        wrong = _first_wrong(row, request)
        if wrong is not None:
            found.errors.append(RowError(position, *wrong))
            continue
        named = str(row["customer"]) if row.get("customer") else None
        if named not in checked:
            checked[named] = person(request, named, None).customer
        row["customer"] = checked[named] if named or not row.get("visitor") else None
        found.rows.append(row)
        found.positions.append(position)
    return found


def _canonical(sent: dict[str, Any]) -> dict[str, Any]:
    return {CANONICAL.get(name) or name: _tidy(value) for name, value in sent.items()}


def _tidy(value: Any) -> Any:
    """Text without outer spaces; "" is nothing."""
    return (value.strip() or None) if isinstance(value, str) else value


def _list_of(body: Any) -> Sequence[Any]:
    sent = body.get("events") if isinstance(body, dict) else None
    if not isinstance(sent, list):
        raise ValidationError({"events": [_("Send a list of events under “events”.")]})
    if not 1 <= len(sent) <= MAX_EVENTS:
        raise ValidationError(
            {
                "events": [
                    _("Send 1 to %(most)d events in a call.") % {"most": MAX_EVENTS}
                ]
            }
        )
    return sent


def _first_wrong(row: dict[str, Any], request: Request) -> tuple[str, str] | None:
    """The first field that no recorder should see, with the reason."""
    for name, value in row.items():
        if isinstance(value, dict | list | bool):
            return name, _("This is not a text or a number.")
        if isinstance(value, str) and NO_TEXT.search(value):
            return name, _("This holds a character that cannot be stored.")
        if name in IDS and len(str(value)) > ID_LENGTH:
            return name, _("An id has at most %(n)d characters.") % {"n": ID_LENGTH}
        if name in IDS and str(value).strip().lower() in NO_IDS and value is not None:
            return name, _("“%(text)s” is no id.") % {"text": value}
    kind = str(row.get("kind", "")).strip().lower()
    if kind not in SHOP_KINDS:
        return "kind", _("The kind must be one of %(kinds)s.") % {
            "kinds": ", ".join(SHOP_KINDS)
        }
    for name in OUR_REFERENCES:
        if row.get(name) is None:
            continue
        if request.user.is_publishable:
            return name, _("Only a server key may name this.")
        if references.whole_number(row[name]) is None:
            return name, _("This is not a number of ours.")
    return None
