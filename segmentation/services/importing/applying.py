"""Staged rows become rows of tables, a chunk and its mark in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from segmentation import bulk
from segmentation.engine import keys, mapping
from segmentation.models import ImportJob, ImportKind
from segmentation.services import catalog, claims, consents, events, jobs
from segmentation.services.catalog import Written
from segmentation.services.importing import (
    attributes,
    filling,
    keying,
    linking,
    pacing,
    rekeying,
    sealing,
    showing,
    turns,
)
from segmentation.services.importing.rules import ONE
from segmentation.services.importing.staged import StagedRows
from segmentation.services.importing.staging import Staged, folder_of

# The most that a chunk may have; events on SQLite go by their pace (DESIGN 4).
APPLY_ROWS = 50_000

CUSTOMER_ROWS = 10_000  # each of them has three values to encrypt

Mark = Callable[[Written], None]
Write = Callable[[ImportJob, jobs.Held, pa.Table, list[str], Mark], None]


@dataclass
class Applied:
    """What a chunk did beside the rows it wrote."""

    n_duplicate: int = 0
    filled: filling.Counts | None = None
    all_new: bool = False  # what is expected: the chunk before had no duplicates


def apply(job: ImportJob, held: jobs.Held, staged: Staged) -> None:
    """Apply the chunks that are not applied yet."""
    turns.await_undo(held)
    if job.kind == ImportKind.EVENTS:
        turns.take(job, held, staged.rows)
        _apply_events(job, held, staged)
    elif job.kind == ImportKind.LINKS:
        linking.apply(job, held, staged.rows.all())
    else:
        _apply_described(job, held, staged)


def count_only(job: ImportJob, held: jobs.Held, staged: Staged) -> None:
    """A dry run: the same counts as the import would give, and nothing changes."""
    if job.kind == ImportKind.EVENTS:
        _count_events(job, held, staged)
    elif job.kind == ImportKind.LINKS:
        linking.count_only(job, held, staged.rows.all())
    else:
        _apply_described(job, held, staged)


def _apply_events(job: ImportJob, held: jobs.Held, staged: Staged) -> None:
    rows = staged.rows
    # Whoever brings this file again in another way is told so in the dry run.
    held.write(findings=job.findings | {"reading": rekeying.reading_of(job)})
    lookups = events.look_up(
        rows.names(), job.source, import_id=job.pk, guard=held.guard
    )
    prices = filling.EventPrices() if "price" in staged.rules.fill else None
    pace = pacing.Pace(APPLY_ROWS)
    start = job.rows_new + job.rows_duplicate  # each row that is in is one of them
    n_duplicate = 0
    with _keys(job, held, staged) as file_keys:
        for left in _ahead(_resolved(job, rows, file_keys, lookups, start)):
            while left.num_rows:
                table, left = left.slice(0, pace.n_rows), left.slice(pace.n_rows)
                applied = Applied(all_new=not n_duplicate)
                if prices is not None:
                    table, applied.filled = prices.filled(table)
                _write_events(job, held, table, applied, rows.num_rows, pace)
                n_duplicate = applied.n_duplicate
                start += table.num_rows
                held.progress(start, rows.num_rows, message=_("Writing events"))


def _resolved(
    job: ImportJob,
    rows: StagedRows,
    file_keys: keying.FileKeys,
    lookups: events.Lookups,
    start: int,
) -> Iterator[pa.Table]:
    """Rows from ``start`` on in our ids; asks nothing of the database."""
    for part in rows.parts(APPLY_ROWS, start):
        event_keys = keys.to_binary(file_keys.part(start, part.num_rows))
        yield events.resolved(part, event_keys, lookups, import_id=job.pk)
        start += part.num_rows


def _ahead(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same tables; a thread makes the next while the database takes the last."""
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(next, tables, None)
        while (table := coming.result()) is not None:
            coming = maker.submit(next, tables, None)
            yield table


def _write_events(
    job: ImportJob,
    held: jobs.Held,
    table: pa.Table,
    applied: Applied,
    n_rows: int,
    pace: pacing.Pace,
) -> None:
    with bulk.staged(table) as staging, pacing.transaction(), pace.held():
        held.guard()
        n_new = events.insert(staging, import_id=job.pk, all_new=applied.all_new)
        applied.n_duplicate = table.num_rows - n_new
        if applied.n_duplicate:
            events.claim(staging, job.pk)
        _mark(job, held, job.chunks_applied, applied, n_rows, Written(n_new, 0, 0))


def _count_events(job: ImportJob, held: jobs.Held, staged: Staged) -> None:
    """Keys are made of what the file says, so they can be looked up without writing."""
    rows = staged.rows
    n_distinct = n_known = 0
    with _keys(job, held, staged) as file_keys:
        sample = rekeying.sample_of(rows, file_keys)
        for lanes in file_keys.partitions():
            distinct = np.unique(lanes.view("V16").reshape(-1)).view(np.uint64)
            distinct = distinct.reshape(-1, 2)
            for start in range(0, len(distinct), APPLY_ROWS):
                part = keys.to_binary(distinct[start : start + APPLY_ROWS])
                with bulk.staged(pa.table({"event_key": part})) as staging:
                    n_known += events.count_known(staging, but=job.pk)
                n_distinct += len(part)
                held.progress(n_distinct, rows.num_rows, message=_("Counting"))
    n_new = n_distinct - n_known
    counts = {"rows_new": n_new, "rows_duplicate": rows.num_rows - n_new}
    told = {"rekeyed": rekeying.sentence(job, sample, n_new)}
    held.write(**counts, findings=job.findings | told)
    if "price" in staged.rules.fill:
        _count_filled(job, held, rows)


def _count_filled(job: ImportJob, held: jobs.Held, rows: StagedRows) -> None:
    """How many prices would be filled, of items that are known by now."""
    prices, n_filled = filling.EventPrices(), 0
    for part in rows.parts(APPLY_ROWS):
        found = catalog.find_items(part["item"].combine_chunks())
        part = part.append_column("item_id", found)
        n_filled += prices.filled(part)[1]["price"]
    held.write(**filling.told(job, {"price": n_filled}, rows.num_rows))


@contextmanager
def _keys(job: ImportJob, held: jobs.Held, staged: Staged) -> Iterator[keying.FileKeys]:
    """Keys of the whole file: equal lines are counted, lines with an id are not."""
    n = staged.rows.num_rows
    held.progress(0, n, unit=_("rows"), message=_("Giving keys"))
    file_keys = keying.make(
        folder_of(job) / f"keys-{held.fence}",
        staged.rows,
        job.source.name,
        is_one=staged.rules.identical_lines == ONE,
        tell=lambda done: held.progress(done, n),
    )
    try:
        yield file_keys
    finally:
        file_keys.drop()


def _apply_described(job: ImportJob, held: jobs.Held, staged: Staged) -> None:
    """Items or customers: the last line about one wins, the others are duplicates."""
    is_items = job.kind == ImportKind.ITEMS
    rows, n_duplicate = _last_of_each(
        staged.rows.all(), "item" if is_items else "customer"
    )
    told = {name.partition(".")[0] for name in staged.described}
    size = APPLY_ROWS if is_items else CUSTOMER_ROWS
    write: Write = _write_items if is_items else _write_customers
    if job.is_dry_run:
        write = _undone(_write_items) if is_items else _count_customers
    to_fill = [name for name in staged.rules.fill if name in told and is_items]
    cells = filling.ItemCells(rows, to_fill) if to_fill else None
    for number, part in _chunks(rows, job.chunks_applied, size):
        applied = Applied(0 if number else n_duplicate)
        if cells is not None:
            part, applied.filled = cells.filled(part)
        part = attributes.folded(part).combine_chunks()
        columns = [name for name in part.column_names if name in told]
        mark = partial(_mark, job, held, number, applied, rows.num_rows)
        write(job, held, part, columns, mark)
        held.progress(
            number * size + part.num_rows,
            rows.num_rows,
            unit=_("rows"),  # reading may have counted bytes
            message=_("Writing items") if is_items else _("Writing customers"),
        )
    if not job.is_dry_run:
        held.write(findings=showing.changes(job))


def _write_items(
    job: ImportJob, held: jobs.Held, part: pa.Table, columns: list[str], mark: Mark
) -> None:
    columns.remove("item")
    with bulk.staged(part) as staging, pacing.transaction():
        held.guard()
        if "category" in columns:
            catalog.ensure_categories(staging)
        mark(catalog.upsert_items(staging, columns, job.pk))


def _write_customers(
    job: ImportJob, held: jobs.Held, part: pa.Table, columns: list[str], mark: Mark
) -> None:
    columns.remove("customer")
    names = part["customer"].combine_chunks()
    known = catalog.customers(job.source, names, import_id=job.pk, guard=held.guard)
    customer_ids = known.of(names)
    said, part = part, part.append_column("customer_id", customer_ids)
    # Two ids of the file may be one person by now: of their lines too the last wins.
    part, n_duplicate = _last_of_each(part, "customer_id")
    told = claims.as_rows(part, job.source, columns, job.pk)
    part, columns = _settled(part, job, columns)
    rows, claimed = bulk.staged(part), bulk.staged(told)
    with rows as staging, claimed as told_rows, pacing.transaction():
        held.guard()
        claims.write(told_rows)
        at = timezone.now()
        new = consents.hand_on(said, customer_ids, at=at, import_id=job.pk)
        if new:
            held.write(findings=_with_consents(job, new))
        written = catalog.upsert_customers(staging, columns, job.pk)
        mark(replace(written, n_duplicate=n_duplicate))


def _with_consents(job: ImportJob, new: dict[str, list[int]]) -> dict[str, Any]:
    """The findings, with what a chunk says of consent added to its predecessors'."""
    told = job.findings.get("consents", {})
    sums = {
        way: [old + more for old, more in zip(told.get(way, [0, 0]), pair, strict=True)]
        for way, pair in new.items()
    }
    return job.findings | {"consents": told | sums}


def _count_customers(
    job: ImportJob, held: jobs.Held, part: pa.Table, columns: list[str], mark: Mark
) -> None:
    """The same counts; who is new is made for nobody, and only counted.

    What takes long is done before the transaction: encrypting, and asking the claims.
    """
    columns.remove("customer")
    known = catalog.customers_of(job.source.name, part["customer"].combine_chunks())
    n_new = known.null_count
    consent = consents.first_words(part.filter(known.is_null()))
    part = part.append_column("customer_id", known).filter(known.is_valid())
    said, ids = part, known.drop_null()
    part, n_duplicate = _last_of_each(part, "customer_id")
    part, columns = _settled(part, job, columns)
    with bulk.staged(part) as staging, transaction.atomic():
        held.guard()
        at = timezone.now()
        new = consents.hand_on(said, ids, at=at, import_id=job.pk)
        written = catalog.upsert_customers(staging, columns, job.pk)
        found = showing.changes(job)
        transaction.set_rollback(True)
    n_new += written.n_new
    mark(replace(written, n_new=n_new, n_duplicate=n_duplicate))
    held.write(findings=found)
    for counted in filter(None, (consent, new)):
        held.write(findings=_with_consents(job, counted))


def _settled(
    part: pa.Table, job: ImportJob, columns: list[str]
) -> tuple[pa.Table, list[str]]:
    """The cells as they are stored, with what others know better; and all columns."""
    part = part.drop_columns(
        [name for name in part.column_names if name.startswith(mapping.CONSENT)]
    )
    part = claims.settled(part, job.source, columns)
    for name in sealing.SECRET.intersection(columns):
        part = sealing.sealed(part, name)
    hashes = [name for name in ("email_hash", "phone_hash") if name[:5] in columns]
    return part, columns + hashes


def _undone(write: Write) -> Write:
    """The same deed in a transaction that is rolled back; only its counts are kept."""

    def tried(
        job: ImportJob, held: jobs.Held, part: pa.Table, columns: list[str], mark: Mark
    ) -> None:
        counts: list[Written] = []
        with transaction.atomic():
            write(job, held, part, columns, counts.append)
            found = showing.changes(job)
            transaction.set_rollback(True)
        mark(counts[0])
        held.write(findings=found)

    return tried


def _mark(
    job: ImportJob,
    held: jobs.Held,
    number: int,
    applied: Applied,
    n_rows: int,
    written: Written,
) -> None:
    """Write down, in the chunk's own transaction, that it is in and what it did."""
    counts = {
        "rows_new": written.n_new,
        "rows_updated": written.n_updated,
        "rows_unchanged": written.n_unchanged,
        "rows_duplicate": applied.n_duplicate + written.n_duplicate,
    }
    totals: dict[str, Any] = {
        name: getattr(job, name) + more for name, more in counts.items()
    }
    if applied.filled is not None:
        totals |= filling.told(job, applied.filled, n_rows)
    held.write(chunks_applied=number + 1, **totals)


def _chunks(rows: pa.Table, n_done: int, size: int) -> Iterator[tuple[int, pa.Table]]:
    """The chunks that are not applied yet, with their numbers."""
    for number, start in enumerate(range(0, rows.num_rows, size)):
        if number >= n_done:
            yield number, rows.slice(start, size)


def _last_of_each(rows: pa.Table, column: str) -> tuple[pa.Table, int]:
    names = rows[column].to_pandas()
    last = ~names.duplicated(keep="last").to_numpy()
    return rows.filter(pa.array(last)), int((~last).sum())
