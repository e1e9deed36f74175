"""Comparing two runs that were not paired: what results of other tools allow, and no more.

Base and candidate ran one after the other, so the host's drift is part of the difference: on a
loaded 2-vCPU machine unchanged code came out "significantly" slower in 16 to 45 % of such
comparisons. The interval below knows nothing of that drift, hence it decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.estimate import slowdown_of, t_quantile
from bitnet_perf.analyze.paired.rules import Class, Rules
from bitnet_perf.analyze.paired.verdict import percent
from bitnet_perf.errors import FormatError

__all__ = ["unpaired"]


def unpaired(
    case: str,
    base: Sequence[Sequence[float]],
    candidate: Sequence[Sequence[float]],
    rules: Rules | None = None,
    class_: Class = "core",
) -> Row:
    """A row labelled `unpaired`: inconclusive whatever it shows, neither a pass nor an alarm.

    base, candidate: the samples of each process, any unit, the same on both sides. A process counts
    once, by the median of its samples: the samples of one process share its placement. m is the
    difference of the means of ln median, its interval Welch's with one-sided error `rules.alpha`.
    Raises FormatError for a side without processes, a process without samples, and times that are
    not finite and above 0.
    """
    rules = rules or Rules()
    sides = [_logs(case, name, runs) for name, runs in (("base", base), ("candidate", candidate))]
    m = float(sides[1].mean() - sides[0].mean())
    half = _half(sides, 1 - rules.alpha)
    notes = ["unpaired"]
    if m - half > 0:
        notes.append("looks slower")
    if m + half < 0:
        notes.append("looks faster")
    known = math.isfinite(half)
    return Row(
        case=case,
        verdict="inconclusive",
        slowdown=slowdown_of(m),
        low=slowdown_of(m - half) if known else None,
        high=slowdown_of(m + half) if known else None,
        mde=None,
        pairs=0,
        reason=(
            f"unpaired: {percent(m)} ({percent(m - half)} to {percent(m + half)}, {len(sides[0])} "
            f"and {len(sides[1])} processes), and the host's drift on top; measure it in pairs"
        ),
        look=-1,
        gate="closed" if class_ == "core" else "neutral",
        notes=tuple(notes),
        class_=class_,
        bound="unknown",
        clock="wall",
        wall=slowdown_of(m),
        cpu=None,
        clocks=None,
        canaries=(),
    )


def _logs(case: str, name: str, runs: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """ln of the median of each process."""
    for index, samples in enumerate(runs):
        if not samples or not all(math.isfinite(value) and value > 0 for value in samples):
            raise FormatError(
                f"{case}: {name}, process {index}: found {list(samples)!r:.80}, accepted are times "
                "that are finite and above 0"
            )
    if not runs:
        raise FormatError(f"{case}: {name}: found no process, accepted is one or more")
    return np.log([median(samples) for samples in runs])


def _half(sides: Sequence[NDArray[np.float64]], probability: float) -> float:
    """Half the Welch interval; infinite where a side has one process."""
    if min(len(side) for side in sides) < 2:
        return math.inf
    parts = [float(side.var(ddof=1)) / len(side) for side in sides]
    variance = sum(parts)
    if variance == 0:
        return 0.0
    df = variance**2 / sum(
        part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True)
    )
    return t_quantile(probability, df) * math.sqrt(variance)
