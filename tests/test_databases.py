"""The homes of the tests: one database per process, open to other processes."""

from __future__ import annotations

import signal

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from tests import databases, processes

VENDORS = {"sqlite": "sqlite", "postgres": "postgresql"}
COUNT = (
    "from django.contrib.auth import get_user_model as model; "
    "print('users:', model().objects.filter(username='committed').count())"
)


@pytest.mark.django_db
def test_a_test_works_on_the_database_that_its_id_names(database):
    assert connection.vendor == VENDORS[database]
    assert connection.settings_dict["NAME"] == connection.settings_dict["TEST"]["NAME"]
    assert ":memory:" not in str(connection.settings_dict["NAME"])


@pytest.mark.slow
def test_another_process_sees_what_a_test_commits(started):
    get_user_model().objects.create(username="committed")
    command = started.manage("shell", "--verbosity=0", "-c", COUNT)
    assert command.wait() == 0, command.said()
    assert "users: 1" in command.said()


def test_a_killed_process_takes_its_children_along(tmp_path):
    code = "import subprocess as s; s.run(['sleep', '60'])"
    with processes.Started({"PATH": "/usr/bin:/bin"}, tmp_path) as running:
        parent = running.program("python3", "-c", code)
        processes.until(lambda: len(parent.family()) == 2)
        child = parent.family()[1]
        parent.freeze()
        processes.until(lambda: child.status() == "stopped")
        parent.thaw()
        processes.until(lambda: child.status() != "stopped")
        parent.kill()
        processes.until(lambda: not child.is_running() or child.status() == "zombie")
        assert parent.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("wish", "servers", "in_parallel", "answer"),
    [
        (None, False, False, ("sqlite",)),
        (None, True, False, ("sqlite",)),
        (None, True, True, ("sqlite", "postgres")),
        ("postgres", True, False, ("postgres",)),
        ("postgres", False, False, "not running"),
        ("both", True, False, "two processes"),
        ("oracle", True, True, "must be sqlite, postgres or both"),
    ],
)
def test_the_database_is_chosen_or_refused(
    monkeypatch, wish, servers, in_parallel, answer
):
    for name, value in (
        ("TEST_DATABASE", wish),
        ("TEST_POSTGRES_URL", "postgres://x" if servers else None),
    ):
        if value:
            monkeypatch.setenv(name, value)
        else:
            monkeypatch.delenv(name, raising=False)
    if isinstance(answer, tuple):
        assert databases.chosen(in_parallel=in_parallel) == answer
    else:
        with pytest.raises(pytest.UsageError, match=answer):
            databases.chosen(in_parallel=in_parallel)
