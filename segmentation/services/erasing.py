"""What is left of a person when their rows are gone: files, exports and models.

The rows go at once, in one transaction, and in it this deed is queued with all that the
person was called. Looking through every file may take long; killed anywhere it is done
again from the start, which does no harm. When all is done the names are forgotten too.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from segmentation.models import Customer, Erasure
from segmentation.services import exporting, jobs, people, unlearning
from segmentation.services.importing import forgetting


def begin(customer: Customer, *, now: datetime, actor: Any = None) -> Erasure:
    """Queue the search for a person; in the transaction, before their rows go."""
    parts = people.parts_of(customer)
    known = {"customer_ids": parts, **forgetting.known_as(parts).as_json()}
    return Erasure.objects.create(
        number=customer.pk,
        person=json.dumps(known, ensure_ascii=False),
        erased_at=now,
        progress_unit=_("files"),
        created_by=actor if getattr(actor, "pk", None) else None,
    )


def keep_counts(erasure: Erasure, rows: dict[str, int]) -> None:
    """Write down how many rows went, in the transaction in which they did."""
    erasure.rows = rows
    erasure.save(update_fields=["rows"])


def finish(erasure: Erasure, held: jobs.Held) -> None:
    """Remove the person from files, exports and models; says what remains."""
    if not erasure.person:  # killed after its last word
        return
    known = json.loads(erasure.person)
    person = forgetting.Person.from_json(known)
    exporting.forget_people()
    found = forgetting.search(
        person,
        tell=lambda done, n: held.progress(
            done, n, message=_("Looking through the files of imports")
        ),
    )
    # Noted before they go: who takes this up after a kill finds fewer of them.
    files = _most(erasure.files, found.counts())
    held.write(files=files)
    forgetting.remove(found)
    files = _most(files, {"import_findings": forgetting.forget_findings(person)})
    unlearned = unlearning.forget(known["customer_ids"])
    files = _most(files, {"model_runs": unlearned.n_runs})
    coming = [
        _("Import %(number)d is not over and may bring them again; erase again after.")
        % {"number": number}
        for number in found.coming
    ]
    remains = coming + unlearned.remains
    held.write(files=files, remains=remains, person="", message=_("Done"))


def receipt(erasure: Erasure) -> dict[str, Any]:
    """What went and what remains, by now."""
    remains = list(erasure.remains)
    if erasure.person:
        text = _(
            "The files of imports and exports and the models are still to be looked "
            "through; the page of erasure %(number)d says when that is done."
        )
        remains.append(text % {"number": erasure.pk})
    return {
        "customer": erasure.number,
        "erasure": erasure.pk,
        "erased_at": erasure.erased_at.isoformat(),
        "rows": erasure.rows,
        "files": erasure.files,
        "remains": remains,
    }


def _most(before: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    return before | {name: max(n, before.get(name, 0)) for name, n in now.items()}
