"""Why an item is in a list, in one sentence for the shopper."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _

from segmentation.models import Purpose
from segmentation.services.serving.answers import Code, Reason


def personal(purpose: str) -> Reason:
    """What can be said of a personal list without looking at one item of it."""
    return Reason(Code.HABIT if purpose == Purpose.AGAIN else Code.TASTE)


def of_place(
    default: Code, *, is_pinned: bool, is_habit: bool, has_cause: bool
) -> Code:
    """A pin, a habit, what an item of the history speaks for, else what the list is."""
    if is_pinned:
        return Code.CHOSEN
    if is_habit:
        return Code.HABIT
    if has_cause:
        return Code.BECAUSE
    # A list of habits may hold what is none, where the model fills it up.
    return Code.TASTE if default == Code.HABIT else default


class Sentences:
    """The sentences of one answer, each looked up in the reader's language once."""

    def __init__(self, segment: str = "") -> None:
        self._segment = segment
        self._found: dict[Code, str] = {}
        self._named: dict[Code, str] = {}

    def of(self, code: Code) -> str:
        """One sentence for the shopper."""
        found = self._found.get(code)
        if found is None:
            found = _PLAIN[code]()
            if code == Code.SEGMENT and self._segment:
                found = _("Popular among %(segment)s") % {"segment": self._segment}
            self._found[code] = found
        return found

    def about(self, code: Code, item: str) -> str:
        """The same where another item is named by its title."""
        found = self._named.get(code)
        if found is None:
            found = self._named[code] = _ABOUT[code]()
        return found % {"item": item}


_ABOUT: dict[Code, Callable[[], str]] = {
    Code.BECAUSE: lambda: _("Because you chose %(item)s"),
    Code.SIMILAR: lambda: _("Chosen by those who chose %(item)s"),
    Code.BOUGHT_TOGETHER: lambda: _("Often bought together with %(item)s"),
}
_PLAIN: dict[Code, Callable[[], str]] = {
    Code.BECAUSE: lambda: _("Goes with what you chose before"),
    Code.HABIT: lambda: _("You choose this regularly"),
    Code.TASTE: lambda: _("Chosen by customers with a taste like yours"),
    Code.SEGMENT: lambda: _("Popular with people like you"),
    Code.POPULAR: lambda: _("Popular with other customers"),
    Code.SIMILAR: lambda: _("Chosen by the same customers"),
    Code.BOUGHT_TOGETHER: lambda: _("Often bought together"),
    Code.CHOSEN: lambda: _("Chosen for you by the shop"),
}
