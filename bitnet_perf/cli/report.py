"""`bitnet-perf report`: a stored report again, for people or as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bitnet_perf.cli.output import JsonOption, QuietOption, console, emit, shows_text, table
from bitnet_perf.files import write_atomic
from bitnet_perf.report.document import Lines, Report, Text
from bitnet_perf.report.stored import read_stored


def command(
    stored: Annotated[Path, typer.Argument(help="A report.json, or the folder that holds one.")],
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown for a pull request.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one page of HTML here.")
    ] = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Show a stored report with the numbers that its run measured; nothing is measured again.

    Examples: `bitnet-perf report results --markdown`, `bitnet-perf report results --html page.html`
    """
    report = load_report(stored)
    if html is not None:
        _write_page(report, stored, html)
    emit(report.to_dict(), json_to)
    if not shows_text(json_to, quiet):
        return
    if markdown:
        print(report.markdown(), end="")
    else:
        print_report(console(), report)


def _write_page(report: Report, stored: Path, page: Path) -> None:
    """With the picture of the comparison where its raw file lies beside the report."""
    from bitnet_perf.report.page import html_page
    from bitnet_perf.review.compare import Comparison

    raw = (stored if stored.is_dir() else stored.parent) / "raw.npz"
    draw = Comparison.load(raw).plot if raw.exists() else None
    write_atomic(page, html_page(report, draw))


def load_report(stored: Path) -> Report:
    """Read report.json; FormatError names the file and the field that is not accepted."""
    path = stored / "report.json" if stored.is_dir() else stored
    return read_stored(path, Report)


def print_report(out: Console, report: Report) -> None:
    """The sections for a terminal."""
    out.print(
        f"{report.verdict}; next: {report.route}; run {report.run}", style="bold", markup=False
    )
    for section in report.sections:
        out.print()
        out.print(section.title, style="bold cyan", markup=False)
        for block in section.blocks:
            if isinstance(block, Text):
                out.print(block.text, markup=False)
            elif isinstance(block, Lines):
                for line in block.lines:
                    out.print(line, markup=False, soft_wrap=True)
            elif block.rows:
                out.print(table(block.title, block.columns, block.rows))
