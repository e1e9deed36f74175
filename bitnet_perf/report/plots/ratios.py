"""Every case's slowdown with its interval, against the budgets of its class."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.report.document import text_of
from bitnet_perf.report.judged import case_source
from bitnet_perf.report.plots.svg import (
    Picture,
    Scale,
    document,
    group,
    line,
    marker,
    rect,
    scale,
    short,
    text,
)

__all__ = ["MOST", "ratios"]

WIDTH, NAMES, NUMBERS = 1040.0, 330.0, 150.0  # the picture, its names, its column of numbers
ROW, TOP, FOOT = 22.0, 40.0, 34.0
MOST = 60  # cases in one picture
WIDEST = 0.6  # slowdown that is drawn at most; what is beyond has an arrow
VERDICTS = ("action", "concern", "inconclusive", "accepted", "pass", "improved")


def ratios(rows: Sequence[Row], rules: Rules) -> Picture | None:
    """The rows that have a slowdown in their order, at most MOST; None where none has. Each is a
    link to its row of the table of cases, `case-N` with its place among `rows`."""
    timed = [(number, row) for number, row in enumerate(rows) if row.slowdown is not None]
    links = [f"case-{number}" for number, _ in timed]
    shown = [row for _, row in timed[:MOST]]
    if not shown:
        return None
    ends = [v for r in shown for v in (r.low, r.high, r.slowdown) if v is not None]
    budget = max(rules.core.action, rules.other.action)
    inside = [min(WIDEST, max(-WIDEST, v)) for v in ends]
    x = scale([*inside, -0.02, budget + 0.01], NAMES, WIDTH - NUMBERS - 20, 9)
    height = TOP + ROW * len(shown) + FOOT
    stripes = [rect(0, TOP + ROW * n, (WIDTH, ROW), "stripe") for n in range(1, len(shown), 2)]
    inner = [
        *stripes,
        _grid(x, height),
        *(_row(n, row, x, rules, links[n]) for n, row in enumerate(shown)),
    ]
    over = [row.case for row in shown if row.gate == "fail"]
    left = len(timed) - len(shown)
    more = f" {left} more cases stand in the table of cases alone." if left else ""
    title = "Slowdown of every case against its budget"
    said = (
        f"{len(shown)} case{'s' * (len(shown) > 1)} by slowdown with one-sided bounds, the worst "
        f"first; to the right is slower. {len(over)} over budget"
        f"{': ' + ', '.join(over[:5]) if over else ''}.{more}"
    )
    return Picture(
        "ratios",
        title,
        said,
        document("ratios", (WIDTH, height), (title, said), "".join(inner)),
        (),
        (),
        _legend(shown),
    )


def _grid(x: Scale, height: float) -> str:
    bottom = height - FOOT
    found = []
    for tick in x.ticks:
        at = x(tick)
        found.append(line(at, TOP - 8, at, bottom, "zero" if abs(tick) < 1e-12 else "grid"))
        found.append(
            text(at, bottom + 16, f"{100 * tick:+.0f} %" if tick else "0", "tick", "middle")
        )
    found.append(text(x(0.0) - 10, 18, "← faster", "head", "end"))
    found.append(text(x(0.0) + 10, 18, "slower →", "head"))
    found.append(text(0, 18, "case", "head"))
    found.append(text(WIDTH, 18, "slowdown", "head", "end"))
    return "".join(found)


def _row(number: int, row: Row, x: Scale, rules: Rules, link: str) -> str:
    """A case: the budget as a band from concern on, the interval, the mark of its verdict."""
    y = TOP + ROW * (number + 0.5)
    budget = rules.budget(row.class_)
    slowdown = row.slowdown or 0.0
    inner: list[str] = []
    concern, action = x(budget.concern), x(budget.action)
    inner += [
        rect(concern, y - ROW / 2 + 1, (action - concern, ROW - 2), "budget concern"),
        rect(action, y - ROW / 2 + 1, (x.end - action, ROW - 2), "budget action"),
        text(0, y + 4, short(row.case, NAMES - 24), "name"),
    ]
    if row.low is not None and row.high is not None:
        inner.append(line(x(row.low), y, x(row.high), y, "bounds"))
        inner += [
            line(x(end), y - 4, x(end), y + 4, "bounds")
            for end in (row.low, row.high)
            if x.holds(end)
        ]
    inner.append(marker(x(slowdown), y, row.verdict))
    if not x.holds(slowdown):
        inner.append(text(x(slowdown) + (10 if slowdown > 0 else -10), y + 4, "»", "tick"))
    source = case_source(row.case)
    inner.append(text(WIDTH, y + 4, text_of(source.percent(slowdown)), "number", "end"))
    low, high = (text_of(source.percent(end)) for end in (row.low, row.high))
    told = f"{row.case}: {row.verdict}, {text_of(source.percent(slowdown))} ({low} to {high})"
    return group(inner, told, link)


def _legend(rows: Sequence[Row]) -> tuple[tuple[Markup, str], ...]:
    there = {row.verdict for row in rows}
    marks = [(_icon(marker(8, 8, name)), name) for name in VERDICTS if name in there]
    bands = [
        (_icon(rect(0, 2, (16, 12), "budget concern")), "from concern on"),
        (_icon(rect(0, 2, (16, 12), "budget action")), "from action on"),
    ]
    return (*marks, *bands)


def _icon(inner: str) -> Markup:
    return Markup(f'<svg viewBox="0 0 16 16" class="icon" aria-hidden="true">{inner}</svg>')
