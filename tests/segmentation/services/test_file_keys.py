"""Keys of a whole file on the disk: the same as if all of it were in memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from segmentation.engine import keys
from segmentation.engine.mapping import FIELDS
from segmentation.services.importing import keying
from segmentation.services.importing.staged import StagedRows


def canonical(n: int) -> pa.Table:
    """Lines that are often said again, a third of them with an id of their own."""
    rng = np.random.default_rng(7)
    types = {"kind": pa.int64(), "occurred_at": pa.timestamp("us", "UTC")}
    types |= dict.fromkeys(("value", "quantity", "price", "amount"), pa.float64())
    table = {
        name: pa.nulls(n, types.get(name, pa.string())) for name in FIELDS["events"]
    }
    table["customer"] = pa.array(rng.integers(0, 9, n).astype(str))
    table["source"] = pa.array([("app", None)[i % 2] for i in range(n)], pa.string())
    ids = [f"e{i // 2}" if i % 3 == 0 else None for i in range(n)]
    table["event_id"] = pa.array(ids, pa.string())
    return pa.table(table)


@pytest.fixture
def staged(tmp_path) -> StagedRows:
    rows = canonical(1000)
    path = tmp_path / "staged.arrow"
    with pa.ipc.new_file(path, rows.schema) as sink:
        for start, n in ((0, 130), (130, 0), (130, 700), (830, 170)):
            sink.write_table(rows.slice(start, n))
    return StagedRows(path, 1000)


@pytest.mark.parametrize("start", [0, 70, 140, 980])
def test_parts_are_the_rows_in_their_order(staged, start):
    parts = list(staged.parts(70, start))
    assert {part.num_rows for part in parts[:-1]} <= {70}
    assert pa.concat_tables(parts).equals(staged.all().slice(start))


def test_names_are_told_once(staged):
    names, rows = staged.names(), staged.all()
    assert set(names["customer"].to_pylist()) == set(rows["customer"].to_pylist())
    assert names.num_rows == 18  # nine customers of two sources
    assert names["item"].null_count == 18


@pytest.mark.parametrize("is_one", [False, True])
def test_keys_do_not_depend_on_how_they_are_made(staged, is_one, tmp_path, monkeypatch):
    monkeypatch.setattr(keying, "PARTITION_ROWS", 300)
    monkeypatch.setattr(keying, "PART_ROWS", 64)
    told: list[int] = []
    made = keying.make(
        tmp_path / "keys", staged, "shop", is_one=is_one, tell=told.append
    )
    rows = staged.all().combine_chunks()
    lanes = keys.of_events(rows, "shop")
    unnamed = np.asarray(rows["event_id"].is_null())
    ordinals = keys.ordinals(lanes[unnamed, 0]) * np.uint64(not is_one)
    lanes[unnamed] = keys.counted(lanes[unnamed], ordinals)
    assert np.array_equal(made.part(0, 1000), lanes)
    assert np.array_equal(made.part(500, 7), lanes[500:507])
    parts = list(made.partitions())
    assert len(parts) == 4 and sum(map(len, parts)) == 1000
    each = [np.unique(part, axis=0) for part in parts]
    assert sum(map(len, each)) == len(np.unique(lanes, axis=0))
    assert told[-1] == 1000
    made.drop()
    assert not list(tmp_path.glob("keys*"))
