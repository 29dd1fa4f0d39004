"""Who does not want to be personalised: out of training, lists and interest segments.

They see what everybody sees. One person is everybody who went into them by merges: a no
of any of them wins (``queries.LEFT_OUT``), and what is said after the merge holds for
all of them.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from segmentation.models import Customer
from segmentation.services import audit, consents, people
from segmentation.services.leaving import AT_ONCE, leave_segments

WAY = "personalisation"


def record(
    customer: Customer, granted: bool, *, actor: Any = None, actor_name: str = ""
) -> bool:
    """Write down what a person, or somebody for them, said; whether it is a change."""
    with transaction.atomic():
        parts = people.parts_of(people.whole(customer))
        rows = Customer.objects.filter(pk__in=parts)
        others = rows.filter(personalised=not granted)
        changed = others.exists()
        rows.update(personalised=granted, refused_in=None)
        if not granted:
            leave_segments(parts)
        if changed:
            pair = {"personalised": [not granted, granted]}
            audit.record(actor, "change", customer, pair, actor_name=actor_name)
    return changed


def is_personalised(customer: Customer) -> bool:
    """Whether a person, under all their names, may be personalised."""
    parts = people.parts_of(people.whole(customer))
    return not Customer.objects.filter(pk__in=parts, personalised=False).exists()


class FromFiles:
    """Keeps ``consent.personalisation`` of files of customers.

    A file does not say when somebody said it: a yes never overrules a no. A no that a
    file told first is forgotten when that import is taken back.
    """

    @property
    def ways(self) -> dict[str, Any]:
        """Its own word only."""
        return {WAY: _("personalisation")}

    permission = "segmentation.change_customer"

    def take(self, told: consents.Told) -> consents.Counted:
        """Note every no."""
        n_no = 0
        against = told.customer_ids[~told.granted].tolist()
        for start in range(0, len(against), AT_ONCE):
            ids = against[start : start + AT_ONCE]
            rows = Customer.objects.filter(pk__in=ids)
            # A no that another file told first is this one's too: it outlives both.
            first = rows.filter(refused_in__isnull=False)
            first.exclude(refused_in=told.import_id).update(refused_in=None)
            n_no += rows.filter(personalised=True).update(
                personalised=False, refused_in=told.import_id
            )
            leave_segments(ids)
        return consents.Counted(0, n_no)

    def give_back(self, import_id: int) -> int:
        """Forget some refusals that only that import told; 0 when all are."""
        told = Customer.objects.filter(refused_in=import_id)
        some = list(told.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
        return told.filter(pk__in=some).update(personalised=True, refused_in=None)
