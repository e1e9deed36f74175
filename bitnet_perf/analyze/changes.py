"""Change points of a series of times: where its level moved, and by how much.

From LONG points on by E-divisive (Matteson and James, 2014, JASA 109:334) on the logarithms. For a
split of a segment into X (n points) and the Y (m points) that follow it, the energy distance is

    E(X, Y) = 2/(nm) sum |x - y| - 1/C(n, 2) sum |x - x'| - 1/C(m, 2) sum |y - y'|

and Q = nm/(n + m) E. The split with the largest Q, over where it lies and how far Y reaches, is a
change point where shuffling the segment gives so large a Q in at most a part LEVEL of all cases.
That test knows that the largest Q was chosen; Student's t at the chosen split would not. Both parts
are then searched in the same way.

Below LONG points a point is compared with the one before it: a step beyond Q3 + 3 IQR of the last
LONG steps (or below Q1 - 3 IQR) is a change point.

Both suppose that, without a change, the order of the points says nothing. A host that drifts breaks
that, and its drift is found.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import ShapeError

__all__ = ["LONG", "LONGEST", "Change", "change_points", "energy_split"]

LONG = 30  # points: from here on E-divisive
LONGEST = 200  # points that are looked at, the last ones: a shuffle takes time with their square
LEVEL = 0.01  # of the permutation test of one segment
SHUFFLES = 199
LEAST = 5  # points of X and of Y
EQUAL = 1e-9  # two Q that are nearer than this part of them differ by rounding
STEPS = (
    8  # steps before the one that is judged: with fewer, quartiles raise more than 1 % false alarms
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Change:
    """A change point: `index` is the first point of the new level.

    size: the new level over the old one, less 1 (0.05: 5 % more); levels are medians between
    neighbouring change points, and by the fence it is the step itself. p: of the permutation test,
    None by the fence.
    """

    index: int
    size: float
    p: float | None
    rule: Literal["e-divisive", "fence"]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def change_points(values: Sequence[float], *, seed: int = 0) -> tuple[Change, ...]:
    """The change points of the last LONGEST `values`, in their order; the same for the same seed.

    Raises ShapeError for a value that is not finite and above 0.
    """
    found = np.asarray(values, np.float64)
    if found.ndim != 1 or not (np.isfinite(found) & (found > 0)).all():
        raise ShapeError("values: accepted is one dimension of finite values above 0")
    skipped = max(0, len(found) - LONGEST)
    logs = np.log(found[skipped:])
    if len(logs) < LONG:
        return _beyond_the_fence(logs)
    splits = sorted(_divide(logs, seed))
    ends = [0, *(index for index, _ in splits), len(logs)]
    levels = [np.median(logs[a:b]) for a, b in itertools.pairwise(ends)]
    return tuple(
        Change(index + skipped, math.expm1(after - before), p, "e-divisive")
        for (index, p), before, after in zip(splits, levels, levels[1:], strict=False)
    )


def _beyond_the_fence(logs: FloatArray) -> tuple[Change, ...]:
    steps = np.diff(logs)
    found = []
    for place in range(STEPS, len(steps)):
        low, high = np.quantile(steps[max(0, place - LONG) : place], (0.25, 0.75))
        reach = 3 * (high - low)
        if not low - reach <= steps[place] <= high + reach:
            found.append(Change(place + 1, math.expm1(steps[place]), None, "fence"))
    return tuple(found)


def _divide(logs: FloatArray, seed: int) -> list[tuple[int, float]]:
    """(index, p) of every significant split, in no order."""
    found = []
    open_segments = [(0, len(logs))]
    while open_segments:
        first, end = open_segments.pop()
        if end - first < 2 * LEAST:
            continue
        segment = logs[first:end]
        place, q = energy_split(segment)
        p = _p_value(segment, q, np.random.default_rng((seed, first, end)))
        if p <= LEVEL:
            found.append((first + place, p))
            open_segments += [(first, first + place), (first + place, end)]
    return found


def _p_value(segment: FloatArray, q: float, rng: np.random.Generator) -> float:
    """(1 + shuffles with a Q as large) / (1 + shuffles).

    Where it can no longer be LEVEL or less, the shuffles end, and it is what it is at least.
    """
    larger = 0
    for _ in range(SHUFFLES):
        larger += energy_split(rng.permutation(segment))[1] >= q - EQUAL * abs(q)
        if (1 + larger) / (1 + SHUFFLES) > LEVEL:
            break
    return (1 + larger) / (1 + SHUFFLES)


def energy_split(segment: FloatArray) -> tuple[int, float]:
    """(first index of Y, Q) of the split with the largest Q; X and Y have LEAST points or more.

    segment: float64[n], n >= 2 LEAST. Of equal ones the earliest split, then the shortest Y. Sums
    of distances come from the table S[a, b] = sum over i < a, j < b of |x_i - x_j|.
    """
    count = len(segment)
    table = np.zeros((count + 1, count + 1))
    np.abs(segment[:, None] - segment[None, :]).cumsum(axis=0).cumsum(axis=1, out=table[1:, 1:])
    square = table.diagonal()
    splits = np.arange(LEAST, count - LEAST + 1)[:, None]
    ends = np.arange(2 * LEAST, count + 1)[None, :]
    n, m = splits, np.maximum(ends - splits, LEAST)  # shorter ones are struck out below
    across = table[splits, ends] - square[splits]
    within_x = square[splits] / 2
    within_y = (square[ends] - 2 * table[splits, ends] + square[splits]) / 2
    energy = 2 * across / (n * m) - 2 * within_x / (n * (n - 1)) - 2 * within_y / (m * (m - 1))
    q = np.where(ends - splits >= LEAST, energy * n * m / (n + m), -np.inf)
    largest = float(q.max())
    split, _ = np.unravel_index(int(np.argmax(q >= largest - EQUAL * abs(largest))), q.shape)
    return LEAST + int(split), largest
