"""Elements of SVG as text, scales and ticks. Colours and patterns are those of the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape as _html

from markupsafe import Markup

from bitnet_perf.report.document import Words
from bitnet_perf.report.escape import plain

__all__ = ["Picture", "Scale", "curve", "document", "group", "line", "log_scale", "marker", "path",
           "rect", "scale", "short", "text"]  # fmt: skip

CHARACTER = 6.9  # about the width of one in a label of 12 px
MIDDLE = 16  # characters from which on the end of a label is worth its place


@dataclass(frozen=True)
class Picture:
    """A picture, what it shows in a sentence, and the same numbers as a table (columns as in
    `document.Table`). `legend` explains its marks in the words of the page."""

    id: str
    title: str
    description: str
    svg: Markup
    columns: tuple[str, ...]
    rows: tuple[tuple[Words, ...], ...]
    legend: tuple[tuple[Markup, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Scale:
    """Values to pixels, linear or by their logarithm; `ticks` are round values inside."""

    low: float
    high: float
    begin: float
    end: float
    ticks: tuple[float, ...]
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; one outside is put on the nearer end."""
        low, high = self.low, self.high
        at = min(max(value, low), high)
        if self.log:
            low, high, at = (math.log10(v) for v in (low, high, at))
        part = (at - low) / (high - low) if high > low else 0.5
        return self.begin + part * (self.end - self.begin)

    def holds(self, value: float) -> bool:
        """Whether the value is inside."""
        return self.low <= value <= self.high


def scale(values: Sequence[float], begin: float, end: float, most: int = 7) -> Scale:
    """A linear scale over `values` with at most about `most` ticks, round at both ends."""
    low, high = min(values), max(values)
    if high <= low:
        low, high = low - abs(low) * 0.1 - 1e-12, high + abs(high) * 0.1 + 1e-12
    step = _step((high - low) / max(1, most - 1))
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = tuple(n * step for n in range(first, last + 1))
    return Scale(first * step, last * step, begin, end, ticks)


def _step(least: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * 0.999)


def log_scale(values: Sequence[float], begin: float, end: float) -> Scale:
    """A logarithmic scale over positive values, widened to the next of 1, 2, 5 at both ends."""
    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    marks = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    first = max(mark for mark in marks if mark <= low * 1.0001)
    last = min(mark for mark in [*marks, 10 * marks[-1]] if mark >= high * 0.9999)
    last = last if last > first else first * 10
    ticks = tuple(mark for mark in marks if first <= mark <= last)
    return Scale(first, last, begin, end, ticks, log=True)


def short(label: str, width: float) -> str:
    """A label that fits in so many pixels, its middle left out, of a short one its end."""
    label = plain(label, 500)
    most = max(4, int(width / CHARACTER))
    if len(label) <= most:
        return label
    if most < MIDDLE:
        return f"{label[: most - 1]}…"
    head = (most - 1) // 2
    return f"{label[:head]}…{label[len(label) - (most - 1 - head) :]}"


def text(x: float, y: float, label: str, kind: str = "", anchor: str = "start") -> str:
    """A line of text whose baseline begins, ends or has its middle there."""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}"{_class(kind)}{where}>{_html(label)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "") -> str:
    """A straight line."""
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"{_class(kind)}/>'


def curve(points: Sequence[tuple[float, float]], kind: str = "") -> str:
    """A line through points."""
    places = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="M{places}"{_class(kind)}/>'


def path(places: str, kind: str = "") -> str:
    """A shape by its path data."""
    return f'<path d="{places}"{_class(kind)}/>'


def rect(x: float, y: float, size: tuple[float, float], kind: str = "", about: str = "") -> str:
    """A box of (width, height) with a title that shows when it is pointed at."""
    width, height = size
    box = f'x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}"'
    if not about:
        return f"<rect {box}{_class(kind)}/>"
    return f"<rect {box}{_class(kind)}><title>{_html(plain(about, 500))}</title></rect>"


# Verdict -> shape: a triangle points to the side on which the case lies.
_SHAPES = {
    "action": "M-5-6L6 0L-5 6Z",
    "concern": "M-5-6L6 0L-5 6Z",
    "improved": "M5-6L-6 0L5 6Z",
    "inconclusive": "M0-6L6 0L0 6L-6 0Z",
    "accepted": "M-4.5-4.5H4.5V4.5H-4.5Z",
}
_CIRCLE = "M-4.5 0A4.5 4.5 0 1 1 4.5 0A4.5 4.5 0 1 1-4.5 0Z"


def marker(x: float, y: float, verdict: str) -> str:
    """The mark of a verdict."""
    shape = _SHAPES.get(verdict, _CIRCLE)
    kind = f"mark v-{verdict}"
    return f'<path transform="translate({x:.1f} {y:.1f})" d="{shape}"{_class(kind)}/>'


def group(inner: Sequence[str], about: str = "", link: str = "") -> str:
    """Elements together, with a title that shows when they are pointed at."""
    told = f"<title>{_html(plain(about, 500))}</title>" if about else ""
    body = told + "".join(inner)
    return f'<a href="#{_html(link)}">{body}</a>' if link else f"<g>{body}</g>"


def document(name: str, size: tuple[float, float], about: tuple[str, str], inner: str) -> Markup:
    """The whole picture; `about` is its title and its description, which screen readers read."""
    width, height = size
    title, description = (_html(plain(each, 1000)) for each in about)
    return Markup(
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc" preserveAspectRatio="xMinYMin meet">'
        f'<title id="{name}-title">{title}</title><desc id="{name}-desc">{description}</desc>'
        f"{inner}</svg>"
    )


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
