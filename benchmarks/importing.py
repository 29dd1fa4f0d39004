"""What a whole import costs on PostgreSQL, beside a bare COPY of the same rows.

    python -m tests.servers -- python benchmarks/importing.py
    python -m tests.servers -- python benchmarks/importing.py --rows 5000000

A CSV of events through the importer; then the very rows that it wrote, in the order of
the file, by one COPY into the same empty table with its indexes, and into the same
columns without key or index. Peak memory is that of the importing process, beside a
file of ``--small`` rows, of which the dry run, the preview and the undo are measured
too. Each figure is of a process of its own, ratios are of medians of ``--rounds``.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))

Run = Callable[[str, Path], dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--small", type=int, default=0, help="a fifth of --rows")
    parser.add_argument("--preview-mb", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--write", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--here", default="", help=argparse.SUPPRESS)
    parser.add_argument("--path", default="", help=argparse.SUPPRESS)
    options, _others = parser.parse_known_args()
    if options.write:
        _write(Path(options.path), options.write)
        return
    if options.here:
        answer = STEPS[options.here](Path(options.path))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer["peak_memory_mb"] = peak // 1024
        sys.stdout.write(json.dumps(answer) + "\n")
        return
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as folder:
        told = _measured(Path(folder), options)
    sys.stdout.write(json.dumps({"benchmark": "importing", **told}) + "\n")


def _measured(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    run = _runner(folder)
    n, n_small = options.rows, options.small or options.rows // 5
    small, many = folder / f"{n_small}.csv", folder / f"{n}.csv"
    for path, rows in ((small, n_small), (many, n)):
        write_apart(path, rows)
    run("migrate", small)
    told: dict[str, list[dict[str, Any]]] = {}
    for _round in range(options.rounds):
        for name, path in (("dry_run", small), ("import", small), ("undo", small)):
            told.setdefault(f"{name}_small", []).append(run(name, path))
        for name in ("import", "copy", "copy_bare"):
            told.setdefault(name, []).append(run(name, many))
    big = _padded_to(folder / "big.csv", many, options.preview_mb)
    look = [run("preview", big) for _round in range(3)]
    return _answer(n, n_small, told) | {
        "preview_mb": options.preview_mb,
        "preview_seconds": statistics.median(each["seconds"] for each in look),
    }


def _answer(
    n: int, n_small: int, told: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    seconds = {
        name: statistics.median(each["seconds"] for each in answers)
        for name, answers in told.items()
    }
    peak, peak_small = (
        max(each["peak_memory_mb"] for each in told[name])
        for name in ("import", "import_small")
    )
    return {
        "rows": n,
        "rows_small": n_small,
        "rounds": len(told["import"]),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "import_by_copy": round(seconds["import"] / seconds["copy"], 2),
        "import_by_copy_bare": round(seconds["import"] / seconds["copy_bare"], 2),
        "bytes_a_row": told["import"][-1]["bytes_a_row"],
        "index_bytes_a_row": told["import"][-1]["index_bytes_a_row"],
        "peak_memory_mb": peak,
        "peak_memory_mb_small": peak_small,
        "memory_by_small": round(peak / peak_small, 3),
        "dry_run_by_import_small": round(
            seconds["dry_run_small"] / seconds["import_small"], 2
        ),
    }


def _runner(folder: Path) -> Run:
    """A step of this file in a process of its own."""
    env = os.environ | {"STRATA_HOME": str(folder / "home"), "STRATA_HTTPS": "0"}
    (folder / "home").mkdir()
    env |= {"DJANGO_SETTINGS_MODULE": "recsys_project.settings"}
    env |= {"PYTHONPATH": str(ROOT), "SECRET_KEY": "x" * 50}
    env |= {"DATABASE_URL": os.environ["TEST_POSTGRES_URL"] + "/postgres"}
    env |= {"REDIS_URL": os.environ["TEST_REDIS_URL"] + "/0"}
    env |= {"PUBLIC_URL": "http://127.0.0.1:8000"}

    def run(step: str, path: Path) -> dict[str, Any]:
        words = [sys.executable, __file__, "--here", step, "--path", str(path)]
        done = subprocess.run(words, env=env, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        sys.stderr.write(f"{step} {path.name}: {told}\n")
        return told

    return run


def write_apart(path: Path, n: int) -> None:
    """Write the file in a process of its own.

    A new process begins with the peak memory of the one that started it.
    """
    words = [sys.executable, __file__, "--write", str(n), "--path", str(path)]
    subprocess.run(words, check=True)


def _write(path: Path, n: int) -> None:
    """A CSV of orders as a shop exports them: in the order of time, of one to five
    lines, few customers and few items with most of them, prices by item."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    rng = np.random.default_rng(1)
    start = np.datetime64("2025-01-01T00:00:00", "s")
    prices = (np.exp(rng.normal(2.5, 1.0, 20_000)) + 0.5).round(2)
    n_orders = 0
    with path.open("wb") as file:
        for at in range(0, n, 500_000):
            m = min(500_000, n - at)
            order = np.repeat(np.arange(m), rng.integers(1, 6, m))[:m]
            seconds = np.sort(rng.integers(at, at + m, m)) * 31_000_000 // n
            customer = (50_000 * rng.random(m) ** 2).astype(int)[order]
            item = (20_000 * rng.random(m) ** 3).astype(int)
            part = pa.table(
                {
                    "customer": np.char.add("c", customer.astype(str)),
                    "item": np.char.add("i", item.astype(str)),
                    "kind": np.full(m, "purchase"),
                    "occurred_at": start + seconds[order],
                    "quantity": rng.integers(1, 4, m),
                    "price": prices[item],
                    "order": np.char.add("o", (n_orders + order).astype(str)),
                }
            )
            n_orders += int(order[-1]) + 1
            options = pyarrow.csv.WriteOptions(include_header=at == 0)
            pyarrow.csv.write_csv(part, file, options)


def _padded_to(path: Path, other: Path, n_mb: int) -> Path:
    """A file of so many MB: the lines of another, again and again."""
    lines = other.read_bytes()
    head, _newline, lines = lines.partition(b"\n")
    with path.open("wb") as file:
        file.write(head + b"\n")
        while file.tell() < n_mb * 10**6:
            file.write(lines)
    return path


def _django() -> None:
    import django

    django.setup()


def _migrate(_path: Path) -> dict[str, Any]:
    _django()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return {}


def _empty() -> None:
    """No events and no imports, customers or items, as on a new install."""
    from django.db import connection

    from segmentation.models import Customer, Event, Identity, ImportJob, Item

    tables = ", ".join(
        model._meta.db_table for model in (Event, ImportJob, Identity, Customer, Item)
    )
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables} CASCADE")
        cursor.execute("DROP TABLE IF EXISTS bare")
        cursor.execute("CREATE TABLE bare AS TABLE segmentation_event")
        cursor.execute("CHECKPOINT")


def _import(path: Path) -> dict[str, Any]:
    """An import into the empty table, where its rows stay for COPY."""
    _django()
    _empty()
    told = _perform(path, dry_run=False)
    return told | _bytes_a_row(told["rows"])


def _perform(path: Path, *, dry_run: bool) -> dict[str, Any]:
    from segmentation import tasks
    from segmentation.services import importing

    job = importing.create_job("events", path, columns={}, dry_run=dry_run)
    start = time.perf_counter()
    tasks.perform(job, importing.run_import)
    seconds = time.perf_counter() - start
    assert job.rows_new == job.rows_read, (job.message, job.rows_new)
    return {"seconds": round(seconds, 2), "rows": job.rows_new}


def _dry_run(path: Path) -> dict[str, Any]:
    _django()
    _empty()
    return _perform(path, dry_run=True)


def _undo(_path: Path) -> dict[str, Any]:
    """What the last import left is taken back."""
    _django()
    from segmentation import tasks
    from segmentation.models import Event, ImportJob
    from segmentation.services import importing

    undo = importing.create_undo(ImportJob.objects.filter(is_dry_run=False).last())
    start = time.perf_counter()
    tasks.perform(undo, importing.run_undo)
    seconds = time.perf_counter() - start
    assert not Event.objects.filter(import_id=undo.job_id).exists()
    return {"seconds": round(seconds, 2), "rows_removed": undo.rows_removed}


def _preview(path: Path) -> dict[str, Any]:
    """What the page of columns does: look, guess, and read the first rows."""
    _django()
    from segmentation.engine import mapping
    from segmentation.services.importing import looking

    start = time.perf_counter()
    seen = looking.look(path, {})
    found = mapping.guess_columns("events", seen.headers, seen.sample)
    columns = {target: guessed.spec for target, guessed in found.items()}
    shown = looking.preview("events", columns, seen)
    seconds = time.perf_counter() - start
    assert len(shown.rows) == looking.SHOWN_ROWS, shown.problem
    return {"seconds": round(seconds, 2)}


def _copy(table: str) -> Callable[[Path], dict[str, Any]]:
    """COPY of what the last import wrote, in the order of the file."""

    def measure(path: Path) -> dict[str, Any]:
        _django()
        import bulk as bare
        import pyarrow as pa

        kept = path.with_suffix(".arrow")
        if not kept.exists():
            _keep_rows(kept)
        with pa.OSFile(str(kept)) as source:
            rows = pa.ipc.open_file(source).read_all()
        _empty()
        start = time.perf_counter()
        bare._copy(table)(rows)
        return {"seconds": round(time.perf_counter() - start, 2)}

    return measure


def _keep_rows(target: Path) -> None:
    import pyarrow as pa

    from segmentation import bulk
    from segmentation.services import events

    names = ", ".join(events.SCHEMA.names)
    rows = bulk.read(f"SELECT {names} FROM segmentation_event ORDER BY occurred_at")
    with pa.ipc.new_file(target, events.SCHEMA) as sink:
        sink.write_table(rows.cast(events.SCHEMA))


def _bytes_a_row(n: int) -> dict[str, float]:
    """Of the table beside its indexes, and of these."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_table_size(c), pg_indexes_size(c) "
            "FROM (SELECT 'segmentation_event'::regclass) AS t (c)"
        )
        table, indexes = cursor.fetchone()
    return {
        "bytes_a_row": round(table / n, 1),
        "index_bytes_a_row": round(indexes / n, 1),
    }


STEPS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "migrate": _migrate,
    "import": _import,
    "dry_run": _dry_run,
    "preview": _preview,
    "undo": _undo,
    "copy": _copy("segmentation_event"),
    "copy_bare": _copy("bare"),
}

if __name__ == "__main__":
    main()
