"""Small files about consent: suppression lists, and what customers said by channel.

Both come in as imports of customers (``consent.<channel>``), one for each channel and
source that a file speaks of. A suppression list only ever withdraws.
"""

from __future__ import annotations

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from django.utils.translation import gettext as _

from campaigns.channels import CHANNELS
from campaigns.models import Consent
from segmentation.engine import mapping
from segmentation.engine.mapping import names
from segmentation.models import Customer, Identity, Merge
from segmentation.services import importing, jobs
from segmentation.services.small_tables import Part, Small

MOST_PARTS = 20
FOUND = "customer of this address"
SUPPRESSION = "suppression list"
# Our own words, those of our export, and how a Chinese file calls them.
_HEADERS = {
    "channel": ("channel", "渠道"),
    "granted": ("granted", "consent", "subscribed", "opt in", "同意", "授权"),
    "purpose": ("purpose", "用途"),
    "source": ("source", "来源"),
}
_NO = ("", "no", "n", "false", "0", "否")


def suppressed(small: Small, *, channel: str, source: str) -> list[Part]:
    """Parts that withdraw marketing consent; by customer ids, else by e-mail.

    A customer that nobody knows yet is kept with that word, so that it holds when
    they come. An address that nobody has cannot be kept: it is rejected.
    """
    no = {f"consent.{channel}": "=no"}
    header, by_mail = _who(small)
    _refuse_yes(small)
    name = f"{SUPPRESSION} {small.name}"
    if not by_mail:
        columns = {"customer": header} | no
        return [Part("customers", small.path, name, source, columns, small.layout)]
    _refuse_ragged(small)
    frame = small.rows.to_pandas()
    homes = _customers_of(frame[header])
    frame = frame.merge(homes, how="left", left_on=header, right_on="address_")
    frame = frame.drop(columns="address_")
    frame["source_"] = frame["source_"].fillna(source)
    return [
        _part(rows.drop(columns="source_"), name, str(where), {"customer": FOUND} | no)
        for where, rows in _groups(frame, ["source_"])
    ]


def told(small: Small, *, channel: str, source: str) -> list[Part]:
    """Parts that bring what customers said: customer, granted, and which channel.

    ``channel`` and ``source`` are for files that have no such column.
    """
    header, by_mail = _who(small)
    if by_mail:
        raise jobs.Refused(
            _("Say who by a column “customer”; only suppression lists go by e-mail.")
        )
    _refuse_ragged(small)
    found = {name: _header(small, words) for name, words in _HEADERS.items()}
    if not found["granted"]:
        raise jobs.Refused(_("Name the column that says yes or no “granted”."))
    frame = small.rows.to_pandas().fillna("")
    _refuse_other_purposes(frame, found["purpose"])
    frame["channel_"] = _filled(frame, found["channel"], channel).str.lower()
    frame["source_"] = _filled(frame, found["source"], source)
    _refuse_unknown(frame["channel_"])
    return [
        _part(
            rows.drop(columns=["channel_", "source_"]),
            small.name,
            where,
            {"customer": header, f"consent.{way}": found["granted"]},
        )
        for (way, where), rows in _groups(frame, ["channel_", "source_"])
    ]


def _who(small: Small) -> tuple[str, bool]:
    """The column that says who, and whether it holds addresses of e-mail."""
    guessed = mapping.guess_columns("customers", small.headers, small.rows)
    columns = {
        target: mapping.read_column(target, guessed[target].spec).headers
        for target in ("customer", "email")
        if target in guessed
    }
    email = columns.get("email")
    if (who := columns.get("customer")) and who != email:
        return who[0], False
    if email:
        return email[0], True
    if len(small.headers) == 1:
        return small.headers[0], False
    raise jobs.Refused(
        _("Name the column of customer ids “customer”, or that of addresses “email”.")
    )


def _refuse_yes(small: Small) -> None:
    """Who is listed with a yes was not meant to be withdrawn."""
    if not (header := _header(small, _HEADERS["granted"])):
        return
    said = small.rows[header].to_pandas().fillna("").str.strip().str.lower()
    if not said.isin(_NO).all():
        raise jobs.Refused(
            _(
                "The column “%(name)s” does not say no everywhere: choose “what "
                "customers said”, or leave that column out."
            )
            % {"name": header}
        )


def _refuse_ragged(small: Small) -> None:
    """The file is written anew in parts: no line of it may be lost on the way."""
    if small.ragged:
        raise jobs.Refused(
            _("Line %(n)d has more or fewer cells than the header; mend it first.")
            % {"n": small.ragged[0]}
        )


def _header(small: Small, words: tuple[str, ...]) -> str:
    wanted = {names.normal(word) for word in words}
    return next((h for h in small.headers if names.normal(h) in wanted), "")


def _filled(frame: pd.DataFrame, header: str, default: str) -> pd.Series:
    if not header:
        return pd.Series(default, frame.index)
    return frame[header].str.strip().replace("", default)


def _refuse_other_purposes(frame: pd.DataFrame, header: str) -> None:
    marketing = {"", Consent.Purpose.MARKETING.value}
    if header and (other := set(frame[header].str.strip().str.lower()) - marketing):
        words = {"purpose": sorted(other)[0]}
        raise jobs.Refused(
            _("Files bring consent to marketing; leave out the lines on “%(purpose)s”.")
            % words
        )


def _refuse_unknown(channels: pd.Series) -> None:
    if unknown := sorted(set(channels) - set(CHANNELS)):
        words = {"name": unknown[0], "known": ", ".join(CHANNELS)}
        raise jobs.Refused(
            _("There is no channel “%(name)s”; there are %(known)s.") % words
        )


def _groups(frame: pd.DataFrame, by: list[str]) -> list[tuple]:
    groups = list(frame.groupby(by if len(by) > 1 else by[0], sort=True))
    if len(groups) > MOST_PARTS:
        raise jobs.Refused(
            _("The file speaks of %(n)d sources and channels; is it the right column?")
            % {"n": len(groups)}
        )
    return groups


def _part(rows: pd.DataFrame, name: str, source: str, columns: dict[str, str]) -> Part:
    """The lines of one import as a file of its own, with all their columns."""
    texts = pa.Table.from_pandas(rows.astype("string"), preserve_index=False)
    file = io.BytesIO()
    pq.write_table(texts, file)
    file.seek(0)
    path = importing.store_upload(file, "part.parquet")
    return Part("customers", path, name, source, columns)


def _customers_of(addresses: pd.Series) -> pd.DataFrame:
    """An id (and its source) of every customer who has one of these addresses."""
    told = addresses.dropna().drop_duplicates()
    marks = {text: Customer.mark_of("email", text) for text in told if text.strip()}
    hashes = list(set(marks.values()))
    people = Customer.objects.filter(email_hash__in=hashes)
    homes = pd.DataFrame(people.values_list("pk", "email_hash"), columns=["pk", "mark"])
    homes["pk"] = homes["pk"].map(_final_homes(homes["pk"].tolist()))
    known = Identity.objects.filter(
        customer__in=homes["pk"].tolist(), source__isnull=False
    )
    ids = pd.DataFrame(
        known.order_by("pk").values_list("customer_id", "source__name", "external_id"),
        columns=["pk", "source_", FOUND],
    ).drop_duplicates("pk")  # one name is enough: consent is the customer's
    told_by = pd.DataFrame(marks.items(), columns=["address_", "mark"])
    found = told_by.merge(homes, on="mark").merge(ids, on="pk")
    return found[["address_", "source_", FOUND]].drop_duplicates()


def _final_homes(customer_ids: list[int]) -> dict[int, int]:
    """Where the names of merged customers are by now."""
    homes = {pk: pk for pk in customer_ids}
    rows = Merge.objects.filter(undone_at=None, merged__in=customer_ids)
    return homes | dict(rows.values_list("merged_id", "home_id"))
