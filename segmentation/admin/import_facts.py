"""What an import did or would do, as its page and the page of a small table show it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy

from segmentation.admin import import_words, quality_words
from segmentation.engine import sentences
from segmentation.models import ImportJob
from segmentation.services import consents

PARTS = (
    ("rows_new", gettext_lazy("new")),
    ("rows_updated", gettext_lazy("updated")),
    ("rows_unchanged", gettext_lazy("unchanged")),
    ("rows_duplicate", gettext_lazy("duplicate")),
    ("rows_rejected", gettext_lazy("rejected")),
    ("rows_ignored", gettext_lazy("ignored")),
)


def of(job: ImportJob) -> dict[str, Any]:
    """The six counts that add up to the rows read, and what was found, in words."""
    parts = [(label, getattr(job, name)) for name, label in PARTS]
    told = job.findings
    reasons = {
        (column, text): sentences.read(kept)
        for column, text, kept, _n in told.get("reasons", [])
    }
    return {
        "parts": parts,
        "adds_up": sum(n for _label, n in parts) == job.rows_read,
        "missing": _missing(job),
        "noticed": quality_words.of_file(job.quality),
        "rekeyed": told.get("rekeyed", ""),
        "notices": told.get("notices", []),
        "why_rejected": [
            (_field(column), _reason(reasons[column, text]), n)
            for column, text, _kept, n in told.get("reasons", [])
        ],
        "first_rejects": [
            (number, _field(column), value, _reason(reasons.get((column, text), text)))
            for number, column, value, text in sorted(told.get("rejects", []))
        ],
        "changed": [
            (name, import_words.label(column), old, new)
            for name, column, old, new in told.get("changes", [])
        ],
        "consents": [
            (consents.label(way), n_yes, n_no)
            for way, (n_yes, n_no) in told.get("consents", {}).items()
        ],
        "filled": [
            (import_words.label(name), share)
            for name, share in told.get("filled", {}).items()
        ],
    }


def _field(column: str) -> str:
    return import_words.label(column) if column else ""


def _reason(told: str) -> str:
    return import_words.reason(told, is_named=True)


def _missing(job: ImportJob) -> list[tuple[str, int, float]]:
    missing = job.quality.get("missing", {})
    read, mapped = job.rows_read or 1, job.columns or missing
    return [
        (import_words.label(name), n, n / read)
        for name, n in missing.items()
        if n and name in mapped
    ]
