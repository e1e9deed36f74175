"""`bitnet-perf gate`: the main job: build both sides, compare, place the change, decide, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    SetOption,
    console,
    emit,
    progress,
    publish,
    shows_text,
    table,
)

if TYPE_CHECKING:
    from bitnet_perf.review.gate import Plan, Review


def command(
    *,
    base: Annotated[
        str | None, typer.Option("--base", help="What to judge against; its merge base is taken.")
    ] = None,
    head: Annotated[
        str | None, typer.Option("--head", help="What to judge (default: the working tree).")
    ] = None,
    suite: Annotated[
        str, typer.Option("--suite", help="quick, full, or one of [suites].")
    ] = "quick",
    repository: Annotated[Path, typer.Option("--repository", help="A folder of it.")] = Path(),
    time_budget: Annotated[
        str | None, typer.Option("--time-budget", help="Stop measuring in time: 60s, 5m.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be compared, and how long.")
    ] = False,
    set_: SetOption = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Whatever the verdict, exit code 0.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for report.md, report.json, raw.npz.")
    ] = Path("results"),
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Judge a change: both revisions built, compared in fresh pairs, the change placed, a report.

    The first commit has nothing before it: its report is that of `bitnet-perf run`, and with
    --report-only so is that of a folder whose earlier commit is out of reach. What was measured is
    added to the history (`--set history.record=false`: not). Exit code 0 pass, 1 action, 3 concern
    and 4 inconclusive in a core case, 6 nothing judged.

    Example: `bitnet-perf gate --base main --time-budget 5m`
    """
    from bitnet_perf.config.load import load_settings, parse_flags
    from bitnet_perf.review.compare import seconds_of
    from bitnet_perf.review.gate import NothingBefore, plan_gate, review

    budget = None if time_budget is None else seconds_of(time_budget)
    settings = load_settings(repository, parse_flags(set_ or ())).settings
    try:
        plan = plan_gate(base, head, suite, repository, settings)
    except NothingBefore as nothing:
        if dry_run or not (nothing.first or report_only):
            raise
        if not quiet:
            console(stderr=True).print(f"nothing is judged: {nothing}", markup=False)
        from bitnet_perf.cli.run import command as first_report

        code = first_report(output, json_to, quiet)
        return code if report_only else code or 6
    if dry_run:
        return _dry_run(plan, json_to, quiet)
    with progress("gate", quiet) as step:
        found = review(plan, budget, step)
    emit(found.to_dict(), json_to)
    if shows_text(json_to, quiet):
        from bitnet_perf.analyze.paired.comparison import overall
        from bitnet_perf.cli.report import print_report

        out = console()
        print_report(out, found.document)
        out.print(f"verdict: {overall(found.rows())[0]}; {found.evidence[-1]}", markup=False)
        out.print(f"report.md, report.json, raw.npz: {output}", markup=False)
    code = 0 if report_only else found.exit_code
    return publish(lambda: _keep(found, output), 130 if found.comparison.interrupted else code)


def _keep(found: Review, output: Path) -> None:
    """Write the report and the raw file, and add both to the history where that is wanted."""
    from bitnet_perf.review.imports import import_files

    found.save(output)
    settings = found.plan.settings.history
    if settings.record and not found.comparison.interrupted:
        import_files([output], settings.url, repository=found.plan.repository)


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
