"""`bitnet-perf history`: stored runs as trends, in the terminal and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bitnet_perf.cli.import_ import RepositoryOption, UrlOption
from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    console,
    emit,
    picture_format,
    save_picture,
    seconds_text,
    shows_text,
    table,
)
from bitnet_perf.cli.places import short

if TYPE_CHECKING:
    from bitnet_perf.review.history import History, Trend

PLOTTED = 3  # trends: more are shown by one line each
WIDTH, HEIGHT, BARS = 80, 8, 20


def command(
    *,
    cases: Annotated[
        list[str] | None,
        typer.Option("--case", help="Globs of case names, from any segment on: 'gemv/*'."),
    ] = None,
    url: UrlOption = None,
    repository: RepositoryOption = Path(),
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Draw the trends (.svg or .png).")
    ] = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Show stored times over commits, and where their level moved.

    A trend decides nothing: its times are of different runs, and maybe hosts. `bisect` or `compare`
    measures what it shows in pairs.

    Examples: `bitnet-perf history --case 'gemv/i2_s/*'`,
    `bitnet-perf history --url sqlite:///perf.db --svg history.svg`
    """
    from bitnet_perf.review.history import history

    if svg is not None:
        picture_format(svg, "--svg")
    found = history(url, cases or (), repository=repository)
    emit(found.to_dict(), json_to)
    if svg is not None:
        save_picture(found.plot, svg)
    if shows_text(json_to, quiet):
        _print(console(), found)


def _print(out: Console, found: History) -> None:
    from bitnet_perf.report.braille import sparkline

    plain = not _draws(out)
    if len(found.trends) <= PLOTTED and all(len(trend.steps) > 2 for trend in found.trends):
        for trend in found.trends:
            _print_plot(out, trend, plain=plain)
    else:
        cells = (
            (short(t.case), t.isa, t.place, len(t.steps), _value(t, t.values[-1]),
             _last_change(t), sparkline(t.values, BARS, plain=plain))
            for t in found.trends
        )  # fmt: skip
        columns = ["case", "isa", "on", ">steps", ">last", ">change", "trend"]
        out.print(table(f"History of {found.place}", columns, cells))
    _print_changes(out, found)
    gates = [run for run in found.runs if run.verdict]
    out.print(
        f"{len(found.runs)} files, {len(found.trends)} trends, {len(found.changes())} changes of "
        f"level; trends decide nothing. {found.place}",
        markup=False,
    )
    for run in gates[-PLOTTED:]:
        out.print(f"gate {run.measured.date()}: {run.verdict}, next {run.route}", markup=False)


def _print_plot(out: Console, trend: Trend, *, plain: bool) -> None:
    from bitnet_perf.report.braille import plot

    values = trend.values
    out.print(f"{trend.case} {trend.isa}, {trend.label}", style="bold", markup=False)
    marks = [moved.index for moved in trend.moved]
    lines = plot(values, WIDTH, HEIGHT, marks, plain=plain)
    ends = {0: _value(trend, max(values)), HEIGHT - 1: _value(trend, min(values))}
    for number, line in enumerate(lines):
        out.print(f"{ends.get(number, ''):>12} | {line}".rstrip(), markup=False)
    first, last = trend.steps[0], trend.steps[-1]
    begin, end = (f"{s.commit[:12] or 'no commit'} {s.time.date()}" for s in (first, last))
    out.print(f"{'':>12}   {begin}{end:>{max(WIDTH - len(begin), len(end) + 1)}}", markup=False)
    out.print()


def _print_changes(out: Console, found: History) -> None:
    for trend, moved in found.changes():
        sure = moved.rule if moved.p is None else f"{moved.rule}, p {moved.p:.3f}"
        place = f"commit {moved.commit[:12]}" if moved.commit else f"point {moved.index + 1}"
        out.print(
            f"{trend.case} {trend.isa}: {100 * moved.size:+.1f} % ({trend.words(moved)}) from "
            f"{place} on ({sure}; {trend.label})",
            markup=False,
        )
        if moved.commit and moved.before and trend.this_host:
            line = f"bitnet-perf compare {moved.before[:12]} {moved.commit[:12]}"
            out.print(f"  {line} --cases '{trend.case}'", markup=False, soft_wrap=True)


def _last_change(trend: Trend) -> str:
    return f"{100 * trend.moved[-1].size:+.1f} %" if trend.moved else ""


def _value(trend: Trend, value: float) -> str:
    from bitnet_perf.peers.results import SECOND

    if trend.measure != "value":
        return f"{value:.3g}x"
    return seconds_text(value) if trend.unit == SECOND else f"{value:.4g} {trend.unit}"


def _draws(out: Console) -> bool:
    """Whether characters of braille can be written there."""
    try:
        "\u28ff\u2588".encode(out.encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True
