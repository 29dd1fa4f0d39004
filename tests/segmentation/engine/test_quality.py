"""Data quality: counted right while streaming, and strange customers found by rates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from segmentation.engine import quality
from segmentation.engine.quality import lines, robust

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = 86_400.0
START = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
KINDS = quality.Kinds(
    view=(1, 2), cart=(3,), purchase=(5,), search=(8,), done_to=(20, 23)
)
VIEW, CART, PURCHASE, MESSAGE = 1, 3, 5, 20


def log(rows, zone="UTC") -> quality.Log:
    """Rows of (user, item, kind, seconds after START), and more by name."""
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "kind", "at"])
    return log_of(frame.assign(at=frame["at"] + START), zone)


def log_of(frame: pd.DataFrame, zone="UTC") -> quality.Log:
    usual = {"quantity": 1.0, "amount": 2.0, "order_key": None, "session_key": None}
    for name, value in usual.items():
        if name not in frame:
            frame[name] = value
    return quality.Log.from_table(pa.table(dict(frame)), KINDS, ZoneInfo(zone))


# Robust measures ------------------------------------------------------------------


def test_the_modified_z_is_that_of_iglewicz_and_hoaglin():
    values = [2.1, 2.6, 2.4, 2.5, 2.3, 2.1, 2.3, 2.6, 8.2, 8.3]  # their example
    z = robust.modified_z(values)
    assert z[-2] == pytest.approx(0.6745 * 5.75 / 0.15)
    assert (abs(z[:8]) < 3.5).all()


def test_where_most_values_are_equal_the_mean_distance_takes_over():
    z = robust.modified_z([1.0] * 9 + [11.0])
    assert z[-1] == pytest.approx(10 / (1.253314 * 1.0)) and not z[:9].any()
    assert not robust.modified_z([3.0, 3.0, 3.0]).any()


def test_gini_and_the_top_share_know_equality_and_one_who_has_all():
    assert robust.gini([5, 5, 5, 5]) == pytest.approx(0)
    assert robust.gini([0] * 99 + [7]) == pytest.approx(0.99)
    assert robust.share_of_top([0] * 99 + [7]) == 1.0
    holders, have = robust.lorenz([1, 1, 1, 1])
    assert np.allclose(holders, have)


# A file, chunk by chunk -----------------------------------------------------------


def chunk(**columns) -> pa.Table:
    n = len(next(iter(columns.values())))
    times = columns.pop("occurred_at", [datetime(2026, 1, 5, 10, tzinfo=UTC)] * n)
    made = {"occurred_at": pa.array(times, pa.timestamp("us", "UTC"))}
    texts = ("customer", "item", "title")
    for name, values in columns.items():
        kind = pa.string() if name in texts else pa.float64()
        made[name] = pa.array(values, kind)
    return pa.table(made)


def tally(*chunks: pa.Table) -> dict:
    counted = quality.Tally(chunks[0].column_names, now=NOW)
    for each in chunks:
        counted.add(each)
    return counted.report()


def test_a_tally_counts_what_is_missing_and_the_span_over_chunks():
    first = chunk(customer=["a", None], quantity=[0.0, 1.0])
    late = [datetime(2026, 1, 9, 10, tzinfo=UTC), None]
    report = tally(
        first, chunk(customer=[None, "b"], quantity=[2.0, None], occurred_at=late)
    )
    assert report["missing"] == {"occurred_at": 1, "customer": 2, "quantity": 1}
    assert report["rows"] == 4 and report["zero_quantity"] == 1
    assert report["first"] == "2026-01-05T10:00:00+00:00"
    assert report["last"] == "2026-01-09T10:00:00+00:00"


def test_a_tally_tells_future_ancient_and_hourless_times():
    times = [
        NOW + timedelta(days=1),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 2, 3, tzinfo=UTC),
        datetime(2026, 2, 3, 11, tzinfo=UTC),
    ]
    report = tally(chunk(customer=list("abcd"), occurred_at=times))
    # The first instants of 1970 and of 3 February have no hour, nor has June's.
    assert report["times"] == {"future": 1, "implausible": 1, "no_hour": 3}


def test_a_tally_finds_negative_amounts_and_prices_far_from_the_usual():
    rng = np.random.default_rng(1)
    prices = np.exp(rng.normal(2, 0.5, 5000))
    prices[:3], prices[3:5] = 90_000, -4
    names = [str(n) for n in range(5000)]
    found = tally(chunk(customer=names, price=prices))["out_of_range"]["price"]
    assert found["negative"] == 2
    assert 3 <= found["above"] < 20
    assert found["usual_low"] < 7.4 < found["usual_high"] < 90
    assert found["median"] == pytest.approx(np.exp(2), rel=0.05)


def test_a_tally_counts_lines_that_are_equal_in_every_column():
    one = chunk(customer=["a", "a", "b"], item=["x", "x", None], price=[1.0, 1.0, None])
    two = chunk(customer=["a", "b", "b"], item=["x", None, "b"], price=[1.0, None, 1.0])
    report = tally(one, two)
    assert (report["duplicates"], report["is_estimate"]) == (3, False)


def test_texts_that_only_swap_columns_places_or_lengths_are_not_equal():
    long = "y" * 300
    table = chunk(
        customer=["ab", "ba", "a", "", None, long, long + "z", "é"],
        item=["c", "c", "bc", "abc", "abc", "q", "q", "e"],
    )
    assert tally(table)["duplicates"] == 0
    assert tally(table, table)["duplicates"] == 8


def test_long_files_are_estimated_in_the_same_memory(monkeypatch):
    monkeypatch.setattr(lines, "KEPT", 2000)
    rng = np.random.default_rng(3)
    parts = [
        chunk(customer=rng.integers(0, 2**60, 5000).astype(str), price=rng.random(5000))
        for _n in range(6)
    ]
    counted = lines.Lines()
    for part in parts:
        counted.add([column.combine_chunks() for column in part.columns])
    assert counted.report() == {"duplicates": 0, "is_estimate": True}
    for part in parts[:3]:
        counted.add([column.combine_chunks() for column in part.columns])
    assert counted.report()["duplicates"] == pytest.approx(15_000, rel=0.15)
    assert len(counted._hashes) <= 2000


def test_a_tally_of_items_and_of_no_rows_reports_too():
    table = pa.table({"item": ["a"], "available": [True], "price": [1.0]})
    assert quality.Tally(["item"], now=NOW).report()["rows"] == 0
    report = tally(table, table.slice(0, 0), table.slice(0, 1))
    assert report["duplicates"] == 1 and "first" not in report


# All events -----------------------------------------------------------------------


def test_days_show_their_gaps_and_leave_out_impossible_times():
    at = [0, DAY, DAY, 5 * DAY, 9e8, -2e9]
    found = quality.days(log([(1, 1, VIEW, t) for t in at]), NOW.timestamp())
    assert (found["first"], found["last"]) == ("2026-01-01", "2026-01-06")
    assert found["counts"] == [1, 2, 0, 0, 0, 1]
    assert found["gaps"] == [{"from": "2026-01-03", "to": "2026-01-05", "n": 3}]
    assert quality.times(log([(1, 1, VIEW, t) for t in at]), NOW.timestamp()) == {
        "future": 1,
        "implausible": 1,
        "no_hour": 0,
    }


def test_days_are_those_of_the_shops_clock():
    rows = [(1, 1, VIEW, 0), (1, 1, VIEW, 5 * 3600)]  # noon and 17:00 in Greenwich
    assert quality.days(log(rows), NOW.timestamp())["n"] == 1
    assert quality.days(log(rows, "Asia/Shanghai"), NOW.timestamp())["n"] == 2


def test_the_funnel_counts_pairs_that_went_every_step():
    rows = [
        *((1, 10, kind, n) for n, kind in enumerate((VIEW, CART, PURCHASE))),
        (1, 11, VIEW, 9),
        (2, 10, VIEW, 0),
        (2, 10, PURCHASE, 5),  # bought without a cart
        (3, 10, PURCHASE, 5),  # and without a view
    ]
    steps = quality.funnel(log(rows))["pairs"]
    assert [(step["n"], step["reached"]) for step in steps] == [(3, 3), (1, 1), (3, 1)]


def test_steps_that_a_shop_never_records_are_no_hurdle():
    rows = [(1, 10, VIEW, 0), (1, 10, PURCHASE, 5), (2, 10, PURCHASE, 5)]
    steps = quality.funnel(log(rows))["pairs"]
    assert [(step["n"], step["reached"]) for step in steps] == [(1, 1), (0, 0), (2, 1)]


def test_paths_follow_visits_and_end_after_half_an_hour_of_rest():
    rows = [
        (1, 10, VIEW, 0),
        (1, 11, VIEW, 60),
        (1, 10, CART, 120),
        (1, 10, PURCHASE, 120 + 1801),
        (2, 10, VIEW, 0),
        (2, 10, CART, 5),
        (2, None, MESSAGE, 6),  # what the shop does is no step of theirs
    ]
    found = quality.paths(log(rows))
    assert found["visits"] == 3
    assert [(path["kinds"], path["n"]) for path in found["paths"]] == [
        ([VIEW, CART], 2),
        ([PURCHASE], 1),
    ]
    assert found["transitions"] == [{"from": VIEW, "to": CART, "n": 2, "share": 1.0}]


def test_a_named_session_goes_on_through_any_rest():
    frame = pd.DataFrame({"user_id": [1, 1], "item_id": [1, 1], "kind": [VIEW, CART]})
    frame["at"] = [START, START + 9000]
    frame["session_key"] = 5
    assert quality.paths(log_of(frame))["visits"] == 1


def test_only_events_that_are_alike_in_everything_are_doubles():
    frame = pd.DataFrame({"user_id": [1, 1, 1, 2], "item_id": 1, "kind": VIEW})
    frame["at"], frame["amount"] = START, [1.0, 1.0, 2.0, 1.0]
    assert quality.doubled(log_of(frame)) == 1


def test_sparsity_and_the_cold_count_those_who_never_did_anything():
    told = log([(1, 10, VIEW, 0), (1, 10, CART, 5), (2, 11, VIEW, 0), (2, None, 8, 0)])
    assert quality.sparsity(told, n_customers=4, n_items=5)["density"] == 2 / 20
    cold = quality.coldness(np.array([0, 0, 1, 7, 200]))
    assert (cold["never"], cold["fewer_than_5"]) == (2, 3)
    assert sum(cold["bars"]) == 5 and cold["bars"][-1] == 1


def test_representation_tells_who_has_less_than_their_share_with_its_doubt():
    rng = np.random.default_rng(5)
    codes = np.repeat([0, 1, 2, -1], [400, 400, 3, 50])
    events = rng.poisson(np.where(codes == 0, 5, 20)).astype(float)
    told = quality.representation(codes, ["old", "young", "few"], events, events * 2)
    found = {line["name"]: line for line in told}
    assert found["old"]["high"] < 1 < found["young"]["low"]
    assert found["old"]["low"] < found["old"]["ratio"] < found["old"]["high"]
    assert "few" not in found and found[None]["n"] == 3  # too few to be shown
    assert found[""]["n"] == 50
    assert sum(line["share"] for line in told) == pytest.approx(1)
    assert sum(line["events"] for line in told) == pytest.approx(1)


# Who is no shopper ------------------------------------------------------------------


def shop(n=300, seed=7) -> pd.DataFrame:
    """Ordinary people: a few visits in daytime, some of them end in an order."""
    rng = np.random.default_rng(seed)
    visits = rng.poisson(12, n) + 2
    who = np.repeat(np.arange(n), visits)
    at = START + rng.integers(0, 120, len(who)) * DAY + rng.normal(0, 9000, len(who))
    looks = rng.poisson(4, len(who)) + 1
    views = pd.DataFrame(
        {
            "user_id": np.repeat(who, looks),
            "at": np.repeat(at, looks) + rng.integers(0, 1200, looks.sum()),
            "kind": VIEW,
        }
    )
    bought = views.sample(frac=0.2, random_state=seed).assign(kind=PURCHASE)
    bought["at"] += 60
    bought["order_key"] = bought["user_id"] * 1000 + bought["at"] // DAY
    frame = pd.concat([views, bought])
    frame["item_id"] = rng.integers(0, 500, len(frame))
    frame["quantity"] = 1.0 + rng.integers(0, 2, len(frame))
    return frame


def added(frame: pd.DataFrame, user: int, n: int, **columns) -> pd.DataFrame:
    extra = pd.DataFrame(
        {"user_id": user, "quantity": 1.0, "kind": PURCHASE, **columns}
    )
    assert len(extra) == n
    return pd.concat([frame, extra])


def with_strangers() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    frame = shop()
    n = 6000  # looks at a page every half a minute, day and night, buys nothing
    items = rng.integers(0, 500, n)
    at = START + np.arange(n) * 30
    frame = added(frame, 901, n, kind=VIEW, at=at, item_id=items)
    n = 3000  # a hundred baskets a day under one number
    at = START + np.repeat(np.arange(15), 200) * DAY + np.tile(np.arange(200) * 90, 15)
    orders = np.repeat(np.arange(1500), 2) + 10**7
    items = rng.integers(0, 500, n)
    frame = added(frame, 902, n, at=at, item_id=items, order_key=orders)
    n = 60  # now and then, but by the pallet
    at = START + np.arange(n) * DAY
    orders = np.arange(n) + 2 * 10**7
    return added(
        frame, 903, n, at=at, item_id=3, order_key=orders, quantity=np.full(n, 250.0)
    )


def test_a_bot_a_till_and_a_reseller_are_found_and_told_apart_with_evidence():
    found = {one.customer_id: one for one in quality.find(log_of(with_strangers()))}
    assert {901, 902, 903} <= set(found)
    likeness = {who: found[who].likeness for who in (901, 902, 903)}
    assert likeness == {901: "bot", 902: "till", 903: "reseller"}
    told = {line.feature: line for line in found[901].evidence}
    assert told["events_per_day"].value >= 2000 > 30 > told["events_per_day"].median
    assert all(line.z >= 3.5 for one in found.values() for line in one.evidence)
    assert len(found) <= 6, "ordinary people are left alone"


def test_an_ordinary_shop_has_hardly_a_suspect_and_the_same_at_every_look():
    first, second = quality.find(log_of(shop())), quality.find(log_of(shop()))
    assert len(first) <= 3
    assert first == second


def test_someone_who_only_comes_at_night_is_no_suspect():
    frame = shop()
    owl = frame["user_id"] == 5
    frame.loc[owl, "at"] = frame.loc[owl, "at"] // DAY * DAY + 2 * 3600
    frame.loc[owl, "at"] += np.arange(owl.sum()) * 7
    assert 5 not in {one.customer_id for one in quality.find(log_of(frame))}


def test_a_shopper_whose_account_crawls_the_shop_for_a_day_is_found():
    frame = shop()
    n = 1500
    at = START + 20 * DAY + np.arange(n) * 20
    items = np.arange(n) % 500
    told = quality.find(log_of(added(frame, 7, n, kind=VIEW, at=at, item_id=items)))
    found = {one.customer_id: one for one in told}[7]
    assert "busiest_day" in {line.feature for line in found.evidence}
    assert found.likeness == "bot"


def test_a_basket_of_many_lines_in_one_second_is_no_burst():
    frame = shop()
    told = quality.find(
        log_of(
            added(
                frame,
                904,
                40,
                at=START + np.repeat(np.arange(4), 10) * 9 * DAY,
                item_id=np.arange(40),
                order_key=np.repeat(np.arange(4), 10) + 10**8,
            )
        )
    )
    bursts = [one for one in told if "burst" in {e.feature for e in one.evidence}]
    assert 904 not in {one.customer_id for one in bursts}


@pytest.mark.parametrize("n", [0, 1, 10])
def test_few_customers_are_no_shop_to_compare_with(n):
    frame = pd.DataFrame({"user_id": np.arange(n), "item_id": 1, "kind": VIEW})
    frame["at"] = START
    assert quality.find(log_of(frame)) == []


def test_every_part_answers_for_no_events_at_all():
    nothing = log([])
    assert quality.days(nothing, NOW.timestamp()) == {}
    assert quality.kinds(nothing) == [] and quality.doubled(nothing) == 0
    assert quality.paths(nothing)["visits"] == 0
    assert [step["n"] for step in quality.funnel(nothing)["pairs"]] == [0, 0, 0]
    assert quality.tail(np.zeros(0))["gini"] == 0
    assert quality.representation(np.empty(0, int), [], np.empty(0), np.empty(0)) == []
