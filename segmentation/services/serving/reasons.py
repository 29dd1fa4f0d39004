"""Why an item is in a list: a sentence for the shopper, numbers for the operator."""

from __future__ import annotations

from django.utils.translation import gettext as _

from segmentation.models import Purpose
from segmentation.services.serving.answers import Code, Reason
from segmentation.services.serving.catalogue import Catalogue


def personal(purpose: str) -> Reason:
    """What can be said of a personal list without looking at one item of it."""
    return Reason(Code.HABIT if purpose == Purpose.AGAIN else Code.TASTE)


def of_item(
    default: Reason, *, is_habit: bool, because: int, is_pinned: bool
) -> Reason:
    """The reason of one place: a pin, a habit, an item of the history, the list's own.

    ``because`` is the history item that speaks most for it, 0 where none is known.
    """
    if is_pinned:
        return Reason(Code.CHOSEN)
    if is_habit:
        return Reason(Code.HABIT)
    if because:
        return Reason(Code.BECAUSE, because)
    if default.code == Code.HABIT:  # a habit list may hold what is no habit
        return Reason(Code.TASTE)
    return default


def sentence(reason: Reason, shop: Catalogue, position: int = -1) -> str:
    """One sentence for the shopper; ``position`` is of the item that it names."""
    if position >= 0 and reason.code in _ABOUT:
        return _ABOUT[reason.code]() % {"item": shop.title(position)}
    if reason.code == Code.SEGMENT and reason.words:
        return _("Popular among %(segment)s") % {"segment": reason.words}
    return _PLAIN[reason.code]()


_ABOUT = {
    Code.BECAUSE: lambda: _("Because you chose %(item)s"),
    Code.SIMILAR: lambda: _("Chosen by those who chose %(item)s"),
    Code.BOUGHT_TOGETHER: lambda: _("Often bought together with %(item)s"),
}
_PLAIN = {
    Code.BECAUSE: lambda: _("Goes with what you chose before"),
    Code.HABIT: lambda: _("You choose this regularly"),
    Code.TASTE: lambda: _("Chosen by customers with a taste like yours"),
    Code.SEGMENT: lambda: _("Popular with people like you"),
    Code.POPULAR: lambda: _("Popular with other customers"),
    Code.SIMILAR: lambda: _("Chosen by the same customers"),
    Code.BOUGHT_TOGETHER: lambda: _("Often bought together"),
    Code.CHOSEN: lambda: _("Chosen for you by the shop"),
}
