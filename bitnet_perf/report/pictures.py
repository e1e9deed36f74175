"""Pictures, for where people would rather look than read. Needs matplotlib (the report extra)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.roofline import Place
from bitnet_perf.bench.ceilings import Ceilings
from bitnet_perf.errors import ConfigError
from bitnet_perf.notebook import figure

__all__ = ["Line", "comparison_axes", "history_axes", "roofline_axes"]

_MARKERS = "osD^v<>Ph*X"
_LEVELS = ("L2", "memory")  # the two slopes that matter: what stays in a cache, and what streams


def roofline_axes(limits: Ceilings, places: Iterable[Place], axes: Any = None) -> Any:
    """Draw kernels under the limits of one thread; returns matplotlib axes.

    Horizontally operations per byte, vertically Gop/s; slopes are streaming reads, flat lines the
    multiply-add peak of each ISA. Kernels without operations to count are left out. Raises
    EnvironmentRefused where matplotlib is missing.
    """
    axes = figure().subplots() if axes is None else axes
    drawn = [p for p in places if p.compute is not None and p.gb_per_s > 0]
    intensities = [p.gop_per_s / p.gb_per_s for p in drawn] or [1.0]
    x = np.geomspace(min(intensities) / 3, max(intensities) * 3, 64)
    peak = max((m.gop_per_s for m in limits.macs if m.threads == 1), default=None)
    for read in limits.reads:
        if read.threads == 1 and read.level in _LEVELS:
            y = x * read.gb_per_s if peak is None else np.minimum(x * read.gb_per_s, peak)
            axes.plot(x, y, lw=1.2, label=f"read from {read.level}, {read.gb_per_s:.0f} GB/s")
    for mac in limits.macs:
        if mac.threads == 1:
            label = f"peak of {mac.isa}, {mac.gop_per_s:.0f} Gop/s"
            axes.axhline(mac.gop_per_s, ls="--", lw=1, color="0.5", label=label)
    groups: dict[str, list[Place]] = {}
    for place in drawn:
        _, family, codec, *_ = place.case.split("/")
        groups.setdefault(f"{family} {codec}", []).append(place)
    for number, (name, members) in enumerate(groups.items()):
        axes.scatter(
            [p.gop_per_s / p.gb_per_s for p in members],
            [p.gop_per_s for p in members],
            marker=_MARKERS[number % len(_MARKERS)],
            s=34,
            label=name,
            zorder=3,
        )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="operations per byte",
        ylabel="Gop/s, one thread",
        title=f"Kernels under the measured limits of {limits.host.cpu}",
    )
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=6.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return axes


# Verdicts by marker, so that the picture can be read in black and white.
_VERDICTS = {
    "pass": ("o", "white"),
    "improved": ("<", "white"),
    "concern": (">", "0.5"),
    "action": (">", "black"),
    "inconclusive": ("D", "0.75"),
}


def comparison_axes(rows: Iterable[Row], rules: Rules, axes: Any = None) -> Any:
    """Draw a comparison: one line a case with its bounds, beside the budgets; matplotlib axes.

    Horizontally the slowdown in percent. Cases without an interval stand as a word (`identical`,
    `inconclusive`). Raises EnvironmentRefused where matplotlib is missing.
    """
    axes = figure().subplots() if axes is None else axes
    shown = list(rows)
    axes.figure.set_size_inches(10, max(2.0, 1.2 + 0.28 * len(shown)))
    for place, row in enumerate(shown):
        if row.slowdown is None or row.low is None or row.high is None:
            axes.annotate(row.verdict, (0, place), va="center", ha="center", fontsize=7)
            continue
        marker, fill = _VERDICTS.get(row.verdict, ("s", "white"))
        axes.plot([100 * row.low, 100 * row.high], [place, place], color="black", lw=1)
        axes.plot(100 * row.slowdown, place, marker, color="black", mfc=fill, ms=5)
    core = any(row.class_ == "core" for row in shown)
    budget = rules.core if core else rules.other
    for value, style, name in (
        (0.0, "-", "no change"),
        (budget.concern, "--", f"concern, {100 * budget.concern:g} %"),
        (budget.action, ":", f"action, {100 * budget.action:g} %"),
    ):
        axes.axvline(100 * value, ls=style, color="black", lw=0.8, label=name)
    for verdict in dict.fromkeys(row.verdict for row in shown if row.verdict in _VERDICTS):
        marker, fill = _VERDICTS[verdict]
        axes.plot([], [], marker, color="black", mfc=fill, label=verdict)
    axes.set_yticks(range(len(shown)), [row.case for row in shown], fontsize=7, parse_math=False)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlabel("slowdown, %: trimmed mean and one-sided bounds")
    reach = [abs(100 * v) for r in shown for v in (r.low, r.high) if v is not None]
    if reach and max(reach) > 60:
        axes.set_xscale("symlog", linthresh=10)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.grid(axis="x", alpha=0.3)
    return axes


@dataclass(frozen=True, slots=True)
class Line:
    """Values at their places on the horizontal axis; `marks` are indices of values that begin a new
    level."""

    name: str
    places: Sequence[float]
    values: Sequence[float]
    marks: Sequence[int]


def history_axes(lines: Sequence[Line], axes: Any = None) -> Any:
    """Draw each line in percent of the median of its first level; matplotlib axes.

    A new level begins at a black marker. Raises ConfigError for more lines than there are markers
    to tell them apart, and for none; EnvironmentRefused where matplotlib is missing.
    """
    if not 1 <= len(lines) <= len(_MARKERS):
        raise ConfigError(
            f"plot: found {len(lines)} trends, accepted are 1 to {len(_MARKERS)}: choose cases"
        )
    axes = figure().subplots() if axes is None else axes
    for number, line in enumerate(lines):
        places, values = (np.asarray(each, np.float64) for each in (line.places, line.values))
        marks = list(line.marks)
        end = min(marks, default=len(values))
        change = 100 * (values / np.median(values[:end]) - 1)
        marker = _MARKERS[number]
        (drawn,) = axes.plot(places, change, marker=marker, ms=4, lw=0.8, label=line.name)
        axes.plot(places[marks], change[marks], marker, color="black", ms=7)
        drawn.set_markerfacecolor("white")
    axes.axhline(0, color="black", lw=0.5)
    axes.set_xlabel("commits, in their order; a black marker begins a new level")
    axes.set_ylabel("difference to the first level, %")
    legend = axes.legend(fontsize=6.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for text in legend.get_texts():
        text.set_parse_math(False)
    axes.grid(alpha=0.3)
    return axes
