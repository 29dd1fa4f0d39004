"""The import rules: maths below rows below deeds below doors, segmentation at the base.

Plain ``ast``, so that imports hidden inside functions are seen too. Every rule is
proven by planting what it forbids in a small tree of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("segmentation", "campaigns")
MAX_LINES = 400

# Lowest first. A module may import its own layer and the layers before it.
LAYERS = (
    {"engine", "channels"},
    {"conf"},
    {"models", "migrations"},
    {"bulk", "frames", "queries"},
    {"services"},
    {"tasks"},
    {"clock", "checks", "resources", "admin", "api", "views", "urls", "forms"}
    | {"templatetags", "middleware", "management", "demo", "apps"},
)
HEAVY = {"tensorflow", "keras"}
ROWS = ("django.db", "django.contrib")
OUTSIDE_OF_ENGINES = {
    *(
        "django",
        "rest_framework",
        "import_export",
        "unfold",
        "celery",
        "kombu",
        "redis",
    ),
    *("psycopg", "sqlite3", "adbc_driver_manager", "adbc_driver_postgresql"),
    *("adbc_driver_sqlite", "aiohttp", "httpx", "requests", "socket", "subprocess"),
    *("recsys_project", "tests"),
}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "localtime", "gmtime"}


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Every module of the two apps: (app, path below the root)."""
    for app in APPS:
        for path in sorted((root / app).rglob("*.py")):
            yield app, path.relative_to(root)


def imports(root: Path, path: Path) -> Iterator[str]:
    """Absolute names of everything a module imports, at any depth."""
    package = path.parent.parts
    for node in ast.walk(ast.parse((root / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join((*base, *([node.module] if node.module else [])))
            yield from (f"{start}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            what = getattr(node.args[0], "value", None)
            if name in ("import_module", "__import__") and isinstance(what, str):
                yield what


def layer_of(name: str) -> int:
    for height, names in enumerate(LAYERS):
        if name in names:
            return height
    raise LookupError(name)


def top_of(path: Path) -> str:
    """``services`` for segmentation/services/jobs.py, ``conf`` for conf.py."""
    return path.parts[1].removesuffix(".py")


def violations(root: Path) -> list[str]:
    found = []
    for app, path in modules(root):
        n_lines = len((root / path).read_text().splitlines())
        if n_lines > MAX_LINES and top_of(path) != "migrations":
            found.append(f"{path} has more than {MAX_LINES} lines")
        if path.parts[1] == "__init__.py":
            continue  # the map of the app: a docstring
        try:
            height = layer_of(top_of(path))
        except LookupError:
            found.append(f"{path} has no layer: say where its content belongs")
            continue
        for name in imports(root, path):
            found += _broken_by(app, path, height, name)
        found += _clock_calls(root, path)
    return found


def _broken_by(app: str, path: Path, height: int, name: str) -> Iterator[str]:
    parts = name.split(".")
    top = top_of(path)
    if parts[0] in APPS and len(parts) > 1 and not parts[1].startswith("__"):
        try:
            if layer_of(parts[1]) > height:
                yield f"{path} imports {name}, which is above it"
        except LookupError:
            yield f"{path} imports {name}, which has no layer"
    if app == "segmentation" and parts[0] == "campaigns":
        yield f"{path} imports {name}: segmentation never learns of campaigns"
    if parts[0] in ("recsys_project", "tests"):
        yield f"{path} imports {name}: the apps install without the project"
    if parts[0] in HEAVY and path.name != "neural.py":
        yield f"{path} imports {name}: only neural.py may"
    if top == "engine" and (
        parts[0] in OUTSIDE_OF_ENGINES
        or (parts[0] in APPS and parts[:2] != [app, "engine"])
    ):
        yield f"{path} imports {name}: an engine knows libraries and itself"
    if top == "channels" and name.startswith(ROWS):
        yield f"{path} imports {name}: a channel knows no rows"


def _clock_calls(root: Path, path: Path) -> Iterator[str]:
    """Engines and channels are told the time; they never ask for it."""
    if top_of(path) != "engine":
        return
    for node in ast.walk(ast.parse((root / path).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = getattr(node.func.value, "id", getattr(node.func.value, "attr", ""))
            if owner in ("datetime", "date", "time") and node.func.attr in CLOCKS:
                yield f"{path}:{node.lineno} asks the clock; pass the time in"


def test_the_code_keeps_to_its_layers():
    assert violations(ROOT) == []


def test_both_apps_are_looked_at():
    seen = {(app, top_of(path)) for app, path in modules(ROOT)}
    assert {(app, "models") for app in APPS} <= seen
    assert {(app, "engine") for app in APPS} <= seen


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        (
            "segmentation/services/jobs.py",
            "def f():\n    from segmentation import tasks",
            "above it",
        ),
        (
            "campaigns/services/sending/wire.py",
            "from campaigns.api.views import x",
            "above it",
        ),
        ("segmentation/queries.py", "from .services import jobs", "above it"),
        ("segmentation/models/items.py", "from ..bulk import write", "above it"),
        ("segmentation/engine/als.py", "import django.conf", "itself"),
        (
            "campaigns/engine/caps.py",
            "from segmentation.engine import columns",
            "itself",
        ),
        ("campaigns/engine/caps.py", "from campaigns.channels import base", "itself"),
        (
            "segmentation/admin.py",
            "from campaigns.models import Campaign",
            "never learns",
        ),
        (
            "campaigns/channels/fcm.py",
            "from campaigns.models import Delivery",
            "above it",
        ),
        ("campaigns/channels/fcm.py", "from django.db import models", "knows no rows"),
        (
            "segmentation/engine/knn.py",
            "def fit():\n    import tensorflow as tf",
            "only neural.py",
        ),
        (
            "segmentation/apps.py",
            "import importlib\nimportlib.import_module('keras')",
            "only neural.py",
        ),
        ("segmentation/utils.py", "", "no layer"),
        ("campaigns/views.py", "from campaigns import helpers", "no layer"),
        (
            "segmentation/tasks.py",
            "from recsys_project.celery import app",
            "without the project",
        ),
        (
            "segmentation/engine/decay.py",
            "import datetime\nx = datetime.datetime.now()",
            "asks the clock",
        ),
        (
            "campaigns/engine/pacing.py",
            "import time\ndef f():\n    return time.time()",
            "asks the clock",
        ),
        ("campaigns/views.py", "x = 1\n" * 401, "more than 400 lines"),
    ],
)
def test_what_a_rule_forbids_is_found(tmp_path, path, code, reason):
    planted = tmp_path / path
    planted.parent.mkdir(parents=True)
    planted.write_text(code)
    assert [reason in sentence for sentence in violations(tmp_path)] == [True]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("segmentation/engine/recommenders/neural.py", "import tensorflow as tf"),
        ("segmentation/engine/als.py", "from segmentation.engine import columns"),
        ("campaigns/services/planning.py", "from segmentation import queries"),
        ("campaigns/demo/story.py", "from campaigns.services import planning"),
        ("segmentation/services/jobs.py", "from django.utils import timezone"),
    ],
)
def test_what_the_rules_allow_passes(tmp_path, path, code):
    planted = tmp_path / path
    planted.parent.mkdir(parents=True)
    planted.write_text(code)
    assert violations(tmp_path) == []
