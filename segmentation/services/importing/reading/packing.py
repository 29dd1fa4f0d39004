"""Packed files: gzip, and zip with one file in it, unpacked as they are read.

What comes out is counted while it comes: a small file that unpacks into a huge one
(a zip or gzip bomb) is refused at the limit, whatever its own directory says.
"""

from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from django.utils.translation import gettext as _

from segmentation.services.importing.reading import limits
from segmentation.services.importing.reading.layout import Unreadable

GZIP, ZIP, EMPTY_ZIP = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06"
PIECE = 2**20
BROKEN = (EOFError, OSError, zlib.error, zipfile.BadZipFile)


class Source:
    """The bytes of a file, unpacked, and how much of the file itself was read."""

    def __init__(self, path: Path, packing: str = "") -> None:
        self.n_bytes = path.stat().st_size
        limits.refuse_size(self.n_bytes)
        self._packing = packing
        self._n_out = self._position = 0
        self._held: list[Any] = []
        raw = path.open("rb")
        self._held.append(raw)
        self._raw: IO[bytes] = raw
        try:
            self._file = self._unpacking(raw)
        except BaseException:
            self.close()
            raise

    def _unpacking(self, raw: IO[bytes]) -> Any:
        if self._packing == "gzip":
            return gzip.GzipFile(fileobj=raw)
        if self._packing == "zip":
            with _told():
                archive = zipfile.ZipFile(raw)
                self._held.append(archive)
                member = only_member(archive)
                limits.refuse_expanded(member.file_size)
                file = archive.open(member)
                self._held.append(file)
                return file
        return raw

    def read(self, n: int) -> bytes:
        with _told():
            data: bytes = self._file.read(n)
        self._n_out += len(data)
        if self._packing:
            limits.refuse_expanded(self._n_out)
        return data

    def position(self) -> int:
        """Bytes of the file on disk that were read."""
        if not self._raw.closed:
            self._position = min(self._raw.tell(), self.n_bytes)
        return self._position

    def close(self) -> None:
        self.position()
        for held in reversed(self._held):
            held.close()


def packing_of(start: bytes, path: Path) -> str:
    """gzip, zip or "" by the first bytes; a workbook is no packed file."""
    if start.startswith(GZIP):
        return "gzip"
    if not start.startswith((ZIP, EMPTY_ZIP)):
        return ""
    with _told(), zipfile.ZipFile(path) as archive:
        return "" if is_workbook(archive) else "zip"


def is_workbook(archive: zipfile.ZipFile) -> bool:
    names = archive.namelist()
    return "[Content_Types].xml" in names or "mimetype" in names


def only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one file in an archive; what a Mac adds beside it does not count."""
    files = [
        member
        for member in archive.infolist()
        if not member.is_dir()
        and not member.filename.startswith("__MACOSX/")
        and not member.filename.endswith(".DS_Store")
    ]
    if len(files) != 1:
        raise Unreadable(
            _("The zip archive holds %(n)d files; pack one table alone.")
            % {"n": len(files)}
        )
    name = files[0].filename
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise Unreadable(
            _("The zip archive names a file outside of itself (%(name)s); pack anew.")
            % {"name": name}
        )
    if files[0].flag_bits & 1:
        raise Unreadable(
            _("The zip archive has a password; unpack it, or pack it without one.")
        )
    return files[0]


def seekable(path: Path, packing: str) -> IO[bytes]:
    """The unpacked file where one can jump about in it: on disk, never in memory."""
    if not packing:
        limits.refuse_size(path.stat().st_size)
        return path.open("rb")
    source = Source(path, packing)
    target = tempfile.TemporaryFile()  # noqa: SIM115 (gone when the reader lets go)
    try:
        while piece := source.read(PIECE):
            target.write(piece)
    finally:
        source.close()
    target.seek(0, io.SEEK_SET)
    return target


@contextmanager
def _told() -> Iterator[None]:
    """Say in a sentence what is wrong with a packed file."""
    try:
        yield
    except NotImplementedError as error:
        raise Unreadable(
            _("The archive is packed in an unusual way; use plain zip or gzip.")
        ) from error
    except BROKEN as error:
        raise Unreadable(
            _("The file is damaged or cut off (%(error)s); send it once more.")
            % {"error": error or type(error).__name__}
        ) from error
