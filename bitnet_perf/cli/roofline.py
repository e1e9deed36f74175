"""`bitnet-perf roofline`: the limits of this host, and every kernel under them."""

from __future__ import annotations

from typing import Annotated

import typer

from bitnet_perf.cli.output import JsonOption, QuietOption, console, emit, progress, shows_text
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
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measure streaming reads and multiply-adds of this host, and place every kernel under them.

    A kernel takes turns with the probes of its own limits. One that stays above 103 % of a limit
    is an error: kernel or limit is wrong.

    Example: `bitnet-perf roofline 'gemv/*' --threads 2`
    """
    from bitnet_perf.review.roofline import roofline

    with progress("roofline", quiet) as step:
        found = roofline(
            cases or (),
            isa=isa,
            threads=threads,
            quick=not full,
            on_progress=lambda what: step(0.0, what),
        )
    emit(found.to_dict(), json_to)
    if shows_text(json_to, quiet):
        out = console()
        out.print(limit_table(found.ceilings))
        out.print()
        out.print(place_table("Kernels", found.places))
