"""Turn ``docs/`` into pages under ``var/docs``; refuse links that lead nowhere."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("README.md", "CHANGELOG.md", "SECURITY.md", "docs/**/*.md")
TARGET = ROOT / "var" / "docs"
LINK = re.compile(r'(href|src)="([^"#:]+)(#[^"]*)?"')
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>
body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto;
  padding: 0 1rem; }}
pre, code {{ background: #f4f4f5; }} pre {{ padding: 1rem; overflow-x: auto; }}
table {{ border-collapse: collapse; }}
td, th {{ border: 1px solid #d4d4d8; padding: .3rem .6rem; vertical-align: top; }}
</style>
{body}
"""


def broken_links(root: Path) -> list[str]:
    """Links and images of the guides whose file is not there."""
    found = []
    for path in _sources(root):
        for match in LINK.finditer(_html(path)):
            if not (path.parent / match[2]).exists():
                found.append(
                    f"{path.relative_to(root)} links to {match[2]}: no such file"
                )
    return found


def write(root: Path, target: Path) -> None:
    for path in _sources(root):
        page = target / path.relative_to(root).with_suffix(".html")
        page.parent.mkdir(parents=True, exist_ok=True)
        body = re.sub(r'href="([^":]+)\.md([#"])', r'href="\1.html\2', _html(path))
        page.write_text(PAGE.format(title=html.escape(path.stem), body=body))


def _sources(root: Path) -> list[Path]:
    return sorted(path for pattern in SOURCES for path in root.glob(pattern))


def _html(path: Path) -> str:
    return MarkdownIt("commonmark").enable("table").render(path.read_text())


def main() -> int:
    found = broken_links(ROOT)
    for sentence in found:
        sys.stderr.write(f"{sentence}\n")
    if found:
        return 1
    write(ROOT, TARGET)
    sys.stderr.write(f"The guides are pages now: {TARGET / 'README.html'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
