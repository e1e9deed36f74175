"""A judged comparison for a terminal: one line a case, why, and the verdict over all."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.words import bounds, percent
from bitnet_perf.cli.output import table
from bitnet_perf.review.compare import Comparison

STYLES = {
    "pass": "green",
    "identical": "green",
    "improved": "green",
    "concern": "yellow",
    "inconclusive": "magenta",
    "action": "red",
    "error": "red",
}


def print_comparison(out: Console, found: Comparison) -> None:
    """The table, what stands beside it, and the verdict as the last line."""
    meta = found.raw.meta
    rows = found.rows()
    out.print(verdict_table(found.title, rows))
    beside = found.annotations
    for row in rows:
        out.print(f"  {row.case}: {'; '.join((row.reason, *row.notes))}", markup=False)
        for line in beside.get(row.case, ()):
            out.print(f"    {line}", markup=False)
    if "code" in meta:
        out.print(f"code: {meta['code']}", markup=False)
    if "stopped" in meta:
        out.print(
            f"stopped by {meta['stopped']}: what was not settled is inconclusive", markup=False
        )
    out.print(f"verdict: {found.verdict}", style=f"bold {STYLES.get(found.verdict, '')}".strip())


def verdict_table(title: str, rows: Iterable[Row]) -> Table:
    """One line a case: verdict, slowdown with its bounds, MDE and pairs."""
    columns = ["case", "verdict", ">slowdown", ">bounds", ">MDE", ">pairs"]
    cells = (
        (r.case, r.verdict, percent(r.slowdown), bounds(r), percent(r.mde, ""), r.pairs or "")
        for r in rows
    )
    return table(title, columns, cells)
