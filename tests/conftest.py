"""Where tests run: a file or a PostgreSQL database, real processes, a browser."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from django.utils import translation

from tests import browser as chromium
from tests import databases, processes

DATABASES = pytest.StashKey[tuple[str, ...]]()
MINE = pytest.StashKey[str]()
HOME = pytest.StashKey[Path]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set the environment before pytest-django loads the settings."""
    if "DJANGO_SETTINGS_MODULE" in os.environ:
        raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE; the tests set it.")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    n_workers = len(getattr(config.option, "tx", None) or [])
    in_parallel = worker != "main" or n_workers > 1
    names = databases.chosen(in_parallel=in_parallel)
    mine = getattr(config, "workerinput", {}).get("database", names[0])
    home = Path(tempfile.mkdtemp(prefix=f"strata-tests-{worker}-"))
    databases.settle(mine, worker, home)
    config.stash[DATABASES], config.stash[MINE], config.stash[HOME] = names, mine, home
    if worker == "main" and n_workers:
        config.pluginmanager.register(databases.Workers(names), "strata-workers")
    django.setup()


def pytest_unconfigure(config: pytest.Config) -> None:
    if HOME in config.stash:
        shutil.rmtree(config.stash[HOME], ignore_errors=True)


def pytest_report_header(config: pytest.Config) -> str:
    return f"databases: {', '.join(config.stash[DATABASES])}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Collect a test that touches rows once per database."""
    names = metafunc.config.stash[DATABASES]
    if len(names) > 1 and databases.touches_rows(metafunc):
        if "database" not in metafunc.fixturenames:
            metafunc.fixturenames.append("database")
        ids = [databases.mark(name) for name in names]
        metafunc.parametrize("database", names, ids=ids, scope="session")


@pytest.fixture(scope="session")
def database(request: pytest.FixtureRequest) -> str:
    """``sqlite`` or ``postgres``: where this test's rows are."""
    return request.config.stash[MINE]


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Tests use the very database that the environment names, so others can open it."""
    from django.conf import settings

    default = settings.DATABASES["default"]
    default.setdefault("TEST", {})["NAME"] = str(default["NAME"])


@pytest.fixture(autouse=True)
def own_language() -> Iterator[None]:
    """A request in another language leaves it behind in the thread."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def no_heart_in_a_transaction(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heart has a connection of its own: it would see no row of a test's
    transaction, and think its lease lost when a busy machine takes seconds."""
    marked = request.node.get_closest_marker("django_db")
    committed = marked is not None and marked.kwargs.get("transaction")
    if marked is None or committed or "transactional_db" in request.fixturenames:
        return
    from segmentation.services import jobs

    monkeypatch.setattr(jobs._Heart, "run", lambda _heart: None)


@pytest.fixture
def real_database(transactional_db: None) -> dict[str, str]:
    """Rows are committed and other processes see them; answers their environment."""
    return dict(os.environ)


@pytest.fixture
def started(real_database: dict[str, str]) -> Iterator[processes.Started]:
    """Real processes on this test's database, all ended before its rows are removed."""
    folder = Path(tempfile.mkdtemp(prefix="logs-", dir=os.environ["STRATA_HOME"]))
    with processes.Started(real_database, folder) as running:
        yield running


@pytest.fixture
def live_web(started: processes.Started) -> str:
    """The address of a real web server on this test's database."""
    return started.web()


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """A headless Chromium that talks to nobody but the pages under test."""
    # Playwright keeps an event loop in this thread; the ORM would refuse to work in it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with chromium.launched() as running:
        yield running


@pytest.fixture
def page(browser) -> Iterator[object]:
    """A fresh window: no cookies, English, 1280 × 800."""
    context = browser.new_context(
        locale="en-US", viewport={"width": 1280, "height": 800}
    )
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()
