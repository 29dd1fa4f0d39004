"""What a recommendation request costs beside an empty view, and one exact list.

    python -m tests.servers -- python benchmarks/recommending.py

A shop of 50,000 items and 20,000 customers with precomputed lists of 50. Granian, one
worker as `manage.py serve` starts it, answers two addresses in turn: a precomputed
recommendation (key, rate, identity, filters, reasons, log) and an empty DRF view
without authentication behind the same middleware. ``ratio`` is the median over pairs
of rounds of requests a second; ``p99_ratio`` compares the two at an equal, paced load.
``cpu_ratio`` is the same from processor time in one process, which a busy machine
hardly changes. ``exact_ms``: one customer's filtered top 10 of 50,000 items x 128
factors, by the clock and in processor time. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

N_ITEMS, N_CUSTOMERS, LENGTH, N_FACTORS = 50_000, 20_000, 50, 128
CONNECTIONS = 16
SETTINGS = """
from recsys_project.settings import *
ROOT_URLCONF = "bench_urls"
"""
URLS = """
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView
from recsys_project.urls import urlpatterns as known

class Empty(APIView):
    authentication_classes = permission_classes = throttle_classes = ()

    def get(self, request):
        return Response({})

urlpatterns = [path("empty/", Empty.as_view()), *known]
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", choices=("sqlite", "postgres"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if options.database is None:  # a process of its own for each: settings load once
        found: dict[str, Any] = {"benchmark": "recommending"}
        for name in ("sqlite", "postgres"):
            command = [sys.executable, *sys.argv, "--database", name]
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            found[name] = json.loads(answer.stdout.splitlines()[-1])
    else:
        with tempfile.TemporaryDirectory(prefix="bench-serving-") as home:
            found = run(options, Path(home))
    sys.stdout.write(json.dumps(found) + "\n")


def run(options: argparse.Namespace, home: Path) -> dict[str, Any]:
    (home / "bench_settings.py").write_text(SETTINGS)
    (home / "bench_urls.py").write_text(URLS)
    environment = {
        "STRATA_HOME": str(home / "var"),
        "DJANGO_SETTINGS_MODULE": "bench_settings",
        "PYTHONPATH": f"{home}:{ROOT}",
        "LOG_LEVEL": "ERROR",
    }
    os.environ |= environment
    sys.path.insert(0, str(home))
    drop = on(options.database)
    import django

    django.setup()
    from django.db import connections

    try:
        headers = make_shop()
        in_process = cpu(headers, options.profile)
        exact = exact_list()
        connections.close_all()
        return in_process | exact | served(options, headers)
    finally:
        connections.close_all()
        drop()


def on(database: str) -> Any:
    """Name the database that the benchmark makes; answers how to take it away."""
    if database == "sqlite":
        for name in ("DATABASE_URL", "REDIS_URL", "COUNTERS_URL"):
            os.environ.pop(name, None)
        return lambda: None
    import psycopg

    base, name = os.environ["DATABASE_URL"].rsplit("/", 1)
    mine = f"bench_serving_{os.getpid()}"
    with psycopg.connect(f"{base}/{name}", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {mine}")
    os.environ |= {
        "DATABASE_URL": f"{base}/{mine}",
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "SECRET_KEY": "benchmark-" * 6,
        "STRATA_HTTPS": "0",
    }

    def drop() -> None:
        with psycopg.connect(f"{base}/{name}", autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {mine} WITH (FORCE)")

    return drop


def make_shop() -> dict[str, str]:
    """Rows, a live run and a key; answers the headers of a call."""
    import numpy as np
    from django.core.management import call_command
    from django.utils import timezone

    from segmentation import models
    from segmentation.services import registry

    call_command("migrate", verbosity=0)
    rng = np.random.default_rng(7)
    source = models.Source.objects.create(name="web")
    groups = models.Category.objects.bulk_create(
        models.Category(name=f"category {i}") for i in range(100)
    )
    models.Item.objects.bulk_create(
        (
            models.Item(
                external_id=f"item-{i}",
                title=f"Item {i}",
                category=groups[i % 100],
                brand=f"brand {i % 500}",
                price=float(i % 90),
                available=i % 20 > 0,
            )
            for i in range(N_ITEMS)
        ),
        batch_size=5000,
    )
    people = models.Customer.objects.bulk_create(
        (models.Customer(created_at=timezone.now()) for _ in range(N_CUSTOMERS)),
        batch_size=5000,
    )
    models.Identity.objects.bulk_create(
        (
            models.Identity(customer=who, source=source, external_id=f"c-{i}")
            for i, who in enumerate(people)
        ),
        batch_size=5000,
    )
    items = np.fromiter(
        models.Item.objects.order_by("pk").values_list("pk", flat=True), int
    )
    owners = np.array([who.pk for who in people], np.int64)
    run = models.ModelRun.objects.create(
        algorithm="als", purpose="discover", status="done", started_at=timezone.now()
    )
    listed = rng.choice(items, (N_CUSTOMERS, LENGTH))
    with registry.new_artifact(run) as (folder, name):
        (folder / "lists").mkdir()
        for title, array in {
            "owner_ids": owners,
            "item_ids": listed,
            "scores": np.tile(
                np.linspace(1, 0.1, LENGTH, dtype=np.float32), (N_CUSTOMERS, 1)
            ),
            "popular_ids": items[:500],
            "habit": rng.random(listed.shape) < 0.1,
            "reason_ids": rng.choice(items, listed.shape),
        }.items():
            np.save(folder / "lists" / f"{title}.npy", array)
    run.artifact = name
    run.save()
    registry.promote(run)
    kind = models.ApiKey.Kind.SERVER
    fields = {"name": "bench", "kind": kind, "source": source}
    _key, text = models.ApiKey.issue(**fields, rate_per_minute=10_000_000)
    return {"Authorization": f"Bearer {text}", "Host": "127.0.0.1"}


def path_of(number: int) -> str:
    who = number * 7919 % N_CUSTOMERS
    return f"/api/v1/recommendations/?customer_id=c-{who}&n=10&placement=home"


def cpu(headers: dict[str, str], profile: bool) -> dict[str, float]:
    """Processor time of one request in this process, server and network left out."""
    from django.test import Client

    client = Client(headers=headers, raise_request_exception=True)
    paths = {"empty": lambda _i: "/empty/", "list": path_of}
    for path in paths.values():
        for number in range(200):
            assert client.get(path(number)).status_code == 200
    spent: dict[str, list[float]] = {name: [] for name in paths}
    for round_ in range(10):
        for name, path in paths.items():
            start = time.thread_time()
            for number in range(200):
                client.get(path(round_ * 200 + number))
            spent[name].append((time.thread_time() - start) / 200 * 1e6)
    if profile:
        told(client)
    empty, listed = (statistics.median(spent[name]) for name in ("empty", "list"))
    return {
        "cpu_us_empty": round(empty, 1),
        "cpu_us_list": round(listed, 1),
        "cpu_ratio": round(empty / listed, 3),
    }


def told(client: Any) -> None:
    import cProfile
    import pstats

    profiler = cProfile.Profile()
    profiler.enable()
    for number in range(2000):
        client.get(path_of(number))
    profiler.disable()
    stats = pstats.Stats(profiler, stream=sys.stderr)
    stats.sort_stats("cumulative").print_stats(90)
    stats.sort_stats("tottime").print_stats(40)


def exact_list() -> dict[str, float]:
    """One customer's filtered list over the whole catalogue, by the model itself."""
    import numpy as np
    from scipy import sparse

    from segmentation.engine import recommenders
    from segmentation.engine.interactions import IdMap

    rng = np.random.default_rng(7)
    model: Any = recommenders.create("als", n_factors=N_FACTORS)
    model.users_, model.items_ = IdMap(np.arange(1000)), IdMap(np.arange(N_ITEMS))
    model.user_items_ = sparse.random(
        1000, N_ITEMS, 100 / N_ITEMS, "csr", np.float32, random_state=7
    )
    model.user_vectors_ = rng.random((1000, N_FACTORS), np.float32)
    model.item_vectors_ = rng.random((N_ITEMS, N_FACTORS), np.float32)
    mask = rng.random(N_ITEMS) < 0.9
    model.user_items_ += sparse.csr_matrix(
        (np.ones(N_ITEMS, np.float32), (np.arange(N_ITEMS) % 1000, np.arange(N_ITEMS))),
        shape=model.user_items_.shape,
    )
    wall, cpu_time = [], []
    for number in range(300):
        start = time.perf_counter(), time.thread_time()
        model.recommend([number % 1000], 10, item_mask=mask)
        wall.append((time.perf_counter() - start[0]) * 1e3)
        cpu_time.append((time.thread_time() - start[1]) * 1e3)
    return {
        "exact_ms": round(statistics.median(wall[50:]), 3),
        "exact_cpu_ms": round(statistics.median(cpu_time[50:]), 3),
    }


def served(options: argparse.Namespace, headers: dict[str, str]) -> dict[str, Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "1"]
    words += ["--host", "127.0.0.1", "--port", str(port), "--blocking-threads", "8"]
    words += ["--no-access-log", "--log-level", "error"]
    server = subprocess.Popen([*words, "recsys_project.wsgi:application"], cwd=ROOT)
    try:
        wait_for(port)
        return asyncio.run(compared(options, port, headers))
    finally:
        server.terminate()
        server.wait()


def wait_for(port: int) -> None:
    for _try in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/empty/", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("The server did not start.")


async def compared(
    options: argparse.Namespace, port: int, headers: dict[str, str]
) -> dict[str, Any]:
    both = {"empty": lambda _i: "/empty/", "list": path_of}
    for path in both.values():
        await load(port, headers, path, 2.0)
    rates: dict[str, list[float]] = {name: [] for name in both}
    for _round in range(options.rounds):
        for name, path in both.items():
            found = await load(port, headers, path, options.seconds)
            rates[name].append(len(found) / options.seconds)
    pace = 0.4 * statistics.median(rates["list"])
    tails: dict[str, list[float]] = {name: [] for name in both}
    for _round in range(options.rounds):
        for name, path in both.items():
            found = await load(port, headers, path, options.seconds, pace)
            tails[name].append(sorted(found)[int(len(found) * 0.99)] * 1e3)
    pairs = zip(rates["list"], rates["empty"], strict=True)
    late = zip(tails["list"], tails["empty"], strict=True)
    return {
        "per_second_empty": round(statistics.median(rates["empty"])),
        "per_second_list": round(statistics.median(rates["list"])),
        "ratio": round(statistics.median(a / b for a, b in pairs), 3),
        "paced_per_second": round(pace),
        "p99_ms_empty": round(statistics.median(tails["empty"]), 2),
        "p99_ms_list": round(statistics.median(tails["list"]), 2),
        "p99_ratio": round(statistics.median(a / b for a, b in late), 2),
    }


async def load(
    port: int, headers: dict[str, str], path: Any, seconds: float, pace: float = 0.0
) -> list[float]:
    """Seconds each request took; with a pace so many a second, late or not."""
    head = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    ends_at = time.perf_counter() + seconds
    found: list[float] = []
    numbers = iter(range(10**9))

    async def caller(which: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        step = CONNECTIONS / pace if pace else 0.0
        due = time.perf_counter() + step * which / CONNECTIONS
        while time.perf_counter() < ends_at:
            if pace:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            start = due if pace else time.perf_counter()
            text = f"GET {path(next(numbers))} HTTP/1.1\r\n{head}\r\n"
            writer.write(text.encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in answer[:20], answer
            lower = answer.lower()
            at = lower.index(b"content-length:") + 15
            await reader.readexactly(int(lower[at : lower.index(b"\r\n", at)]))
            found.append(time.perf_counter() - start)
            due += step
        writer.close()

    await asyncio.gather(*(caller(which) for which in range(CONNECTIONS)))
    return found


if __name__ == "__main__":
    main()
