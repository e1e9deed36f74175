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
from bitnet_perf.cli.publish import (
    IssueOption,
    PromoteOption,
    PublishOption,
    PullOption,
    RowOption,
    after_gate,
    options,
)

if TYPE_CHECKING:
    from collections.abc import Callable

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
    publish_to: PublishOption = None,
    pull_request: PullOption = None,
    benchmarks_row: RowOption = False,
    promote: PromoteOption = None,
    open_issue: IssueOption = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Judge a change: both revisions built, compared in fresh pairs, the change placed, a report.

    The first commit has nothing before it: its report is that of `bitnet-perf run`, and with
    --report-only so is that of a folder whose earlier commit is out of reach. What was measured is
    added to the history (`--set history.record=false`: not). Exit code 0 pass, 1 action, 3 concern
    and 4 inconclusive in a core case, 6 nothing judged, 7 where the verdict stands but was not
    posted: payload.json holds what `bitnet-perf publish` posts later.

    Examples: `bitnet-perf gate --base main --time-budget 5m`, `bitnet-perf gate --publish github`
    """
    from bitnet_perf.config.load import load_settings, parse_flags
    from bitnet_perf.review.compare import seconds_of
    from bitnet_perf.review.gate import NothingBefore, plan_gate, review

    budget = None if time_budget is None else seconds_of(time_budget)
    flags = parse_flags(set_ or ()) | options(promote, open_issue)
    settings = load_settings(repository, flags).settings
    try:
        plan = plan_gate(base, head, suite, repository, settings)
    except NothingBefore as nothing:
        if dry_run or not (nothing.first or report_only):
            raise
        code = _first_report(nothing, output, json_to, quiet)
        return code if report_only else code or 6
    if dry_run:
        return _dry_run(plan, json_to, quiet)
    silent = not shows_text(json_to, quiet)
    post = after_gate(plan, publish_to, pull_request, row=benchmarks_row, quiet=silent)
    with progress("gate", quiet) as step:
        found = review(plan, budget, step)
    emit(found.to_dict(), json_to)
    if not silent:
        _show(found, output)
    if found.comparison.interrupted:
        return publish(lambda: found.save(output), 130)
    return publish(lambda: _keep(found, output, post), 0 if report_only else found.exit_code)


def _first_report(why: Exception, output: Path, json_to: str | None, quiet: bool) -> int:
    from bitnet_perf.cli.run import command as first_report

    if not quiet:
        console(stderr=True).print(f"nothing is judged: {why}", markup=False)
    return first_report(output, json_to, quiet)


def _show(found: Review, output: Path) -> None:
    from bitnet_perf.analyze.paired.comparison import overall
    from bitnet_perf.cli.report import print_report

    out = console()
    print_report(out, found.document)
    out.print(f"verdict: {overall(found.rows())[0]}; {found.evidence[-1]}", markup=False)
    out.print(f"report.md, report.json, raw.npz: {output}", markup=False)


def _keep(found: Review, output: Path, post: Callable[[Review, Path], None] | None) -> None:
    """A review and its files, the history where that is wanted, and what is posted of it: the last
    two whether or not the other fails."""
    from bitnet_perf.review.imports import import_files

    found.save(output)
    settings = found.plan.settings.history
    try:
        if settings.record:
            import_files([output], settings.url, repository=found.plan.repository)
    finally:
        if post is not None:
            post(found, output)


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
