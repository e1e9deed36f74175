"""`bitnet-perf roofline`: the limits of this host, and every kernel under them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    table,
)
from bitnet_perf.cli.places import limit_table, place_table


def command(
    cases: Annotated[
        list[str] | None,
        typer.Argument(help="Globs of case names, from any segment on: 'gemv/*', '*/i2_s/*'."),
    ] = None,
    *,
    isa: Annotated[str, typer.Option("--isa", help="Force an instruction set.")] = "",
    threads: Annotated[int, typer.Option("--threads", help="Threads of every case.")] = 1,
    full: Annotated[bool, typer.Option("--full", help="All cases, not the short list.")] = False,
    floors: Annotated[
        bool, typer.Option("--floors", help="Only the speeds that every AVX2 host must reach.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the roofline (.svg or .png; one thread).")
    ] = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Measure streaming reads and multiply-adds of this host, and place every kernel under them.

    A kernel takes turns with the probes of its own limits. One that stays above 103 % of a limit
    is an error: kernel or limit is wrong.

    Example: `bitnet-perf roofline 'gemv/*' --threads 2`
    """
    from bitnet_perf.review.roofline import roofline

    if floors:
        return _floors(json_to, quiet)
    if plot is not None:
        picture_format(plot)
    with progress("roofline", quiet) as step:
        found = roofline(
            cases or (),
            isa=isa,
            threads=threads,
            quick=not full,
            on_progress=lambda what: step(0.0, what),
        )
    emit(found.to_dict(), json_to)
    if plot is not None:
        save_picture(found.plot, plot)
    if shows_text(json_to, quiet):
        out = console()
        out.print(limit_table(found.ceilings))
        out.print()
        out.print(place_table("Kernels", found.places))
    return 0


def _floors(json_to: str | None, quiet: bool) -> int:
    """Measure the floors; 1 where one is missed."""
    from bitnet_perf.review.floors import measure_floors

    with progress("floors", quiet) as step:
        found = measure_floors(lambda what: step(0.0, what))
    emit({"floors": [floor.to_dict() for floor in found]}, json_to)
    if shows_text(json_to, quiet):
        rows = (
            (f.name, f"{f.value:.1f}", f"{f.least:.0f}", f.unit, f.detail, "yes" if f.met else "NO")
            for f in found
        )
        columns = ["what", ">measured", ">floor", "unit", "detail", "met"]
        console().print(table("Speed floors", columns, rows))
    return 0 if all(floor.met for floor in found) else 1
