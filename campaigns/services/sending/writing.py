"""From a claimed delivery to a parcel; templates and products are read once."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.channels.base import Channel, Outcome, Receipt
from campaigns.models import Launch
from campaigns.services import contacts, content, tracking
from campaigns.services.sending.ledger import Claimed, Clock, deadline
from campaigns.services.sending.wire import Answer, Parcel, Wire
from segmentation import queries

BATCH = 50


class Writer:
    """Writes the messages of one launch."""

    def __init__(self, launch: Launch, channel: Channel, clock: Clock) -> None:
        self._launch, self._channel, self._clock = launch, channel, clock
        variants = launch.campaign.variants.all()
        self._contents = {variant.pk: content.Content(variant) for variant in variants}
        self._products: dict[int, content.Product] = {}
        self._links = tracking.Links(clock())
        self._until = deadline(launch)
        self.needs_name = any(each.needs_name for each in self._contents.values())

    def hand_over(self, rows: Sequence[Claimed], wire: Wire) -> list[Answer]:
        """Write the messages and put them on the wire; answers for those that fail."""
        self._learn(rows)
        answers: list[Answer] = []
        for start in range(0, len(rows), BATCH):
            # In small batches, so that the wire is busy while the rest is written.
            wire.put(self._parcels(rows[start : start + BATCH], answers))
        return answers

    def _parcels(self, rows: Sequence[Claimed], answers: list[Answer]) -> list[Parcel]:
        parcels = []
        for row in rows:
            try:
                parcels.append(self._parcel(row))
            except (ValueError, KeyError, TypeError) as error:
                # One address or name that cannot be used never stops the others.
                receipt = Receipt(Outcome.UNUSABLE, sample=f"{error}"[:200])
                answers.append((row.id, receipt))
        return parcels

    def _parcel(self, row: Claimed) -> Parcel:
        made = content.message(
            self._contents[row.variant_id],
            content.Person(row.id, row.customer_id, row.name, row.item_ids),
            self._products,
            launch=self._launch,
            links=self._links,
            ttl_seconds=max(int((self._until - self._clock()).total_seconds()), 0),
            channel=self._channel,
        )
        return Parcel(row.id, contacts.address_of(row.address), made)

    def _learn(self, rows: Sequence[Claimed]) -> None:
        wanted = {pk for row in rows for pk in row.item_ids} - self._products.keys()
        if wanted:
            found = queries.items_by_id(wanted)
            self._products |= {pk: content.Product.of(it) for pk, it in found.items()}
