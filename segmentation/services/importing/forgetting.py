"""Files of imports that name a person: found by what they say, then removed.

A file is not rewritten: it is the shop's own word, and half of it would be nobody's.
What it brought stays in the tables; it can no longer be brought in again from here.
Files that a command read where they lay are not ours to remove.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import QuerySet

from segmentation import conf
from segmentation.engine import cleaning, mapping
from segmentation.models import (
    Customer,
    Event,
    EventClaim,
    Identity,
    ImportChange,
    ImportJob,
    ImportKind,
    Telling,
)
from segmentation.models.catalog import as_written_once
from segmentation.services import jobs
from segmentation.services.importing import reading, staging

# Target fields whose cells name a person.
NAMING = ("customer", "visitor", "same_as", "email", "phone")
REFUSED = {"format": "csv", "encoding": "utf-8-sig", "delimiter": ","}
LONG = 6  # letters of an id or address that do not stand in others by chance


@dataclass(frozen=True)
class Person:
    """What files may call a person, and the imports that brought something of them."""

    ids: dict[int | None, set[str]]  # source → ids; None: visitor ids
    addresses: set[str]
    import_ids: set[int]

    def as_json(self) -> dict[str, Any]:
        return {
            "ids": [[source, sorted(names)] for source, names in self.ids.items()],
            "addresses": sorted(self.addresses),
            "import_ids": sorted(self.import_ids),
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Person:
        ids = {source: set(names) for source, names in told["ids"]}
        return cls(ids, set(told["addresses"]), set(told["import_ids"]))

    def texts(self, job: ImportJob | None) -> pa.Array:
        """What to look for in a file of this job; everything where nobody knows."""
        sources = set(self.ids)
        if job is not None and not _names_sources(job):
            sources &= {None, job.source_id}
        wanted = set(self.addresses)
        for source_id in sources:
            wanted |= {name.lower() for name in self.ids[source_id]}
        return pa.array(sorted(wanted), pa.string())


def _names_sources(job: ImportJob) -> bool:
    named = {"source", "same_source"}.intersection(job.columns)
    return job.kind == ImportKind.LINKS or bool(named)


@dataclass
class Found:
    """Files that name a person, and unfinished imports that may bring them again."""

    uploads: set[Path] = field(default_factory=set)
    folders: set[Path] = field(default_factory=set)  # what was staged and refused
    coming: list[int] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        return {"uploads": len(self.uploads), "import_folders": len(self.folders)}


def known_as(customer_ids: Collection[int]) -> Person:
    """All that a person's customers are called, read before they are erased."""
    names: dict[int | None, set[str]] = {}
    identities = Identity.objects.filter(customer__in=customer_ids)
    for source_id, name, visitor in identities.values_list(
        "source_id", "external_id", "visitor_id"
    ):
        names.setdefault(source_id, set()).add(name or visitor or "")
    customers = Customer.objects.filter(pk__in=customer_ids)
    told = {text for pair in customers.values_list("email", "phone") for text in pair}
    events = Event.objects.filter(identity_id__in=identities.values("pk"))
    claims = EventClaim.objects.filter(event_key__in=events.values("event_key"))
    changes = ImportChange.objects.filter(
        kind=ImportKind.CUSTOMERS, object_id__in=customer_ids
    )
    claimed = Telling.objects.filter(customer__in=customer_ids)
    imports: set[int] = set()
    every: tuple[QuerySet, ...] = (customers, events, claims, changes, claimed)
    for rows in every:
        brought = rows.order_by().values_list("import_id", flat=True).distinct()
        imports.update(number for number in brought if number is not None)
    marks = {as_written_once(text) for text in told if text}
    return Person(names, marks, imports)


def search(person: Person, *, tell: Callable[[int, int], None]) -> Found:
    """Look through every file of an import; slow, and outside of any transaction.

    ``tell`` hears after each file how many of how many that was.
    """
    found = Found()
    ours = (conf.home() / "uploads").resolve()
    rows = ImportJob.objects.exclude(kind=ImportKind.ITEMS).select_related("source")
    every = list(rows.order_by("pk"))
    seen = {Path(job.path) for job in every}
    strays: set[Path] = set()
    if ours.is_dir():  # uploaded, and nobody went on with it
        strays = {path for path in ours.iterdir() if path.is_file()} - seen
    n_files = len(every) + len(strays)
    for done, job in enumerate(every, 1):
        if _is_about(job, person):
            _take_down(job, found, ours)
        tell(done, n_files)
    for done, path in enumerate(sorted(strays), len(every) + 1):
        if _names(path, {}, None, person):
            found.uploads.add(path)
        tell(done, n_files)
    needed = ImportJob.objects.filter(pk__in=found.coming).values_list(
        "path", flat=True
    )
    found.uploads -= {Path(path) for path in needed}
    return found


def _is_about(job: ImportJob, person: Person) -> bool:
    """Whether a job has a file that names the person, or brought something of them."""
    path, refused = Path(job.path), staging.folder_of(job) / staging.REJECTS
    if not path.is_file() and not refused.is_file():
        return False
    if job.pk in person.import_ids or _names(path, job.layout, job, person):
        return True
    return job.rows_rejected > 0 and _names(refused, REFUSED, job, person)


def _take_down(job: ImportJob, found: Found, ours: Path) -> None:
    path, folder = Path(job.path), staging.folder_of(job)
    if job.status in jobs.UNFINISHED:
        found.coming.append(job.pk)
        return
    if path.is_relative_to(ours) and path.is_file():
        found.uploads.add(path)
    if folder.is_dir():
        found.folders.add(folder)


def remove(found: Found) -> None:
    for path in found.uploads:
        path.unlink(missing_ok=True)
    for folder in found.folders:
        shutil.rmtree(folder, ignore_errors=True)


def forget_findings(person: Person) -> int:
    """Take the person out of what pages tell of imports; answers how many changed."""
    wanted = set(person.texts(None).to_pylist())
    n_changed = 0
    rows = ImportJob.objects.exclude(kind=ImportKind.ITEMS).exclude(findings={})
    for job in rows.only("pk", "findings").iterator():
        kept = {
            name: [row for row in job.findings[name] if not _tells(row, wanted)]
            for name in ("rejects", "changes")
            if name in job.findings
        }
        if any(kept[name] != job.findings[name] for name in kept):
            job.findings |= kept
            job.save(update_fields=["findings"])
            n_changed += 1
    return n_changed


def _tells(row: Iterable[Any], wanted: set[str]) -> bool:
    return any(as_written_once(str(cell)) in wanted for cell in row if cell is not None)


def _names(
    path: Path, layout: dict[str, Any], job: ImportJob | None, person: Person
) -> bool:
    """Whether a file names the person; one that cannot be read might."""
    texts = person.texts(job)
    if not path.is_file() or not len(texts):
        return False
    headers = _headers(job)
    try:
        chosen = layout or reading.detect(path).layout.as_json()
        reader = reading.open_file(path, reading.Layout.from_json(chosen))
        asked = [name for name in reader.headers if name in headers] or reader.headers
        return any(_chunk_names(chunk, asked, texts) for chunk in reader.chunks) or any(
            _tells(cells, set(texts.to_pylist())) for _number, cells in reader.ragged
        )
    except (reading.Unreadable, ValueError):
        return True


def _headers(job: ImportJob | None) -> set[str]:
    """The columns of a job's file that name people; none where they are not known."""
    if job is None or not job.columns:
        return set()
    try:
        columns = mapping.read_columns(job.columns)
    except mapping.MappingError:
        return set()
    return {
        header for name in NAMING if name in columns for header in columns[name].headers
    }


def _chunk_names(chunk: pa.Table, headers: list[str], texts: pa.Array) -> bool:
    for name in headers:
        cells = pc.utf8_lower(pc.utf8_trim_whitespace(_texts_of(chunk[name])))
        # 17850.0 from a spreadsheet is the id 17850.
        whole = pc.replace_substring_regex(cells, r"\.0+$", "")
        if pc.any(pc.or_(pc.is_in(cells, texts), pc.is_in(whole, texts))).as_py():
            return True
        long = [text for text in texts.to_pylist() if len(text) >= LONG]
        if any(pc.any(pc.match_substring(cells, text)).as_py() for text in long):
            return True  # a cell that holds several things
    return False


def _texts_of(column: pa.ChunkedArray) -> pa.Array:
    try:
        return pc.unique(column).cast(pa.string())
    except pa.ArrowException:  # lists and structures of a Parquet file
        return pa.array(cleaning.as_text(column), pa.string())
