"""`bitnet-perf bench`: the pyperf suites."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from bitnet_perf.cli.output import JsonOption, QuietOption, console, progress, shows_text
from bitnet_perf.cli.places import place_table


def command(
    cases: Annotated[
        list[str] | None,
        typer.Argument(help="Globs of case names, from any segment on: 'gemv/*', '*/i2_s/*'."),
    ] = None,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="The short list, fewer samples.")] = False,
    isa: Annotated[str, typer.Option("--isa", help="Force an instruction set.")] = "",
    threads: Annotated[int, typer.Option("--threads", help="Threads of every case.")] = 1,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measure cases with pyperf, and show each beside the limits of this host, measured first.

    `--json` writes a plain pyperf file, which `python -m pyperf` reads too.

    Example: `bitnet-perf bench --quick 'gemv/*' --json gemv.json`
    """
    from bitnet_perf.bench.ceilings import measure_ceilings
    from bitnet_perf.bench.runner import QUICK_OPTIONS, run_suites
    from bitnet_perf.review.roofline import place_rows

    with progress("limits", quiet) as step:
        limits = measure_ceilings(threads, on_progress=lambda what: step(0.0, what))
    with tempfile.TemporaryDirectory() as folder, progress("bench", quiet) as step:
        to_stdout = json_to == "-"
        output = Path(folder) / "pyperf.json" if to_stdout else json_to
        rows = run_suites(
            cases or (),
            quick=quick,
            isa=isa,
            threads=threads,
            options=QUICK_OPTIONS if quick else (),
            output=output,
            on_progress=lambda at: step(at.done / at.total, at.case),
        )
        if to_stdout:
            sys.stdout.write(Path(str(output)).read_text())
    if shows_text(json_to, quiet):
        by_case = {row.case: row for row in rows}
        console().print(place_table("Cases", place_rows(rows, limits), by_case))
