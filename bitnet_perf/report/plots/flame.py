"""Where the time is and where it changed: stages over operations over kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bitnet_perf.report.document import Words, text_of
from bitnet_perf.report.figures import Source, between
from bitnet_perf.report.plots.svg import CHARACTER, Picture, document, group, rect, short, text

__all__ = ["Frame", "flame"]

WIDTH, ROW, TOP = 1040.0, 26.0, 8.0
LEAST = 2.0  # pixels of a frame that is drawn
STRONG = 0.05  # a change of this part is drawn in full colour
ROWS = 40  # of the table


@dataclass(frozen=True, slots=True)
class Frame:
    """One place: seconds of the base, what the candidate takes more with bounds, and its parts."""

    name: str
    base: float
    change: float
    low: float
    high: float
    source: Source
    children: tuple[Frame, ...] = field(default=())

    @property
    def width(self) -> float:
        """The mean of both sides, which adds up over the parts."""
        return max(0.0, self.base + self.change / 2)

    @property
    def kind(self) -> str:
        """Slower or faster where the bounds leave out 0."""
        return "slower" if self.low > 0 else "faster" if self.high < 0 else "same"

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Frame]]:
        """This frame and all below it with their depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


def flame(root: Frame | None) -> Picture | None:
    """The tree below `root`; None where there is none."""
    if root is None or root.width <= 0:
        return None
    depth = max(level for level, _ in root.walk()) + 1
    height = TOP + ROW * depth + 6
    inner = list(_frames(root, 0.0, WIDTH, 0))
    changed = [frame for _, frame in root.walk() if frame.kind != "same" and not frame.children]
    worst = sorted(changed, key=lambda frame: -abs(frame.change))[:3]
    named = ", ".join(f"{f.name} ({text_of(f.source.change(f.change))})" for f in worst)
    title = "Flame-graph difference"
    said = (
        f"The wider, the more time (mean of both sides); from the whole at the top down to "
        f"kernels. Hatched is slower, dotted faster, plain not surely changed. Surely changed: "
        f"{named or 'nothing'}."
    )
    listed = sorted(root.walk(), key=lambda each: -abs(each[1].change))[:ROWS]
    return Picture(
        "flame",
        title,
        said,
        document("flame", (WIDTH, height), (title, said), "".join(inner)),
        ("place", ">base", ">change", ">bounds", ">of its time"),
        tuple(_cells(frame) for _, frame in listed),
    )


def _frames(frame: Frame, x: float, width: float, depth: int) -> Iterator[str]:
    y = TOP + ROW * depth
    part = frame.change / frame.base if frame.base > 0 else 0.0
    strong = " strong" if abs(part) >= STRONG else ""
    told = text_of(frame.source.percent(part, "+.1f", "new"))
    inner = [rect(x, y, (width - 1, ROW - 2), f"frame {frame.kind}{strong}")]
    label = f"{frame.name} {told}" if frame.kind != "same" else frame.name
    if width > 5 * CHARACTER:
        inner.append(text(x + 6, y + ROW / 2 + 3, short(label, width - 12), "label"))
    took = text_of(frame.source.seconds(frame.base + frame.change))
    yield group(inner, f"{frame.name}: {took} of the candidate, {told}")
    whole = max(frame.width, sum(child.width for child in frame.children))
    at = x
    for child in _by_size(frame.children):
        size = width * child.width / whole
        if size >= LEAST:
            yield from _frames(child, at, size, depth + 1)
        at += size


def _by_size(frames: Sequence[Frame]) -> list[Frame]:
    return sorted(frames, key=lambda frame: -frame.width)


def _cells(frame: Frame) -> tuple[Words, ...]:
    source = frame.source
    part = frame.change / frame.base if frame.base > 0 else None
    return (
        source.told(frame.name),
        source.seconds(frame.base),
        source.change(frame.change),
        between(source.change(frame.low), source.change(frame.high)),
        source.percent(part, none="new"),
    )
