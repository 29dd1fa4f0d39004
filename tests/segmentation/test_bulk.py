"""Sets of rows in and out: every type, every path, and the locks of others."""

from __future__ import annotations

import datetime as dt
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pytest
from django.db import DatabaseError, connection, transaction

from segmentation import bulk
from segmentation.bulk import postgres, sqlite
from segmentation.models import Event, Kind, Source

UTC = dt.UTC
FEW, MANY = 6, 100_000
NOON = dt.datetime(2025, 10, 1, 12, 0, 0, tzinfo=UTC)
WORDS = ["", None, 'say "so"', "two\nlines\r\n", "鞋子, ü 😀 \\N", "  'x' % %s ; -- "]


def every_type(n: int) -> pa.Table:
    """``n`` rows (a multiple of 6) of every type that may be staged, nulls in each."""
    times = n // 6
    instants = [NOON, NOON + dt.timedelta(microseconds=600_000), None] * 2
    keys = [b"\x00" * 16, b"\xff" * 16, None, bytes(range(16)), b'"' * 16, b"\n" * 16]
    columns = {
        "n": pa.array(range(n), pa.int64()),
        "text": pa.array(WORDS * times),
        "word": pa.array(["a", "b", None] * 2 * times).dictionary_encode(),
        "small": pa.array([1, None, -3, 4, 5, 6] * times, pa.int16()),
        "real": pa.array([0.1, -1e300, None, 3.0, 1e-300, 2.5] * times),
        "yes": pa.array([True, False, None] * 2 * times),
        "at": pa.array(instants * times, pa.timestamp("us", "UTC")),
        "event_key": pa.array(keys * times, pa.binary(16)),
        "empty": pa.nulls(n),
    }
    return pa.table(columns)


def read_back(staging: str) -> list[dict]:
    names = ("n", "text", "word", "small", "real", "yes", "event_key", "empty")
    columns = ", ".join(names)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {staging} ORDER BY n")
        rows = cursor.fetchall()
    found = [dict(zip(names, row, strict=True)) for row in rows]
    for row in found:
        key = row["event_key"]
        row["event_key"] = getattr(key, "bytes", key)
        row["yes"] = row["yes"] if row["yes"] is None else bool(row["yes"])
    return found


def expected(table: pa.Table) -> list[dict]:
    return table.drop_columns(["at"]).to_pylist()


def temporary_tables() -> list[str]:
    """What staging left behind on Django's connection."""
    if connection.vendor == "postgresql":
        sql = f"SELECT relname FROM pg_class WHERE relname LIKE '{postgres.STAGING}%%'"
    else:
        sql = (
            f"SELECT name FROM sqlite_temp_master WHERE name LIKE '{sqlite.STAGING}%%' "
            "UNION SELECT name FROM pragma_database_list WHERE name LIKE 'scratch%%'"
        )
    with connection.cursor() as cursor:
        cursor.execute(sql, [])
        return [name for (name,) in cursor.fetchall()]


def event_rows(n: int, *, start: int = 0, at: list | None = None) -> pa.Table:
    """Events as the event table wants them; only what must be there is filled."""
    numbers = np.arange(start, start + n, dtype=">u8")
    keys = np.zeros((n, 2), ">u8")
    keys[:, 1] = numbers
    return pa.table(
        {
            "event_key": pa.array([row.tobytes() for row in keys], pa.binary(16)),
            "occurred_at": pa.array(at or [NOON] * n, pa.timestamp("us", "UTC")),
            "identity_id": pa.array(numbers.astype(np.int64)),
            "quantity": pa.array(np.ones(n)),
            "kind": pa.array(np.full(n, Kind.VIEW.value)),
            "currency": pa.array([""] * n),
        }
    )


def insert(staging: str) -> int:
    columns = "event_key, occurred_at, identity_id, quantity, kind, currency"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO segmentation_event ({columns}) SELECT {columns} "
            f"FROM {staging} WHERE true ON CONFLICT DO NOTHING"
        )
        return cursor.rowcount


@pytest.mark.parametrize("n", [FEW, 6000])
def test_every_type_arrives_as_it_was(real_database, n):
    rows = every_type(n)
    with bulk.staged(rows) as staging:
        assert read_back(staging) == expected(rows)
    assert temporary_tables() == []


@pytest.mark.django_db
@pytest.mark.parametrize("n", [FEW, 6000])
def test_inside_a_transaction_every_type_arrives_too(n):
    rows = every_type(n)
    with bulk.staged(rows) as staging:
        assert read_back(staging) == expected(rows)
    assert temporary_tables() == []


def test_slices_and_no_rows_at_all_are_staged(real_database):
    rows = every_type(6000)
    for part in (rows.slice(3001, 2500), rows.slice(5998), rows.slice(0, 0)):
        with bulk.staged(part) as staging:
            assert read_back(staging) == expected(part)


def test_two_sets_can_be_staged_at_once(real_database):
    large, small = every_type(6000), every_type(6)
    with (
        bulk.staged(large) as one,
        bulk.staged(small) as other,
        bulk.staged(large.slice(0, 2400)) as third,
    ):
        assert len(read_back(one)) == 6000
        assert len(read_back(other)) == 6
        assert len(read_back(third)) == 2400
    assert temporary_tables() == []


@pytest.mark.parametrize("n", [4, 3000])
def test_staged_instants_compare_like_those_that_django_wrote(real_database, n):
    fraction = dt.timedelta(microseconds=600_000)
    offset = dt.timezone(dt.timedelta(hours=8))
    at = [NOON, NOON + fraction, NOON + 2 * fraction, NOON.astimezone(offset)] * (
        n // 4
    )
    with bulk.staged(event_rows(n, at=at)) as staging, transaction.atomic():
        assert insert(staging) == n
    quarter = n // 4
    count = Event.objects.filter
    assert count(occurred_at=NOON).count() == 2 * quarter
    assert count(occurred_at__gt=NOON).count() == 2 * quarter
    assert count(occurred_at__lte=NOON + fraction).count() == 3 * quarter
    assert count(occurred_at__lt=NOON + fraction).count() == 2 * quarter
    assert count(occurred_at=NOON + 2 * fraction).count() == quarter
    assert Event.objects.order_by("occurred_at").last().occurred_at == (
        NOON + 2 * fraction
    )
    first = Event.objects.earliest("event_key").event_key
    assert Event.objects.filter(event_key=first).count() == 1


def test_an_instant_without_a_zone_or_in_another_one_means_the_same(real_database):
    naive = [NOON.replace(tzinfo=None)] * 3
    shanghai = pa.array([NOON] * 3, pa.timestamp("ns", "Asia/Shanghai"))
    for at in (pa.array(naive, pa.timestamp("ms")), shanghai):
        rows = event_rows(3)
        index = rows.schema.get_field_index("occurred_at")
        with (
            bulk.staged(rows.set_column(index, "occurred_at", at)) as staging,
            transaction.atomic(),
        ):
            insert(staging)
        assert Event.objects.filter(occurred_at=NOON).count() == 3
        Event.objects.all().delete()


def test_a_hundred_thousand_rows_take_the_bulk_path_and_arrive(real_database):
    with bulk.staged(event_rows(MANY)) as staging, transaction.atomic():
        assert insert(staging) == MANY
    assert Event.objects.count() == MANY
    with bulk.staged(event_rows(MANY, start=50_000)) as staging, transaction.atomic():
        assert insert(staging) == 50_000
    read = bulk.read("SELECT identity_id, event_key FROM segmentation_event")
    assert sorted(read["identity_id"].to_pylist()) == list(range(150_000))
    assert {len(key) for key in read["event_key"].to_pylist()} == {16}


@pytest.mark.parametrize("n", [FEW, 6000])
def test_after_an_error_nothing_stays_and_the_error_is_heard(real_database, n):
    with pytest.raises(ZeroDivisionError), bulk.staged(every_type(n)):
        raise ZeroDivisionError
    with (
        pytest.raises(DatabaseError, match="no_such_table"),
        bulk.staged(every_type(n)) as staging,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"INSERT INTO no_such_table SELECT n FROM {staging}")
    assert temporary_tables() == []
    assert Source.objects.count() == 0  # the connection still works


def test_an_error_inside_a_transaction_is_heard_and_rolls_back(real_database):
    with (
        pytest.raises(DatabaseError, match="no_such_table"),
        transaction.atomic(),
        bulk.staged(every_type(FEW)) as staging,
        connection.cursor() as cursor,
    ):
        Source.objects.create(name="shop")
        cursor.execute(f"INSERT INTO no_such_table SELECT n FROM {staging}")
    assert temporary_tables() == []
    assert Source.objects.count() == 0


def test_rows_that_the_database_refuses_leave_nothing(real_database):
    rows = pa.table({"n": pa.array([2**64 - 1] * 3000, pa.uint64())})
    with (
        pytest.raises(Exception, match="not in range|too large|INT64|int64"),
        bulk.staged(rows) as staging,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT n FROM {staging}")
    assert temporary_tables() == []
    assert Source.objects.count() == 0


def query_of_everything() -> tuple[str, list]:
    return (
        "SELECT identity_id, event_key, price, currency, "
        "coalesce(amount, 0) AS amount, "
        f"{bulk.epoch('occurred_at')} AS at, 'a %% of %%s' AS words "
        "FROM segmentation_event WHERE identity_id >= %s AND currency <> %s "
        "AND quantity > %s AND currency NOT LIKE 'no%%' ORDER BY identity_id",
        [1, "a '%s' %%", 0.5],
    )


def check_everything(read: pa.Table) -> None:
    assert read["identity_id"].to_pylist() == [1, 2]
    assert [key[-1] for key in read["event_key"].to_pylist()] == [1, 2]
    assert read["price"].to_pylist() == [None, None]
    assert read["currency"].to_pylist() == ["", ""]
    assert read["at"].to_pylist() == pytest.approx([NOON.timestamp() + 0.6] * 2)
    assert read["words"].to_pylist() == ["a % of %s"] * 2


@pytest.fixture
def three_events():
    def make():
        at = [NOON + dt.timedelta(microseconds=600_000)] * 3
        with bulk.staged(event_rows(3, at=at)) as staging, transaction.atomic():
            insert(staging)

    return make


def test_a_query_with_parameters_and_percent_signs_is_read(real_database, three_events):
    three_events()
    check_everything(bulk.read(*query_of_everything()))


@pytest.mark.django_db
def test_inside_a_transaction_a_query_answers_the_same(three_events):
    three_events()
    check_everything(bulk.read(*query_of_everything()))


def test_a_percent_sign_is_doubled_even_without_parameters(real_database):
    outside = bulk.read("SELECT '100 %%' AS words, 5 %% 3 AS rest")
    with transaction.atomic():
        inside = bulk.read("SELECT '100 %%' AS words, 5 %% 3 AS rest")
    assert outside.to_pylist() == inside.to_pylist() == [{"words": "100 %", "rest": 2}]


def test_a_query_without_rows_has_its_columns(real_database):
    read = bulk.read("SELECT identity_id, currency FROM segmentation_event")
    assert (read.num_rows, read.column_names) == (0, ["identity_id", "currency"])


def test_a_column_may_begin_with_integers_and_go_on_with_reals(real_database):
    n = 70_000  # more than a batch of the driver's own size
    amounts = pa.array([None] * (n - 1) + [2.5], pa.float64())
    rows = event_rows(n).append_column("amount", amounts)
    with (
        bulk.staged(rows) as staging,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        columns = ", ".join(rows.column_names)
        cursor.execute(
            f"INSERT INTO segmentation_event ({columns}) "
            f"SELECT {columns} FROM {staging}"
        )
    read = bulk.read(
        "SELECT coalesce(amount, 0) AS amount FROM segmentation_event "
        "ORDER BY identity_id"
    )
    assert read["amount"].to_pylist()[-2:] == [0, 2.5]


def test_what_is_not_committed_is_read_only_by_its_own_transaction(real_database):
    with transaction.atomic():
        Source.objects.create(name="shop")
        inside = bulk.read("SELECT name FROM segmentation_source")
        assert inside["name"].to_pylist() == ["shop"]
        transaction.set_rollback(True)
    assert bulk.read("SELECT name FROM segmentation_source").num_rows == 0


def test_a_query_that_is_wrong_says_so(real_database):
    with pytest.raises(Exception, match="no_such_column"):
        bulk.read("SELECT no_such_column FROM segmentation_source")


# Locks: what ADBC would do to SQLite in this process (the module says why) -----------

INSERT_ONE = "INSERT INTO segmentation_source (name, trust) VALUES ('of B', 100)"
WRITE_ONE = """
import sys
address, statement, seconds = sys.argv[1:]
if "=" in address:
    import psycopg
    file = psycopg.connect(address, autocommit=True)
else:
    import sqlite3
    file = sqlite3.connect(address, timeout=float(seconds), isolation_level=None)
try:
    file.execute(statement)
except Exception as error:
    sys.exit(str(error))
"""


def process_b(seconds: float) -> subprocess.Popen:
    """A process that writes and commits one row, waiting so long for a lock."""
    if connection.vendor == "sqlite":
        address = str(connection.settings_dict["NAME"])
    else:
        address = postgres._address()
    return subprocess.Popen(
        [sys.executable, "-c", WRITE_ONE, address, INSERT_ONE, str(seconds)],
        stderr=subprocess.PIPE,
        text=True,
    )


def test_no_row_of_two_writers_is_lost_while_sets_are_read_and_staged(real_database):
    """A holds the write lock through Django and uses bulk; B writes; A commits."""
    is_file = connection.vendor == "sqlite"
    with bulk.staged(every_type(6000)) as before, transaction.atomic():
        # BEGIN IMMEDIATE on SQLite: the lock is ours from here on.
        Source.objects.create(name="of A, first")
        assert len(read_back(before)) == 6000
        # What another thread of a web process does meanwhile, on its own connection.
        beside = threading.Thread(target=_use_bulk_and_leave)
        beside.start()
        beside.join()
        with bulk.staged(every_type(6000)) as inside:
            assert len(read_back(inside)) == 6000
        bulk.read("SELECT name FROM segmentation_source")
        if is_file:
            _out, error = process_b(0.3).communicate(timeout=20)
            assert "locked" in error, "B got A's lock: rows would vanish"
        b = process_b(20)
        time.sleep(0.3)
        Source.objects.create(name="of A, last")
    _out, error = b.communicate(timeout=30)
    assert (b.returncode, error) == (0, "")
    names = set(Source.objects.values_list("name", flat=True))
    assert names == {"of A, first", "of A, last", "of B"}
    if is_file:
        with sqlite3.connect(connection.settings_dict["NAME"]) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _use_bulk_and_leave() -> None:
    try:
        bulk.read("SELECT name FROM segmentation_source")
        with bulk.staged(every_type(6000)) as staging:
            # Reading only: the write lock is the other thread's.
            assert len(read_back(staging)) == 6000
    finally:
        connection.close()


def test_adbc_never_opens_the_live_file_in_this_process(real_database, monkeypatch):
    import adbc_driver_sqlite.dbapi as adbc

    opened = []
    connect = adbc.connect

    def watched(address=None, *arguments, **named):
        opened.append(str(address))
        return connect(address, *arguments, **named)

    monkeypatch.setattr(adbc, "connect", watched)
    with bulk.staged(event_rows(3000)) as staging, transaction.atomic():
        insert(staging)
    with transaction.atomic(), bulk.staged(event_rows(3000)) as staging:
        insert(staging)
    assert bulk.read("SELECT identity_id FROM segmentation_event").num_rows == 3000
    live = str(connection.settings_dict["NAME"])
    assert not [address for address in opened if live in address]
    n_scratch_files = 1 if connection.vendor == "sqlite" else 0
    assert len(opened) == n_scratch_files


def test_threads_stage_and_read_at_once(real_database):
    """Four threads, each with a connection of its own: nothing mixes, nothing locks."""
    failures = []

    def work(number: int) -> None:
        try:
            for turn in range(3):
                start = (number * 3 + turn) * 2500
                rows = event_rows(2500, start=start)
                with bulk.staged(rows) as staging, transaction.atomic():
                    assert insert(staging) == 2500
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Event.objects.count() == 30_000
