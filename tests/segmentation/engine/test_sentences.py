"""What the engine says can be said in any language that has its templates."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pyarrow as pa
import pytest

import segmentation
from segmentation.engine import cleaning, mapping, sentences
from segmentation.engine.cleaning import Format, FormatError, guessing
from segmentation.engine.sentences import Sentence

APP = Path(segmentation.__file__).parent
SPEAKERS = ("Sentence", "MappingError", "FormatError")


def marked(tree: ast.Module) -> set[str]:
    """Names that stand for a text which the collecting of strings finds."""
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and "gettext_noop" in ast.dump(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


@pytest.mark.parametrize("path", sorted((APP / "engine").rglob("*.py")), ids=str)
def test_every_sentence_is_marked_for_translation(path):
    """A template is a marked literal, or the name of one; never put together."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    # Tables of templates, looked up by a key; templates that are words only; parts of
    # the module itself.
    free = {"words", "why", "none", "template", "OF_FIELD", "told", "cls"}
    known = marked(tree) | free
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name not in SPEAKERS or path.name == "sentences.py":
            continue
        text = call.args[0]
        is_marked = isinstance(text, ast.Call) and text.func.id == "gettext_noop"
        holder = text.value if isinstance(text, ast.Subscript) else text
        is_named = isinstance(holder, ast.Name) and holder.id in known
        where = f"{path.name}:{call.lineno}"
        assert is_marked or is_named, f"{where}: mark {ast.unparse(text)}"


def in_french(template: str) -> str:
    words = {
        "%(field)s %(why)s": "%(why)s (%(field)s)",
        "is not %(what)s": "n'est pas %(what)s",
        "a date written %(order)s": "une date : %(order)s",
        "day first, such as 31.01.2024 18:05": "le jour d'abord",
        "%(one)s or %(other)s": "%(one)s ou %(other)s",
        "day first": "le jour d'abord",
        "month first": "le mois d'abord",
        guessing.DOUBT: "%(cell)s ? %(ways)s",
    }
    return words.get(template, template)


def test_a_sentence_and_the_sentences_in_it_are_said_again():
    why = Format(date="dmy").is_not(Format(date="dmy").time())
    assert why == "is not a date written day first, such as 31.01.2024 18:05"
    reason = Sentence("%(field)s %(why)s", field="occurred_at", why=why)
    said = reason.say(in_french)
    assert said == "n'est pas une date : le jour d'abord (occurred_at)"


def test_json_keeps_a_sentence_whole():
    why = Format(decimal=",").is_not(Format(decimal=",").number())
    kept = json.loads(json.dumps(why.as_json()))
    again = sentences.read(kept)
    assert again == why and again.say(in_french).startswith("n'est pas")
    assert sentences.read("as it was told") == "as it was told"


def test_a_percent_in_a_word_stays_one():
    assert Sentence("“%(cell)s” as nothing.", cell="100 %") == "“100 %” as nothing."


def test_the_reason_of_a_guess_is_a_sentence_with_its_doubt():
    cells = pa.array(["01/02/2024", "03/04/2024"])
    reason = cleaning.guess_format(cells, "time").reason
    assert reason.startswith("“01/02/2024” can be read day first or month first")
    assert reason.say(in_french) == "“01/02/2024” ? le jour d'abord ou le mois d'abord"


def test_a_refused_mapping_carries_the_sentence_inside_of_it():
    with pytest.raises(mapping.MappingError) as error:
        mapping.read_column("price", {"column": "P", "date": "nope"})
    inner = error.value.sentence.words["error"]
    assert isinstance(inner, Sentence) and "no way of writing dates" in inner
    assert "such as %d.%m.%Y" in str(error.value)
    with pytest.raises(FormatError, match="no decimal mark"):
        Format(decimal="!")
