"""The operator's pages of this app: campaigns, contacts, the ledger, ads."""

from campaigns.admin import campaigns, contacts, deliveries, placements

__all__ = ["campaigns", "contacts", "deliveries", "placements"]
