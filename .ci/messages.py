"""Collect visible strings, keep the translations complete; needs no GNU gettext.

``python .ci/messages.py update`` merges what the code and the templates say into the
.po files and compiles them; ``check`` names every string whose translation is missing,
empty, fuzzy or has other placeholders, and every .mo that is older than its .po.
"""

from __future__ import annotations

import ast
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import polib
from babel.messages.extract import extract_python

ROOT = Path(__file__).resolve().parent.parent
LANGUAGE = "zh_Hans"
FOLDERS = {  # catalogue → where its strings come from
    "segmentation": ("segmentation",),
    "campaigns": ("campaigns",),
    "recsys_project": ("recsys_project", "templates"),
}
METADATA = {
    "Project-Id-Version": "strata",
    "Language": LANGUAGE,
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Plural-Forms": "nplurals=1; plural=0;",
}
# keyword → names of its string arguments
KEYWORDS = {
    name + lazy: parts
    for name, parts in {
        "gettext": ("msgid",),
        "ngettext": ("msgid", "msgid_plural"),
        "pgettext": ("msgctxt", "msgid"),
        "npgettext": ("msgctxt", "msgid", "msgid_plural"),
    }.items()
    for lazy in ("", "_lazy")
} | {"_": ("msgid",), "gettext_noop": ("msgid",)}
LITERAL = r"""(?:u?"(?:\\.|[^"\\])*"|u?'(?:\\.|[^'\\])*')"""
CALL = re.compile(
    rf"(?<!\w)({'|'.join(KEYWORDS)})\(\s*({LITERAL}(?:\s*,\s*{LITERAL})*)", re.DOTALL
)
PLACEHOLDER = re.compile(
    r"%%|%\(\w+\)[a-z]|%[sd]|(?<!\{)\{\w*(?:![rs])?(?::[^{}]*)?\}(?!\})"
)

Found = tuple[str, dict[str, str]]  # where, the string arguments by name


def strings_in_python(source: str) -> Iterator[dict[str, str]]:
    file = io.BytesIO(source.encode())
    found = extract_python(file, list(KEYWORDS), [], {"encoding": "utf-8"})
    for _line, keyword, values, _comments in found:
        texts = values if isinstance(values, tuple) else (values,)
        named = dict(zip(KEYWORDS[keyword], texts, strict=False))
        if named.get("msgid"):
            yield {name: text for name, text in named.items() if isinstance(text, str)}


def strings_in_template(source: str) -> Iterator[dict[str, str]]:
    """Django blanks out all but the strings; what is left reads like calls."""
    from django.utils.translation.template import templatize

    for keyword, arguments in CALL.findall(templatize(source)):
        texts = ast.literal_eval(f"({arguments},)")
        named = dict(zip(KEYWORDS[keyword], texts, strict=False))
        if named.get("msgid"):
            yield named


def strings_of(root: Path, folders: tuple[str, ...]) -> Iterator[Found]:
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            where = path.relative_to(root).as_posix()
            if path.suffix == ".py" and "migrations" not in path.parts:
                yield from ((where, s) for s in strings_in_python(path.read_text()))
            elif path.suffix in (".html", ".txt") and "templates" in path.parts:
                yield from ((where, s) for s in strings_in_template(path.read_text()))


def collected(root: Path, folders: tuple[str, ...]) -> polib.POFile:
    """A catalogue of what the sources say now, untranslated."""
    catalogue = polib.POFile(wrapwidth=88)
    catalogue.metadata = dict(METADATA)
    entries: dict[tuple[str | None, str], polib.POEntry] = {}
    for where, named in strings_of(root, folders):
        key = (named.get("msgctxt"), named["msgid"])
        entry = entries.setdefault(key, polib.POEntry(msgctxt=key[0], msgid=key[1]))
        if "msgid_plural" in named and not entry.msgid_plural:
            entry.msgid_plural, entry.msgstr_plural = named["msgid_plural"], {0: ""}
        if (where, "") not in entry.occurrences:  # no line numbers: they only churn
            entry.occurrences.append((where, ""))
    catalogue.extend(entries.values())
    return catalogue


def po_path(root: Path, name: str) -> Path:
    return root / name / "locale" / LANGUAGE / "LC_MESSAGES" / "django.po"


def update(root: Path) -> None:
    """Bring the .po files up to date, keeping translations, and compile them."""
    known = {name: _entries(po_path(root, name)) for name in FOLDERS}
    # A string that moved to the other app brings its translation along.
    anywhere = {
        key: entry for known_here in known.values() for key, entry in known_here.items()
    }
    for name, folders in FOLDERS.items():
        fresh = collected(root, folders)
        for entry in fresh:
            key = (entry.msgctxt, entry.msgid)
            if old := known[name].get(key) or anywhere.get(key):
                _keep(entry, old)
        path = po_path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{fresh}\n", encoding="utf-8")
        path.with_suffix(".mo").write_bytes(compiled(path))


def _entries(path: Path) -> dict[tuple[str | None, str], polib.POEntry]:
    if not path.exists():
        return {}
    return {(e.msgctxt, e.msgid): e for e in polib.pofile(str(path))}


def _keep(entry: polib.POEntry, old: polib.POEntry) -> None:
    entry.flags = old.flags
    text = old.msgstr or old.msgstr_plural.get(0, "")
    if entry.msgid_plural:
        entry.msgstr_plural = {0: text}
    else:
        entry.msgstr = text


def compiled(path: Path) -> bytes:
    return polib.pofile(str(path)).to_binary()


def problems(root: Path) -> list[str]:
    """One sentence for everything that keeps the translations from being complete."""
    found = []
    for name, folders in FOLDERS.items():
        path = po_path(root, name)
        if not path.exists():
            found.append(f"{name}: {path.name} is missing")
            continue
        known = _entries(path)
        for entry in collected(root, folders):
            translated = known.get((entry.msgctxt, entry.msgid))
            if reason := _fault(entry, translated):
                found.append(f"{name}: {entry.msgid!r} {reason}")
        binary = path.with_suffix(".mo")
        if not binary.exists() or binary.read_bytes() != compiled(path):
            found.append(f"{name}: {binary.name} does not match its .po file")
    return found


def _fault(entry: polib.POEntry, translated: polib.POEntry | None) -> str:
    if translated is None:
        return "is missing"
    if translated.obsolete:
        return "is marked as obsolete"
    if translated.fuzzy:
        return "is fuzzy"
    text = translated.msgstr or translated.msgstr_plural.get(0, "")
    if entry.msgid_plural and translated.msgid_plural != entry.msgid_plural:
        return "has another plural"
    if not text.strip():
        return "is not translated"
    wanted = entry.msgid_plural or entry.msgid
    if sorted(PLACEHOLDER.findall(text)) != sorted(PLACEHOLDER.findall(wanted)):
        return f"has other placeholders in {text!r}"
    return ""


def main(arguments: list[str]) -> int:
    if arguments not in (["update"], ["check"]):
        sys.stderr.write("usage: python .ci/messages.py update|check\n")
        return 2
    if arguments == ["update"]:
        update(ROOT)
    found = problems(ROOT)
    for sentence in found:
        sys.stderr.write(f"{sentence}\n")
    if not found or arguments == ["update"]:
        return 0
    sys.stderr.write(
        f"{len(found)} translations need work: run `make messages`, fill in the .po "
        "files, run it again.\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
