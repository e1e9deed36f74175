"""`bitnet-perf try`: one candidate kernel checked, then compared with the best of this build."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    console,
    emit,
    fail,
    progress,
    shows_text,
)
from bitnet_perf.errors import BitnetPerfError, ConfigError

if TYPE_CHECKING:
    from bitnet_perf.review.try_ import Trial
    from bitnet_perf.review.try_cuda import CudaTrial

LOOK = 0.3  # seconds between two looks at the file
STOPPED = 130  # by Ctrl-C


def command(
    file: Annotated[Path, typer.Argument(help="A .c, .cpp, .so, .py or .cu file.")],
    *,
    family: Annotated[str, typer.Option("--family", help="What it replaces: gemv_i2_s.")],
    shape: Annotated[str, typer.Option("--shape", help="NxK, MxNxK for gemm.")],
    threads: Annotated[int, typer.Option("--threads", help="Threads of the case.")] = 1,
    against: Annotated[
        str, typer.Option("--against", help="The ISA to beat; the best of this build without it.")
    ] = "",
    pairs: Annotated[
        int | None, typer.Option("--pairs", help="One look of so many fresh pairs, not three.")
    ] = None,
    time_budget: Annotated[
        str | None, typer.Option("--time-budget", help="Stop timing in time: 60s, 5m.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Again on every save.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Keep the raw file (.npz) here.")
    ] = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Check a candidate kernel, then compare it with the best kernel of this build.

    Exit code 0 not slower, 1 wrong or slower by 10 %, 3 slower by 5 %, 4 not decided, 130 Ctrl-C;
    6 a .cu file that is right, where no GPU can time it.

    Example: `bitnet-perf try my.cpp --family gemv_i2_s --shape 6912x2560`
    """
    from bitnet_perf.review.compare import seconds_of
    from bitnet_perf.review.try_ import try_candidate

    budget = None if time_budget is None else seconds_of(time_budget)

    def once() -> int:
        if file.suffix == ".cu":
            _refuse(threads=threads if threads != 1 else None, against=against or None)
            found_cuda = _cuda(file, family, shape, pairs=pairs, time_budget=budget, quiet=quiet)
            if output is not None and found_cuda.samples:
                found_cuda.save(output)
            return _show_cuda(found_cuda, json_to, quiet)
        with progress("try", quiet) as step:
            found = try_candidate(
                file,
                family,
                shape,
                threads=threads,
                against=against,
                pairs=pairs,
                time_budget=budget,
                on_progress=step,
            )
        if output is not None and found.comparison is not None:
            found.comparison.save(output)
        return _show(found, json_to, quiet)

    return _watch(file, once) if watch else once()


def _refuse(**given: object) -> None:
    """ConfigError for options that mean nothing for a .cu file."""
    for name, value in given.items():
        if value is not None:
            raise ConfigError(
                f"--{name}: found {value!r}, which means nothing for a .cu file; accepted there "
                "are --family, --shape, --pairs, --time-budget, --watch, --output, --json, --quiet"
            )


def _cuda(
    file: Path, family: str, shape: str, *, pairs: int | None, time_budget: float | None,
    quiet: bool,
) -> CudaTrial:  # fmt: skip
    """Try a CUDA kernel."""
    from bitnet_perf.review.try_cuda import try_cuda

    with progress("try", quiet) as step:
        return try_cuda(file, family, shape, pairs=pairs, time_budget=time_budget, on_progress=step)


def _show_cuda(found: CudaTrial, json_to: str | None, quiet: bool) -> int:
    """Print it as it was asked for; the exit code."""
    emit(found.to_dict(), json_to)
    if shows_text(json_to, quiet):
        for line in found.lines:
            console().print(line, markup=False)
    return found.exit_code


def _watch(file: Path, once: Callable[[], int]) -> int:
    """Try the file now and whenever it is saved, until Ctrl-C: 0 between trials, 130 in one."""
    seen = None
    while True:
        now = _saved(file)
        if now != seen:
            seen = now
            try:
                if once() == STOPPED:
                    return STOPPED
            except BitnetPerfError as error:
                fail(error)
        try:
            time.sleep(LOOK)
        except KeyboardInterrupt:
            return 0


def _saved(file: Path) -> tuple[int, int] | None:
    """When the file was written, and its size; None while an editor replaces it."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size


def _show(found: Trial, json_to: str | None, quiet: bool) -> int:
    """Print a trial as it was asked for; its exit code."""
    emit(found.to_dict(), json_to)
    if shows_text(json_to, quiet):
        _print(found)
    return STOPPED if found.interrupted else found.exit_code


def _print(found: Trial) -> None:
    from bitnet_perf.cli.places import place_table
    from bitnet_perf.cli.verdicts import print_comparison

    out = console()
    checked = found.checked
    state = "right" if checked.right else "wrong"
    out.print(
        f"check: {state} after {checked.checks} calls in {checked.seconds:.1f} s", markup=False
    )
    if not checked.right:
        out.print(f"  {checked.reason}", markup=False)
        if checked.console:
            out.print(f"  it printed: {checked.console}", markup=False)
        out.print("verdict: wrong (nothing was timed)", style="bold red")
        return
    if isinstance(found.places, str):
        out.print(f"place: unavailable ({found.places})", markup=False)
    else:
        out.print(place_table("Under the limits of this host", found.places))
    for line in (*found.count_lines, *(f"next: {step}" for step in found.next_steps)):
        out.print(line, markup=False)
    if found.comparison is not None:
        print_comparison(out, found.comparison)
