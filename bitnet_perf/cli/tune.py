"""`bitnet-perf tune`: what is fastest on this host, measured."""

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
    seconds_text,
    shows_text,
    table,
)

if TYPE_CHECKING:
    from bitnet_perf.analyze.tuning import Candidate, Tuning
    from bitnet_perf.review.tune_apply import Applied


def command(
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the choice to the settings, measure again.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="GGUF file, or shape, whose layers are measured."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Measure, whatever is kept.")] = False,
    time_budget: Annotated[
        str, typer.Option("--time-budget", help="After which no candidate is begun.")
    ] = "2m",
    folder: Annotated[
        Path, typer.Option("--folder", help="Whose settings: its file, or the nearest upwards.")
    ] = Path(),
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Measure on this host which layout, threads, variants, prefetch and crossovers are fastest.

    Candidates take turns; a default is left only where the interval of the difference and every set
    of processes say so. No choice changes a result. What was found is kept by the fingerprint of
    the host. `--apply` writes it to `[tuned]` of the settings, measures a whole model before and
    after, and takes it back where that is slower (exit code 1). On another host it is not used.

    Examples: `bitnet-perf tune`, `bitnet-perf tune --model m.gguf --apply`
    """
    from bitnet_perf.review.compare import seconds_of
    from bitnet_perf.review.tune import tune
    from bitnet_perf.review.tune_apply import apply_tuning

    with progress("tune", quiet) as step:
        found = tune(model, time_budget=seconds_of(time_budget), again=again, on_progress=step)
    applied = None
    if apply:
        with progress("measure again", quiet) as step:
            applied = apply_tuning(found, model, folder, on_progress=step)
    result = found.model_dump(mode="json")
    emit(result | ({"applied": applied.to_dict()} if applied else {}), json_to)
    if shows_text(json_to, quiet):
        _print(console(), found)
        if applied is not None:
            _print_applied(console(), applied)
    return 0 if applied is None or applied.kept else 1


def _print(out: Console, found: Tuning) -> None:
    columns = ["candidate", "part", ">median", ">change", ">interval", ">rate", "says"]
    for name in dict.fromkeys(each.tunable for each in found.candidates):
        rows = (_cells(each) for each in found.candidates if each.tunable == name)
        out.print(table(f"{name}, layers of {found.subject}", columns, rows))
        out.print()
    out.print(
        table(
            "Choice",
            ["tunable", ">value", ">default", "why"],
            ((c.tunable, c.value, c.default, c.why) for c in found.choices),
        )
    )
    out.print(
        f"measured {found.date} in {found.seconds:.0f} s on host {found.host} ({found.build})",
        markup=False,
    )


def _cells(row: Candidate) -> tuple[str, ...]:
    change = "" if row.change is None else f"{100 * row.change:+.1f} %"
    interval = (
        ""
        if row.low is None or row.high is None
        else f"{100 * row.low:+.1f} to {100 * row.high:+.1f}"
    )
    return (
        row.candidate,
        row.part,
        "" if row.seconds is None else seconds_text(row.seconds),
        change,
        interval,
        "" if row.rate is None else f"{row.rate:.{0 if row.rate >= 100 else 1}f} {row.unit}",
        row.says,
    )


def _print_applied(out: Console, applied: Applied) -> None:
    out.print()
    values = ", ".join(f"{name} {value}" for name, value in applied.after.items())
    out.print(f"{applied.file}: {values or 'every default'}", markup=False, soft_wrap=True)
    if not applied.rows:
        out.print("these held before: nothing to measure again", markup=False)
        return
    cells = (
        (
            row.what,
            seconds_text(row.before),
            seconds_text(row.after),
            f"{100 * row.effect.change:+.1f} %",
            f"{100 * row.effect.low:+.1f} to {100 * row.effect.high:+.1f}",
            row.effect.says,
        )
        for row in applied.rows
    )
    columns = ["what", ">before", ">after", ">change", ">interval", "says"]
    out.print(table("A whole model, before and after", columns, cells))
    if not applied.kept:
        out.print("slower: the file holds what it held before", markup=False)
