"""Every method on both data sets, as the tables of docs/methods/README.md.

    make bench-methods        (an hour or two on two cores)

Prints Markdown on standard output and, as its last line, one JSON object with all that
films.py, ratings.py and groceries.py tell.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from benchmarks.protocols import films, groceries, ratings

INTERVAL = "{mean:.4f} ({low:.3f}–{high:.3f})"  # noqa: RUF001 (a range)
GAIN = "{low:+.4f} … {high:+.4f}"


def main() -> None:
    found = {
        "films": films.report([]),
        "ratings": ratings.report([]),
        **groceries.report([]),
    }
    sys.stdout.write("\n\n".join(tables(found)) + "\n")
    sys.stdout.write(json.dumps(found) + "\n")


def tables(found: dict[str, Any]) -> Iterable[str]:
    """Films, ratings, and both tasks of groceries; the best by NDCG stands first."""
    for name, reference in (
        ("films", films.REFERENCE),
        *groceries.TO_BEAT.items(),
    ):
        rows = sorted(found[name].items(), key=lambda row: -row[1]["ndcg"]["mean"])
        head = (
            name,
            "validation",
            "NDCG (95 %)",
            "less popularity",
            f"less {reference}",
            "hit rate",
            "coverage",
            "fit + score s",
            "MiB",
        )
        yield _table(head, [_row(method, row, reference) for method, row in rows])
    rated = found["ratings"].items()
    cells = [(name, f"{row['rmse']:.3f}", f"{row['mae']:.3f}") for name, row in rated]
    yield _table(("ratings", "RMSE", "MAE"), cells)


def _row(method: str, row: dict[str, Any], reference: str) -> tuple[str, ...]:
    spent = row["seconds"]
    seconds = spent.get("fit_and_score", spent.get("fit", 0) + spent.get("score", 0))
    coverage = row["coverage"]
    mean = coverage["mean"] if isinstance(coverage, dict) else coverage
    return (
        method,
        f"{row['validation_ndcg']:.4f}",
        INTERVAL.format(**row["ndcg"]),
        GAIN.format(**row["gain_over_popularity"]),
        GAIN.format(**row[f"gain_over_{reference}"]),
        f"{row['hit_rate']['mean']:.3f}",
        f"{mean:.2f}",
        f"{seconds:.1f}",
        str(row["peak_mib"]),
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
