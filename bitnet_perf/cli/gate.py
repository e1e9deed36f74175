"""`bitnet-perf gate`: the main job: build both sides, compare, place the change, decide, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    console,
    emit,
    progress,
    shows_text,
    table,
)
from bitnet_perf.errors import BitnetPerfError

if TYPE_CHECKING:
    from bitnet_perf.review.gate import Plan


def command(
    *,
    base: Annotated[
        str | None, typer.Option("--base", help="What to judge against; its merge base is taken.")
    ] = None,
    head: Annotated[
        str | None, typer.Option("--head", help="What to judge (default: the working tree).")
    ] = None,
    suite: Annotated[str, typer.Option("--suite", help="quick or full.")] = "quick",
    repository: Annotated[Path, typer.Option("--repository", help="A folder of it.")] = Path(),
    time_budget: Annotated[
        str | None, typer.Option("--time-budget", help="Stop measuring in time: 60s, 5m.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be compared, and how long.")
    ] = False,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Exit code 0 when a report was written.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for report.md, report.json, raw.npz.")
    ] = Path("results"),
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Judge a change: both revisions built, compared in fresh pairs, the change placed, a report.

    The first commit has nothing before it: its report is that of `bitnet-perf run`, and with
    --report-only so is that of a folder whose earlier commit is out of reach. Exit code 0 pass, 1
    action, 3 concern and 4 inconclusive in a core case, 6 nothing measured.

    Example: `bitnet-perf gate --base main --time-budget 5m`
    """
    from bitnet_perf.review.compare import seconds_of
    from bitnet_perf.review.gate import plan_gate, review

    budget = None if time_budget is None else seconds_of(time_budget)
    unreachable = ""
    try:
        plan = plan_gate(base, head, suite, repository)
    except BitnetPerfError as error:
        if base is not None or head is not None or not report_only:
            raise
        plan, unreachable = None, f" ({error})"
    if plan is None:
        from bitnet_perf.cli.run import command as first_report

        if not quiet:
            why = f"nothing is judged, there is no earlier commit{unreachable}"
            console(stderr=True).print(why, markup=False)
        return first_report(output, json_to, quiet)
    if dry_run:
        return _dry_run(plan, json_to, quiet)
    with progress("gate", quiet) as step:
        found = review(plan, budget, step)
    found.save(output)
    emit(found.to_dict(), json_to)
    if shows_text(json_to, quiet):
        from bitnet_perf.cli.report import print_report

        out = console()
        print_report(out, found.document)
        out.print(f"written: {output}/report.md, report.json, raw.npz", markup=False)
        out.print(f"verdict: {found.comparison.verdict}; {found.evidence[-1]}", markup=False)
    if found.comparison.interrupted:
        return 130
    return 0 if report_only else found.exit_code


def _dry_run(plan: Plan, json_to: str | None, quiet: bool) -> int:
    facts = {
        "base": plan.base,
        "head": plan.head or "working tree",
        "dirty": plan.dirty,
        "changed": list(plan.changed),
        "cases": list(plan.cases),
        "minutes": plan.minutes,
    }
    emit(facts, json_to)
    if shows_text(json_to, quiet):
        out = console()
        title = f"{facts['head']} against {plan.base[:12]}, {len(plan.changed)} changed files"
        out.print(table(title, ["case"], ((name,) for name in plan.cases)))
        out.print(f"about {plan.minutes:.0f} minutes, less where a tree was built before")
    return 0
