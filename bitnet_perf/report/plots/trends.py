"""What earlier runs say of a case: small lines over commits, with where a new level begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bitnet_perf.report.document import Words, text_of
from bitnet_perf.report.figures import Source
from bitnet_perf.report.plots.svg import (
    Picture,
    Scale,
    curve,
    document,
    group,
    path,
    rect,
    short,
    text,
)

__all__ = ["TrendLine", "trends"]

WIDTH, NAMES, NUMBERS, ROW, TOP = 1040.0, 360.0, 200.0, 40.0, 26.0
MOST = 12  # lines
LEAST_SPAN = 0.06  # of a value: what is less is noise, and drawn flat
HISTORY = "history.json"


@dataclass(frozen=True, slots=True)
class TrendLine:
    """A case over its commits, oldest first, in `unit`; `marks` are indices that begin a level."""

    case: str
    unit: str
    commits: tuple[str, ...]
    values: tuple[float, ...]
    marks: tuple[int, ...]


def trends(lines: Sequence[TrendLine]) -> Picture | None:
    """At most MOST lines that have two values or more, those with a new level first."""
    drawn = [line for line in lines if len(line.values) > 1]
    drawn = sorted(drawn, key=lambda line: not line.marks)[:MOST]
    if not drawn:
        return None
    height = TOP + ROW * len(drawn) + 6
    inner = [
        text(0, 14, "case", "head"),
        text(NAMES, 14, "earlier commits", "head"),
        text(WIDTH, 14, "last value", "head", "end"),
        *(_row(number, line) for number, line in enumerate(drawn)),
    ]
    moved = [line.case for line in drawn if line.marks]
    title = "History of the cases"
    said = (
        f"{len(drawn)} cases over the commits that were measured before; a trend, not a verdict: "
        f"its values are of different runs. A new level was found in {len(moved)} of them"
        f"{': ' + ', '.join(moved[:3]) if moved else ''}."
    )
    return Picture(
        "history",
        title,
        said,
        document("history", (WIDTH, height), (title, said), "".join(inner)),
        ("case", ">commits", ">first", ">last", ">change", "new level from"),
        tuple(_cells(line) for line in drawn),
    )


def _row(number: int, trend: TrendLine) -> str:
    y = TOP + ROW * number
    low, high = min(trend.values), max(trend.values)
    middle, span = (low + high) / 2, max(high - low, LEAST_SPAN * abs(high)) or 1.0
    x = Scale(0, len(trend.values) - 1, NAMES, WIDTH - NUMBERS, ())
    up = Scale(middle - 0.55 * span, middle + 0.55 * span, y + ROW - 4, y + 4, ())
    points = [(x(n), up(value)) for n, value in enumerate(trend.values)]
    inner = [rect(0, y, (WIDTH, ROW), "stripe")] if number % 2 else []
    inner += [
        text(0, y + ROW / 2 + 4, short(trend.case, NAMES - 24), "name"),
        curve(points, "trend"),
        *(_point(at, "first" if n in trend.marks else "") for n, at in enumerate(points)),
        text(WIDTH, y + ROW / 2 + 4, _last(trend), "number", "end"),
    ]
    return group(inner, f"{trend.case}: {_last(trend)} at {trend.commits[-1][:12]}")


def _point(at: tuple[float, float], kind: str) -> str:
    size = 4.5 if kind else 2.0
    x, y = at
    arc = f"a{size} {size} 0 1 1"
    shape = f"M{x - size:.1f} {y:.1f}{arc} {2 * size} 0{arc}-{2 * size} 0Z"
    return path(shape, f"point {kind}".strip())


def _last(trend: TrendLine) -> str:
    return text_of(_value(trend, trend.values[-1]))


def _value(trend: TrendLine, value: float) -> Words:
    source = Source(HISTORY, trend.case)
    return source.seconds(value) if trend.unit == "second" else source.number(value, trend.unit)


def _cells(trend: TrendLine) -> tuple[Words, ...]:
    source = Source(HISTORY, trend.case)
    first, last = trend.values[0], trend.values[-1]
    marks = ", ".join(trend.commits[n][:12] for n in trend.marks)
    return (
        source.told(trend.case),
        source.count(len(trend.values)),
        _value(trend, first),
        _value(trend, last),
        source.percent(last / first - 1 if first else None),
        source.told(marks) if marks else "none",
    )
