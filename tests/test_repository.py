"""What somebody who clones, installs or operates this repository relies on."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==\S+( ; .+)?$")
VERBS = (
    "demo",
    "demo-full",
    "run",
    "test",
    "test-fast",
    "lint",
    "soak",
    "bench",
    "docs",
)
FILES = ("requirements.txt", "requirements-dev.txt", "requirements-gpu.txt")


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / f".ci/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    lines = [line for line in lines if line and not line.lstrip().startswith("#")]
    return {PIN.match(line)[1]: line for line in lines if PIN.match(line)}


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_pinned(name):
    lines = (ROOT / name).read_text().splitlines()
    lines = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert len(lines) > 50
    assert [line for line in lines if not PIN.match(line)] == []


def test_what_the_package_needs_is_pinned():
    wanted = {re.split(r"[\[<>=; ]", name)[0] for name in PROJECT["dependencies"]}
    assert wanted <= set(pins("requirements.txt"))
    extra = PROJECT["optional-dependencies"]["dev"]
    wanted = {re.split(r"[\[<>=; ]", name)[0] for name in extra}
    assert wanted <= set(pins("requirements-dev.txt"))


def test_all_requirements_files_pin_the_same_versions():
    main = pins("requirements.txt")
    for name in FILES[1:]:
        for package in set(main) & set(pins(name)):
            version = main[package].partition(" ;")[0]
            assert pins(name)[package].partition(" ;")[0] == version


def test_the_small_tensorflow_is_for_ordinary_linux_and_the_large_one_for_gpus():
    main, gpu = pins("requirements.txt"), pins("requirements-gpu.txt")
    assert "x86_64' and sys_platform == 'linux'" in main["tensorflow-cpu"]
    assert "x86_64' or sys_platform != 'linux'" in main["tensorflow"]
    assert "tensorflow-cpu" not in gpu
    assert "nvidia-cudnn-cu12" in gpu


def test_the_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text()
    assert PROJECT["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_ci_runs_lint_and_test_and_nothing_else():
    script = (ROOT / ".ci/run").read_text()
    assert re.findall(r"^[^#\n]*\bmake (\w+)\b(?! failed)", script, re.MULTILINE) == [
        "lint",
        "test",
    ]
    assert os.access(ROOT / ".ci/run", os.X_OK)


def run_ci(tmp_path: Path, lint: str, test: str) -> tuple[int, list[str]]:
    """Run .ci/run in a folder whose Makefile has these recipes."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci/run").write_text((ROOT / ".ci/run").read_text())
    (tmp_path / "Makefile").write_text(f"lint:\n\t@{lint}\ntest:\n\t@{test}\n")
    done = subprocess.run(
        ["sh", ".ci/run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("lint", "test", "passes"),
    [
        ("true", "echo '==== 3 passed in 1.20s ===='", True),
        ("false", "echo '==== 3 passed in 1.20s ===='", False),
        ("true", "echo '==== 1 failed in 1.20s ===='; false", False),
        ("true", "echo '==== 3 passed in 61.20s (0:01:01) ===='; echo later", True),
    ],
)
def test_ci_ends_with_pytests_closing_line(tmp_path, lint, test, passes):
    status, lines = run_ci(tmp_path, lint, test)
    assert (status == 0) is passes
    assert re.fullmatch(r"==== \d \w+ in .* ====", lines[-1])


@pytest.mark.parametrize("version", ["3.10.2", "3.14.0", None])
def test_an_unsupported_python_is_refused_with_a_sentence(tmp_path, version):
    """The folder holds what PATH holds: no Python, or one that is too old or new."""
    if version:
        fake = tmp_path / "python3"
        answer = f"echo Python {version}; exit 0"
        fake.write_text(f'#!/bin/sh\n[ "$1" = --version ] && {{ {answer}; }}\nexit 1\n')
        fake.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", ROOT / ".ci/python"],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert (version or "no python3") in done.stderr


def test_a_broken_python_on_the_path_is_passed_over(tmp_path):
    """As pyenv does it: a python3 that is only a name, the real one further back."""
    shim = tmp_path / "python3"
    shim.write_text("#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    (tmp_path / "python3.11").symlink_to(sys.executable)
    done = subprocess.run(
        ["/bin/sh", ROOT / ".ci/python"],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == str(tmp_path / "python3.11")


def test_the_guides_have_no_broken_links():
    assert load("docs").broken_links(ROOT) == []


def test_a_broken_link_is_named(tmp_path):
    (tmp_path / "README.md").write_text("[gone](docs/gone.md) [here](README.md#top)")
    assert load("docs").broken_links(tmp_path) == [
        "README.md links to docs/gone.md: no such file"
    ]


def test_make_says_what_it_can_do():
    done = subprocess.run(
        ["make"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for verb in VERBS:
        assert re.search(rf"^{verb} ", done.stdout, re.MULTILINE)


def test_the_pages_load_nothing_from_other_hosts():
    """No CDN: a page works in a shop's network that has no way out."""
    outside = re.compile(
        r"""(?:src|href)=["'](?:https?:)?//[^"']+\.(?:js|css|woff2?)|@import\s+url\(.?https?:"""
    )
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in ("templates", "segmentation", "campaigns")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".html", ".css", ".js") and outside.search(path.read_text())
    ]
    assert found == []
