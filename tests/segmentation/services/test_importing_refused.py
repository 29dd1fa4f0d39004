"""What is no table is refused whole; what is a bad row is refused alone."""

from __future__ import annotations

import pytest

from segmentation.models import Customer, Event, Identity, ImportJob, Item, Notice
from segmentation.services import importing, jobs
from tests.segmentation.services.imports import (
    LINES,
    SALES,
    bring_in,
    counts,
    queue,
    rejects,
    write,
)

pytestmark = pytest.mark.django_db


def refusal(kind, path, columns=None, **options) -> str:
    """The sentence an import is refused with; afterwards nothing of it is there."""
    job = queue(kind, path, columns, **options)
    with pytest.raises(jobs.Refused), jobs.hold(job) as held:
        importing.run_import(job, held)
    job.refresh_from_db()
    assert job.status == ImportJob.Status.FAILED
    assert not Event.objects.exists() and not Item.objects.exists()
    assert not Customer.objects.exists()
    return job.message


@pytest.mark.parametrize(
    ("content", "encoding", "says"),
    [
        (b"", "", "is empty"),
        (b"customer,item,kind,occurred_at\n", "", "column names but no rows"),
        (b"customer,item", "", "column names but no rows"),
        (b"\n\nc-1,tea\n", "", "first line is blank"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "", "a file of the kind JPEG, not a table"),
        (b"customer,item\nc\x00,tea\n", "", "holds NUL bytes"),
        (b"  <!DOCTYPE html><html>", "", "web page"),
        (b"\xef\xbb\xbf<table><tr>", "", "web page"),
        (b"PAR1 and nothing more", "", "Parquet file is damaged"),
        ("customer,item\nJürgen,tea\n".encode("latin-1"), "utf-8", "not in utf-8"),
        (b"customer,item\nc,tea\n", "klingon", "“klingon” is no encoding"),
        (b"customer,item,item\nc,tea,tea\n", "", "Two columns are called item"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(content, encoding, says, tmp_path):
    path = write(tmp_path, content)
    assert says in refusal("events", path, encoding=encoding)
    assert Notice.objects.get().level == Notice.Level.ERROR


def test_bad_bytes_late_in_a_file_leave_nothing_behind(tmp_path):
    good = LINES.encode() + b"c-1,tea,2017-01-31 10:00,1,1,b-7\n" * 400_000
    path = write(tmp_path, good + "Jürgen,tea,2017-01-31,1,1,b\n".encode("latin-1"))
    assert "not in utf-8" in refusal("events", path, SALES, encoding="utf-8")


def test_a_missing_column_is_named_and_nothing_is_written(tmp_path):
    columns = SALES | {"amount": "revenue"}
    told = refusal("events", write(tmp_path, LINES), columns)
    assert "no column “revenue” (for amount)" in told


def test_a_file_that_is_not_there_is_refused_at_once(tmp_path):
    with pytest.raises(jobs.Refused, match="There is no file"):
        queue("events", tmp_path / "nothing.csv")
    assert not ImportJob.objects.exists()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_guessed_from_the_header(delimiter, tmp_path):
    path = write(tmp_path, LINES.replace(",", delimiter))
    assert bring_in("events", path, SALES).rows_new == 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1", "gb18030"])
def test_a_file_in_another_encoding(encoding, tmp_path):
    name = "中文" if encoding == "gb18030" else "Jürgen"
    text = f"customer,item,occurred_at,kind\n{name},tea,2017-01-31,view\n"
    marked = encoding in ("utf-8-sig", "utf-16")
    bring_in(
        "events",
        write(tmp_path, text.encode(encoding)),
        encoding="" if marked else encoding,
    )
    assert Identity.objects.get().external_id == name


def test_ragged_lines_are_rejected_with_their_number_and_the_others_come_in(tmp_path):
    header, *lines = LINES.splitlines()
    text = "\n".join(
        [header, lines[0], "c-1,tea", lines[1], *["x,,,,,,,"], "bad" + lines[2]]
    )
    job = bring_in("events", write(tmp_path, text + ",2\n"), SALES)
    assert counts(job) == (2, 0, 0, 0, 3, 0)
    told = [(row["row"], row["reason"]) for row in rejects(job)]
    why = "has more or fewer cells than the header"
    assert told == [("3", why), ("5", why), ("6", why)]
    assert rejects(job)[0]["customer"] == "c-1"


def test_rows_are_numbered_as_a_person_counts_them(tmp_path):
    text = "item,price\na,1\nb\nc,x\nd,2\ne\nf,y\n"
    job = bring_in("items", write(tmp_path, text))
    assert [(r["row"], r["item"]) for r in rejects(job)] == [
        ("3", "b"),
        ("4", "c"),
        ("6", "e"),
        ("7", "f"),
    ]


def test_a_file_of_nothing_but_bad_rows_is_done_and_says_so(tmp_path):
    assert counts(bring_in("items", write(tmp_path, "item\n\x01\n")))[0] == 1
    job = bring_in("items", write(tmp_path, "item,price\na\nb\n"))
    assert counts(job) == (0, 0, 0, 0, 2, 0)


def test_what_a_page_tells_of_rejected_customers_names_nobody(tmp_path):
    long = "a" * 30 + "@example.com"
    lines = f"customer,locale,email\nc-1,{'x' * 30},{long}\nc-2,de,b@example.com,more\n"
    job = bring_in("customers", write(tmp_path, lines))
    assert long in str(rejects(job)) and "b@example.com" in str(rejects(job))
    assert job.rows_rejected == 2 and "example.com" not in str(job.findings)


def test_rejects_are_harmless_and_come_in_again_when_mended(tmp_path):
    columns = {"item": "item", "title": "row", "price": "value"}
    text = 'item,row,value\n=1+1,+49 says,x\nb,"@b, c",-\nc,-c,1\n'
    job = bring_in("items", write(tmp_path, text), columns)
    assert counts(job) == (1, 0, 0, 0, 2, 0)
    first, _second = rejects(job)
    # The file's own columns keep their names; ours make way.
    assert first["item"] == "'=1+1" and first["row"] == "'+49 says"
    assert (first["row_"], first["column"], first["value_"]) == ("2", "price", "x")
    assert first["reason"] == "price is not a number"
    path = importing.rejects_path(job)
    mended = (
        path.read_text("utf-8-sig").replace(",x,2,", ",9,2,").replace(",'-,", ",1,")
    )
    job = bring_in("items", write(tmp_path, mended), columns)
    assert counts(job) == (2, 0, 0, 0, 0, 0)
    titles = dict(Item.objects.values_list("external_id", "title"))
    assert titles == {"=1+1": "+49 says", "b": "@b, c", "c": "-c"}


def test_the_first_rejects_are_those_of_the_first_rows_whatever_is_wrong(tmp_path):
    """Faults are found column by column; a page and the file tell them row by row."""
    faults = (",1,", "{n},x,", "{n},1,perhaps", "{n}")
    lines = [faults[n % 4].format(n=n) for n in range(60)]
    text = "\n".join(["item,price,available", *lines, "tea,1,yes", ""])
    job = bring_in("items", write(tmp_path, text))
    numbers = [int(row["row"]) for row in rejects(job)]
    assert numbers == list(range(2, 62)) and job.rows_new == 1
    told = job.findings["rejects"]
    assert [row for row, *_why in told] == list(range(2, 22))
    assert [column for _row, column, *_why in told[:4]] == [
        *("item", "price", "available", ""),
    ]
