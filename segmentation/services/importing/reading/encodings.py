"""Which encoding a text is in: strict decoding, then how likely the outcome is.

An encoding is decided where the samples decode without an error and the text is far
likelier in it than in any other. Where two remain likely, as in short Chinese or
Japanese files, both are named and the operator is asked.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from segmentation.services.importing.reading import letters
from segmentation.services.importing.reading.layout import Unreadable

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Codec, script, and how much likelier (powers of ten) than the others it is in a shop.
CANDIDATES = (
    ("gb18030", "simplified", 0.0),
    ("cp950", "traditional", 0.0),
    ("big5", "traditional", -0.1),
    ("big5hkscs", "traditional", -0.2),
    ("cp932", "japanese", 0.0),
    ("cp1252", "western", 0.0),
    ("latin-1", "western", -0.1),
    ("cp850", "western", -2.0),  # of DOS, and of tills that go on writing it
    ("euc_kr", "korean", -2.0),
    ("euc_jp", "japanese", -2.0),
    ("cp1251", "cyrillic", -2.0),
    ("koi8_r", "cyrillic", -2.5),
    ("cp1253", "greek", -2.0),
    ("cp1255", "hebrew", -2.0),
    ("cp1250", "central", -4.5),
    ("cp1254", "turkish", -4.5),
)
ENOUGH = 2**16  # letters or bytes that are judged
UTF8_PRIOR = 4.0
UTF8_EACH = 0.85  # of seven double-byte characters at random one is valid UTF-8
SURE = 4.0  # decided when ten thousand times likelier than the next one
ASKED = 8.0  # what is named where it is not decided
UTF8_CERTAIN = 30  # so many characters are not valid UTF-8 by chance
LIKELY_EACH = -5.5  # a mean log10 below this is no text of the script
NAMES = {
    "utf-8": "UTF-8",
    "gb18030": "GB18030 (GBK)",
    "big5": "Big5",
    "cp950": "Big5 (cp950)",
    "big5hkscs": "Big5 (Hong Kong)",
    "cp932": "Shift_JIS (cp932)",
    "cp1252": "Windows-1252",
    "latin-1": "Latin-1",
    "cp850": "DOS (cp850)",
    "euc_kr": "EUC-KR",
    "euc_jp": "EUC-JP",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1255": "Windows-1255",
    "koi8_r": "KOI8-R",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
}
SHIFTED = re.compile(rb"\x1b\$[@B][!-~]+\x1b\([BJ]")
CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True)
class Encoding:
    """The codec to read with, why, and the others that it may be as well."""

    name: str
    reason: str
    doubts: tuple[str, ...] = ()


def encoding_of(samples: Sequence[bytes]) -> Encoding:
    """Judge by pieces of the file, the first one from its start.

    Pieces but the first may begin or end within a character; a wide encoding's begin
    at an even place. Raises Unreadable for what is no text.
    """
    start = samples[0]
    for mark, name in MARKS:
        if start.startswith(mark):
            return Encoding(name, _("The file begins with the mark of this encoding."))
    if any(b"\0" in sample for sample in samples):
        return _wide(samples)
    _refuse_binary(start)
    tidy = [_whole_lines(sample, n == 0) for n, sample in enumerate(samples)]
    if all(map(bytes.isascii, tidy)):
        if any(SHIFTED.search(sample) for sample in tidy):
            return Encoding("iso2022_jp", _("It shifts to Japanese and back, as mail."))
        return Encoding("utf-8", _("Only plain ASCII letters were seen."))
    return _judge(_telling(tidy))


def _wide(samples: Sequence[bytes]) -> Encoding:
    """UTF-16 without a mark: every other byte of its commas and line ends is NUL."""
    for name in ("utf-16-le", "utf-16-be"):
        texts = [decoded(sample, name) for sample in samples]
        whole = "".join(text or "" for text in texts)
        if None in texts or not whole or "\0" in whole:
            continue
        if _best_mean(whole[:ENOUGH]) > LIKELY_EACH:
            return Encoding(name, _("Every other byte is NUL, as in UTF-16."))
    raise Unreadable(
        _(
            "The file holds NUL bytes: it is a program's own binary format, or "
            "damaged. Export it as CSV, JSON Lines, XLSX or Parquet."
        )
    )


def _refuse_binary(start: bytes) -> None:
    n = len(CONTROL.findall(start))
    if n > 8 and n > len(start) / 20:
        raise Unreadable(
            _(
                "The file is no text but a program's own binary format; export it as "
                "CSV, JSON Lines, XLSX or Parquet."
            )
        )


def _whole_lines(sample: bytes, is_start: bool) -> bytes:
    """The sample without the pieces of lines at its ends, where there are lines."""
    first = 0 if is_start else sample.find(b"\n") + 1
    last = sample.rfind(b"\n") + 1
    return sample[first:last] if last > first else sample


def _telling(samples: Sequence[bytes]) -> bytes:
    """The lines with letters beyond ASCII: they alone tell encodings apart."""
    lines: list[bytes] = []
    n = 0
    for sample in samples:
        for line in sample.splitlines(keepends=True):
            if not line.isascii():
                lines.append(line)
                n += len(line)
            if n > ENOUGH:
                break
    return b"".join(lines)


def decoded(data: bytes, name: str) -> str | None:
    """The text, or None where a byte does not fit; a cut last character is let go."""
    is_whole = data.endswith(b"\n")
    try:
        return codecs.getincrementaldecoder(name)().decode(data, final=is_whole)
    except UnicodeError:
        return None


def _judge(data: bytes) -> Encoding:
    unicode = decoded(data, "utf-8")
    if unicode and sum(not each.isascii() for each in unicode) >= UTF8_CERTAIN:
        return Encoding("utf-8", _reason("utf-8"))
    scores = _scores(data)
    if unicode is not None:
        scores["utf-8"] = _unicode_score(unicode)
    if not scores:
        return Encoding(
            "utf-8", _("Nothing fits; the letters beyond ASCII are damaged.")
        )
    best = max(scores, key=scores.__getitem__)
    if len(_within(scores, SURE, data)) > 1:
        reason = _("Too few letters beyond ASCII to tell these encodings apart.")
        return Encoding(best, reason, _within(scores, ASKED, data))
    if best == "cp1250" and _may_be_western(data, scores):
        reason = _("Too few letters beyond ASCII to tell these encodings apart.")
        return Encoding("cp1252", reason, ("cp1252", best))
    if not _is_plausible(data, best, scores[best]):
        reason = _("The text reads as no language in any encoding that was tried.")
        fitting = [name for name in ("cp1252", "cp1250", "cp1251") if name != best]
        others = [name for name in fitting if decoded(data, name) is not None]
        return Encoding(best, reason, (best, *others))
    return Encoding(best, _reason(best))


def _may_be_western(data: bytes, scores: dict[str, float]) -> bool:
    """Most letters of cp1250 and cp1252 are the same, and à is ŕ: that a text says it
    again and again tells no more than once."""
    central, western = decoded(data, "cp1250"), decoded(data, "cp1252")
    if central is None or western is None or central == western:
        return False
    n = len(letters.BEYOND.findall(central))
    return scores["cp1252"] > scores["cp1250"] - 0.6 * n


def _within(scores: dict[str, float], distance: float, data: bytes) -> tuple[str, ...]:
    """The likeliest encodings, best first; those that read the data alike are one."""
    ranked = sorted(scores, key=scores.__getitem__, reverse=True)
    least = scores[ranked[0]] - distance
    kept: dict[str | None, str] = {}
    for name in ranked:
        if scores[name] > least:
            kept.setdefault(decoded(data, name), name)
    return tuple(kept.values())


def _reason(name: str) -> str:
    if name == "utf-8":
        return _("All letters beyond ASCII are valid UTF-8.")
    return _("Read as %(name)s the text is by far the likeliest.") % {
        "name": NAMES[name]
    }


def _scores(data: bytes) -> dict[str, float]:
    scores = {}
    for name, script, prior in CANDIDATES:
        text = decoded(data, name)
        if text is not None:
            scores[name] = letters.likelihood(text, script) + prior
    return scores


def _unicode_score(text: str) -> float:
    """UTF-8 may hold any script; its likeliest one counts."""
    scripts = letters.models()
    prior = UTF8_PRIOR + UTF8_EACH * sum(not each.isascii() for each in text)
    return prior + max(letters.likelihood(text, script) for script in scripts)


def _best_mean(text: str) -> float:
    """How likely the letters beyond ASCII are in their likeliest script, on average."""
    return max(
        _mean(text, letters.likelihood(text, script)) for script in letters.models()
    )


def _mean(text: str, score: float) -> float:
    n = sum(not character.isascii() for character in text)
    return (score - (len(text) - n) * letters.ASCII) / max(n, 1)


def _is_plausible(data: bytes, name: str, score: float) -> bool:
    if name == "utf-8":
        return True  # other bytes hardly ever happen to be valid UTF-8
    text = decoded(data, name) or ""
    n = sum(not character.isascii() for character in text)
    if len(letters.ALONE.findall(text)) * 2 > n:
        return False
    return _mean(text, score) > LIKELY_EACH
