"""A report as a page shows it: the verdict first, then what it rests on."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from campaigns.models import Campaign, Recipient
from campaigns.services.results import Comparison, Report
from segmentation.admin import charts
from segmentation.templatetags.strata import money, number, signed, signed_share

METRICS = dict(Campaign.Metric.choices)
TONES = {"helped": "good", "hurt": "bad", "cannot tell": "wait"}


def shown(report: Report, campaign: Campaign) -> dict[str, Any]:
    """The context of the report's template."""
    return {
        "campaign": campaign,
        "report": report,
        "tone": TONES.get(report.verdict, "wait"),
        "verdict_word": _verdict_word(report.verdict),
        "arms": [{"arm": arm, "label": _arm_label(arm.arm)} for arm in report.arms],
        "comparisons": [_line(comparison) for comparison in report.comparisons],
        "figure": _figure(report.comparisons),
        "srm": _srm(report.srm),
        "steps": _funnel(report.funnel),
        "suppressed": _suppressed(report.funnel.get("suppressed") or {}),
    }


def _verdict_word(verdict: str) -> str:
    words = {"helped": _("It helped"), "hurt": _("It hurt")}
    return words.get(verdict, _("Cannot tell"))


def _arm_label(arm: str) -> str:
    return str(Recipient.Arm(arm).label) if arm in Recipient.Arm.values else arm


def _line(comparison: Comparison) -> dict[str, Any]:
    is_share = comparison.metric == Campaign.Metric.CONVERSION
    say = points if is_share else _amount
    return {
        "label": METRICS.get(comparison.metric, comparison.metric),
        "is_primary": comparison.is_primary,
        "difference": say(comparison.difference),
        "low": say(comparison.low),
        "high": say(comparison.high),
        "relative": signed_share(comparison.relative),
        "relative_low": signed_share(comparison.relative_low),
        "relative_high": signed_share(comparison.relative_high),
        "smallest": say(comparison.smallest_detectable).lstrip("+"),
        "p": _p(comparison.p_value),
        "verdict": _verdict_word(comparison.verdict),
        "tone": TONES.get(comparison.verdict, "wait"),
    }


def points(value: float | None) -> str:
    """A difference of shares, in percentage points."""
    if value is None:
        return "–"
    return _("%(n)s points") % {"n": signed(100 * value, 2)}


def _amount(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{'−' if value < 0 else '+'}{money(abs(value))}"


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else number(value, 3)


def _figure(comparisons: list[Comparison]) -> str:
    rows = [
        charts.Estimate(
            str(METRICS.get(one.metric, one.metric)),
            one.relative,
            one.relative_low,
            one.relative_high,
            one.is_primary,
        )
        for one in comparisons
        if one.relative is not None
    ]
    if not rows:
        return ""
    axis = _("change against the held-out, with 95 % interval")
    return charts.dots(rows, axis=axis, reference=0, percent=True, digits=1)


def _srm(srm: dict[str, Any] | None) -> dict[str, Any] | None:
    if not srm or not sum(srm.get("observed") or ()):
        return None
    return {
        "alarm": srm["alarm"],
        "p": _p(srm["p_value"]),
        "observed": " / ".join(number(n) for n in srm["observed"]),
        "expected": " / ".join(number(n) for n in srm["expected"]),
    }


def _suppressed(counts: dict[str, int]) -> list[tuple[str, int]]:
    return [
        (str(Recipient.Reason(reason).label), n) for reason, n in counts.items() if n
    ]


def _funnel(funnel: dict[str, Any]) -> list[dict[str, Any]]:
    """Each step with its share of the one that it is a share of."""
    audience, messages = funnel.get("audience") or 0, funnel.get("messages") or 0
    accepted = funnel.get("accepted") or 0
    steps = (
        ("audience", _("people in the audience"), audience),
        ("treated", _("people who get a message"), audience),
        ("held_out", _("people held out to compare with"), audience),
        ("messages", _("messages"), messages),
        ("accepted", _("accepted by the push service"), messages),
        ("waiting", _("still to be sent"), messages),
        ("failed", _("failed"), messages),
        ("gone", _("address gone"), messages),
        ("cancelled", _("cancelled"), messages),
        ("unknown", _("unknown: the sender died on the way"), messages),
        ("perhaps_twice", _("perhaps sent twice"), messages),
        ("shown", _("shown on a device"), accepted),
        ("clicked", _("clicked"), accepted),
        ("dismissed", _("dismissed"), accepted),
        ("unsubscribed", _("unsubscribed"), accepted),
    )
    always = {"audience", "treated", "held_out", "messages", "accepted", "clicked"}
    return [
        {
            "label": label,
            "n": funnel.get(name) or 0,
            "share": (funnel.get(name) or 0) / whole if whole else None,
            "width": round(100 * (funnel.get(name) or 0) / whole) if whole else 0,
        }
        for name, label, whole in steps
        if name in always or funnel.get(name)
    ]
