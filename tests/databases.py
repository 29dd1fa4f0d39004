"""Which database a test process works on, and how tests find theirs under xdist.

``TEST_DATABASE`` chooses ``sqlite``, ``postgres`` or ``both``. With ``both``, tests
that touch rows are collected once per database and every worker process keeps to one of
the two; all other tests run once, wherever there is room.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

BOTH = ("sqlite", "postgres")
ROWS = frozenset({"db", "transactional_db", "django_db_setup"})
STRAY = [
    "DATABASE_URL",
    "REDIS_URL",
    "COUNTERS_URL",
    "SECRET_KEY",
    "PUBLIC_URL",
    "ALLOWED_HOSTS",
    "DEBUG",
    "CSRF_TRUSTED_ORIGINS",
    "METRICS_TOKEN",
    "PUSH_TEST_ORIGINS",
    "VAPID_PRIVATE_KEY",
    "VAPID_SUBJECT",
    "LANGUAGE_CODE",
    "LOG_LEVEL",
    "CONN_MAX_AGE",
    "HSTS_SECONDS",
]


def chosen(*, in_parallel: bool) -> tuple[str, ...]:
    """The databases of this test run; refuses what cannot be done with a sentence."""
    has_servers = "TEST_POSTGRES_URL" in os.environ
    default = "both" if has_servers and in_parallel else "sqlite"
    wish = os.environ.get("TEST_DATABASE") or default
    names = BOTH if wish == "both" else (wish,)
    if wish not in (*BOTH, "both"):
        raise pytest.UsageError("TEST_DATABASE must be sqlite, postgres or both.")
    if "postgres" in names and not has_servers:
        raise pytest.UsageError(
            "PostgreSQL is not running; use `python -m tests.servers -- pytest …`."
        )
    if len(names) > 1 and not in_parallel:
        raise pytest.UsageError("TEST_DATABASE=both needs two processes: pytest -n 2.")
    return names


def settle(database: str, worker: str, home: Path) -> None:
    """Set the environment that Django and every process of a test read.

    ``worker`` is xdist's name of this process (``gw3``): each has its own database, its
    own pair of Redis databases and its own folder.
    """
    for name in [name for name in os.environ if name.startswith("STRATA_")] + STRAY:
        os.environ.pop(name, None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "recsys_project.settings"
    os.environ["STRATA_HOME"] = str(home)
    (home / "static").mkdir()  # WhiteNoise warns in every test when it is not there
    if database == "sqlite":
        return  # the embedded default: a file in STRATA_HOME
    number = int(worker.removeprefix("gw") or 0) if worker.startswith("gw") else 0
    redis_url = os.environ["TEST_REDIS_URL"]
    os.environ |= {
        "DATABASE_URL": f"{os.environ['TEST_POSTGRES_URL']}/strata_{worker}",
        "REDIS_URL": f"{redis_url}/{2 * number % 64}",
        "COUNTERS_URL": f"{redis_url}/{(2 * number + 1) % 64}",
        "SECRET_KEY": "a-key-for-tests-only-with-more-than-fifty-characters-in-it",
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
        "STRATA_HTTPS": "0",
        "LOG_LEVEL": "WARNING",
    }


def touches_rows(metafunc: pytest.Metafunc) -> bool:
    marked = metafunc.definition.get_closest_marker("django_db") is not None
    return marked or not ROWS.isdisjoint(metafunc.fixturenames)


def mark(database: str) -> str:
    """How the id of a test says its database: ``test_x[db=sqlite]``."""
    return f"db={database}"


class OneDatabaseEach(LoadScopeScheduling):
    """Hand out tests module by module, each to a worker that is on its database."""

    holds_back = False

    def _split_scope(self, nodeid: str) -> str:
        module, _, test = nodeid.partition("::")
        database = next((name for name in BOTH if mark(name) in test), "any")
        return f"{database} {module}"

    def schedule(self) -> None:
        if self.collection is None and self.registered_collections:
            items = next(iter(self.registered_collections.values()))
            wanted = {self._split_scope(item).partition(" ")[0] for item in items}
            # xdist sends away the last workers when there is little to do.
            nodes = sorted(self.nodes, key=lambda node: _database(node) not in wanted)
            self.assigned_work = {node: self.assigned_work[node] for node in nodes}
        super().schedule()

    def remove_node(self, node) -> str | None:
        """Hand the tests of a crashed worker on, all but the one that killed it."""
        self.holds_back = True
        crashed = super().remove_node(node)
        self.holds_back = False
        if crashed:
            scope = self._split_scope(crashed)
            self.workqueue[scope][crashed] = True
            if all(self.workqueue[scope].values()):
                del self.workqueue[scope]
            for other in self.nodes:
                self._reschedule(other)
        return crashed

    def _assign_work_unit(self, node) -> None:
        if self.holds_back:
            return
        for scope in self.workqueue:
            if scope.partition(" ")[0] in (_database(node), "any"):
                self.workqueue.move_to_end(scope, last=False)
                super()._assign_work_unit(node)
                return
        node.shutdown()


class Workers:
    """In the controlling process: tell each worker process its database."""

    def __init__(self, databases: tuple[str, ...]) -> None:
        self.waiting = list(databases)
        self.databases = databases

    def pytest_xdist_setupnodes(self) -> None:
        # With it pytest-django would load the settings before a worker has settled.
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)

    def pytest_configure_node(self, node) -> None:
        if not self.waiting:
            self.waiting = list(self.databases)
        node.workerinput["database"] = self.waiting.pop(0)

    def pytest_testnodedown(self, node, error) -> None:
        if error:  # the process that replaces a crashed one takes over its database
            self.waiting.insert(0, _database(node))

    def pytest_xdist_make_scheduler(self, config, log):
        return OneDatabaseEach(config, log)


def _database(node) -> str:
    return node.workerinput["database"]
