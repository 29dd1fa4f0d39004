"""How many segments, in words: what was found in the data, and how each way voted."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from segmentation.templatetags.strata import number


def structure(scores: dict[str, Any]) -> str:
    """One sentence on whether there is anything to divide; empty for older sets."""
    silhouette = scores.get("silhouette")
    chance = scores.get("silhouette_by_chance") or []
    words = {
        "silhouette": number(silhouette, 2),
        "chance": number(chance[-1], 2) if chance else "",
    }
    if scores.get("structure") == "islands":
        text = _("Customers fall into groups of their own (silhouette %(silhouette)s).")
        return text % words
    if scores.get("structure") == "continuum":
        text = _(
            "Tastes run into each other: there are no islands (silhouette "
            "%(silhouette)s, below 0.25), but more order than in the same data "
            "shuffled (%(chance)s at most)."
        )
        return text % words
    if scores.get("structure") == "none":
        text = _(
            "These data have no clusters: shuffled, they divide just as well "
            "(silhouette %(chance)s, here %(silhouette)s). Segments cut them into "
            "slices, no more."
        )
        return text % words
    return ""


def votes(scores: dict[str, Any]) -> list[tuple[str, str]]:
    """Each way of choosing with its number, where the number was chosen."""
    if "stability_k" not in scores or scores.get("rule") in ("given", None):
        return []
    if scores.get("silhouette_k") is None:
        return []
    unclear = {
        "elbow_k": _("no clear elbow"),
        "stability_k": _("none: other customers would give other segments"),
    }
    named = (
        ("silhouette_k", _("silhouette")),
        ("elbow_k", _("elbow")),
        ("stability_k", _("stability")),
    )
    return [
        (name, str(scores[key]) if scores[key] else unclear[key]) for key, name in named
    ]
