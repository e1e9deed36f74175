"""`bitnet-perf selftest`: how often our own comparison is right on this host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    console,
    emit,
    progress,
    shows_text,
    table,
)
from bitnet_perf.errors import ConfigError

if TYPE_CHECKING:
    from bitnet_perf.review.selftest import Selftest


def command(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="About two minutes (the default).")
    ] = False,
    nightly: Annotated[
        bool, typer.Option("--nightly", help="150 pairs a slowdown and environment; hours.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where pairs are kept; a run goes on with what is there."),
    ] = None,
    time_budget: Annotated[
        str | None, typer.Option("--time-budget", help="Stop recording in time: 60s, 5m, 1h.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random order.")] = 0,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Measure false alarms and power of the comparison with slowdowns of known size.

    Exit code 0 when every goal that was shown is met, 1 otherwise. What was recorded in `--folder`
    is not recorded again.

    Examples: `bitnet-perf selftest --quick`,
    `bitnet-perf selftest --nightly --folder pairs --time-budget 1h --json selftest.json`
    """
    import tempfile

    from bitnet_perf.bench.paired.driver import CTRL_C
    from bitnet_perf.review.compare import seconds_of
    from bitnet_perf.review.selftest import NIGHTLY, QUICK, selftest

    if quick and nightly:
        raise ConfigError("--quick, --nightly: found both, accepted is one of them")
    if nightly and folder is None:
        raise ConfigError("--folder: found nothing, --nightly keeps its pairs in a folder")
    budget = None if time_budget is None else seconds_of(time_budget)
    with (
        tempfile.TemporaryDirectory(prefix="bitnet-perf-") as temporary,
        progress("selftest", quiet) as step,
    ):
        found = selftest(
            folder or temporary,
            NIGHTLY if nightly else QUICK,
            time_budget=budget,
            seed=seed,
            on_progress=step,
        )
    emit(found.to_dict(), json_to)
    if shows_text(json_to, quiet):
        _print(console(), found)
    if found.stopped == CTRL_C:
        return 130
    return 0 if found.met else 1


def _print(out: Console, found: Selftest) -> None:
    """One table for each case and environment, then the goals."""
    columns = [">true", "by", ">passes", ">alarms", ">unknown", ">slower", ">near", ">read", ">s"]
    for place in dict.fromkeys((c.case, c.environment, c.source == "live") for c in found.cells):
        cells = [c for c in found.cells if (c.case, c.environment, c.source == "live") == place]
        first = cells[0]
        how = f"{first.passed.trials} live trials" if place[2] else f"{first.pairs} pairs each"
        load = f"load {first.load:.1f}, {first.pair_seconds:.2f} s a pair"
        rows = (
            (
                f"{100 * c.slowdown:+.1f} %",
                c.source,
                *(f"{100 * r.part:.1f} %" for r in (c.passed, c.alarmed, c.unknown)),
                *(f"{100 * r.part:.1f} %" for r in (c.slower, c.near)),
                f"{100 * c.mean:+.2f} %",
                f"{c.seconds:.1f}",
            )
            for c in cells
        )
        out.print(table(f"{first.case}, {first.environment}: {how}, {load}", columns, rows))
        out.print()
    for goal in found.goals:
        out.print(f"{goal.word}: {goal.text}; worst {goal.worst}", markup=False)
    out.print(
        "Bounds: Clopper-Pearson, 95 %. Drawn trials are resampled: their bounds hold for the "
        "pairs that were recorded, not for other hours of this host.",
        markup=False,
    )
    for line in found.missing:
        out.print(f"missing: {line}", markup=False)
    if found.stopped:
        out.print(f"stopped by {found.stopped}", markup=False)
