"""The rows of this app, by family."""

from campaigns.models.campaigns import Campaign, Variant
from campaigns.models.contacts import Consent, ContactPoint
from campaigns.models.deliveries import Delivery, Launch, Recipient
from campaigns.models.outcomes import Outcome
from campaigns.models.placements import Ad, Decision, Placement

__all__ = [
    "Ad",
    "Campaign",
    "Consent",
    "ContactPoint",
    "Decision",
    "Delivery",
    "Launch",
    "Outcome",
    "Placement",
    "Recipient",
    "Variant",
]
