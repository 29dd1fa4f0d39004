"""The canonical column names of an interaction frame, once."""

USER = "user_id"
ITEM = "item_id"
WEIGHT = "weight"
RATING = "rating"
TIMESTAMP = "timestamp"
