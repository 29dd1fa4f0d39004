"""How many Web Push messages a minute one sender sends, ledger and encryption on.

    python -m tests.servers -- python benchmarks/sending.py

Beside it, in the same process and with the same client, a bare loop that only encrypts
and posts as many messages of the same size: ``ratio`` is what of its speed is left.
``--service sink`` answers 201 to everything, which measures the sender alone;
``--service demo`` is the demo's push service, which checks and decrypts each message
(that costs more than sending it). Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PAYLOAD_BYTES = 1300  # a title, three products and their signed links

SINK = """
import asyncio, sys
HEAD = b"HTTP/1.1 201 Created\\r\\nLocation: /m/%d\\r\\nContent-Length: 0\\r\\n\\r\\n"
class Sink(asyncio.Protocol):
    n = 0
    def connection_made(self, transport):
        self.transport, self.data = transport, b""
    def data_received(self, data):
        self.data += data
        while True:
            head, blank, rest = self.data.partition(b"\\r\\n\\r\\n")
            if not blank:
                return
            at = head.lower().index(b"content-length:") + 15
            length = int(head[at:].split(b"\\r\\n", 1)[0])
            if len(rest) < length:
                return
            self.data = rest[length:]
            Sink.n += 1
            self.transport.write(HEAD % Sink.n)
async def main():
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print('{"origin": "http://127.0.0.1:%d"}' % server.sockets[0].getsockname()[1])
    sys.stdout.flush()
    await server.serve_forever()
asyncio.run(main())
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", choices=("sqlite", "postgres"))
    parser.add_argument("--service", choices=("sink", "demo"), default="sink")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if options.database is None:  # a process of its own for each: settings load once
        found = {"benchmark": "sending"} | {
            name: on_database(name) for name in ("sqlite", "postgres")
        }
    else:
        found = run(options)
    sys.stdout.write(json.dumps(found) + "\n")


def on_database(name: str) -> dict[str, object]:
    command = [sys.executable, *sys.argv, "--database", name]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return json.loads(answer.stdout.splitlines()[-1])


def run(options: argparse.Namespace) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as folder:
        settle(Path(folder), options.database)
        service, origin = start_service(options.service, Path(folder))
        try:
            os.environ["PUSH_TEST_ORIGINS"] = origin
            return measure(options, origin)
        finally:
            service.terminate()
            service.wait()


def settle(folder: Path, database: str) -> None:
    from tests import databases

    home = folder / "home"
    home.mkdir()
    databases.settle(database, "bench", home)


def start_service(kind: str, folder: Path) -> tuple[subprocess.Popen, str]:
    module = ["-m", "campaigns.demo.push_service", "--data", str(folder / "push")]
    command = [sys.executable, *(["-c", SINK] if kind == "sink" else module)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["origin"]


def measure(options: argparse.Namespace, origin: str) -> dict[str, object]:
    set_up(options.database)
    from django.db import connection
    from django.utils import timezone

    from campaigns.services import planning, sending

    campaign = seed(options, origin)
    launch = planning.launch_now(campaign, now=timezone.now(), actor=None)
    began = time.perf_counter()
    plan = sending.plan_only(launch)
    plan_seconds = time.perf_counter() - began
    began, cpu = time.perf_counter(), time.process_time()
    send(launch, is_profiled=options.profile)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    n = launch.deliveries.filter(status="accepted").count()
    bare_seconds = bare(launch)
    connection.close()
    return {
        "benchmark": "sending",
        "database": options.database,
        "service": options.service,
        "messages": n,
        "plan_seconds": round(plan_seconds, 2),
        "planned_people": plan.n_audience,
        "send_seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "messages_per_minute": round(60 * n / seconds),
        "bare_messages_per_minute": round(60 * n / bare_seconds),
        "ratio": round(bare_seconds / seconds, 2),
    }


def set_up(database: str) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    from django.conf import settings

    if database == "postgres":
        create_database(settings.DATABASES["default"]["NAME"])
    call_command("migrate", verbosity=0)


def send(launch, *, is_profiled: bool) -> None:
    import cProfile
    import pstats

    from django.utils import timezone

    from campaigns.services import sending
    from segmentation.services import jobs

    profile = cProfile.Profile() if is_profiled else contextlib.nullcontext()
    with jobs.hold(launch) as held, profile:
        sending.send(launch, held, clock=timezone.now)
    if is_profiled:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("cumtime").print_stats(45)


def bare(launch) -> float:
    """Seconds that encrypting and posting alone takes, to the same subscriptions."""
    from campaigns.channels.base import Address, Message
    from campaigns.services import keys

    texts = launch.deliveries.values_list("contact_point__address", flat=True)
    given = [json.loads(text) for text in texts]
    points = [Address(one["target"], one["keys"]) for one in given]
    channel = keys.open_channel("webpush")
    message = Message({"text": "x" * PAYLOAD_BYTES}, ttl_seconds=3600)

    async def send_all() -> float:
        waiting = iter(points)
        async with channel.session() as session:

            async def worker() -> None:
                for point in waiting:
                    await session.send(point, message)

            began = time.perf_counter()
            await asyncio.gather(*(worker() for _ in range(64)))
            return time.perf_counter() - began

    return asyncio.run(send_all())


def create_database(name: str) -> None:
    import psycopg

    with psycopg.connect(
        os.environ["TEST_POSTGRES_URL"] + "/postgres", autocommit=True
    ) as db:
        db.execute(f'DROP DATABASE IF EXISTS "{name}"')
        db.execute(f'CREATE DATABASE "{name}"')


def seed(options: argparse.Namespace, origin: str):
    from django.utils import timezone

    from campaigns.models import Consent, ContactPoint
    from campaigns.services import keys
    from segmentation.models.fields import encrypt
    from tests.campaigns import worlds

    people = worlds.make_people(options.messages)
    items = worlds.make_items(200)
    long_ago = timezone.now() - timedelta(days=1)
    for item in items[:3]:
        worlds.buy(people[0], item, at=long_ago)
    given = subscriptions(options, origin, len(people), keys.vapid_public_key())
    worlds.make_reachable(
        people,
        channel="webpush",
        addresses={
            one.pk: {"target": row["endpoint"], "keys": row["keys"]}
            for one, row in zip(people, given, strict=True)
        },
    )
    assert Consent.objects.count() == ContactPoint.objects.count() == len(people)
    assert encrypt([""]) == [""]
    return worlds.make_campaign(
        channel="webpush",
        n_products=3,
        holdout_share=0.0,
        variant={"title": "For you: {{ recommendations.0.title }}"},
    )


def subscriptions(options, origin: str, n: int, public: str) -> list[dict]:
    if options.service == "demo":
        body = json.dumps(
            {"devices": [str(i) for i in range(n)], "application_server_key": public}
        )
        request = urllib.request.Request(f"{origin}/subscribe", body.encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())["subscriptions"]
    from campaigns.channels.vapid import b64url, generate_keys

    agents = [generate_keys()[1] for _ in range(50)]  # making them is not measured
    return [
        {
            "endpoint": f"{origin}/push/{number}",
            "keys": {"p256dh": agents[number % 50], "auth": b64url(os.urandom(16))},
        }
        for number in range(n)
    ]


if __name__ == "__main__":
    main()
