"""Several sources, one person: who is who, and whom to believe about them.

A merge moves names (Identity rows) from one customer to another and nothing else: what
was done stays with the names, so it follows them, and taking a merge back moves the
same names home. What sources say about a customer is kept per source; per field the
most trusted source is believed, and among equals the one that told last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from segmentation import bulk
from segmentation.models import Customer, Identity, Merge
from segmentation.services import audit, claims, jobs
from segmentation.services.leaving import leave_segments

MERGES_AT_ONCE = 500  # so that a transaction holds SQLite for less than a second


@dataclass(frozen=True)
class Pairs:
    """Customers found to be one: ``merged[i]`` should go into ``kept[i]``."""

    kept: NDArray[np.int64]
    merged: NDArray[np.int64]
    n_unclear: int = 0  # groups that name two customers of one source

    def __len__(self) -> int:
        return len(self.kept)


def merge(
    kept: Customer,
    merged: Customer,
    *,
    reason: str = Merge.Reason.HAND,
    actor: Any = None,
) -> Merge:
    """Say that two customers are one; Refused when they are, or one went in already."""
    if kept.pk == merged.pk:
        raise jobs.Refused(_("This is the same customer; choose another."))
    for each in (kept, merged):
        gone = Merge.objects.filter(merged=each, undone_at=None).first()
        if gone is not None:
            words = {"customer": each, "other": gone.kept}
            raise jobs.Refused(_("%(customer)s is part of %(other)s already.") % words)
    pairs = Pairs(np.array([kept.pk]), np.array([merged.pk]))
    if not merge_all(pairs, reason=reason, actor=actor):
        raise jobs.Refused(_("Somebody merged one of them just now; look again."))
    return Merge.objects.get(merged=merged, undone_at=None)


def merge_all(
    pairs: Pairs,
    *,
    reason: str,
    actor: Any = None,
    mark: Callable[[int], None] = lambda _n: None,
) -> int:
    """Merge many pairs, a few hundred in each transaction; answers how many.

    ``mark`` is called in each transaction with the number that it merged.
    """
    n_merged = 0
    for start in range(0, len(pairs), MERGES_AT_ONCE):
        part = slice(start, start + MERGES_AT_ONCE)
        homes = dict(
            zip(pairs.merged[part].tolist(), pairs.kept[part].tolist(), strict=True)
        )
        with transaction.atomic():
            n = _merge_some(homes, reason, actor)
            mark(n)
        n_merged += n
    return n_merged


def _merge_some(homes: dict[int, int], reason: str, actor: Any) -> int:
    """``homes`` says where each merged customer goes; those that went are passed."""
    everybody = {*homes, *homes.values()}
    # In the order of ids, so that two merges at once cannot wait for each other.
    people = _locked(Customer.objects.filter(pk__in=everybody)).order_by("pk")
    there = set(people.values_list("pk", flat=True))
    open_ones = Merge.objects.filter(merged__in=everybody, undone_at=None)
    gone = set(open_ones.values_list("merged_id", flat=True))
    homes = {
        merged: kept
        for merged, kept in homes.items()
        if {merged, kept} <= there - gone and merged != kept
    }
    names: dict[int, list[int]] = {merged: [] for merged in homes}
    rows = _locked(Identity.objects.filter(customer__in=homes)).order_by("pk")
    for pk, owner in rows.values_list("pk", "customer_id"):
        names[owner].append(pk)
    made = Merge.objects.bulk_create(
        Merge(
            kept_id=kept,
            merged_id=merged,
            home_id=kept,
            reason=reason,
            identity_ids=names[merged],
            created_by=actor if getattr(actor, "pk", None) else None,
        )
        for merged, kept in homes.items()
    )
    _move({name: homes[owner] for owner, own in names.items() for name in own})
    carried = list(Merge.objects.filter(home__in=homes, undone_at=None))
    for row in carried:
        row.home_id = homes[row.home_id]
    Merge.objects.bulk_update(carried, ["home"], batch_size=MERGES_AT_ONCE)
    claims.settle(set(homes.values()))
    # A no to personalisation comes with whoever goes in.
    silent = Customer.objects.filter(pk__in=homes, personalised=False)
    leave_segments({homes[pk] for pk in silent.values_list("pk", flat=True)})
    audit.record_all(actor, "merge", made)
    return len(made)


def unmerge(row: Merge, *, actor: Any = None) -> int:
    """Take a merge back: its names go home; answers how many moved.

    Names that a later merge carried on go home too; those that went home by an
    earlier one's undoing stay where they are.
    """
    with transaction.atomic():
        undone = Merge.objects.filter(pk=row.pk, undone_at=None)
        if undone.update(undone_at=timezone.now()) != 1:
            raise jobs.Refused(_("This merge was taken back already."))
        where = home_of(row.kept_id)
        ours = _locked(Identity.objects.filter(pk__in=row.identity_ids, customer=where))
        names = list(ours.values_list("pk", flat=True))
        _move(dict.fromkeys(names, row.merged_id))
        inside = claims.homes({row.merged_id})
        carried = Merge.objects.filter(merged__in=inside, undone_at=None)
        carried.update(home=row.merged_id)
        claims.settle({where, row.merged_id})
        audit.record(actor, "unmerge", row)
    row.refresh_from_db()
    return len(names)


def home_of(customer_id: int) -> int:
    """Who a customer is now, after all merges that stand."""
    onward = Merge.objects.filter(merged=customer_id, undone_at=None)
    found: int | None = onward.values_list("home_id", flat=True).first()
    return found or customer_id


def whole(customer: Customer) -> Customer:
    """Who a customer is now; the same when they went into nobody."""
    return Customer.objects.get(pk=home_of(customer.pk))


def parts_of(customer: Customer) -> list[int]:
    """The customer, and all who went into them by merges that stand."""
    merged = Merge.objects.filter(home=customer, undone_at=None).order_by("merged_id")
    return [customer.pk, *merged.values_list("merged_id", flat=True)]


def _move(homes: dict[int, int]) -> None:
    """Give names (Identity ids) to their new customers."""
    names = [Identity(pk=name, customer_id=owner) for name, owner in homes.items()]
    Identity.objects.bulk_update(names, ["customer"], batch_size=MERGES_AT_ONCE)


def _locked(rows: Any) -> Any:
    return rows.select_for_update() if connection.vendor == "postgresql" else rows


def find_equal(column: str) -> Pairs:
    """Customers of different sources with an equal e-mail or phone.

    ``column`` is ``email_hash`` or ``phone_hash``. An address that two customers of
    one source share names nobody: a family, a shared till; such groups are counted.
    The customer of the most trusted source is kept, among equals the older one.
    """
    table = "segmentation_customer"
    rows = bulk.read(
        f"SELECT c.id, c.{column} AS address, i.source_id AS source, s.trust "
        f"FROM {table} c JOIN segmentation_identity i ON i.customer_id = c.id "
        "JOIN segmentation_source s ON s.id = i.source_id "
        f"WHERE c.{column} IN (SELECT {column} FROM {table} "
        f"WHERE {column} <> '' GROUP BY {column} HAVING count(*) > 1)"
    ).to_pandas()
    if rows.empty:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64))
    people = rows.drop_duplicates(["id", "source"])
    doubled = people.duplicated(["address", "source"], keep=False)
    unclear = set(people.loc[doubled, "address"])
    people = people[~people["address"].isin(unclear)]
    return _kept_and_merged(people, "address", len(unclear))


def linked(first: Iterable[int], second: Iterable[int]) -> Pairs:
    """Pairs of customers of a file, as merges: all that hang together become one."""
    a, b = np.asarray(list(first), np.int64), np.asarray(list(second), np.int64)
    ids, rows = np.unique(np.concatenate([a, b]), return_inverse=True)
    n = len(ids)
    links = sparse.coo_matrix(
        (np.ones(len(a), np.int8), (rows[: len(a)], rows[len(a) :])), shape=(n, n)
    )
    groups = csgraph.connected_components(links, directed=False)[1]
    trust = Identity.objects.filter(customer__in=ids.tolist(), source__isnull=False)
    told = dict(
        trust.order_by("source__trust").values_list("customer", "source__trust")
    )
    people = pd.DataFrame(
        {"id": ids, "group": groups, "trust": [told.get(i, -1) for i in ids.tolist()]}
    )
    return _kept_and_merged(people, "group", 0)


def _kept_and_merged(people: pd.DataFrame, group: str, n_unclear: int) -> Pairs:
    ranked = people.sort_values([group, "trust", "id"], ascending=[True, False, True])
    ranked = ranked.drop_duplicates("id")
    kept = ranked.groupby(group)["id"].transform("first")
    goes = (kept != ranked["id"]).to_numpy()
    return Pairs(
        kept.to_numpy(np.int64)[goes], ranked["id"].to_numpy(np.int64)[goes], n_unclear
    )
