"""How long a case takes on one side, out of a paired comparison, and beside two anchor kernels.

The comparison itself is made of ratios. A history also wants the times: the trimmed mean, over
fresh process pairs, of the logarithm of each pair's median sample. Divided by the time of an anchor
that was measured in the same run, a time says less about the host and more about the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from bitnet_perf.analyze.paired.canary import KINDS
from bitnet_perf.analyze.paired.estimate import yuen
from bitnet_perf.bench.paired.raw import Raw, clock_of

__all__ = ["Level", "anchors_of", "level_of", "level_of_runs"]

ALPHA = 0.025  # one-sided error of each bound


@dataclass(frozen=True, slots=True)
class Level:
    """A time in seconds of one iteration: estimate, bounds (None with fewer than two processes, or
    where they are no numbers), processes."""

    value: float
    low: float | None
    high: float | None
    count: int


def level_of(raw: Raw, case: int, side: int | None) -> Level | None:
    """The time of `case` (its number) on `side`, by its primary clock, over all looks.

    `side` None takes both: of a canary they are the same. None where no pair was timed.
    """
    clock = clock_of(raw.meta, raw.cases()[case], raw.meta["threads"][case])
    medians = []
    for look in raw.looks(case):
        samples = raw.samples(case, look)
        times = samples.wall_ns if clock == "wall" else samples.cpu_ns
        for pair in range(samples.pairs):
            rows = slice(samples.starts[pair], samples.starts[pair + 1])
            chosen = times[rows] if side is None else times[rows][samples.side[rows] == side]
            medians.append(float(np.median(chosen)) / 1e9)
    return _level(medians)


def level_of_runs(runs: Iterable[Iterable[float]]) -> Level | None:
    """The time of a case from the samples of each process, in seconds (or any other unit)."""
    samples = [list(run) for run in runs]
    return _level(float(np.median(run)) for run in samples if run)


def anchors_of(raw: Raw) -> Mapping[str, float]:
    """Seconds of the anchor kernels of a run, by kind; a kind that was not timed is missing.

    They are its canaries: one that computes in the cache, one that streams from memory.
    """
    found = {}
    for number, case in enumerate(raw.cases()):
        level = level_of(raw, number, None) if case.get("canary") in KINDS else None
        if level is not None and not case.get("error"):
            found[case["canary"]] = level.value
    return found


def _level(medians: Iterable[float]) -> Level | None:
    logs = [math.log(value) for value in medians if value > 0 and math.isfinite(value)]
    if not logs:
        return None
    estimate = yuen(logs, ALPHA)
    bounds = [math.exp(v) if abs(v) < 700 else None for v in (estimate.low, estimate.high)]
    return Level(math.exp(estimate.m), bounds[0], bounds[1], estimate.pairs)
