"""The cross-check: a bootstrap that resamples processes, then the blocks within each.

It assumes neither a distribution nor Yuen's variance. How often its percentiles err with few pairs
is not known, so it decides nothing: a row that it contradicts says so in a note.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.analyze.paired.estimate import block_differences, trimmed_mean
from bitnet_perf.bench.paired.raw import Samples

__all__ = ["Bootstrap", "bootstrap", "contradicts"]

REPLICATES = 2000
_CHUNK = 1 << 20  # medians that are held at once

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Percentile bounds of the trimmed mean on the log scale, and its standard error."""

    low: float
    high: float
    se: float


def bootstrap(
    samples: Samples, clock: str, alpha: float, *, seed: int = 0, replicates: int = REPLICATES
) -> Bootstrap | None:
    """Bounds of one-sided error `alpha`; None below two pairs, or where a clock stood still.

    One replicate draws K pairs with replacement, then for each as many of its blocks as it has,
    takes the median per pair and the trimmed mean over the pairs, as the estimator does. Blocks are
    not drawn one by one: the middle ones of n draws from n sorted blocks stand where the middle
    order statistics of n uniform numbers fall, and those are drawn (`_medians`).
    """
    times = samples.wall_ns if clock == "wall" else samples.cpu_ns
    differences = block_differences(samples.side, times)
    if samples.pairs < 2 or not np.isfinite(differences).all():
        return None
    starts, pairs = samples.starts, samples.pairs
    owner = np.repeat(np.arange(pairs), np.diff(starts))
    ordered = differences[np.lexsort((differences, owner))]
    generator = np.random.default_rng(seed)
    draws = np.concatenate(
        [
            trimmed_mean(
                _medians(ordered, starts, generator.integers(0, pairs, (count, pairs)), generator)
            )
            for count in _chunks(replicates, pairs)
        ]
    )
    low, high = np.quantile(draws, [alpha, 1 - alpha])
    return Bootstrap(float(low), float(high), float(draws.std(ddof=1)))


def _chunks(replicates: int, pairs: int) -> Iterator[int]:
    size = max(1, _CHUNK // max(1, pairs))
    for start in range(0, replicates, size):
        yield min(size, replicates - start)


def _medians(
    ordered: FloatArray,
    starts: NDArray[np.int64],
    chosen: NDArray[np.int64],
    generator: np.random.Generator,
) -> FloatArray:
    """The medians of as many blocks as each `chosen` pair has, drawn from its own; same shape.

    ordered: block differences, ascending within each pair. Of n uniform numbers the k-th least is
    Beta(k, n + 1 - k); given that it is u, the next is u + (1 - u) (1 - V^(1 / (n - k))), the least
    of n - k uniform numbers above u. A number u stands for block floor(n u).
    """
    blocks = np.diff(starts)[chosen]
    lower = (blocks + 1) // 2
    u = generator.beta(lower, blocks + 1 - lower)
    above = np.maximum(blocks - lower, 1)
    next_u = u + (1 - u) * (1 - generator.random(chosen.shape) ** (1 / above))
    next_u = np.where(blocks % 2 == 0, next_u, u)  # of an odd number one block is the middle
    at = [np.minimum((blocks * part).astype(np.int64), blocks - 1) for part in (u, next_u)]
    first = starts[:-1][chosen]
    return np.asarray((ordered[first + at[0]] + ordered[first + at[1]]) / 2, np.float64)


def contradicts(verdict: str, found: Bootstrap, concern: float) -> bool:
    """Whether the bootstrap, by its own bounds, says something else than the verdict.

    A pass wants its upper bound within the budget ln(1 + concern), an improvement below 0, an alarm
    its lower bound above 0; what is inconclusive cannot be contradicted.
    """
    if verdict == "pass":
        return found.high >= math.log1p(concern)
    if verdict == "improved":
        return found.high >= 0
    return verdict in {"action", "concern"} and found.low <= 0
