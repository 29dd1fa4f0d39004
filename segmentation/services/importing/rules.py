"""What an operator decides about a file: the unknown, the doubled, the missing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _

CREATE, REJECT = "create", "reject"
SEPARATE, ONE = "separate", "one"
FILLED = ("price", "category", "currency")
CHOICES = {
    "unknown_items": (CREATE, REJECT),
    "unknown_customers": (CREATE, REJECT),
    "identical_lines": (SEPARATE, ONE),
}


class RulesError(ValueError):
    """The rules say something that we do not know; the text says what is possible."""


@dataclass(frozen=True)
class Rules:
    """``unknown_…`` are for files of events: what they name and nobody told before.

    ``identical_lines``: lines that agree in everything and have no event id are so
    many events, or one. ``fill`` names the fields whose blank cells are filled from
    the item's own past, else from items of its group (``filling``). ``shape`` is the
    mapping's (``engine.mapping``): lines that belong together.
    """

    unknown_items: str = CREATE
    unknown_customers: str = CREATE
    identical_lines: str = SEPARATE
    fill: tuple[str, ...] = ()
    shape: str = ""

    @classmethod
    def from_json(cls, told: Any) -> Rules:
        """Checked rules; RulesError names what is wrong."""
        if not isinstance(told, dict):
            raise RulesError(_("Rules are an object, such as {“fill”: [“price”]}."))
        unknown = sorted(map(str, set(told) - set(cls.__dataclass_fields__)))
        if unknown:
            words = {
                "names": ", ".join(unknown),
                "known": ", ".join(cls.__dataclass_fields__),
            }
            raise RulesError(
                _("There is no rule %(names)s; the rules are %(known)s.") % words
            )
        for name, choices in CHOICES.items():
            if told.get(name, choices[0]) not in choices:
                words = {
                    "name": name,
                    "value": told[name],
                    "choices": ", ".join(choices),
                }
                raise RulesError(
                    _("%(name)s cannot be “%(value)s”; choose of %(choices)s.") % words
                )
        shape = told.get("shape", "")
        if not isinstance(shape, str):
            raise RulesError(_("A shape is named by a text."))
        chosen = {name: told[name] for name in CHOICES if name in told}
        return cls(fill=_fill(told.get("fill", ())), shape=shape, **chosen)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"fill": list(self.fill)}


def _fill(told: Any) -> tuple[str, ...]:
    names = tuple(told) if isinstance(told, list | tuple) else (told,)
    if not all(name in FILLED for name in names):
        words = {"choices": ", ".join(FILLED)}
        raise RulesError(_("Only these can be filled: %(choices)s.") % words)
    return tuple(name for name in FILLED if name in names)
