"""What the story plays with: its campaigns, its ten neighbours and its ads."""

from __future__ import annotations

import numpy as np
from django.utils.translation import gettext as _

from campaigns.models import Ad, Campaign, Placement, Variant
from segmentation.models import Identity, Purpose, Segment, SegmentSet
from segmentation.services import segmenting

SOURCE = "shop"
# So few (about five get the message, two do not) that even this large effect is found
# in hardly any draw: the report of the second campaign has to say "cannot tell". With
# forty or twenty it was found now and then; a salt that hides it would be a lie.
SMALL = 10


def campaign(name: str, *, everyone: bool) -> Campaign:
    """The campaign of that name, made when it is not there yet."""
    made_campaign, made = Campaign.objects.get_or_create(
        name=name,
        defaults={
            "channel": "webpush",
            "to_everyone": everyone,
            "holdout_share": 0.25,
            # Fixed, so that the demo holds out the same people wherever it runs.
            "salt": "demo-everyone" if everyone else "demo-neighbours",
            "is_simulated": True,
            "n_products": 3,
            "purpose": Purpose.DISCOVER,
            "window_hours": 72,
        },
    )
    if made:
        if not everyone:
            made_campaign.segments.add(_neighbours())
        Variant.objects.create(
            campaign=made_campaign,
            title="{{ recommendations.0.title|default:'Something new'|title }}",
            body="Picked for you: {{ recommendations.0.title|title }}, "
            "{{ recommendations.1.title|title }} and "
            "{{ recommendations.2.title|title }}.",
            link="https://shop.example/new",
        )
    return made_campaign


def _neighbours() -> Segment:
    """A list of the first households."""
    ids = Identity.objects.filter(source__name=SOURCE, external_id__isnull=False)
    customers = ids.order_by("customer_id").values_list("customer_id", flat=True)
    return segmenting.create_list(
        _("Ten neighbours"), np.fromiter(customers[:SMALL], np.int64)
    )


def make_ads(placement: Placement) -> None:
    """One ad for everybody and one for each of the two largest segments."""
    house = {"link": "https://shop.example/", "cap_per_day": 5}
    Ad.objects.create(
        placement=placement,
        name=_("For everybody"),
        title=_("This week in the shop"),
        weight=0.5,
        **house,
    )
    largest = Segment.objects.filter(segment_set__stage=SegmentSet.Stage.LIVE)
    for segment in largest.filter(segment_set__method="kmeans").order_by("-size")[:2]:
        ad = Ad.objects.create(
            placement=placement,
            name=_("For %(segment)s") % {"segment": segment.name},
            title=segment.name,
            weight=1.0,
            **house,
        )
        ad.segments.add(segment)
