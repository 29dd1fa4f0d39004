"""A file of any kind becomes chunks of columns.

    detecting.py   what a file is and how it is written, with reasons and doubts
    layout.py      the words for that: Layout, Detected, Reader, Unreadable
    encodings.py   which encoding (letters.py: how likely a text is in a language)
    dialects.py    delimiter, quotes, header
    packing.py     gzip and zip         limits.py    how much is read at most
    texts.py       any encoding as a checked stream of UTF-8 (quotes.py: missing ones)
    delimited.py   CSV · jsonlines.py (lists.py: rows in lists of objects)
    workbooks.py   XLSX · columnar.py (Parquet)

``detect`` looks at pieces of the file and decides or doubts; ``open_file`` reads what
a layout says. Whatever is wrong with a file is one sentence: Unreadable.
"""

from __future__ import annotations

from pathlib import Path

from django.utils.translation import gettext as _

from segmentation.services.importing.reading.columnar import open_parquet
from segmentation.services.importing.reading.delimited import open_csv
from segmentation.services.importing.reading.detecting import detect
from segmentation.services.importing.reading.jsonlines import open_json
from segmentation.services.importing.reading.layout import (
    NO_ROWS,
    Detected,
    Layout,
    Reader,
    Unreadable,
)
from segmentation.services.importing.reading.workbooks import open_xlsx

__all__ = [
    "NO_ROWS",
    "Detected",
    "Layout",
    "Reader",
    "Unreadable",
    "detect",
    "open_file",
]

OPENERS = {
    "csv": open_csv,
    "jsonl": open_json,
    "json": open_json,
    "xlsx": open_xlsx,
    "parquet": open_parquet,
}


def open_file(path: Path, layout: Layout) -> Reader:
    """Open a file that is written as ``layout`` says (``detect`` finds it out)."""
    if not path.exists():
        raise Unreadable(_("The file %(path)s is gone.") % {"path": path})
    if layout.format not in OPENERS:
        raise Unreadable(_("The format of the file is not known; it must be detected."))
    return OPENERS[layout.format](path, layout)
