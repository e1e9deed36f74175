"""`bitnet-perf gpu-report`: every check and figure of the CUDA kernels, in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    console,
    emit,
    progress,
    shows_text,
)
from bitnet_perf.files import write_atomic


def command(
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of gpu-report.json and gpu-report.md.")
    ] = Path(),
    quick: Annotated[bool, typer.Option("--quick", help="The short list of cases.")] = False,
    all_architectures: Annotated[
        bool, typer.Option("--all-architectures", help="Machine code for all of them.")
    ] = False,
    time_budget: Annotated[
        str, typer.Option("--time-budget", help="Begin no case after this: 60s, 9m.")
    ] = "9m",
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Check and measure the CUDA kernels: machine code, execution on the CPU, and on a GPU.

    Without a GPU it says so and states no time. Exit code 0 all right, 1 a fault, 6 nothing or
    not everything was measured.

    Example: `bitnet-perf gpu-report --output docs`
    """
    from bitnet_perf.report.gpu import JSON, markdown
    from bitnet_perf.review.compare import seconds_of
    from bitnet_perf.review.gpu_report import gpu_report

    seconds = seconds_of(time_budget)
    with progress("gpu-report", quiet) as step:
        found = gpu_report(
            quick=quick, every_architecture=all_architectures, seconds=seconds, on_progress=step
        )
    result = found.to_dict()
    output.mkdir(parents=True, exist_ok=True)
    write_atomic(output / JSON, json.dumps(result, indent=1) + "\n")
    page = (output / JSON).with_suffix(".md")
    write_atomic(page, markdown(found))
    emit(result, json_to)
    if shows_text(json_to, quiet):
        out = console()
        out.print(found.evidence, markup=False)
        if found.gate:
            out.print(found.gate, markup=False)
        for check in found.checks:
            if check.fault:
                out.print(f"{check.place}: {check.name}: {check.fault}", markup=False)
        wrong = sum(bool(check.fault) for check in found.checks)
        out.print(
            f"{found.verdict}: {len(found.checks)} checks, {wrong} faults, "
            f"{len(found.rows)} cases measured; {page}",
            markup=False,
        )
    return found.exit_code
