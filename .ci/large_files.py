"""Refuse files over 500 kB: data and trained models do not belong into the history."""

from __future__ import annotations

import sys
from pathlib import Path

LIMIT_BYTES = 500_000


def main(names: list[str]) -> int:
    large = [name for name in names if Path(name).stat().st_size > LIMIT_BYTES]
    for name in large:
        sys.stderr.write(f"{name} is larger than {LIMIT_BYTES // 1000} kB.\n")
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
