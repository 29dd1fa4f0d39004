"""Listens and ratings: Last.fm and MovieLens."""

from __future__ import annotations

from tests.segmentation.files.cases import Case, content, lines, table
from tests.segmentation.files.people import LASTFM, ML_1M, ML_100K

HETREC = "https://github.cotory.com/MadKea/COS781_Project"


def _listens(names: tuple[str, ...]) -> str:
    rows = [
        (
            f"user_{n % 9:06}",
            f"2009-04-08T01:{n % 60:02}:47Z",
            "MBID",
            names[n % len(names)],
            f"track-{n % 20}" if n % 15 else "",
            names[n % len(names)],
        )
        for n in range(60)
    ]
    return lines(rows, "\t")


LISTEN = {
    "customer": "column 1",
    "occurred_at": "column 2",
    "item": "column 5",
    "kind": "=view",
}
CASES = [
    Case(
        "last.fm listens",
        LASTFM,
        "events",
        content(_listens(("The Dogs D'Amour", "Sigur Rós", "M.I.A."))),
        layout={"has_header": False},
        by_hand=LISTEN,
        new=56,
        rejected=4,
        reasons=("item is missing",),
    ),
    Case(
        "last.fm listens with quotes in names",
        LASTFM,
        "events",
        content(_listens(('"Heroes" and', '"Weird Al" Yankovic', '12" mix'))),
        layout={"has_header": False, "quote": ""},
        by_hand=LISTEN,
        new=56,
        rejected=4,
    ),
    Case(
        "last.fm plays by artist without times",
        HETREC,
        "events",
        content(
            table(
                "userID,artistID,weight", [{"userID": 2, "weight": 13883}] * 9
            ).replace(",", "\t")
        ),
        says="The mapping says nothing about",
    ),
    Case(
        "movielens 100k ratings",
        ML_100K,
        "events",
        content(lines(((n % 9, n, 3, 881250949 + n) for n in range(60)), "\t")),
        by_hand={
            "customer": "column 1",
            "item": "column 2",
            "value": "column 3",
            "occurred_at": {"column": "column 4", "date": "epoch_s"},
            "kind": "=rating",
        },
        new=60,
    ),
    Case(
        "movielens 1m ratings",
        ML_1M,
        "events",
        content(lines(((n % 9, n, 5, 978300760 + n) for n in range(60)), "::")),
        by_hand={
            "customer": "column 1",
            "item": "column 2",
            "value": "column 3",
            "occurred_at": {"column": "column 4", "date": "epoch_s"},
            "kind": "=rating",
        },
        new=60,
    ),
]
