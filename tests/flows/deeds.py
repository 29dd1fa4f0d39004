"""A world whose deeds can be killed: a file, workers, and the state afterwards."""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import redis
from django.db import connection

from segmentation import bulk, conf, tasks
from segmentation.models import (
    Customer,
    Event,
    EventClaim,
    Identity,
    ImportChange,
    ImportJob,
    Item,
    ItemChange,
    Job,
)
from segmentation.services import importing
from tests import processes

N_EVENTS = 300_000
N_CHUNKS = 6
N_ITEMS, N_ITEM_CHUNKS = 120_000, 3
LEASE_SECONDS = 3
COUNTS = ("read", "new", "updated", "unchanged", "duplicate", "rejected", "ignored")

# Everything an event says, in words of the shop: ids of rows differ between two runs.
STATE = """
SELECT e.event_key, {instant} AS at, i.external_id AS customer, t.external_id AS item,
       e.kind, e.quantity, e.price, e.amount, e.value, e.currency, e.order_key,
       e.session_key
FROM segmentation_event e
JOIN segmentation_identity i ON i.id = e.identity_id
LEFT JOIN segmentation_item t ON t.id = e.item_id
WHERE e.import_id IS NOT NULL
ORDER BY e.event_key
"""


def write_events(path: Path, n: int = N_EVENTS, seed: int = 5) -> Path:
    """A CSV of ``n`` lines, every hundredth of them said twice."""
    rng = np.random.default_rng(seed)
    n_new = n - n // 100
    start = np.datetime64("2025-01-01T00:00:00", "s")
    lines = pa.table(
        {
            "customer": np.char.add("c", rng.integers(0, 5000, n_new).astype(str)),
            "item": np.char.add("i", rng.integers(0, 2000, n_new).astype(str)),
            "kind": rng.choice(["purchase", "view", "cart"], n_new),
            "occurred_at": start + rng.integers(0, 30_000_000, n_new),
            "quantity": rng.integers(1, 4, n_new),
            "price": rng.random(n_new).round(2),
            "order": np.char.add("o", rng.integers(0, 60_000, n_new).astype(str)),
            "event_id": np.char.add("e", np.arange(n_new).astype(str)),
        }
    )
    again = lines.take(rng.integers(0, n_new, n - n_new))
    pyarrow.csv.write_csv(pa.concat_tables([lines, again]), path)
    return path


def write_order_lines(path: Path, n: int, upto: int | None = None) -> Path:
    """The first lines of one export of ``n`` lines without ids, some said twice."""
    rng = np.random.default_rng(7)
    start = np.datetime64("2025-01-01T00:00:00", "s")
    lines = pa.table(
        {
            "customer": np.char.add("c", rng.integers(0, 900, n).astype(str)),
            "item": np.char.add("i", rng.integers(0, 300, n).astype(str)),
            "kind": rng.choice(["purchase", "view", "return"], n),
            "occurred_at": start + rng.integers(0, 90, n) * 86_400,
            "quantity": rng.integers(1, 3, n),
        }
    )
    pyarrow.csv.write_csv(lines.slice(0, upto), path)
    return path


def write_items(path: Path, *, changed: bool = False, n: int = N_ITEMS) -> Path:
    """A catalogue of ``n`` items; the second time half of it has another price."""
    number = np.arange(n)
    price = (number % 977 + 1) / 10
    if changed:
        price = np.where(number % 2, price + 1, price)
        number = np.where(number % 10, number, number + n)  # a tenth is new
    lines = pa.table(
        {
            "item": np.char.add("i", number.astype(str)),
            "title": np.char.add("Item ", number.astype(str)),
            "category": np.char.add("c", (number % 40).astype(str)),
            "price": price,
        }
    )
    pyarrow.csv.write_csv(lines, path)
    return path


def write_shopping(path: Path, seed: int = 3) -> Path:
    """200 customers with tastes of their own buy 100 items over 16 weeks."""
    rng = np.random.default_rng(seed)
    n = 12_000
    customer = rng.integers(0, 200, n)
    item = (customer % 4 * 25 + rng.geometric(0.08, n)) % 100
    start = np.datetime64("2025-01-01T00:00:00", "s")
    lines = pa.table(
        {
            "customer": np.char.add("c", customer.astype(str)),
            "item": np.char.add("i", item.astype(str)),
            "kind": np.full(n, "purchase"),
            "occurred_at": start + rng.integers(0, 16 * 7 * 86_400, n),
            "quantity": np.ones(n, np.int64),
            "price": rng.random(n).round(2),
            "event_id": np.char.add("s", np.arange(n).astype(str)),
        }
    )
    pyarrow.csv.write_csv(lines, path)
    return path


def queue_import(path: Path) -> ImportJob:
    job = importing.create_job("events", path, columns={})
    tasks.hint(job)
    return job


def state() -> pa.Table:
    """The table of imported events, in the order of their keys."""
    return bulk.read(STATE.format(instant=bulk.epoch("e.occurred_at")))


def catalogue() -> pa.Table:
    """Every item in words of the shop, and how many prices of it are known."""
    return bulk.read(
        "SELECT t.external_id, t.title, t.price, c.name AS category, "
        "(SELECT count(*) FROM segmentation_itemchange h WHERE h.item_id = t.id) AS n "
        "FROM segmentation_item t LEFT JOIN segmentation_category c "
        "ON c.id = t.category_id ORDER BY t.external_id"
    )


# Everything that an import or its undo leaves, in words of the shop and of the files.
TABLES = {
    "events": """
        SELECT e.event_key, {instant} AS at, i.external_id AS customer,
               t.external_id AS item, e.kind, e.quantity, e.price, e.amount, e.value,
               e.currency, e.order_key, e.session_key, j.original_name AS file
        FROM segmentation_event e
        JOIN segmentation_identity i ON i.id = e.identity_id
        LEFT JOIN segmentation_item t ON t.id = e.item_id
        LEFT JOIN segmentation_importjob j ON j.id = e.import_id
        ORDER BY e.event_key
    """,
    "claims": """
        SELECT c.event_key, j.original_name AS file FROM segmentation_eventclaim c
        JOIN segmentation_importjob j ON j.id = c.import_id
        ORDER BY c.event_key, j.original_name
    """,
    "items": """
        SELECT t.external_id, t.title, t.price, t.currency, t.available,
               c.name AS category, j.original_name AS file
        FROM segmentation_item t
        LEFT JOIN segmentation_category c ON c.id = t.category_id
        LEFT JOIN segmentation_importjob j ON j.id = t.import_id
        ORDER BY t.external_id
    """,
    "prices": """
        SELECT t.external_id, h.price, h.available, j.original_name AS file
        FROM segmentation_itemchange h JOIN segmentation_item t ON t.id = h.item_id
        LEFT JOIN segmentation_importjob j ON j.id = h.import_id
        ORDER BY t.external_id, j.original_name, h.price
    """,
    "customers": """
        SELECT i.external_id, s.name AS source, j.original_name AS file
        FROM segmentation_identity i
        JOIN segmentation_customer p ON p.id = i.customer_id
        LEFT JOIN segmentation_source s ON s.id = i.source_id
        LEFT JOIN segmentation_importjob j ON j.id = p.import_id
        ORDER BY s.name, i.external_id
    """,
    "noted changes": """
        SELECT t.external_id, j.original_name AS file, CAST(c.before AS text) AS old,
               CAST(c.after AS text) AS new
        FROM segmentation_importchange c
        JOIN segmentation_item t ON t.id = c.object_id AND c.kind = 'items'
        LEFT JOIN segmentation_importjob j ON j.id = c.import_id
        ORDER BY t.external_id, j.original_name
    """,
}


def everything() -> dict[str, pa.Table]:
    """All that imports leave, table by table, in an order that two runs share."""
    at = bulk.epoch("e.occurred_at")
    return {name: bulk.read(sql.format(instant=at)) for name, sql in TABLES.items()}


def check_equal(found: dict[str, pa.Table], expected: dict[str, pa.Table]) -> None:
    """The same tables row by row."""
    for table, rows in expected.items():
        assert found[table].num_rows == rows.num_rows, table
        for column in rows.column_names:
            assert found[table][column].equals(rows[column]), (table, column)


def empty_catalogue() -> None:
    """No items, customers, events nor imports."""
    for model in (EventClaim, ImportChange, Event):
        model._default_manager.all()._raw_delete("default")
    for model in (ItemChange, Item, Identity, Customer):
        model._default_manager.all()._raw_delete("default")
    ImportJob.objects.all().delete()


def counts(job: Job) -> dict[str, int]:
    job.refresh_from_db()
    return {name: getattr(job, f"rows_{name}") for name in COUNTS}


class Undisturbed:
    """What the import leaves when nobody is killed; made once for each database."""

    def __init__(self, path: Path) -> None:
        job = importing.create_job("events", path, columns={})
        tasks.perform(job, importing.run_import)
        self.path, self.state, self.counts = path, state(), counts(job)
        Event.objects.all()._raw_delete(Event.objects.db)
        ImportJob.objects.all().delete()

    def check(self, job: Job) -> None:
        """The same rows and the same counts, however often somebody died."""
        assert job.status == Job.Status.DONE, job.message
        assert counts(job) == self.counts
        found = state()
        assert found.num_rows == self.state.num_rows
        for name in self.state.column_names:
            assert found[name].equals(self.state[name]), name


def worker(
    started: processes.Started, queue: str = "default", **env: str
) -> processes.Process:
    """A worker of one queue with a short lease, as ``manage.py work`` starts it."""
    lease = {"STRATA_LEASE_SECONDS": str(LEASE_SECONDS)}
    return started.manage("work", "--only", queue, **lease | env)


def ready(process: processes.Process) -> processes.Process:
    """Wait until its pool is there."""
    processes.until(lambda: len(process.family()) > 1, of=process)
    return process


def sweeping(happened: Callable[[], object]) -> Callable[[], object]:
    """The same question, with a sweep as beat would make it, every half second."""
    last = [0.0]

    def ask() -> object:
        if time.monotonic() - last[0] > 0.5:
            last[0] = time.monotonic()
            tasks.sweep_jobs()
        return happened()

    return ask


def kill_at_random(
    started: processes.Started,
    job: Job,
    queue: str,
    chance: random.Random,
    longest: float,
) -> str | None:
    """Start a worker, kill it after a random time; what was struck, or None if over."""
    process = ready(worker(started, queue))
    processes.until(sweeping(lambda: _is_held(job)), of=process)
    end = chance.uniform(0.0, longest)
    time.sleep(end)
    process.kill()
    job.refresh_from_db()
    if job.status != Job.Status.RUNNING:
        return None
    # Each kill is a tale of its own: the third in a row would rightly give up.
    type(job)._default_manager.filter(pk=job.pk).update(lost_leases=0)
    return f"{end:.2f} s"


def _is_held(job: Job) -> bool:
    job.refresh_from_db()
    now = dt.datetime.now(dt.UTC)
    is_alive = job.lease_until is None or job.lease_until > now
    return job.status != Job.Status.QUEUED and is_alive


def is_over(job: Job) -> bool:
    job.refresh_from_db()
    return job.status not in (Job.Status.QUEUED, Job.Status.RUNNING)


def is_writing(job: ImportJob, *, chunks: int = 1) -> bool:
    """Whether so many of the six chunks are in; fails when it is too late to kill."""
    job.refresh_from_db()
    assert job.status in (Job.Status.QUEUED, Job.Status.RUNNING), job.message
    return job.chunks_applied >= chunks


def check_struck_inside(job: ImportJob) -> None:
    """The kill fell into the work: it was running, and 5 to 95 % were done."""
    job.refresh_from_db()
    assert job.status == Job.Status.RUNNING
    assert 0.05 < job.chunks_applied / N_CHUNKS < 0.95
    assert Event.objects.filter(import_id=job.pk).exists()


def is_running(job: Job) -> bool:
    job.refresh_from_db()
    return job.status == Job.Status.RUNNING


def check_running(job: Job) -> None:
    assert is_running(job)


def freeze(process: processes.Process) -> None:
    """Stop a worker between two transactions.

    On SQLite one that is stopped inside of one would keep the whole file locked, and
    every other writer with it; PostgreSQL ends it after a lease.
    """
    while True:
        process.freeze()
        if connection.vendor != "sqlite" or _file_is_free():
            return
        process.thaw()
        time.sleep(0.05)


def _file_is_free() -> bool:
    path = str(connection.settings_dict["NAME"])
    file = sqlite3.connect(path, timeout=0.1, isolation_level=None)
    try:
        file.execute("BEGIN IMMEDIATE")
        file.execute("ROLLBACK")
        return True
    except sqlite3.OperationalError:
        return False
    finally:
        file.close()


def kill_all(started: processes.Started) -> None:
    """End every process at once: a polite end takes a worker six seconds."""
    for process in started.processes:
        if process.is_running():
            process.kill()


def flush_broker() -> None:
    """Lose every message, as FLUSHALL or an emptied folder does."""
    if conf.broker_url():
        redis.Redis.from_url(os.environ["REDIS_URL"]).flushdb()
        return
    folder = conf.home() / "broker" / "queue"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
