"""What the engine says, in the language of whoever reads it."""

from __future__ import annotations

from django.utils.translation import gettext

from segmentation.engine.sentences import Refusal, Sentence


def say(told: str | Refusal) -> str:
    """A sentence or a refusal of the engine; other texts are said already."""
    if isinstance(told, Refusal):
        told = told.sentence
    return told.say(gettext) if isinstance(told, Sentence) else str(told)
