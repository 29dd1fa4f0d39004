"""The REST door of this app: subscriptions, consents, placements, a person's rights."""
