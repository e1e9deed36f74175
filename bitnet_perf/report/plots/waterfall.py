"""From the base's time to the candidate's: what each stage adds or takes away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bitnet_perf.report.document import Words, text_of
from bitnet_perf.report.figures import Source, between, known, unit_of
from bitnet_perf.report.plots.svg import (
    Picture,
    Scale,
    document,
    group,
    line,
    rect,
    scale,
    short,
    text,
)

__all__ = ["Bar", "waterfall"]

WIDTH, NAMES, ROW, TOP, FOOT = 1040.0, 200.0, 30.0, 34.0, 30.0
NUMBERS = 190.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a sum: seconds of the base, and what the candidate takes more, with bounds."""

    name: str
    base: float
    change: float
    low: float
    high: float
    source: Source


def waterfall(bars: Sequence[Bar], what: str) -> Picture | None:
    """Bars of one sum, in their order; None where there are none. `what` says whose time it is."""
    if not bars:
        return None
    before = sum(bar.base for bar in bars)
    after = before + sum(bar.change for bar in bars)
    steps, at = [], before
    for bar in bars:
        steps.append((bar, at, at + bar.change))
        at += bar.change
    ends = [value for _, *both in steps for value in both]
    bounds = [begin + end for bar, begin, _ in steps for end in (bar.low, bar.high)]
    ends += filter(known, bounds)
    span = max(max(ends) - min(ends), 1e-3 * before)
    low = min(ends) - 0.6 * span
    x = scale([max(0.0, low), max(ends) + 0.05 * span], NAMES, WIDTH - NUMBERS, 7)
    height = TOP + ROW * (len(bars) + 2) + FOOT
    unit, size = unit_of(max(before, after))
    inner = [_grid(x, height, unit, size)]
    inner.append(_whole(0, "base", before, x, steps[0][0].source))
    inner += [_step(n + 1, *step, x) for n, step in enumerate(steps)]
    inner.append(_whole(len(bars) + 1, "candidate", after, x, steps[0][0].source))
    title = "Time by stage, base against candidate"
    source = bars[0].source
    took = [text_of(source.seconds(value)) for value in (before, after)]
    largest = max(bars, key=lambda bar: abs(bar.change))
    cut = " The axis does not begin at zero." if x.low > 0 else ""
    said = (
        f"{what}: {took[0]} of the base, {took[1]} of the candidate "
        f"({_change(source, after - before)}). The largest part of the change is in "
        f"{largest.name} ({_change(largest.source, largest.change)}).{cut}"
    )
    return Picture(
        "waterfall",
        title,
        said,
        document("waterfall", (WIDTH, height), (title, said), "".join(inner)),
        ("stage", ">base", ">candidate", ">change", ">bounds"),
        tuple(_cells(bar) for bar in bars),
    )


def _change(source: Source, seconds: float) -> str:
    return text_of(source.change(seconds))


def _grid(x: Scale, height: float, unit: str, size: float) -> str:
    bottom = height - FOOT
    found = []
    for tick in x.ticks:
        found.append(line(x(tick), TOP - 8, x(tick), bottom, "grid"))
        found.append(text(x(tick), bottom + 16, f"{tick / size:.4g} {unit}", "tick", "middle"))
    return "".join(found)


def _whole(number: int, name: str, value: float, x: Scale, source: Source) -> str:
    y = TOP + ROW * number
    inner = [
        text(0, y + ROW / 2 + 4, name, "name strong"),
        rect(x.begin, y + 4, (x(value) - x.begin, ROW - 8), "whole"),
        text(WIDTH, y + ROW / 2 + 4, text_of(source.seconds(value)), "number strong", "end"),
    ]
    return group(inner, f"{name}: {text_of(source.seconds(value))}")


def _step(number: int, bar: Bar, begin: float, end: float, x: Scale) -> str:
    """A part: a box from where the sum stood to where it stands, an arrow of its direction, and the
    bounds of the change."""
    y = TOP + ROW * number
    left, right = sorted((x(begin), x(end)))
    sure = bar.low > 0 or bar.high < 0
    kind = "same" if not sure else "slower" if bar.change > 0 else "faster"
    change, *ends = (_change(bar.source, value) for value in (bar.change, bar.low, bar.high))
    told = f"{change} ({ends[0]} to {ends[1]})"
    inner = [
        line(x(begin), y - 4, x(begin), y + ROW - 4, "grid join"),
        text(0, y + ROW / 2 + 4, short(bar.name, NAMES - 16), "name"),
        rect(left, y + 5, (max(2.0, right - left), ROW - 10), f"step {kind}"),
        *_bounds(bar, begin, y + ROW / 2, x),
        text(WIDTH, y + ROW / 2 + 4, _change(bar.source, bar.change), "number", "end"),
    ]
    return group(inner, f"{bar.name}: {told}")


def _bounds(bar: Bar, begin: float, y: float, x: Scale) -> list[str]:
    """The interval of a change, nothing where it is not known."""
    if not (known(bar.low) and known(bar.high)):
        return []
    return [line(x(begin + bar.low), y, x(begin + bar.high), y, "bounds")]


def _cells(bar: Bar) -> tuple[Words, ...]:
    source = bar.source
    return (
        source.told(bar.name),
        source.seconds(bar.base),
        source.seconds(bar.base + bar.change),
        source.change(bar.change),
        between(source.change(bar.low), source.change(bar.high)),
    )
