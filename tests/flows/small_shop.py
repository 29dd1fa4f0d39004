"""The demo with a small generated shop, as a program: ``small_shop.py demo --json``.

It is ``manage.py`` in all else, so that the demo's children are started through it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]

N_HOUSEHOLDS, N_ITEMS, N_WEEKS = 300, 120, 26
N_TASTES = 4
BEGIN = pd.Timestamp("2017-01-02T05:00")


def write_files(folder: Path) -> None:
    """Households of four tastes that buy mostly their own again and again."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "sales.csv").exists():
        return
    items = pd.DataFrame({"item": [f"p{n}" for n in range(N_ITEMS)]})
    items["title"] = [f"thing {n}" for n in range(N_ITEMS)]
    items["category"] = [f"taste {n % N_TASTES}" for n in range(N_ITEMS)]
    items.to_parquet(folder / "products.parquet")
    households = pd.DataFrame({"customer": [f"h{n}" for n in range(N_HOUSEHOLDS)]})
    households["created_at"] = BEGIN
    households.to_parquet(folder / "households.parquet")
    _sales().to_csv(folder / "sales.csv.part", index=False)
    (folder / "sales.csv.part").replace(folder / "sales.csv")


def _sales() -> pd.DataFrame:
    chance = np.random.default_rng(11)
    lines = []
    for household in range(N_HOUSEHOLDS):
        own = np.arange(household % N_TASTES, N_ITEMS, N_TASTES)
        liked = chance.choice(own, 8, replace=False)
        for week in range(N_WEEKS):
            basket = set(chance.choice(liked, 4)) | {chance.choice(N_ITEMS)}
            when = BEGIN + pd.Timedelta(days=7 * week + int(chance.integers(7)))
            lines += [(f"h{household}", f"p{item}", when) for item in sorted(basket)]
    sales = pd.DataFrame(lines, columns=["customer", "item", "occurred_at"])
    sales["order"] = sales["customer"] + sales["occurred_at"].dt.strftime("-%j")
    sales["amount"] = chance.uniform(1, 9, len(sales)).round(2)
    return sales


def main() -> None:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsys_project.settings")
    import django
    from django.core.management import execute_from_command_line

    if sys.argv[1:2] == ["demo"]:
        django.setup()
        open_shop()
    execute_from_command_line(sys.argv)


def open_shop() -> None:
    """Let the demo play in this shop instead of the real one."""
    from campaigns.demo import data, story
    from campaigns.management.commands import demo

    def files(folder: Path) -> list[data.File]:
        write_files(folder)
        same = {name: name for name in ("customer", "item", "occurred_at", "order")}
        sales = same | {"amount": "amount", "kind": "=purchase"}
        return [
            data.File("items", "products", folder / "products.parquet", {}),
            data.File("customers", "households", folder / "households.parquet", {}),
            data.File("events", "sales", folder / "sales.csv", sales),
        ]

    def at(week: int) -> str:
        return f"{BEGIN + pd.Timedelta(weeks=week)}Z"

    small = {"regularization": 1.0, "n_factors": 8}
    demo.Command.shop = story.Shop(
        files=files,
        runs=[
            ("personal_frequency", "again", {"half_life_days": 28}),
            ("als", "discover", small),
            ("als", "taste", small),
        ],
        protocol={"valid_from": at(N_WEEKS - 8), "test_from": at(N_WEEKS - 4)},
        usual_item="p0",
        start_seconds=3,
    )


if __name__ == "__main__":
    main()
