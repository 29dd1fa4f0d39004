"""Sentences in English that a door can say again in another language.

The engine knows no languages. It marks its templates with `gettext_noop`, so that they
are collected like any other visible string, and keeps them with their words; a door
that has a catalogue looks the template up and puts the words in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def gettext_noop(text: str) -> str:
    """The text as it is: the name is what the collecting of strings looks for."""
    return text


class Sentence(str):
    """The text of ``template % words``, both kept; a word may be a Sentence again."""

    __slots__ = ("template", "words")
    template: str
    words: dict[str, Any]

    def __new__(cls, template: str, **words: Any) -> Sentence:
        self = super().__new__(cls, template % words if words else template)
        self.template, self.words = template, words
        return self

    def say(self, translate: Callable[[str], str]) -> str:
        """The sentence in the language of ``translate``, which has the templates."""
        template = translate(self.template)
        words = {
            name: word.say(translate) if isinstance(word, Sentence) else word
            for name, word in self.words.items()
        }
        return template % words if words else template

    def as_json(self) -> dict[str, Any]:
        """What `read` makes the same sentence of."""
        words = {
            name: word.as_json() if isinstance(word, Sentence) else word
            for name, word in self.words.items()
        }
        return {"say": self.template, "words": words}


def read(told: Any) -> str:
    """A sentence as JSON held it; anything else is its own text."""
    if not isinstance(told, Mapping) or "say" not in told:
        return str(told)
    words = told.get("words", {})
    is_said = {name: isinstance(word, Mapping) for name, word in words.items()}
    return Sentence(
        told["say"],
        **{name: read(word) if is_said[name] else word for name, word in words.items()},
    )


def one_after_another(*sentences: str) -> Sentence:
    """Several whole sentences; those that say nothing are left out."""
    told = {f"s{n}": each for n, each in enumerate(s for s in sentences if s)}
    return Sentence(" ".join(f"%({name})s" for name in told), **told)


class Refusal(ValueError):
    """What was asked for cannot be; ``sentence`` says why and what there is."""

    def __init__(self, template: str, **words: Any) -> None:
        self.sentence = Sentence(template, **words)
        super().__init__(str(self.sentence))
