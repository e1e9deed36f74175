"""`bitnet-perf report`: a stored report again, for people or as Markdown."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bitnet_perf.cli.output import JsonOption, QuietOption, console, emit, shows_text, table
from bitnet_perf.files import write_atomic
from bitnet_perf.report.document import Lines, Report, Table, Text, text_of
from bitnet_perf.report.escape import plain
from bitnet_perf.report.stored import read_stored

if TYPE_CHECKING:
    from bitnet_perf.report.judged import Judged


def command(
    stored: Annotated[Path, typer.Argument(help="A report.json, or the folder that holds one.")],
    *,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown for a pull request.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one page of HTML here.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compute every figure again from the raw files.")
    ] = False,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show the report of a folder, made again from its records; nothing is measured again.

    With --verify exit code 1 where a figure, a file or a record is not what the records give: each
    is named with what is stored and what is recomputed.

    Examples: `bitnet-perf report results --markdown`, `bitnet-perf report results --verify`
    """
    from bitnet_perf.report.markdown import as_markdown
    from bitnet_perf.report.page import html_page

    if verify:
        return _verify(stored, json_to, quiet)
    judged, report = load_report(stored)
    if html is not None:
        write_atomic(html, html_page(report, judged))
    emit(report.to_dict(), json_to)
    if shows_text(json_to, quiet):
        if markdown:
            print(as_markdown(report), end="")
        else:
            print_report(console(), report)
    return 0


def _verify(stored: Path, json_to: str | None, quiet: bool) -> int:
    from bitnet_perf.review.verify import verify

    found = verify(stored)
    emit({"differences": [asdict(each) for each in found]}, json_to)
    if shows_text(json_to, quiet):
        out = console()
        for each in found:
            out.print(plain(str(each)), markup=False, soft_wrap=True)
        out.print(
            f"{len(found)} differences" if found else "every figure follows from the records",
            markup=False,
        )
    return 1 if found else 0


def load_report(stored: Path) -> tuple[Judged | None, Report]:
    """The report that the records of a folder give, with the judgement; else report.json alone.

    FormatError names the file and the field that is not accepted.
    """
    from bitnet_perf.review.verify import has_records, rendered

    if has_records(stored):
        found = rendered(stored)
        return found.judged, found.report
    return None, read_stored(stored / "report.json" if stored.is_dir() else stored, Report)


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
                out.print(plain(text_of(block.text)), markup=False)
            elif isinstance(block, Lines):
                for line in block.lines:
                    out.print(plain(text_of(line)), markup=False, soft_wrap=True)
            elif block.detail:
                out.print(f"{block.title}: {len(block.rows)} rows, in the files of the report")
            elif block.rows:
                _print_table(out, block)


def _print_table(out: Console, block: Table) -> None:
    """Commands stand below the table, each on a line that can be copied."""
    shown = [n for n, column in enumerate(block.columns) if not column.startswith("$")]
    cells = [[plain(text_of(cell)) for cell in row] for row in block.rows]
    names = [block.columns[n] for n in shown]
    out.print(table(block.title, names, ([row[n] for n in shown] for row in cells)))
    commands = [row[n] for row in cells for n in range(len(row)) if n not in shown and row[n]]
    for command in dict.fromkeys(commands):
        out.print(f"  {command}", markup=False, soft_wrap=True)
