"""Suspects as rows: found again at each look, decided by an operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from segmentation.engine import quality
from segmentation.models import Customer, Suspicion
from segmentation.services import audit, jobs, leaving

GROWS = 2.0  # who was kept is asked about again when evidence is twice as strong
FOUND = ("likeness", "score", "evidence", "found_at", "verdict", "decided_at")


def renew(
    suspects: Sequence[quality.Suspect], held: jobs.Held, *, now: datetime
) -> dict[str, int]:
    """Write what was found; open suspicions that are over go, decisions stay."""
    with transaction.atomic():
        held.guard()
        ids = [suspect.customer_id for suspect in suspects]
        there = set(
            Customer.objects.filter(pk__in=ids).values_list("pk", flat=True)
        )  # somebody may have been erased meanwhile
        before = {row.customer_id: row for row in Suspicion.objects.all()}
        fresh, changed = [], []
        for suspect in suspects:
            row = before.get(suspect.customer_id)
            if suspect.customer_id not in there:
                continue
            if row is None:
                row = Suspicion(customer_id=suspect.customer_id)
                fresh.append(row)
            elif row.verdict == Suspicion.Verdict.KEPT:
                if not _grew(row, suspect):
                    continue
                row.verdict, row.decided_at = Suspicion.Verdict.OPEN, None
                changed.append(row)
            else:
                changed.append(row)
            row.likeness, row.score = suspect.likeness, suspect.score
            row.evidence = [asdict(line) for line in suspect.evidence]
            row.found_at = now
        Suspicion.objects.bulk_create(fresh)
        Suspicion.objects.bulk_update(changed, FOUND)
        stale = Suspicion.objects.filter(verdict=Suspicion.Verdict.OPEN)
        stale.exclude(customer__in=ids).delete()
    return counts() | {"found": len(there)}


def counts() -> dict[str, int]:
    """How many suspicions have which verdict."""
    rows = Suspicion.objects.values_list("verdict")
    verdicts = [verdict for (verdict,) in rows]
    return {str(name): verdicts.count(name) for name in Suspicion.Verdict.values}


def decide(
    rows: QuerySet[Suspicion], verdict: str, *, actor: Any, now: datetime
) -> int:
    """Quarantine or keep; what already has the verdict is left. Answers how many."""
    with transaction.atomic():
        chosen = list(rows.exclude(verdict=verdict).order_by("pk"))
        Suspicion.objects.filter(pk__in=[row.pk for row in chosen]).update(
            verdict=verdict, decided_at=now, decided_by=actor
        )
        if verdict == Suspicion.Verdict.QUARANTINED:
            leaving.leave_segments([row.customer_id for row in chosen])
        audit.record_all(actor, str(verdict), chosen)
    return len(chosen)


def _grew(row: Suspicion, suspect: quality.Suspect) -> bool:
    known = max((line.get("z", 0.0) for line in row.evidence), default=0.0)
    return max(line.z for line in suspect.evidence) >= GROWS * known
