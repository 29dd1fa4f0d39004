"""Consent that files of customers tell, and its taking back with the file.

A file does not say when somebody agreed. So a yes counts only where nothing was said
before: it never overrules a withdrawal. A no withdraws whatever was granted.

What each file said, and what stood before and after it, is kept as ``ImportChange``
rows of their own kind. Without one of the files the later ones are heard anew: what
only it said is gone, what it withdrew is granted again, and what was said to us in any
other way since stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime

from campaigns.channels import CHANNELS
from campaigns.models import Consent
from segmentation.models import ImportChange, ImportJob
from segmentation.services import consents

KIND = "consents"  # of ImportChange
AT_ONCE = 1000  # rows in one statement, and in one transaction of an undo
_FIELDS = ("granted", "said_at", "text_version", "proof")

Said = dict[str, Any]  # the _FIELDS of a consent as JSON; empty: nothing was said


class Imported:
    """Keeps what files of customers tell (``consent.email`` and the like)."""

    def __init__(self) -> None:
        self.channels = {name: name for name in CHANNELS} | {"push": "webpush"}
        self.ways = {way: CHANNELS[name][0] for way, name in self.channels.items()}
        self.permission = "campaigns.change_consent"

    def take(self, told: consents.Told) -> consents.Counted:
        files = ImportJob.objects.filter(pk=told.import_id)
        text = files.values_list("original_name", flat=True).first() or ""
        said = {
            "said_at": told.at.isoformat(),
            "text_version": text[:40],
            "proof": f"import {told.import_id}",
        }
        against = set(told.customer_ids[~told.granted].tolist())
        # Of two lines about one person a no counts.
        everybody = sorted(set(told.customer_ids.tolist()))
        n_yes = n_no = 0
        for start in range(0, len(everybody), AT_ONCE):
            some = everybody[start : start + AT_ONCE]
            heard = {who: said | {"granted": who not in against} for who in some}
            new = _hear(heard, self.channels[told.way], told.import_id)
            n_yes += new.n_yes
            n_no += new.n_no
        return consents.Counted(n_yes, n_no)

    def give_back(self, import_id: int) -> int:
        """Forget some of what that import said; answers how much, 0 when all is."""
        log = ImportChange.objects.filter(kind=KIND, import_id=import_id).order_by("pk")
        ours = dict(log.values_list("object_id", "pk")[:AT_ONCE])
        if ours:
            _unsay(ours)
        return len(ours)


def changes_of(rows: QuerySet) -> QuerySet:
    """What files said about some consents."""
    return ImportChange.objects.filter(kind=KIND, object_id__in=rows.values("pk"))


def _hear(heard: dict[int, Said], channel: str, import_id: int) -> consents.Counted:
    """What one file says about some customers, by their ids; and the log of it.

    Answers what of it was new.
    """
    where = {"channel": channel, "purpose": Consent.Purpose.MARKETING}
    rows = Consent.objects.filter(customer__in=heard, **where)
    before = {row.customer_id: _said(row) for row in _locked(rows)}
    first = [
        Consent(customer_id=who, **where, **_values(told))
        for who, told in heard.items()
        if who not in before
    ]
    Consent.objects.bulk_create(first, ignore_conflicts=True, batch_size=AT_ONCE)
    changed, log = [], []
    new = {True: 0, False: 0}
    for row in _locked(rows):
        told, present = heard[row.customer_id], _said(row)
        # What a call said a moment ago was there before us.
        was = before.get(row.customer_id, {} if present == told else present)
        left = _after(was, told)
        if left != present:
            changed.append(_put(row, left))
        if left != was:
            new[left["granted"]] += 1
        noted = {"told": told, "left": left}
        log.append(_change(import_id, row.pk, was, noted))
    Consent.objects.bulk_update(changed, _FIELDS, batch_size=200)
    _note(log, import_id)
    return consents.Counted(new[True], new[False])


def _note(log: list[ImportChange], import_id: int) -> None:
    """One row an import and consent, whatever it says twice; a no stays a no."""
    ids = [change.object_id for change in log]
    own = ImportChange.objects.filter(kind=KIND, import_id=import_id, object_id__in=ids)
    noted = {change.object_id: change for change in own}
    for change in log:
        former = noted.get(change.object_id)
        if former is not None:
            change.before = former.before
            if not former.after["told"]["granted"]:
                change.after["told"] = former.after["told"]
    ImportChange.objects.bulk_create(
        log,
        update_conflicts=True,
        unique_fields=["import_id", "kind", "object_id"],
        update_fields=["before", "after"],
        batch_size=200,
    )


def _unsay(ours: dict[int, int]) -> None:
    """Take changes (consent → change) out of what files said about these consents."""
    rows = {row.pk: row for row in _locked(Consent.objects.filter(pk__in=ours))}
    log = ImportChange.objects.filter(kind=KIND, object_id__in=ours)
    heard_anew: list[ImportChange] = []
    gone, changed = [], []
    for pk, told in groupby(log.order_by("object_id", "pk"), _consent_of):
        was, left, after = _without(list(told), ours[pk])
        heard_anew += after
        row = rows.get(pk)
        if row is None or left == was or _said(row) != was:
            continue  # or somebody said something else since
        if left:
            changed.append(_put(row, left))
        else:
            gone.append(pk)
    Consent.objects.filter(pk__in=gone).delete()
    Consent.objects.bulk_update(changed, _FIELDS, batch_size=200)
    fields = ["before", "after"]
    ImportChange.objects.bulk_update(heard_anew, fields, batch_size=200)
    ImportChange.objects.filter(pk__in=ours.values()).delete()


def _without(
    told: list[ImportChange], ours: int
) -> tuple[Said, Said, list[ImportChange]]:
    """What files said about a consent, without one of them.

    Answers what stood after the last that hung on it, what stands now, and those.
    """
    at = next(place for place, change in enumerate(told) if change.pk == ours)
    was, left = told[at].after["left"], told[at].before
    heard_anew = []
    for change in told[at + 1 :]:
        if change.before != was:  # something was said in between
            break
        was, change.before = change.after["left"], left
        left = _after(left, change.after["told"])
        change.after["left"] = left
        heard_anew.append(change)
    return was, left, heard_anew


def _after(before: Said, told: Said) -> Said:
    """A yes is a first word only; a no withdraws what was granted."""
    if not before or (before["granted"] and not told["granted"]):
        return told
    return before


def _said(row: Consent) -> Said:
    values = {name: getattr(row, name) for name in _FIELDS}
    return values | {"said_at": row.said_at.isoformat()}


def _values(said: Said) -> dict[str, Any]:
    return said | {"said_at": parse_datetime(said["said_at"])}


def _put(row: Consent, said: Said) -> Consent:
    for name, value in _values(said).items():
        setattr(row, name, value)
    return row


def _locked(rows: QuerySet) -> Iterator[Consent]:
    """In the order of ids, so that two at once cannot wait for each other."""
    return rows.select_for_update().order_by("pk").iterator()


def _consent_of(change: ImportChange) -> int:
    return change.object_id


def _change(import_id: int, pk: int, before: Said, after: Said) -> ImportChange:
    return ImportChange(
        import_id=import_id, kind=KIND, object_id=pk, before=before, after=after
    )
