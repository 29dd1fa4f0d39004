"""Whether a file came in before under other keys, so that all would come in twice.

A line without an event id is known by what it says. Read in another time zone, or with
another mapping, the same line says something else.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection
from django.utils.translation import gettext as _

from segmentation import bulk, conf, queries
from segmentation.engine import keys, mapping
from segmentation.models import ImportJob, Job
from segmentation.services import catalog, events
from segmentation.services.importing.keying import PART_ROWS, FileKeys
from segmentation.services.importing.rules import Rules
from segmentation.services.importing.staged import StagedRows

SAMPLE = 1000
MOST = 0.5  # share of the new lines that must have a twin
# Seconds that two time zones can be apart; a whole day is the next day's purchase.
LONGEST_SHIFT = 24 * 3600 - 1
QUARTER = 900.0
_ASKED = [
    *("event_key", "customer", "item", "kind", "occurred_at"),
    *("quantity", "price", "amount"),
]


def content_of(path: Path) -> str:
    """A hash of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def reading_of(job: ImportJob) -> dict[str, Any]:
    """How a job reads its lines, as far as their keys depend on it."""
    return {
        "columns": job.columns,
        "time_zone": str(conf.time_zone()),
        "source": job.source.name,
        "shape": Rules.from_json(job.rules).shape,
        "layout": job.layout,
    }


def sample_of(rows: StagedRows, file_keys: FileKeys) -> pa.Table:
    """Some of the lines that have no id of their own, all over the file, and keys."""
    step, start = max(rows.num_rows // SAMPLE, 1), 0
    found = []
    for part in rows.parts(PART_ROWS):
        chosen = np.arange(-start % step, part.num_rows, step)
        lanes = file_keys.part(start, part.num_rows)[chosen]
        some = part.take(pa.array(chosen))
        some = some.append_column("event_key", keys.to_binary(lanes))
        found.append(some.filter(some["event_id"].is_null()).select(_ASKED))
        start += part.num_rows
    return pa.concat_tables(found).combine_chunks() if found else pa.table({})


def sentence(job: ImportJob, sample: pa.Table, n_new: int) -> str:
    """What would happen if this file came in as it is; "" when nothing is odd."""
    if not n_new:
        return ""
    return _same_file(job, n_new) or _twins(job, sample, n_new)


def _same_file(job: ImportJob, n_new: int) -> str:
    before = ImportJob.objects.filter(
        status=Job.Status.DONE,
        kind=job.kind,
        is_dry_run=False,
        undone_at=None,
        findings__content=job.findings["content"],
    ).exclude(pk=job.pk)
    own = reading_of(job)
    for other in before.order_by("-pk"):
        told = other.findings.get("reading", {})
        differs = [name for name in own if told.get(name) != own[name]]
        if not differs:
            return ""  # read alike: what is new about it is new
        words = {
            "file": other,
            "number": other.pk,
            "differs": ", ".join(_named(name) for name in differs),
            "n": n_new,
        }
        return (
            _(
                "This file came in before as import %(number)d (%(file)s), read with "
                "another %(differs)s. %(n)d of its lines would come in a second "
                "time; take that import back first, or read it as then."
            )
            % words
        )
    return ""


def _named(name: str) -> str:
    return {
        "columns": _("mapping"),
        "time_zone": _("time zone"),
        "source": _("source"),
        "shape": _("shape of lines"),
        "layout": _("way of writing"),
    }[name]


def _twins(job: ImportJob, sample: pa.Table, n_new: int) -> str:
    """Lines that are there already but for their time or their price.

    The new lines of the sample are looked for by customer, item, kind and quantity,
    within what two time zones can be apart.
    """
    if not sample.num_rows:
        return ""
    hidden = ", ".join(map(str, queries.unfinished_imports(but=job.pk)))
    seen = f"(e.import_id IS NULL OR e.import_id NOT IN ({hidden}))"
    at = bulk.epoch("e.occurred_at").replace("%%", "%")
    is_new = (
        "NOT EXISTS (SELECT 1 FROM segmentation_event e "
        f"WHERE e.event_key = s.event_key AND {seen if hidden else 'true'})"
    )
    with (
        bulk.staged(_asked(job, sample)) as staging,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT count(*) FROM {staging} s WHERE {is_new}")
        n_asked = cursor.fetchone()[0]
        cursor.execute(
            f"SELECT s.line, {at} - s.at FROM {staging} s JOIN segmentation_event e "
            "ON e.identity_id = s.identity_id AND e.item_id = s.item_id "
            "AND e.kind = s.kind AND e.quantity = s.quantity "
            f"WHERE {seen if hidden else 'true'} AND {is_new} "
            f"AND abs({at} - s.at) <= {LONGEST_SHIFT}"
        )
        return _told(cursor.fetchall(), n_asked, n_new)


def _told(shifts: list[tuple[int, float]], n_asked: int, n_new: int) -> str:
    """The one shift that most of the lines have, when there is one."""
    lines: dict[float, set[int]] = {}
    for line, shift in shifts:
        if float(shift) % QUARTER == 0:
            lines.setdefault(float(shift), set()).add(line)
    if not lines:
        return ""
    shift, found = max(lines.items(), key=lambda pair: len(pair[1]))
    if len(found) < MOST * n_asked:
        return ""
    words = {"hours": abs(shift) / 3600, "n": n_new}
    if shift:
        return (
            _(
                "Most of these lines are there already, %(hours)g hours apart: they "
                "came in under another time zone. %(n)d lines would come in a second "
                "time; choose the time zone of then, or take that import back first."
            )
            % words
        )
    return (
        _(
            "Most of these lines are there already with another price, order or "
            "session: they came in under another mapping. %(n)d lines would come in a "
            "second time; use the mapping of then, or take that import back first."
        )
        % words
    )


def _asked(job: ImportJob, sample: pa.Table) -> pa.Table:
    """The sample in our ids; there are none of what is new."""
    returned = mapping.with_returns(sample, events.KINDS)
    people = catalog.find_identities(job.source, sample["customer"].combine_chunks())
    items = catalog.find_items(sample["item"].combine_chunks())
    at = pc.divide(sample["occurred_at"].cast(pa.int64()).cast(pa.float64()), 1e6)
    return pa.table(
        {
            "line": pa.array(range(sample.num_rows), pa.int64()),
            "event_key": sample["event_key"],
            "identity_id": people,
            "item_id": items,
            "kind": returned["kind"],
            "quantity": returned["quantity"],
            "at": at,
        }
    )
