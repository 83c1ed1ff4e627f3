"""One table of many runs: jxrecon collect DIR

Prints a line per run below DIR with its state, what was changed and its metrics, and writes runs.csv and runs.html there.
"""

import argparse
import csv
import html
import io
import json
from pathlib import Path
from typing import Any

from ..cli import Parser
from ..errors import InputError


def options(made: Parser) -> None:
    made.add_argument("folder", metavar="DIR", help="folder with runs, such as one of a sweep")


def main(options: argparse.Namespace) -> int:
    print(collect(Path(options.folder)))
    return 0


def collect(folder: Path) -> str:
    """Write runs.csv and runs.html into `folder`; returns the table as text."""
    from ..storage import write_text_atomically

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder.")
    rows = [row(path.parent, folder) for path in sorted(folder.rglob("status.json"), key=_natural)]
    if not rows:
        raise InputError(f"{folder}: holds no run (no `status.json` below it).")
    columns = list(dict.fromkeys(key for r in rows for key in r))
    write_text_atomically(folder / "runs.csv", as_csv(columns, rows))
    write_text_atomically(folder / "runs.html", as_html(columns, rows))
    return as_text(columns, rows)


def row(run: Path, folder: Path) -> dict[str, Any]:
    """What one run folder tells, by column."""
    overrides = run / "overrides.txt"
    changed = overrides.read_text().split("\n") if overrides.exists() else []
    return {
        "run": str(run.relative_to(folder)),
        "state": _json(run / "status.json").get("state", "?"),
        "overrides": " ".join(line for line in changed if line),
        **_json(run / "metrics.json"),
    }


def as_csv(columns: list[str], rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_text(columns: list[str], rows: list[dict[str, Any]]) -> str:
    """Columns aligned by spaces."""
    cells = [columns, *([_shown(r.get(c)) for c in columns] for r in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def as_html(columns: list[str], rows: list[dict[str, Any]]) -> str:
    """One self-contained page."""
    head = "".join(f"<th>{html.escape(c)}</th>" for c in columns)
    body = "".join(f"<tr>{''.join(_cell(c, r) for c in columns)}</tr>\n" for r in rows)
    style = "body{font:14px sans-serif}td,th{padding:2px 10px;text-align:left;border-bottom:1px solid #ddd}"
    return (
        f"<!doctype html><meta charset=utf-8><title>runs</title><style>{style}</style>\n"
        f"<table><tr>{head}</tr>\n{body}</table>\n"
    )


def _cell(column: str, r: dict[str, Any]) -> str:
    text = html.escape(_shown(r.get(column)))
    if column == "run":
        text = f'<a href="{html.escape(r["run"])}/report.html">{text}</a>'
    return f"<td>{text}</td>"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _natural(path: Path) -> list[tuple[int, int | str]]:
    """Sort key that puts job 10 after job 9."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in path.parts]
