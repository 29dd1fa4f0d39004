"""Customers who behave like nobody a shop should learn from: bots, tills, resellers.

Each customer is a handful of rates. One is suspect when a rate is an outlier by itself
(modified z-score, Iglewicz & Hoaglin 1993) and large in plain terms too, and either all
rates together are easily told apart from everybody's (isolation forest, Liu, Ting,
Zhou 2008) or the one rate is twice as far out as the limit. Shares (of the night, of
one kind) support a rate but are nothing by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import IsolationForest

from segmentation.engine.quality import robust
from segmentation.engine.quality.log import Flags, Floats, Ints, Log, starts

MIN_EVENTS = 30  # fewer cannot spoil a model
USUAL_EVENTS = 5  # who has as many says what is usual
MIN_USUAL = 20  # fewer people are no shop to compare with
MANY_TIMES = 3.0  # a rate must be this many medians
MUCH_SHARE = 0.3  # a share must lie this much above the median
ISOLATED = 0.6  # Liu et al. 2008: scores well above 0.5 are anomalies
SURE_Z = 2 * robust.LIMIT
MOST_SUSPECTS = 200
PRIOR_EVENTS = 20  # shares of few events lean on everybody's
NIGHT_HOURS = 5  # midnight to five
SEED = 7

RATES = (
    "events_per_day",
    "items_per_hour",
    "hours_per_day",
    "burst",
    "busiest_day",
    "orders_per_day",
    "lines_per_order",
    "quantity_per_line",
)
SHARES = ("night_share", "one_kind_share")
SPEED = {"events_per_day", "items_per_hour", "hours_per_day", "burst", "busiest_day"}
BUSY = {"burst", "busiest_day"}
BUYER_SHARE = 0.01  # a bot buys nearly nothing


@dataclass(frozen=True)
class Evidence:
    """A rate that stands out: the customer's, the shop's median, its modified z."""

    feature: str
    value: float
    median: float
    z: float


@dataclass(frozen=True)
class Suspect:
    """A customer, what they look like, how isolated they are (0-1), and why: the
    strongest rate first, shares last."""

    customer_id: int
    likeness: str  # "bot" "till" "reseller" "unusual"
    score: float
    evidence: tuple[Evidence, ...]


def find(log: Log) -> list[Suspect]:
    """The suspects of a log, the strangest first; none among few customers."""
    n_events = log.per_customer(log.is_own)
    usual = n_events >= USUAL_EVENTS
    if usual.sum() < MIN_USUAL:
        return []
    values = features(log)
    scales = {
        name: np.log1p(column) if name in RATES else column
        for name, column in values.items()
    }
    medians = {name: _median(column[usual]) for name, column in values.items()}
    z = {name: robust.modified_z(col, col[usual]) for name, col in scales.items()}
    flagged = {name: _stands_out(name, values, medians, z) for name in values}
    # Night owls and people who only look are no bots: shares only support a rate.
    far = np.max([np.where(flagged[name], z[name], 0) for name in RATES], axis=0)
    rows = np.flatnonzero((far >= robust.LIMIT) & (n_events >= MIN_EVENTS))
    isolation = _isolation(np.column_stack(list(z.values())), usual, rows)
    sure = (isolation >= ISOLATED) | (far[rows] >= SURE_Z)
    rows, isolation = rows[sure], isolation[sure]
    strangest = np.lexsort((-far[rows], -isolation))[:MOST_SUSPECTS]
    buys = log.per_customer(log.is_of(log.kinds.purchase)) / np.maximum(n_events, 1)
    found = []
    for place in strangest:
        row = rows[place]
        evidence = [
            Evidence(name, float(column[row]), medians[name], float(z[name][row]))
            for name, column in values.items()
            if flagged[name][row]
        ]
        evidence.sort(key=lambda line: (line.feature in SHARES, -line.z))
        likeness = _likeness({line.feature for line in evidence}, float(buys[row]))
        who, score = int(log.customer_ids[row]), float(isolation[place])
        found.append(Suspect(who, likeness, score, tuple(evidence)))
    return found


def features(log: Log) -> dict[str, Floats]:
    """The rates of each customer; NaN where nothing can be said."""
    own, bought = log.is_own, log.is_of(log.kinds.purchase)
    timed = own & log.has_hour
    n = log.per_customer(own)
    n_days = _distinct(log, own, log.local // 86_400)
    n_hours = _distinct(log, timed, log.local // 3600)
    n_timed_days = _distinct(log, timed, log.local // 86_400)
    n_items = _distinct_pairs(log, timed & (log.item >= 0))
    n_orders = _distinct(log, bought & (log.order != 0), log.order, in_order=False)
    n_lines = log.per_customer(bought & (log.order != 0))
    is_counted = bought & (log.quantity > 0)
    n_counted = log.per_customer(is_counted)
    logs = log.per_customer(is_counted, np.log(np.where(is_counted, log.quantity, 1)))
    burst, busiest_day = _busiest(log, timed)
    night = log.per_customer(timed & (log.local // 3600 % 24 < NIGHT_HOURS))
    return {
        "events_per_day": _over(n, n_days),
        "items_per_hour": _over(n_items, n_hours),
        "hours_per_day": _over(n_hours, n_timed_days),
        "burst": burst,
        "busiest_day": busiest_day,
        "orders_per_day": _over(n_orders, n_days),
        "lines_per_order": _over(n_lines, n_orders),
        "quantity_per_line": np.exp(_over(logs, n_counted)),
        "night_share": _leaning(night, log.per_customer(timed)),
        "one_kind_share": _leaning(_commonest(log, own), n),
    }


def _stands_out(
    name: str,
    values: dict[str, Floats],
    medians: dict[str, float],
    z: dict[str, Floats],
) -> Flags:
    value, middle = values[name], medians[name]
    large = (
        value >= middle + MUCH_SHARE if name in SHARES else value >= MANY_TIMES * middle
    )
    return np.asarray(large & (z[name] >= robust.LIMIT))


def _likeness(names: set[str], buys: float) -> str:
    """Stated rules, in this order (docs: how suspicious customers are found)."""
    if buys <= BUYER_SHARE and names & SPEED:
        return "bot"
    if "orders_per_day" in names:
        return "till"
    if names & {"quantity_per_line", "lines_per_order"}:
        return "reseller"
    return "bot" if names & BUSY else "unusual"


def _isolation(z: Floats, usual: Flags, rows: Ints) -> Floats:
    """Scores of Liu et al. for some rows, of a forest grown on the usual customers."""
    if not len(rows):
        return np.empty(0)
    clipped = np.clip(z, -20, 20)
    forest = IsolationForest(n_estimators=200, random_state=SEED)
    forest.fit(clipped[usual])
    return np.asarray(-forest.score_samples(clipped[rows]))


def _distinct(log: Log, chosen: Flags, what: Ints, *, in_order: bool = True) -> Floats:
    """How many different values each customer has; times are in order already."""
    customer, what = log.customer[chosen], what[chosen]
    if not in_order:
        order = np.lexsort((what, customer))
        customer, what = customer[order], what[order]
    first = starts(customer, what)
    return np.bincount(customer[first], minlength=len(log.customer_ids)).astype(float)


def _distinct_pairs(log: Log, chosen: Flags) -> Floats:
    """Different items within each hour, summed over a customer's hours."""
    hour = log.local[chosen] // 3600
    order = np.lexsort((log.item[chosen], hour, log.customer[chosen]))
    customer = log.customer[chosen][order]
    first = starts(customer, hour[order], log.item[chosen][order])
    return np.bincount(customer[first], minlength=len(log.customer_ids)).astype(float)


def _busiest(log: Log, chosen: Flags) -> tuple[Floats, Floats]:
    """The most deeds in one second and on one day; an order is one deed."""
    columns = (log.order[chosen], log.local[chosen], log.customer[chosen])
    order = np.lexsort(columns)
    orders, second, customer = (column[order] for column in columns)
    deed = (orders == 0) | starts(customer, second, orders)
    second, customer = second[deed], customer[deed]
    n = len(log.customer_ids)
    return _longest(customer, second, n), _longest(customer, second // 86_400, n)


def _longest(customer: Ints, period: Ints, n_customers: int) -> Floats:
    """The most entries that each customer has in one period; NaN without any."""
    most = np.full(n_customers, np.nan)
    if len(customer):
        first = np.flatnonzero(starts(customer, period))
        counts = np.diff([*first, len(customer)])
        who = customer[first]
        begins = np.flatnonzero(starts(who))
        most[who[begins]] = np.maximum.reduceat(counts, begins)
    return most


def _commonest(log: Log, chosen: Flags) -> Floats:
    """Events of the kind that each customer has most of."""
    most = np.zeros(len(log.customer_ids))
    for kind in np.unique(log.kind[chosen]):
        most = np.maximum(most, log.per_customer(chosen & (log.kind == kind)))
    return most


def _leaning(part: Floats, whole: Floats) -> Floats:
    """Shares; those of few events lean on everybody's: chance is no evidence."""
    everybody = part.sum() / whole.sum() if whole.sum() else 0.0
    return (part + PRIOR_EVENTS * everybody) / (whole + PRIOR_EVENTS)


def _over(part: Floats, whole: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _median(column: Floats) -> float:
    column = column[np.isfinite(column)]
    return float(np.median(column)) if len(column) else 0.0
