"""Kernels under the limits that were measured on the same host in the same run."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

from bitnet_perf.analyze.efficiency import Placed
from bitnet_perf.analyze.roofline import Place
from bitnet_perf.bench.ceilings import Ceilings, MacLimit
from bitnet_perf.report.document import Words
from bitnet_perf.report.figures import Source
from bitnet_perf.report.plots.svg import (
    Picture,
    Scale,
    curve,
    document,
    group,
    line,
    log_scale,
    path,
    text,
)

__all__ = ["roofline"]

OTHERS = "others"
MANY = r"/t(?:[2-9]|\d\d+)$"  # a case of several threads, whose limits are others
WIDTH, HEIGHT = 1040.0, 440.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 760.0, 20.0, 390.0
NEAREST = 15.0  # pixels between two names
LEVELS = ("L1", "L2", "L3", "memory")
# One shape a family, told apart without colour.
SHAPES = (
    "M-5 0A5 5 0 1 1 5 0A5 5 0 1 1-5 0Z",
    "M-5-5H5V5H-5Z",
    "M0-6L6 5H-6Z",
    "M0-6L6 0L0 6L-6 0Z",
    "M0 6L6-5H-6Z",
    "M-2-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
    "M-6-5L0-1L6-5L3 0L6 5L0 1L-6 5L-3 0Z",
)


def roofline(limits: Ceilings | None, places: Sequence[Placed], file: str) -> Picture | None:
    """The candidate's places of one thread that have operations; None without any, or without
    limits."""
    found = [each.candidate for each in places if not re.search(MANY, each.case)]
    drawn = [p for p in found if p is not None and p.gop_per_s > 0 and p.gb_per_s > 0]
    if limits is None or not drawn:
        return None
    reads = [r for r in limits.reads if r.threads == 1 and r.level in LEVELS]
    macs = [m for m in limits.macs if m.threads == 1]
    heights = [p.gop_per_s for p in drawn] + [m.gop_per_s for m in macs]
    steps = [p.gop_per_s / p.gb_per_s for p in drawn]
    x = log_scale([min(steps) / 1.5, max(steps) * 1.5], LEFT, RIGHT)
    y = log_scale([min(heights) / 2, max(heights) * 1.2], BOTTOM, TOP)
    names = list(dict.fromkeys(_family(p) for p in drawn))
    most = 2 * len(SHAPES)
    families = names if len(names) <= most else [*names[: most - 1], OTHERS]
    peak = max((m.gop_per_s for m in macs), default=y.high)
    inner = [_grid(x, y)]
    inner += [_slope(r.gb_per_s, r.level, (x, y), peak) for r in reads]
    inner += _flats(macs, x, y)
    inner += [_dot(p, _place_of(p, families), x, y) for p in drawn]
    nearest = max(drawn, key=lambda p: p.part or 0.0)
    title = "Kernels under the limits of this host"
    said = (
        f"{len(drawn)} kernel{'s' * (len(drawn) > 1)} by operations per byte and billions of "
        f"operations a second, on one thread, under streaming reads (slopes) and multiply-adds "
        f"(flat lines). Nearest to its limit: {nearest.case}, {nearest.words()}."
    )
    return Picture(
        "roofline",
        title,
        said,
        document("roofline", (WIDTH, HEIGHT), (title, said), "".join(inner)),
        ("kernel", "isa", ">GB/s", ">Gop/s", "place"),
        tuple(_cells(p, file) for p in sorted(drawn, key=lambda p: p.part or 0.0)),
        (
            *((_icon(n), name) for n, name in enumerate(families)),
            *((_sample(r.level), f"{r.level}, {r.gb_per_s:.0f} GB/s") for r in reads),
        ),
    )


def _family(place: Place) -> str:
    parts = place.case.split("/")
    return "/".join(parts[1:3] if len(parts) == 5 else parts[:2])


def _place_of(place: Place, families: Sequence[str]) -> int:
    name = _family(place)
    return families.index(name if name in families else OTHERS)


def _grid(x: Scale, y: Scale) -> str:
    found = []
    for tick in x.ticks:
        found.append(line(x(tick), TOP, x(tick), BOTTOM, "grid"))
        found.append(text(x(tick), BOTTOM + 16, f"{tick:g}", "tick", "middle"))
    for tick in y.ticks:
        found.append(line(LEFT, y(tick), RIGHT, y(tick), "grid"))
        found.append(text(LEFT - 8, y(tick) + 4, f"{tick:g}", "tick", "end"))
    found.append(text((LEFT + RIGHT) / 2, BOTTOM + 38, "operations per byte", "head", "middle"))
    found.append(text(0, 12, "Gop/s", "head"))
    return "".join(found)


def _slope(rate: float, level: str, axes: tuple[Scale, Scale], peak: float) -> str:
    """A limit of reading, up to the highest peak."""
    x, y = axes
    end = min(x.high, peak / rate)
    begin = max(x.low, y.low / rate)
    if begin >= end:
        return ""
    points = [(x(begin), y(begin * rate)), (x(end), y(end * rate))]
    if end < x.high:
        points.append((x(x.high), y(peak)))
    return group([curve(points, f"roof read {level}")], f"read from {level}, {rate:.0f} GB/s")


def _flats(macs: Sequence[MacLimit], x: Scale, y: Scale) -> list[str]:
    """Limits of multiply-adds, the highest first; a name that would meet the one above moves."""
    found, last = [], -NEAREST
    for mac in sorted(macs, key=lambda each: -each.gop_per_s):
        at = y(mac.gop_per_s)
        if y.holds(mac.gop_per_s):
            last = max(at + 4, last + NEAREST)
            found.append(line(x.begin, at, x.end, at, "roof peak"))
            found.append(text(RIGHT + 10, last, f"{mac.isa}, {mac.gop_per_s:.0f} Gop/s", "limit"))
    return found


def _dot(place: Place, family: int, x: Scale, y: Scale) -> str:
    at = (x(place.gop_per_s / place.gb_per_s), y(place.gop_per_s))
    shape, kind = _look(family)
    where = f"translate({at[0]:.1f} {at[1]:.1f})"
    drawn = f'<path transform="{where}" d="{shape}" class="{kind}"/>'
    return group([drawn], f"{place.case}: {place.words()}")


def _look(family: int) -> tuple[str, str]:
    """A shape, hollow for the first families and full for the next."""
    return SHAPES[family % len(SHAPES)], "dot full" if family // len(SHAPES) % 2 else "dot"


def _icon(family: int) -> Markup:
    return _small(path(*_look(family)))


def _sample(level: str) -> Markup:
    return _small(line(-8, 0, 8, 0, f"roof read {level}"))


def _small(inner: str) -> Markup:
    return Markup(f'<svg viewBox="-8 -8 16 16" class="icon" aria-hidden="true">{inner}</svg>')


def _cells(place: Place, file: str) -> tuple[Words, ...]:
    source = Source(file, place.case)
    return (
        source.told(place.case),
        source.told(place.isa),
        source.bare(place.gb_per_s, "GB/s", ".2f"),
        source.bare(place.gop_per_s, "Gop/s", ".1f"),
        source.told(place.words()),
    )
