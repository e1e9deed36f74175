"""`bitnet-perf bisect`: the first commit that made a case slower."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bitnet_perf.analyze.paired.words import percent
from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    console,
    emit,
    progress,
    shows_text,
    table,
)

if TYPE_CHECKING:
    from bitnet_perf.review.bisect import Bisection


def command(
    good: Annotated[str, typer.Argument(help="A revision that is fast.")],
    bad: Annotated[str, typer.Argument(help="A later revision that is slow.")],
    *,
    case: Annotated[str, typer.Option("--case", help="The whole name of the case.")],
    repository: Annotated[Path, typer.Option("--repository", help="A folder of it.")] = Path(),
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Keep every answer here; a later call goes on with them."),
    ] = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Find the first commit after GOOD, up to BAD, from which on a case is slower.

    Each step builds a commit and compares it with GOOD in fresh process pairs. What is inconclusive
    is measured once more with twice the pairs, then skipped; what does not build is skipped. Exit
    code 4 when skipped commits hide the first bad one.

    Example: `bitnet-perf bisect v0.1 HEAD --case forward/gemv/i2_s/2560x2560/t1 --state b.json`
    """
    from bitnet_perf.review.bisect import bisect

    with progress("bisect", quiet) as step:
        found = bisect(good, bad, case, repository=repository, state=state, on_progress=step)
    emit(found.to_dict(), json_to)
    if shows_text(json_to, quiet):
        _print(console(), found)
    return 0 if found.first is not None else 4


def _print(out: Console, found: Bisection) -> None:
    columns = ["commit", "answer", ">slowdown", ">at least", ">at most"]
    rows = (
        (s.commit[:12], s.answer, percent(s.slowdown), percent(s.low), percent(s.high))
        for s in (found.end, *found.steps)
    )
    out.print(table(f"{found.case}, against {found.good[:12]}", columns, rows))
    for step in found.steps:
        if step.answer == "skip":
            out.print(f"  {step.commit[:12]} skipped: {step.reason}", markup=False)
    if found.first is not None:
        out.print(f"first bad: {found.first} {found.subjects[found.first]}", markup=False)
    else:
        out.print("the first bad commit is one of these, skipped ones among them:")
        for commit in found.found.candidates:
            out.print(f"  {commit[:12]} {found.subjects[commit]}", markup=False)
    out.print(f"changed files: {', '.join(found.changed) or 'none'}", markup=False)
