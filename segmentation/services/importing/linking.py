"""A file that says which ids are one person: pairs become merges."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.utils.translation import gettext as _

from segmentation.models import ImportJob, Merge
from segmentation.services import catalog, jobs, people


def apply(job: ImportJob, held: jobs.Held, rows: pa.Table) -> None:
    """Merge what the pairs say; a killed import finds what is merged already.

    A pair that made a merge is new, one whose two are one person by then unchanged.
    """
    pairs = people.linked(*_customers(job, rows))
    n_before = job.rows_new
    people.merge_all(
        pairs, reason=Merge.Reason.FILE, actor=job.created_by, mark=partial(_mark, held)
    )
    held.write(rows_unchanged=rows.num_rows - job.rows_new)
    n_merged = job.rows_new - n_before
    held.progress(n_merged, n_merged, unit=_("merges"), message=_("Merging customers"))


def count_only(job: ImportJob, held: jobs.Held, rows: pa.Table) -> None:
    """A dry run: how many merges it would be."""
    n_new = len(people.linked(*_customers(job, rows)))
    held.write(rows_new=n_new, rows_unchanged=rows.num_rows - n_new)


def _mark(held: jobs.Held, n_merged: int) -> None:
    """In the transaction of a chunk: it is still ours, and this is what it did."""
    held.guard()
    job: ImportJob = held.job  # type: ignore[assignment]
    held.write(rows_new=job.rows_new + n_merged)


def _customers(job: ImportJob, rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Who the two sides of each line are now; lines of one person are left out."""
    one = _named(job, rows["customer"], rows["source"])
    other = pc.coalesce(
        _named(job, rows["same_as"], rows["same_source"]),
        catalog.customers_of_visitors(rows["visitor"].combine_chunks()),
    )
    a, b = (ids.to_numpy(zero_copy_only=False) for ids in (one, other))
    differ = (a != b) & np.isfinite(a) & np.isfinite(b)  # erased since: nobody
    return a[differ].astype(np.int64), b[differ].astype(np.int64)


def _named(
    job: ImportJob, names: pa.ChunkedArray, sources: pa.ChunkedArray
) -> pa.Array:
    """Customers by their ids in the source that a line names, else the file's own."""
    names, sources = names.combine_chunks(), sources.combine_chunks()
    sources = pc.fill_null(sources, job.source.name)
    found = pa.nulls(len(names), pa.int64())
    for source in pc.unique(sources).to_pylist():
        own = pc.if_else(pc.equal(sources, source), names, None)
        found = pc.coalesce(found, catalog.customers_of(source, own))
    return found
