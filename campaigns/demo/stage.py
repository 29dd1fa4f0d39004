"""Where the demo plays: its addresses and its processes."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.utils.translation import gettext as _

from campaigns.demo import shoppers, story
from segmentation import conf
from segmentation.management import processes
from segmentation.management.commands import serve, work
from segmentation.services import jobs, operators

MARK = "STRATA_DEMO"
READY_SECONDS = 60
LEAVING_SECONDS = 5


def environment(port: int) -> dict[str, str] | None:
    """The variables that the demo needs, or None when this process has them already.

    Both ports are kept from one run to the next: subscriptions name the push service's,
    and links in delivered messages the shop's. Refused when the first is taken.
    """
    if MARK in os.environ:
        return None
    home = conf.home() / "demo"
    home.mkdir(parents=True, exist_ok=True)
    kept = home / "ports.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    push_port = known.get("push") or _free_port()
    if not _becomes_free(push_port):
        raise jobs.Refused(
            _(
                "Port %(port)d is taken, and the demo's browsers are subscribed there: "
                "stop the other demo, or remove %(folder)s to begin anew."
            )
            % {"port": push_port, "folder": conf.home()}
        )
    wish = known.get("web") or port
    web_port = wish if _becomes_free(wish) else _free_port()
    kept.write_text(json.dumps({"push": push_port, "web": web_port}))
    return os.environ | {
        MARK: "1",
        "PUBLIC_URL": f"http://127.0.0.1:{web_port}",
        "PUSH_TEST_ORIGINS": f"http://127.0.0.1:{push_port}",
    }


@contextmanager
def set_up(shop: story.Shop, say: Callable[[str], None]) -> Iterator[story.Stage]:
    """Migrate, start web, workers, beat and a push service; all stop at the end."""
    call_command("migrate", verbosity=0)
    if settings.PRODUCTION:
        call_command("collectstatic", interactive=False, verbosity=0)
    password = operators.ensure_first()
    if password:
        say(
            _("Log in as %(name)s with the password %(password)s (shown this once)")
            % {"name": operators.NAME, "password": password}
        )
    push_origin = conf.push_test_origins()[0]
    family = processes.Family(say)
    try:
        web = urlsplit(conf.public_url())
        serve.start_web(family, web.hostname or "127.0.0.1", web.port or 8000)
        work.start(family)
        family.start(
            "push-service",
            [
                sys.executable,
                "-m",
                "campaigns.demo.push_service",
                "--port",
                str(urlsplit(push_origin).port),
                "--data",
                str(conf.home() / "demo" / "push"),
            ],
        )
        _wait_until_answers(f"{conf.public_url()}/healthz", family)
        _wait_until_answers(f"{push_origin}/stats", family)
        devices = shoppers.Devices(push_origin, story.folder() / "messages.jsonl")
        url = conf.public_url()
        yield story.Stage(shop, url, push_origin, devices, say, family.look_after)
    finally:
        family.stop()


def _wait_until_answers(url: str, family: processes.Family) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            family.look_after()
            time.sleep(0.2)
    raise jobs.Refused(
        _("%(url)s does not answer; see the logs in %(folder)s.")
        % {"url": url, "folder": processes.log_path("x").parent}
    )


def _becomes_free(port: int) -> bool:
    """Whether a port is free; what a killed demo left needs a moment to go."""
    until = time.monotonic() + LEAVING_SECONDS
    while not _is_free(port):
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
