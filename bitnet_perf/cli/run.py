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
    import json

    from bitnet_perf.files import write_atomic
    from bitnet_perf.report.build import build_report
    from bitnet_perf.review.survey import survey

    with progress("run", quiet) as step:
        results = survey(pyperf_json=output / "bench.json", on_progress=step)
    report = build_report(results)
    text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False) + "\n"
    write_atomic(output / "report.json", text)
    write_atomic(output / "report.md", report.markdown())
    emit(report.to_dict(), json_to)
    if shows_text(json_to, quiet):
        out = console()
        print_report(out, report)
        out.print(f"written: {output}/report.md, report.json, bench.json", markup=False)
    return 1 if results.recorded.get("unexplained") else 0
