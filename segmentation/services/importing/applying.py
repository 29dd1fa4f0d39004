"""Staged rows become rows of tables, a chunk and its mark in one transaction."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from django.db import transaction
from django.utils.translation import gettext as _

from segmentation import bulk
from segmentation.engine import keys, mapping
from segmentation.models import ImportJob, ImportKind
from segmentation.models.fields import encrypt, fingerprint
from segmentation.services import catalog, events, jobs
from segmentation.services.importing.staging import Staged

# A chunk must not hold SQLite's write lock for a second (DESIGN 4).
APPLY_ROWS = 50_000


def apply(job: ImportJob, held: jobs.Held, staged: Staged) -> None:
    """Apply the chunks that are not applied yet."""
    if job.kind == ImportKind.EVENTS:
        _apply_events(job, held, staged)
    else:
        _apply_described(job, held, staged)


def count_only(job: ImportJob, held: jobs.Held, staged: Staged) -> None:
    """A dry run: the same counts as the import would give, and nothing changes."""
    names = ("rows_new", "rows_updated", "rows_unchanged", "rows_duplicate")
    with transaction.atomic():
        apply(job, held, staged)
        counts = {name: getattr(job, name) for name in names}
        transaction.set_rollback(True)
    held.write(chunks_applied=0, **counts)


def _apply_events(job: ImportJob, held: jobs.Held, staged: Staged) -> None:
    rows = staged.rows
    held.progress(0, rows.num_rows, unit=_("rows"), message=_("Giving keys"))
    lanes = _event_lanes(rows, job.source.name)
    lookups = events.look_up(rows, job.source)
    for number, start in enumerate(range(0, rows.num_rows, APPLY_ROWS)):
        if number < job.chunks_applied:
            continue
        part = rows.slice(start, APPLY_ROWS)
        event_keys = keys.to_binary(lanes[start : start + APPLY_ROWS])
        table = events.resolved(part, event_keys, lookups, import_id=job.pk)
        with bulk.staged(table) as staging, transaction.atomic():
            held.guard()
            n_new = events.insert(staging)
            counts = {"rows_duplicate": len(part) - n_new}
            _mark(job, held, number, catalog.Written(n_new, 0, 0), counts)
        held.progress(
            min(start + APPLY_ROWS, rows.num_rows),
            rows.num_rows,
            message=_("Writing events"),
        )


def _event_lanes(rows: pa.Table, source_name: str) -> keys.Lanes:
    """Keys of the whole file: equal lines are counted, lines with an id are not."""
    lanes = np.concatenate(
        [
            events.canonical_lanes(rows.slice(start, 4 * APPLY_ROWS), source_name)
            for start in range(0, rows.num_rows, 4 * APPLY_ROWS)
        ]
        or [np.empty((0, 2), np.uint64)]
    )
    unnamed = rows["event_id"].is_null().to_numpy()
    lanes[unnamed] = keys.with_ordinals(lanes[unnamed])
    return lanes


def _apply_described(job: ImportJob, held: jobs.Held, staged: Staged) -> None:
    """Items or customers: the last line about one wins, the others are duplicates."""
    is_items = job.kind == ImportKind.ITEMS
    rows, n_duplicate = _last_of_each(staged.rows, "item" if is_items else "customer")
    told = {name.partition(".")[0] for name in staged.described}
    apply_chunk = _apply_items if is_items else _apply_customers
    for number, start in enumerate(range(0, rows.num_rows, APPLY_ROWS)):
        if number < job.chunks_applied:
            continue
        part = _with_attributes(rows.slice(start, APPLY_ROWS)).combine_chunks()
        columns = [name for name in part.column_names if name in told]
        counts = {"rows_duplicate": 0 if number else n_duplicate}
        apply_chunk(job, held, number, part, columns, counts)
        held.progress(
            start + part.num_rows,
            rows.num_rows,
            message=_("Writing %(kind)s") % {"kind": job.get_kind_display()},
        )


def _apply_items(
    job: ImportJob,
    held: jobs.Held,
    number: int,
    part: pa.Table,
    columns: list[str],
    counts: dict[str, int],
) -> None:
    columns.remove("item")
    if "category" in columns:
        catalog.ensure_categories(part["category"].combine_chunks())
    with bulk.staged(part) as staging, transaction.atomic():
        held.guard()
        written = catalog.upsert_items(staging, columns, job.pk)
        _mark(job, held, number, written, counts)


def _apply_customers(
    job: ImportJob,
    held: jobs.Held,
    number: int,
    part: pa.Table,
    columns: list[str],
    counts: dict[str, int],
) -> None:
    columns.remove("customer")
    names = part["customer"].combine_chunks()
    known = catalog.customers(job.source, names, import_id=job.pk)
    part = part.append_column("customer_id", known.of(names))
    for name in ("email", "phone", "name"):
        if name in columns:
            part = _sealed(part, name)
    columns += [name for name in ("email_hash", "phone_hash") if name[:5] in columns]
    with bulk.staged(part) as staging, transaction.atomic():
        held.guard()
        written = catalog.upsert_customers(staging, columns, job.pk)
        _mark(job, held, number, written, counts)


def _mark(
    job: ImportJob,
    held: jobs.Held,
    number: int,
    written: catalog.Written,
    counts: dict[str, int],
) -> None:
    """Write down, in the chunk's own transaction, that it is in and what it did."""
    counts = counts | {
        "rows_new": written.n_new,
        "rows_updated": written.n_updated,
        "rows_unchanged": written.n_unchanged,
    }
    totals = {name: getattr(job, name) + more for name, more in counts.items()}
    held.write(chunks_applied=number + 1, **totals)


def _last_of_each(rows: pa.Table, column: str) -> tuple[pa.Table, int]:
    names = rows[column].to_pandas()
    last = ~names.duplicated(keep="last").to_numpy()
    return rows.filter(pa.array(last)), int((~last).sum())


def _with_attributes(part: pa.Table) -> pa.Table:
    """Fold the ``attributes.*`` columns into one JSON text."""
    names = [n for n in part.column_names if n.startswith(mapping.ATTRIBUTES)]
    if not names or not part.num_rows:
        return part.drop_columns(names)
    frame = part.select(names).to_pandas()
    frame.columns = [name.removeprefix(mapping.ATTRIBUTES) for name in names]
    lines = frame.to_json(orient="records", lines=True, force_ascii=False)
    texts = pa.array(lines.rstrip("\n").split("\n"))
    return part.drop_columns(names).append_column("attributes", texts)


def _sealed(part: pa.Table, name: str) -> pa.Table:
    """Encrypt a column, and keep a keyed hash beside it for finding equals."""
    plain = ["" if value is None else value for value in part[name].to_pylist()]
    index = part.schema.get_field_index(name)
    part = part.set_column(index, name, pa.array(encrypt(plain)))
    hashes = [fingerprint(value.strip().lower()) if value else "" for value in plain]
    return part.append_column(f"{name}_hash", pa.array(hashes))
