"""A Chromium for the browser tests: one that is there, or one installed on the way.

``python -m tests.browser`` installs one where it may (apt as root, else Playwright's
own) and never fails itself: a test that finds no browser fails with a sentence.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-first-run",
    "--no-pings",
)
ADVICE = (
    "There is no Chromium for the browser tests and none could be installed. "
    "Install one (Debian, Ubuntu: `sudo apt-get install chromium`; else "
    "`.venv/bin/playwright install chromium`) and run the tests again."
)


def find() -> str | None:
    """The path of a Chromium on this machine: on PATH, or one of Playwright's."""
    from playwright.sync_api import sync_playwright

    for name in NAMES:
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


@contextlib.contextmanager
def launched() -> Iterator[object]:
    """A running headless browser; fails with a sentence when there is none."""
    from playwright.sync_api import sync_playwright

    path = find()
    assert path, ADVICE
    options = list(QUIET)
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium refuses its sandbox to root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


def _install() -> None:
    """Try what this user may do, saying so; the tests tell whether it was enough."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        sys.stderr.write("Installing Chromium for the browser tests with apt …\n")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        install = "apt-get install -y --no-install-recommends chromium"
        for command in ("apt-get update", install):
            subprocess.run(command.split(), env=env, check=False, **quiet)
    if find() is None:
        sys.stderr.write("Installing Playwright's own Chromium …\n")
        command = [sys.executable, "-m", "playwright", "install", "chromium"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    if find() is None:
        _install()
    if find() is None:
        sys.stderr.write(f"{ADVICE}\n")
