"""`bitnet-perf rust`: our kernels against the crates of BitNet.rs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    console,
    emit,
    progress,
    seconds_text,
    shows_text,
    table,
)
from bitnet_perf.errors import ConfigError

if TYPE_CHECKING:
    from bitnet_perf.review.crates import Beside, WorkspaceResult

DEFAULT = "default"  # what `--recorded` without a folder stands for


def command(
    *,
    recorded: Annotated[
        str | None,
        typer.Option(
            "--recorded",
            metavar="[DIR]",
            help="Check only, against the records that come with the sources, or those in DIR.",
        ),
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", help="A BitNet.rs checkout: run its `cargo bench` lines."),
    ] = None,
    lines: Annotated[
        str | None,
        typer.Option("--lines", help="With --workspace: which lines, by name, comma-separated."),
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--target", help="With --workspace: a private build folder.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", help="With --workspace: seconds a line may take, with builds."),
    ] = None,
    criterion: Annotated[
        str | None,
        typer.Option("--criterion", help="With --workspace: options for Criterion's programs."),
    ] = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Check and time our kernels against the crates of BitNet.rs.

    Without options: check against recorded outputs, then time the same work here beside the times
    recorded on another host. Exit code 1 when anything is unexplained.

    Example: `bitnet-perf rust --recorded`
    """
    from bitnet_perf.peers.bitnet_rs.workspace import SHORT_SAMPLES
    from bitnet_perf.review.crates import compare_workspace

    if workspace is None:
        _refuse({"--lines": lines, "--target": target, "--timeout": timeout})
        return _recorded(recorded, json_to, quiet)
    if recorded is not None:
        raise ConfigError("--recorded and --workspace: accepted is one of them")
    with _spinner(quiet) as show:
        found = compare_workspace(
            workspace,
            lines=_names(lines),
            target=target,
            timeout=timeout,
            criterion_args=SHORT_SAMPLES if criterion is None else criterion.split(),
            on_progress=show,
        )
    emit(found.to_dict(), json_to)
    if shows_text(json_to, quiet):
        _print_workspace(console(), found)
    return 0 if any(line.why is None for line in found.lines) else 6


def _names(lines: str | None) -> list[str] | None:
    """The names of a comma-separated list."""
    return None if lines is None else [name.strip() for name in lines.split(",")]


def _refuse(options: dict[str, Any]) -> None:
    """Raise ConfigError for an option that means nothing without --workspace."""
    for name, value in options.items():
        if value is not None:
            raise ConfigError(f"{name}: accepted only with --workspace DIR")


def _recorded(recorded: str | None, json_to: str | None, quiet: bool) -> int:
    from bitnet_perf.peers.bitnet_rs.native import native_table
    from bitnet_perf.peers.bitnet_rs.recorded import check_recorded
    from bitnet_perf.review.crates import Beside, golden_folder, time_beside

    named = recorded not in (None, DEFAULT)
    folder = Path(str(recorded)) if named else golden_folder()
    report = check_recorded(folder, native_table())
    result: dict[str, Any] = report.to_dict()
    host, rows = "", tuple[Beside, ...]()
    if recorded is None:
        with progress("timing", quiet) as step:
            host, rows = time_beside(folder, on_progress=step)
        result["recorded_host"] = host
        result["times"] = [row.to_dict() for row in rows]
    emit(result, json_to)
    if shows_text(json_to, quiet):
        out = console()
        _print_check(out, result)
        if rows:
            _print_beside(out, host, rows)
    return 1 if result["unexplained"] else 0


def _print_check(out: Console, result: dict[str, Any]) -> None:
    classified = result["classified"]
    if classified:
        rows = ((name, str(count)) for name, count in classified.items())
        out.print(
            table("Classified: the crates differ among CPU levels", ["divergence", ">runs"], rows)
        )
        out.print()
    for detail in result["details"]:
        if detail["verdict"] == "unexplained":
            out.print(
                f"unexplained: {detail['case']} [{detail['run']}]: {detail['reason']}", markup=False
            )
    out.print(
        f"{result['cases']} cases, {result['runs']} runs: {result['equal']} equal, "
        f"{sum(classified.values())} classified, {len(result['unexplained'])} unexplained"
    )


def _print_beside(out: Console, host: str, rows: tuple[Beside, ...]) -> None:
    cells = (
        (
            row.case.removeprefix("quantization/").removeprefix("forward/"),
            seconds_text(row.ours.median),
            seconds_text(row.ours.high - row.ours.low),
            seconds_text(row.theirs.median),
        )
        for row in rows
    )
    columns = ["case", ">here", ">IQR", ">recorded there"]
    out.print()
    out.print(table("Times, median (no ratio: two hosts)", columns, cells))
    out.print(f"there: {host}", markup=False)


@contextlib.contextmanager
def _spinner(quiet: bool) -> Iterator[Any]:
    err = console(stderr=True)
    if quiet or not err.is_terminal:
        yield None
        return
    with err.status("cargo") as status:
        yield lambda name, line: status.update(f"{name}: {line[:80]}")


def _print_workspace(out: Console, found: WorkspaceResult) -> None:
    for line in found.lines:
        out.print(f"{line.name}: {line.status}", markup=False, soft_wrap=True)
        if line.note:
            out.print(f"  note: {line.note}", markup=False, soft_wrap=True)
    paired = [row for row in found.pairs if row.ratio is not None and row.ours is not None]
    cells = (
        (
            row.criterion_id,
            seconds_text(row.ours.median) if row.ours else "",
            seconds_text(row.theirs.median),
            f"{row.ratio:.1f}x",
        )
        for row in paired
    )
    out.print()
    out.print(table("One run on this host", ["Criterion id", ">ours", ">crate", ">ratio"], cells))
    alone = len(found.pairs) - len(paired)
    out.print(
        f"host: {found.host.cpu}; BitNet.rs at {found.revision or 'an unknown commit'}; "
        f"{alone} benchmarks without a case of ours (--json tells why)",
        markup=False,
        soft_wrap=True,
    )
