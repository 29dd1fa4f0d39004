"""Numbers as people read them: thousands apart, units said, no false precision."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django import template
from django.template.defaultfilters import filesizeformat
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segmentation import conf

register = template.Library()
NOTHING = "–"
_BYTES = ("bytes", "字节")  # a worker writes units in its own language


@register.filter
def number(value: Any, digits: int = 0) -> str:
    """1234567.891 → 1,234,568; digits after the point when asked for."""
    if value is None or value == "" or isinstance(value, str):
        return NOTHING
    # Some languages group by four or not at all; long figures need it in every one.
    point = formats.get_format("DECIMAL_SEPARATOR")
    comma = formats.get_format("THOUSAND_SEPARATOR") or ","
    text = f"{value:,.{int(digits)}f}"
    return text.translate(str.maketrans({",": comma, ".": point}))


@register.filter
def figure(value: Any, unit: str) -> str:
    """A count of a job: bytes as people say them, else a number with its unit."""
    if value is None:
        return NOTHING
    if unit in _BYTES:
        return filesizeformat(value)
    digits = 2 if isinstance(value, float) and value < 10 else 0
    return f"{number(value, digits)} {_said(unit)}".rstrip()


@register.filter
def so_far(job: Any) -> str:
    """How much of a job is done, and of how much: 1,200 / 4,800 rows."""
    done, total, unit = job.progress_done, job.progress_total, job.progress_unit
    if not total:
        return figure(done, unit)
    if unit in _BYTES:
        return f"{figure(done, unit)} / {figure(total, unit)}"
    return f"{number(done)} / {figure(total, unit)}"


def _said(text: str) -> str:
    """What a worker wrote in its own language, English mostly, in the reader's."""
    return _(text) if text else ""


@register.filter
def news(job: Any) -> str:
    """A job's message, unless it only repeats the badge of its status beside it."""
    status = str(job.get_status_display())
    message = _said(job.message)
    repeated = (status.lower(), job.status, str(_("Done")).lower())
    return "" if message.lower().rstrip(".。") in repeated else message


@register.filter
def share(value: Any, digits: int = 1) -> str:
    """0.1234 → 12.3 %."""
    if value is None or value == "":
        return NOTHING
    return f"{number(value * 100, digits)}\u00a0%"


@register.filter
def signed(value: Any, digits: int = 2) -> str:
    """A difference always shows its sign."""
    if value is None or value == "":
        return NOTHING
    text = number(abs(value), digits)
    return f"{'−' if value < 0 else '+'}{text}"


@register.filter
def signed_share(value: Any, digits: int = 1) -> str:
    if value is None or value == "":
        return NOTHING
    return f"{signed(value * 100, digits)}\u00a0%"


@register.filter
def money(value: Any, digits: int = 2) -> str:
    """An amount in the reporting currency."""
    if value is None or value == "":
        return NOTHING
    return f"{number(value, digits)}\u00a0{conf.currency()}"


@register.filter
def duration(seconds: Any) -> str:
    """Seconds in the largest two units: 95 → 1 min 35 s."""
    if seconds is None or seconds == "":
        return NOTHING
    if seconds < 10:
        return _("%(n)s s") % {"n": number(seconds, 1)}
    whole = round(seconds)
    minutes, left = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return _("%(h)d h %(m)d min") % {"h": hours, "m": minutes}
    if minutes:
        return _("%(m)d min %(s)d s") % {"m": minutes, "s": left}
    return _("%(n)s s") % {"n": left}


@register.filter
def ago(instant: datetime | None) -> str:
    """How long ago, roughly; for things that should be fresh."""
    if instant is None:
        return NOTHING
    seconds = max((timezone.now() - instant).total_seconds(), 0)
    for size in (86400, 3600, 60):
        if seconds >= size:
            return _ago_words(size, int(seconds // size))
    return _("just now") if seconds < 5 else _("%(n)d s ago") % {"n": int(seconds)}


def _ago_words(size: int, n: int) -> str:
    if size == 86400:
        return ngettext("%(n)d day ago", "%(n)d days ago", n) % {"n": n}
    if size == 3600:
        return ngettext("%(n)d hour ago", "%(n)d hours ago", n) % {"n": n}
    return ngettext("%(n)d minute ago", "%(n)d minutes ago", n) % {"n": n}


@register.filter
def pretty_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """A dictionary's value; None where there is none."""
    return mapping.get(key) if isinstance(mapping, dict) else None
