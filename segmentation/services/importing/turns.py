"""Whose turn it is: an undo runs alone, and of a source one file writes at a time."""

from __future__ import annotations

from datetime import timedelta

import pyarrow.compute as pc
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from segmentation.models import ImportJob, Job, Source, UndoJob
from segmentation.services import jobs
from segmentation.services.importing.staged import StagedRows

TURN_SECONDS = 3.0  # until a file that waits for another looks again
MOST_SOURCES = 50  # that the lines of one file may name


def await_undo(held: jobs.Held) -> None:
    """An undo runs alone: what it finds unused must not be used by a file meanwhile."""
    if UndoJob.objects.filter(status=Job.Status.RUNNING).exists():
        later = timezone.now() + timedelta(seconds=TURN_SECONDS)
        held.give_back(
            _("Waiting for an import that is being taken back."), not_before=later
        )


def take(job: ImportJob, held: jobs.Held, rows: StagedRows) -> None:
    """One file of a source writes events at a time; the others are given back.

    Two overlapping files at once would each call the same rows new, and rows that one
    took from the other would vanish with it if it failed. The turn is free again when
    its import is over, however it ended.
    """
    others = ImportJob.objects.filter(pk=OuterRef("importing_id")).unfinished()
    free = Q(importing_id=None) | Q(importing_id=job.pk) | ~Exists(others)
    sources = _sources(job, rows)
    with transaction.atomic():
        turns = Source.objects.filter(free, pk__in=sources).update(importing_id=job.pk)
        transaction.set_rollback(turns != len(sources))
    if turns != len(sources):
        later = timezone.now() + timedelta(seconds=TURN_SECONDS)
        held.give_back(_("Waiting for another file of this source."), not_before=later)


def _sources(job: ImportJob, rows: StagedRows) -> list[int]:
    """The sources whose events the file brings: its own, and those its lines name."""
    names = pc.unique(rows.names()["source"]).drop_null().to_pylist()
    if len(names) > MOST_SOURCES:
        raise jobs.Refused(
            _("The lines name %(n)d sources; is it the right column?")
            % {"n": len(names)}
        )
    named = [Source.objects.get_or_create(name=name)[0].pk for name in sorted(names)]
    return sorted({job.source_id, *named})
