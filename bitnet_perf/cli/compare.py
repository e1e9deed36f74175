"""`bitnet-perf compare`: two sides, alternated every fraction of a millisecond, and a verdict."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    console,
    emit,
    picture_format,
    progress,
    publish,
    save_picture,
    shows_text,
)
from bitnet_perf.errors import ConfigError

if TYPE_CHECKING:
    from bitnet_perf.review.compare import Comparison
    from bitnet_perf.review.counted import Mode

SIDES = "An ISA, git revision, `tree`, environment folder, .whl, or KIND:VALUE."


PairsOption = Annotated[
    int | None, typer.Option("--pairs", help="One look of so many fresh pairs, not three.")
]
ReplayOption = Annotated[
    Path | None, typer.Option("--replay", help="Judge a stored raw file again; no timing.")
]
PyperfOption = Annotated[
    Path | None, typer.Option("--pyperf", help="Folder for both sides as pyperf JSON.")
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Set results side by side that are refused otherwise.")
]
CountsOption = Annotated[
    str, typer.Option("--counts", help="Count instructions of: alarms, changed, all, off.")
]
PlotOption = Annotated[
    Path | None, typer.Option("--plot", help="Draw intervals and budgets (.svg or .png).")
]


def command(
    base: Annotated[str | None, typer.Argument(help=SIDES)] = None,
    candidate: Annotated[str | None, typer.Argument(help="The same; judged against BASE.")] = None,
    *,
    cases: Annotated[
        list[str] | None,
        typer.Option("--cases", help="Globs of case names, from any segment on: 'gemv/*'."),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", help="Threads of every case.")] = 1,
    pairs: PairsOption = None,
    time_budget: Annotated[
        str | None, typer.Option("--time-budget", help="Stop in time: 60s, 5m.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of every random order.")] = None,
    replay: ReplayOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Keep the raw file (.npz) here.")
    ] = None,
    pyperf: PyperfOption = None,
    force: ForceOption = False,
    counts: CountsOption = "alarms",
    plot: PlotOption = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Compare two sides with fresh process pairs in ABBA order, and judge every case.

    Two results files, of pyperf or another tool (.json, .jsonl, .csv, .sql, a `criterion` folder),
    are set side by side, labelled `unpaired`: that decides nothing.
    Exit code 0 pass, 1 action, 3 concern in a core case, 4 inconclusive core case.

    Examples: `bitnet-perf compare HEAD~1 tree --cases 'gemv/i2_s/*'`,
    `bitnet-perf compare scalar x86_avx2 --cases 'gemv/i2_s/2560x2560/t1'`,
    `bitnet-perf compare 'command:sleep 0.01' 'command:sleep 0.011'`
    """
    from bitnet_perf.bench.paired.sides import parse_side
    from bitnet_perf.peers.read import is_results
    from bitnet_perf.review.compare import Comparison, compare, seconds_of

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
    elif is_results(base) and is_results(candidate):
        given = {"--cases": cases, "--output": output, "--pyperf": pyperf, "--plot": plot}
        refuse_measuring(option for option, value in given.items() if value)
        return show_unpaired(base, candidate, force, json_to, quiet)
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
                counts=cast("Mode", counts),
                on_progress=step,
            )
    code = show(found, json_to, quiet)
    return publish(lambda: keep(found, output, pyperf, plot), code)


def keep(found: Comparison, output: Path | None, pyperf: Path | None, plot: Path | None) -> None:
    """Write what was asked for: the raw file, both sides for pyperf (where any was timed), the
    picture."""
    if output is not None:
        found.save(output)
    if pyperf is not None and found.raw.pairs["pair_case"].size:
        found.save_pyperf(pyperf)
    if plot is not None:
        save_picture(found.plot, plot)


def refuse_measuring(options: Iterable[str]) -> None:
    """Raises ConfigError for options that two results files cannot follow."""
    for option in options:
        raise ConfigError(f"{option}: nothing is measured where both sides are results files")


def show_unpaired(base: str, candidate: str, force: bool, json_to: str | None, quiet: bool) -> int:
    """Print two results files beside each other; nothing is decided, hence 4."""
    from bitnet_perf.cli.verdicts import verdict_table
    from bitnet_perf.review.unpaired import compare_unpaired

    found = compare_unpaired(base, candidate, force=force)
    rows = [row.to_dict() for row in found.rows]
    emit({"label": "unpaired", "rows": rows, "left_out": list(found.left_out)}, json_to)
    if shows_text(json_to, quiet):
        out = console()
        out.print(verdict_table(f"{candidate} against {base}, unpaired", found.rows))
        for row in found.rows:
            out.print(f"  {row.case}: {row.reason}", markup=False)
        for line in found.left_out:
            out.print(f"  left out: {line}", markup=False)
    return 4


def show(found: Comparison, json_to: str | None, quiet: bool) -> int:
    """Print a comparison as it was asked for; its exit code."""
    from bitnet_perf.cli.verdicts import print_comparison

    emit(found.to_dict(), json_to)
    if shows_text(json_to, quiet):
        print_comparison(console(), found)
    return 130 if found.interrupted else found.exit_code
