"""Whether something grows in a line: a fit, its residual, and a steady growth over repeats."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bitnet_perf.errors import MeasurementError

__all__ = ["LEAST_SIZES", "Line", "fit_line", "growth"]

LEAST_SIZES = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A line through some points by least squares.

    residual: the largest distance of a point from it, as a part of what the line grows over the
    points; infinite where it does not grow.
    """

    slope: float
    intercept: float
    residual: float
    points: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def fit_line(x: Sequence[float], y: Sequence[float]) -> Line:
    """The line through (x, y).

    Raises MeasurementError for fewer than LEAST_SIZES different x: through two points goes any
    line, and three hide a bend.
    """
    if len(set(x)) < LEAST_SIZES or len(x) != len(y):
        raise MeasurementError(
            f"sizes: found {len(set(x))} different ones and {len(y)} values, accepted are "
            f"{LEAST_SIZES} sizes or more, a value each"
        )
    slope, intercept = statistics.linear_regression(x, y)
    grows = abs(slope) * (max(x) - min(x))
    most = max(abs(v - slope * u - intercept) for u, v in zip(x, y, strict=True))
    return Line(slope, intercept, most / grows if grows > 0 else math.inf, len(x))


def growth(values: Sequence[float]) -> tuple[float, float]:
    """(median step of the second half, part of its steps that are above 0) of values in order.

    What grows at every repeat has both high; what fills its caches first, or grows once, has not.
    """
    later = values[len(values) // 2 - 1 :]
    steps = [b - a for a, b in itertools.pairwise(later)]
    if not steps:
        raise MeasurementError(f"values: found {len(values)}, accepted are 2 or more")
    return statistics.median(steps), sum(step > 0 for step in steps) / len(steps)
