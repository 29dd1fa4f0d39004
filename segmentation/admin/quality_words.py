"""Numbers of a quality report as sentences; where it is clear, with what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from segmentation.admin import import_words
from segmentation.models import Kind
from segmentation.templatetags.strata import number, share

LIKENESSES = {
    "bot": gettext_lazy("a bot"),
    "till": gettext_lazy("a till"),
    "reseller": gettext_lazy("a reseller"),
    "unusual": gettext_lazy("nobody usual"),
}
STEPS = {
    "view": gettext_lazy("viewed"),
    "cart": gettext_lazy("put in the cart"),
    "purchase": gettext_lazy("bought"),
}
SHARES = ("night_share", "one_kind_share")
MOST_SENTENCES = 6  # the largest groups come first; the table has all
MUCH, LITTLE = 1.25, 0.8  # times the usual events per member


@dataclass(frozen=True)
class Sentence:
    text: str
    tone: str = "wait"


def likeness(name: str) -> str:
    return str(LIKENESSES.get(name, name))


def kind(value: int) -> str:
    return str(Kind(value).label) if value in Kind.values else str(value)


EVIDENCE = {
    "events_per_day": gettext_lazy(
        "%(value)s events on a day with any; the shop's median is %(median)s."
    ),
    "items_per_hour": gettext_lazy(
        "%(value)s different items in an hour with any; "
        "the shop's median is %(median)s."
    ),
    "hours_per_day": gettext_lazy(
        "At it in %(value)s hours of a day; the shop's median is %(median)s."
    ),
    "burst": gettext_lazy(
        "%(value)s deeds within one second at most; the shop's median is %(median)s."
    ),
    "busiest_day": gettext_lazy(
        "%(value)s deeds on the busiest day; the shop's median is %(median)s."
    ),
    "orders_per_day": gettext_lazy(
        "%(value)s orders on a day with any event; the shop's median is %(median)s."
    ),
    "lines_per_order": gettext_lazy(
        "%(value)s lines in an order; the shop's median is %(median)s."
    ),
    "quantity_per_line": gettext_lazy(
        "%(value)s pieces of an item bought at a time; the shop's median is %(median)s."
    ),
    "night_share": gettext_lazy(
        "%(value)s of events between midnight and five; "
        "the shop's median is %(median)s."
    ),
    "one_kind_share": gettext_lazy(
        "%(value)s of events are of one kind; the shop's median is %(median)s."
    ),
}


def evidence(line: dict[str, Any]) -> str:
    """One reason for a suspicion: the customer's rate and the shop's median."""
    feature = line.get("feature")
    words = {
        "value": _figure(feature, line.get("value")),
        "median": _figure(feature, line.get("median")),
    }
    return str(EVIDENCE[str(feature)]) % words if feature in EVIDENCE else ""


def _figure(feature: Any, value: Any) -> str:
    if feature in SHARES:
        return share(value, 0)
    is_whole = value is None or value >= 100 or value == int(value)
    return number(value, 0 if is_whole else 1)


def findings(report: dict[str, Any]) -> list[Sentence]:
    """What an operator should see to, the worst first; nothing where all is well."""
    times, unknown = report["times"], report["unknown"]
    catalogue, customers = report["catalogue"], report["customers"]
    cold = report["cold"]
    open_n = report["suspects"]["open"]
    found = [
        _counted(unknown["items"], "bad", _no_item),
        _counted(unknown["customers"], "bad", _no_customer),
        _counted(times["future"], "bad", _future),
        _counted(times["implausible"], "bad", _ancient),
        _counted(report["doubled"], "wait", _doubled),
        _counted(open_n, "wait", _suspects),
        _counted(catalogue["never_described"], "wait", _items_never_described),
        _counted(customers["never_described"], "plain", _customers_never_described),
        _counted(report["days"].get("n_empty", 0), "plain", _empty_days),
        _counted(times["no_hour"], "plain", _no_hour),
        _counted(cold["items"]["never"], "plain", _never_seen),
    ]
    return [sentence for sentence in found if sentence is not None]


def _counted(n: int, tone: str, words: Any) -> Sentence | None:
    return Sentence(words(n) % {"n": number(n)}, tone) if n else None


def _no_item(n: int) -> str:
    return ngettext(
        "%(n)s event names an item that is not there any more.",
        "%(n)s events name items that are not there any more.",
        n,
    )


def _no_customer(n: int) -> str:
    return ngettext(
        "%(n)s event belongs to a customer who is not there any more.",
        "%(n)s events belong to customers who are not there any more.",
        n,
    )


def _future(n: int) -> str:
    return ngettext(
        "%(n)s event lies in the future: look at the time zone and the date format of "
        "the file it came from.",
        "%(n)s events lie in the future: look at the time zone and the date format of "
        "the files they came from.",
        n,
    )


def _ancient(n: int) -> str:
    return ngettext(
        "%(n)s event is said to be from before 1995: its time was probably not read as "
        "it was meant.",
        "%(n)s events are said to be from before 1995: their times were probably not "
        "read as they were meant.",
        n,
    )


def _doubled(n: int) -> str:
    return ngettext(
        "%(n)s event is like an earlier one in everything. Where it is the same deed "
        "told twice, map an event id.",
        "%(n)s events are like earlier ones in everything. Where they are the same "
        "deeds told twice, map an event id.",
        n,
    )


def _suspects(n: int) -> str:
    return ngettext(
        "%(n)s customer behaves like no shopper and waits for your verdict.",
        "%(n)s customers behave like no shoppers and wait for your verdict.",
        n,
    )


def _items_never_described(n: int) -> str:
    return ngettext(
        "%(n)s item is known by its id only: bring in the catalogue that has it.",
        "%(n)s items are known by their ids only: bring in the catalogue that has "
        "them.",
        n,
    )


def _customers_never_described(n: int) -> str:
    return ngettext(
        "Of %(n)s customer nothing but an id is known.",
        "Of %(n)s customers nothing but an id is known.",
        n,
    )


def _empty_days(n: int) -> str:
    return ngettext(
        "On %(n)s day nothing happened; the longest gaps are listed below.",
        "On %(n)s days nothing happened; the longest gaps are listed below.",
        n,
    )


def _no_hour(n: int) -> str:
    return ngettext(
        "%(n)s event is at midnight sharp: a day without an hour. It counts for no "
        "hour, night or burst.",
        "%(n)s events are at midnight sharp: days without an hour. They count for no "
        "hour, night or burst.",
        n,
    )


def _never_seen(n: int) -> str:
    return ngettext(
        "Nobody ever did anything with %(n)s item; no model can recommend it.",
        "Nobody ever did anything with %(n)s items; no model can recommend them.",
        n,
    )


def represented(lines: list[dict[str, Any]]) -> list[str]:
    """A sentence for each group that surely has much more or less than its share."""
    told = []
    for line in lines:
        low, high = line.get("low"), line.get("high")
        if not line["name"] or low is None or high is None:
            continue
        words = {
            "group": line["name"],
            "members": share(line["share"]),
            "events": share(line["events"]),
            "ratio": number(line["ratio"], 2),
        }
        if high < 1 and line["ratio"] <= LITTLE:
            text = _(
                "“%(group)s” is %(members)s of all but has %(events)s of events, "
                "%(ratio)s times its share: a model learns less about it."
            )
        elif low > 1 and line["ratio"] >= MUCH:
            text = _(
                "“%(group)s” is %(members)s of all but has %(events)s of events, "
                "%(ratio)s times its share: a model learns mostly from it."
            )
        else:
            continue
        told.append(text % words)
    return told[:MOST_SENTENCES]


def of_file(quality: dict[str, Any]) -> list[Sentence]:
    """What an import's own report says beside its empty cells."""
    times, unknown = quality.get("times", {}), quality.get("unknown", {})
    duplicates = quality.get("duplicates", 0)
    found = [
        _counted(times.get("future", 0), "bad", _future_cells),
        _counted(times.get("implausible", 0), "bad", _ancient_cells),
        _counted(unknown.get("item", 0), "wait", _unknown_items),
        _counted(unknown.get("customer", 0), "wait", _unknown_customers),
        _counted(
            duplicates, "wait", _about_equal if quality.get("is_estimate") else _equal
        ),
    ]
    told = [sentence for sentence in found if sentence is not None]
    for name, amounts in quality.get("out_of_range", {}).items():
        told += _amounts(import_words.label(name), amounts)
    return told


def _future_cells(n: int) -> str:
    return ngettext(
        "%(n)s time lies in the future.", "%(n)s times lie in the future.", n
    )


def _ancient_cells(n: int) -> str:
    return ngettext("%(n)s time lies before 1995.", "%(n)s times lie before 1995.", n)


def _unknown_items(n: int) -> str:
    return ngettext(
        "%(n)s line names an item that was not in the catalogue.",
        "%(n)s lines name items that were not in the catalogue.",
        n,
    )


def _unknown_customers(n: int) -> str:
    return ngettext(
        "%(n)s line names a customer who was not known.",
        "%(n)s lines name customers who were not known.",
        n,
    )


def _equal(n: int) -> str:
    return ngettext(
        "%(n)s line equals an earlier one in every mapped column.",
        "%(n)s lines equal earlier ones in every mapped column.",
        n,
    )


def _about_equal(n: int) -> str:
    return ngettext(
        "About %(n)s line equals an earlier one in every mapped column.",
        "About %(n)s lines equal earlier ones in every mapped column.",
        n,
    )


def _amounts(name: str, amounts: dict[str, Any]) -> list[Sentence]:
    told = []
    if amounts["negative"]:
        text = ngettext(
            "%(field)s: %(n)s negative value.",
            "%(field)s: %(n)s negative values.",
            amounts["negative"],
        )
        words = {"field": name, "n": number(amounts["negative"])}
        told.append(Sentence(text % words))
    far = amounts.get("below", 0) + amounts.get("above", 0)
    if far:
        text = ngettext(
            "%(field)s: %(n)s value lies far from the usual %(low)s to %(high)s.",
            "%(field)s: %(n)s values lie far from the usual %(low)s to %(high)s.",
            far,
        )
        words = {
            "field": name,
            "n": number(far),
            "low": number(amounts["usual_low"], 2),
            "high": number(amounts["usual_high"], 2),
        }
        told.append(Sentence(text % words, "plain"))
    return told
