"""Event keys are stored for years: these values must never change."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from segmentation.engine import keys

TIMES = pa.array([datetime(2017, 1, 31, 18, 5, tzinfo=UTC)], pa.timestamp("us", "UTC"))


def with_ordinals(lanes):
    return keys.counted(lanes, keys.ordinals(lanes[:, 0]))


def key_of(*columns, salt="shop") -> str:
    arrays = [c if isinstance(c, pa.Array) else pa.array(c) for c in columns]
    return keys.to_binary(keys.line_keys(arrays, salt))[0].as_py().hex()


def test_known_facts_have_the_keys_that_are_stored():
    line = (["c-1"], ["tea"], TIMES, [2.0], [5])
    assert key_of(*line) == "eea0b611cccd9c631d20a9a4e3de9255"
    assert key_of(["order-7"]) == "34664f2b3fe2c49b5464ee37a936bfe6"
    lanes = with_ordinals(keys.line_keys([pa.array(["a", "a"])], "shop"))
    assert [key.hex() for key in keys.to_binary(lanes).to_pylist()] == [
        "1adcf00c271c155d78e79746917abc03",
        "4eae2ccac260aa8ea0f8505c7e83f7c3",
    ]
    assert keys.short_keys(pa.array(["basket 1"])).to_pylist() == [3325778757575640439]


def test_a_source_keeps_its_events_apart_from_another_ones():
    assert key_of(["c-1"], ["tea"]) != key_of(["c-1"], ["tea"], salt="tills")


def test_nothing_is_not_an_empty_text():
    nothing = pa.array([None], pa.string())
    assert len({key_of(nothing), key_of([""]), key_of(["null"])}) == 3


def test_the_place_of_a_value_counts():
    nothing = pa.array([None], pa.string())
    assert key_of(["a"], ["b"]) != key_of(["b"], ["a"])
    assert key_of(["a"], nothing) != key_of(nothing, ["a"])


def test_minus_zero_is_zero_and_dictionaries_are_texts():
    assert key_of([-0.0]) == key_of([0.0])
    whole = pa.array(["x", "tea"]).slice(1)
    assert key_of(whole) == key_of(["tea"])


def test_equal_lines_are_told_apart_by_their_order_and_others_are_not_touched():
    lines = pa.array(["a", "b", "a", "a", "c"])
    counted = with_ordinals(keys.line_keys([lines], "shop"))
    assert len(np.unique(counted, axis=0)) == 5
    # A longer file with the same lines gives the same keys for what it repeats.
    longer = pa.array(["c", "a", "b", "a", "a", "a"])
    again = with_ordinals(keys.line_keys([longer], "shop"))
    told = set(keys.to_binary(counted).to_pylist())
    assert told < set(keys.to_binary(again).to_pylist())
    assert len(with_ordinals(np.empty((0, 2), np.uint64))) == 0


def test_a_hundred_thousand_lines_have_as_many_keys_in_both_halves():
    lanes = keys.line_keys([pa.array(np.arange(100_000.0))], "shop")
    assert len(np.unique(lanes[:, 0])) == len(np.unique(lanes[:, 1])) == 100_000
    # Every bit is set in about half of the keys: no column is lost on the way.
    bits = np.unpackbits(lanes.view(np.uint8), axis=1).mean(axis=0)
    assert np.all(np.abs(bits - 0.5) < 0.02)


def test_short_keys_are_positive_and_nothing_stays_nothing():
    short = keys.short_keys(pa.array(["o-1", None, "o-2", "o-1"])).to_pylist()
    assert short[1] is None
    assert short[0] == short[3] != short[2]
    assert all(0 < key < 2**63 for key in short if key is not None)
