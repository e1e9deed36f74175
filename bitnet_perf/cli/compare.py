"""`bitnet-perf compare`: two sides, alternated every fraction of a millisecond, and a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    console,
    emit,
    picture_format,
    progress,
    save_picture,
    shows_text,
)
from bitnet_perf.errors import ConfigError

if TYPE_CHECKING:
    from bitnet_perf.review.compare import Comparison

SIDES = "An ISA, git revision, `tree`, environment folder, .whl, or KIND:VALUE."


def command(
    base: Annotated[str | None, typer.Argument(help=SIDES)] = None,
    candidate: Annotated[str | None, typer.Argument(help="The same; judged against BASE.")] = None,
    *,
    cases: Annotated[
        list[str] | None,
        typer.Option("--cases", help="Globs of case names, from any segment on: 'gemv/*'."),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", help="Threads of every case.")] = 1,
    pairs: Annotated[
        int | None, typer.Option("--pairs", help="One look of so many fresh pairs, not three.")
    ] = None,
    time_budget: Annotated[
        str | None, typer.Option("--time-budget", help="Stop in time: 60s, 5m.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of every random order.")] = None,
    replay: Annotated[
        Path | None, typer.Option("--replay", help="Judge a stored raw file again; no timing.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Keep the raw file (.npz) here.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw intervals and budgets (.svg or .png).")
    ] = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Compare two sides with fresh process pairs in ABBA order, and judge every case.

    Exit code 0 pass, 1 action, 3 concern in a core case, 4 inconclusive core case.

    Examples: `bitnet-perf compare HEAD~1 tree --cases 'gemv/i2_s/*'`,
    `bitnet-perf compare scalar x86_avx2 --cases 'gemv/i2_s/2560x2560/t1'`,
    `bitnet-perf compare 'command:sleep 0.01' 'command:sleep 0.011'`
    """
    from bitnet_perf.bench.paired.sides import parse_side
    from bitnet_perf.review.compare import compare, seconds_of

    if plot is not None:
        picture_format(plot)
    if replay is not None:
        if base is not None:
            raise ConfigError("--replay: found sides beside it, accepted is the raw file alone")
        found = Comparison.load(replay).replay()
    elif base is None or candidate is None:
        raise ConfigError(
            "sides: found fewer than two, accepted is BASE CANDIDATE, or --replay RAW"
        )
    else:
        with progress("compare", quiet) as step:
            found = compare(
                parse_side(base),
                parse_side(candidate),
                cases or (),
                threads=threads,
                pairs=pairs,
                time_budget=None if time_budget is None else seconds_of(time_budget),
                seed=seed,
                on_progress=step,
            )
    if output is not None:
        found.save(output)
    if plot is not None:
        save_picture(found.plot, plot)
    return show(found, json_to, quiet)


def show(found: Comparison, json_to: str | None, quiet: bool) -> int:
    """Print a comparison as it was asked for; its exit code."""
    from bitnet_perf.cli.verdicts import print_comparison

    emit(found.to_dict(), json_to)
    if shows_text(json_to, quiet):
        print_comparison(console(), found)
    return 130 if found.interrupted else found.exit_code
