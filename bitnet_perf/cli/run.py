"""`bitnet-perf run`: everything this host can show without a baseline, and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bitnet_perf.cli.output import JsonOption, QuietOption, console, emit, progress, shows_text
from bitnet_perf.cli.report import print_report


def command(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for report.md, report.json, bench.json.")
    ] = Path("results"),
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Check the kernels, measure them, place them under the limits, profile, and write the report.

    Exit code 1 when a recorded output of the crates is not explained.

    Example: `bitnet-perf run --output results`
    """
    from bitnet_perf.files import write_atomic
    from bitnet_perf.report.build import RUN, build_report, record_of
    from bitnet_perf.report.forms import first_forms
    from bitnet_perf.review.survey import survey

    with progress("run", quiet) as step:
        results = survey(pyperf_json=output / "bench.json", on_progress=step)
    report = build_report(results)
    write_atomic(output / RUN, record_of(results))
    for name, text in first_forms(report).items():
        write_atomic(output / name, text)
    emit(report.to_dict(), json_to)
    if shows_text(json_to, quiet):
        out = console()
        print_report(out, report)
        out.print(f"report: {output / 'report.html'}", markup=False, soft_wrap=True)
        out.print(f"verdict: {report.verdict}; {report.lines[-1]}", markup=False)
    return 1 if results.recorded.get("unexplained") else 0
