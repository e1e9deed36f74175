"""Pictures, for where people would rather look than read. Needs matplotlib (the report extra)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bitnet_perf.analyze.roofline import Place
from bitnet_perf.bench.ceilings import Ceilings
from bitnet_perf.errors import EnvironmentRefused

__all__ = ["figure", "roofline_axes"]

_MARKERS = "osD^v<>Ph*X"
_LEVELS = ("L2", "memory")  # the two slopes that matter: what stays in a cache, and what streams


def figure() -> Any:
    """An empty matplotlib figure; raises EnvironmentRefused where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EnvironmentRefused(
            "matplotlib: not installed; `pip install 'bitnet_perf[report]'` brings it"
        ) from error
    return Figure(figsize=(10, 5.5), layout="constrained")


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
