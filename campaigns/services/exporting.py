"""Tables that can go out as files: where people are reached, and what they said."""

from __future__ import annotations

from segmentation.services import exporting
from segmentation.services.exporting.tables import FLAG, NAMES, TIME, WHO, Column, Table

# A row's own mark, that of a keyed hash: an address itself never leaves.
_MASKED = "'•••' || substr(t.address_hash, 1, 8)"
_MARKETING = (
    "LEFT JOIN campaigns_consent k ON k.customer_id = t.customer_id "
    "AND k.channel = t.channel AND k.purpose = 'marketing'"
)


def register_tables() -> None:
    names = NAMES.format(customer="t.customer_id")
    exporting.register(
        Table(
            "contact_points",
            f"campaigns_contactpoint t {_MARKETING} {names}",
            "t.id",
            (
                *WHO,
                Column("channel", "t.channel"),
                Column("service", "t.origin"),
                Column("address", _MASKED),
                Column("active", "t.is_active", FLAG),
                Column("reason", "t.inactive_reason"),
                Column("since", "t.created_at", TIME),
                Column("last_accepted", "t.last_accepted_at", TIME),
                Column("granted", "k.granted", FLAG),
                Column("said_at", "k.said_at", TIME),
            ),
            "campaigns.view_contactpoint",
            order=", n.id",
        ),
        Table(
            "consents",
            f"campaigns_consent t {names}",
            "t.id",
            (
                *WHO,
                Column("channel", "t.channel"),
                Column("purpose", "t.purpose"),
                Column("granted", "t.granted", FLAG),
                Column("said_at", "t.said_at", TIME),
                Column("text_version", "t.text_version"),
                Column("proof", "t.proof"),
            ),
            "campaigns.view_consent",
            order=", n.id",
        ),
    )
