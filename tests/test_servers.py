"""The servers that the tests and ``make demo-full`` stand on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOOK = """
import json, os, psycopg, redis, sys
url = os.environ.get("DATABASE_URL") or os.environ["TEST_POSTGRES_URL"] + "/postgres"
with psycopg.connect(url) as session:
    fsync = session.execute("SHOW fsync").fetchone()[0]
    folder = session.execute("SHOW data_directory").fetchone()[0]
queue = os.environ.get("REDIS_URL") or os.environ["TEST_REDIS_URL"] + "/0"
redis.Redis.from_url(queue).set("k", 1)
print(json.dumps({"fsync": fsync, "folder": folder, "pid": os.getppid()}), flush=True)
"""


def begin(*arguments: str, code: str = LOOK) -> subprocess.Popen:
    names = ("DATABASE_URL", "REDIS_URL", "TEST_POSTGRES_URL", "TEST_REDIS_URL")
    return subprocess.Popen(
        [sys.executable, "-m", "tests.servers", *arguments, "--", "python", "-c", code],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in names},
        stdout=subprocess.PIPE,
        text=True,
    )


def servers_in(folder: str) -> bool:
    """Whether a process still works in this temporary folder."""
    import psutil

    base = str(Path(folder).parents[1])
    return any(
        base in " ".join(p.info["cmdline"] or ())
        for p in psutil.process_iter(["cmdline"])
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "fsync"), [((), "off"), (("--production",), "on")]
)
def test_a_command_finds_both_servers_and_nothing_is_left_behind(arguments, fsync):
    running = begin(*arguments, code=LOOK + "sys.exit(7)")
    seen = json.loads(running.communicate()[0])
    assert running.returncode == 7
    assert seen["fsync"] == fsync
    assert seen["folder"].startswith(tempfile.gettempdir())
    assert not Path(seen["folder"]).parents[1].exists()
    assert not servers_in(seen["folder"])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_command_and_the_servers(number):
    running = begin(code=LOOK + "import time; time.sleep(60)")
    seen = json.loads(running.stdout.readline())
    assert servers_in(seen["folder"])
    started = time.monotonic()
    running.send_signal(number)
    assert running.wait(30) != 0
    assert time.monotonic() - started < 30
    assert not servers_in(seen["folder"])
    assert not Path(seen["folder"]).parents[1].exists()


def test_a_command_that_is_not_there_is_named():
    done = subprocess.run(
        [sys.executable, "-m", "tests.servers", "--", "no-such-command"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        # A folder of PATH that this user may not read would give another reason.
        env={**os.environ, "PATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (
        1,
        "no-such-command cannot be run: No such file or directory.\n",
    )
