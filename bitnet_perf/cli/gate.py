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


BaseOption = Annotated[
    str | None, typer.Option("--base", help="What to judge against; its merge base is taken.")
]
HeadOption = Annotated[
    str | None, typer.Option("--head", help="What to judge (default: the working tree).")
]
SuiteOption = Annotated[
    str, typer.Option("--suite", help="quick, full, a scenario, a stage, or one of [suites].")
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", help="Also its stages: a GGUF file, or a shape such as 1b."),
]
AreaOption = Annotated[
    bool, typer.Option("--only-changed", help="Only what the changed files can slow down.")
]
BaselineOption = Annotated[
    Path | None,
    typer.Option("--baseline", help="Results of an earlier run, judged before they are used."),
]
ForceOption = Annotated[
    bool, typer.Option("--force-baseline", help="Use it whatever speaks against it.")
]
CacheOption = Annotated[
    bool,
    typer.Option("--cachegrind", help="Simulate the cache where no misses are counted: minutes."),
]
DryOption = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would be compared, and how long.")
]
TimeOption = Annotated[
    str | None, typer.Option("--time-budget", help="Stop measuring in time: 60s, 5m.")
]


def command(
    *,
    base: BaseOption = None,
    head: HeadOption = None,
    suite: SuiteOption = "quick",
    model: ModelOption = None,
    only_changed: AreaOption = False,
    repository: Annotated[Path, typer.Option("--repository", help="A folder of it.")] = Path(),
    time_budget: TimeOption = None,
    dry_run: DryOption = False,
    baseline: BaselineOption = None,
    force_baseline: ForceOption = False,
    cachegrind: CacheOption = False,
    set_: SetOption = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Whatever the verdict, exit code 0.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the report and its records.")
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

    Suites of scenarios are small, 2b4t, large, batch1, batched, short and long, and one of every
    stage.

    Examples: `bitnet-perf gate --base main --time-budget 5m`, `bitnet-perf gate --publish github`,
    `bitnet-perf gate --only-changed --model 1b`
    """
    from bitnet_perf.config.load import load_settings, parse_flags
    from bitnet_perf.review.baseline import read_baseline
    from bitnet_perf.review.compare import seconds_of
    from bitnet_perf.review.gate import Extra, NothingBefore, plan_gate, review

    budget = None if time_budget is None else seconds_of(time_budget)
    flags = parse_flags(set_ or ()) | options(promote, open_issue)
    settings = load_settings(repository, flags).settings
    try:
        plan = plan_gate(
            base, head, suite, repository, settings, model=model, only_changed=only_changed
        )
    except NothingBefore as nothing:
        if dry_run or not (nothing.first or report_only):
            raise
        code = _first_report(nothing, output, json_to, quiet)
        return code if report_only else code or 6
    if dry_run:
        return _dry_run(plan, json_to, quiet)
    stored = None if baseline is None else read_baseline(baseline, force=force_baseline)
    silent = not shows_text(json_to, quiet)
    post = after_gate(plan, publish_to, pull_request, row=benchmarks_row, quiet=silent)
    with progress("gate", quiet) as step:
        measured = Extra(stored, cachegrind)
        found = review(plan, budget, step, measured, output)
    emit(found.to_dict(), json_to)
    if not silent:
        _show(found, output)
    if found.interrupted:
        return publish(lambda: found.save(output), 130)
    return publish(lambda: _keep(found, output, post), 0 if report_only else found.exit_code)


def _first_report(why: Exception, output: Path, json_to: str | None, quiet: bool) -> int:
    from bitnet_perf.cli.run import command as first_report

    if not quiet:
        console(stderr=True).print(f"nothing is judged: {why}", markup=False)
    return first_report(output, json_to, quiet)


def _show(found: Review, output: Path) -> None:
    from bitnet_perf.cli.report import print_report

    out = console()
    print_report(out, found.document)
    out.print(f"report: {output / 'report.html'}", markup=False, soft_wrap=True)
    out.print(f"verdict: {found.judged.verdict}; {found.evidence[-1]}", markup=False)


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
        "notes": list(plan.notes),
    }
    emit(facts, json_to)
    if shows_text(json_to, quiet):
        out = console()
        title = f"{facts['head']} against {plan.base[:12]}, {len(plan.changed)} changed files"
        out.print(table(title, ["case"], ((name,) for name in plan.cases)))
        for note in plan.notes:
            out.print(note, markup=False)
        out.print(f"about {plan.minutes:.0f} minutes, less where a tree was built before")
    return 0
