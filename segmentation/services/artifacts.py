"""Artifacts: a folder of arrays each, whole or not there, on any storage.

An artifact is written to a folder of its own and named by a row only when it is whole.
Where the storage is not a directory of this host, a copy is kept on local disk and
memory-mapped from there.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.storage import FileSystemStorage, InvalidStorageError, storages

from segmentation import conf
from segmentation.models import ModelRun

INDEX = "files.json"
NEW = "new-artifact-"
IDLE_SECONDS = 86_400.0  # what nobody wrote for so long, nobody is writing


@contextmanager
def new_artifact(run: ModelRun) -> Iterator[tuple[Path, str]]:
    """A folder to write into, and the name it is published under when all went well."""
    name = f"{run.pk}-{uuid.uuid4().hex[:8]}"
    conf.home().mkdir(parents=True, exist_ok=True)
    _remove_idle(conf.home().glob(f"{NEW}*"))  # a killed training could not
    folder = Path(tempfile.mkdtemp(prefix=NEW, dir=conf.home()))
    try:
        yield folder, name
        _publish(folder, name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def local_folder(name: str) -> Path:
    """The artifact on this host's disk, copied there first if need be."""
    storage = _storage()
    if isinstance(storage, FileSystemStorage):
        return Path(storage.path(name))
    target = _copies() / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="copy-", dir=target.parent))
        try:
            _copy(storage, name, folder)
            with contextlib.suppress(OSError):
                folder.rename(target)  # or another process was first: as good
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        _drop_copies(target.parent)
    return target


def is_on_this_disk() -> bool:
    """Whether artifacts are folders that can be changed where they lie."""
    return isinstance(_storage(), FileSystemStorage)


def names() -> list[str]:
    """Every artifact that lies in the storage, whoever left it."""
    try:
        return sorted(_storage().listdir("")[0])
    except FileNotFoundError:  # nothing was ever written
        return []


def age_seconds(name: str) -> float:
    """How long ago an artifact was last written to; 0 where nobody can tell."""
    storage = _storage()
    if isinstance(storage, FileSystemStorage):
        with contextlib.suppress(FileNotFoundError):
            return time.time() - Path(storage.path(name)).stat().st_mtime
        return 0.0
    files = list(_files(storage, name))
    if not files:
        return 0.0
    return time.time() - max(
        storage.get_modified_time(path).timestamp() for path in files
    )


def remove(name: str) -> None:
    """Remove an artifact; killed in between, the next removal does the rest."""
    storage = _storage()
    if isinstance(storage, FileSystemStorage):
        # Who has it mapped may read on: the files lose their names only.
        shutil.rmtree(storage.path(name), ignore_errors=True)
        return
    for path in _files(storage, name):
        storage.delete(path)
    shutil.rmtree(_copies() / name, ignore_errors=True)


def _files(storage: Any, folder: str) -> Iterator[str]:
    folders, files = storage.listdir(folder)
    yield from (f"{folder}/{name}" for name in files)
    for name in folders:
        yield from _files(storage, f"{folder}/{name}")


def _copies() -> Path:
    return conf.home() / "artifact-copies"


def served() -> Collection[str]:
    """Names of what live runs are served from: their models and their lists."""
    live = ModelRun.objects.filter(stage=ModelRun.Stage.LIVE)
    return {name for pair in live.values_list("artifact", "lists") for name in pair}


def _drop_copies(folder: Path) -> None:
    """Remove this host's old copies of what is not live; they can be made again."""
    named = served()
    _remove_idle(path for path in folder.iterdir() if path.name not in named)


def _remove_idle(folders: Iterable[Path]) -> None:
    """Remove folders that nobody has written to for a day; who reads on may do so."""
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > IDLE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _copy(storage: Any, name: str, folder: Path) -> None:
    with storage.open(f"{name}/{INDEX}") as file:
        index = json.load(file)
    for inner in index:
        path = folder / inner
        path.parent.mkdir(parents=True, exist_ok=True)
        with storage.open(f"{name}/{inner}") as source, path.open("wb") as copy:
            shutil.copyfileobj(source, copy, 2**20)


def _publish(folder: Path, name: str) -> None:
    files = sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )
    (folder / INDEX).write_text(json.dumps(files))
    storage = _storage()
    if isinstance(storage, FileSystemStorage):
        target = Path(storage.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        shutil.move(folder, target)  # a copy where the storage is another disk
        return
    for inner in [*files, INDEX]:
        with (folder / inner).open("rb") as file:
            storage.save(f"{name}/{inner}", File(file))


def _storage() -> Any:
    """The host's storage named "artifacts", else a folder under STRATA_HOME."""
    try:
        return storages["artifacts"]
    except InvalidStorageError:
        return FileSystemStorage(location=conf.home() / "artifacts")
