"""The cross-check: a bootstrap that resamples processes, then the blocks within each.

It assumes neither a distribution nor Yuen's variance. How often its percentiles err with few pairs
is not known, so it decides nothing: it can only contradict.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.estimate import block_differences, medians, trimmed_mean
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.bench.paired.raw import Raw, Samples

__all__ = ["Bootstrap", "bootstrap", "contradicts", "cross_check"]

REPLICATES = 2000
_CHUNK = 1 << 20  # block differences that are held at once

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
    takes the median per pair and the trimmed mean over the pairs, as the estimator does.
    """
    times = samples.wall_ns if clock == "wall" else samples.cpu_ns
    differences = block_differences(samples.side, times)
    if samples.pairs < 2 or not np.isfinite(differences).all():
        return None
    generator = np.random.default_rng(seed)
    draws = np.concatenate(
        [
            trimmed_mean(_resampled(differences, samples.starts, count, generator))
            for count in _chunks(replicates, len(differences))
        ]
    )
    low, high = np.quantile(draws, [alpha, 1 - alpha])
    return Bootstrap(float(low), float(high), float(draws.std(ddof=1)))


def _chunks(replicates: int, blocks: int) -> Iterator[int]:
    size = max(1, _CHUNK // max(1, blocks))
    for start in range(0, replicates, size):
        yield min(size, replicates - start)


def _resampled(
    differences: FloatArray,
    starts: NDArray[np.int64],
    count: int,
    generator: np.random.Generator,
) -> FloatArray:
    """v_k of `count` replicates: [count, pairs]."""
    pairs = len(starts) - 1
    blocks = np.diff(starts)
    chosen = generator.integers(0, pairs, count * pairs)
    lengths = blocks[chosen]
    ends = np.cumsum(lengths)
    first = np.repeat(starts[:-1][chosen], lengths)
    span = np.repeat(lengths, lengths)
    drawn = first + np.floor(generator.random(int(ends[-1])) * span).astype(np.int64)
    return medians(differences[drawn], np.concatenate([[0], ends])).reshape(count, pairs)


def cross_check(raw: Raw, rows: Sequence[Row], rules: Rules | None = None) -> tuple[Row, ...]:
    """The rows of `judge(raw, rules)`, with the note "bootstrap contradicts" where it does.

    The look that decided is resampled, seeded by the file, with the bounds of `rules`.
    """
    rules = rules or Rules.from_dict(raw.meta.get("rules", {}))
    index = {case["name"]: number for number, case in enumerate(raw.cases())}
    checked = []
    for row in rows:
        found = None
        if row.look >= 0:
            case = index[row.case]
            samples = raw.samples(case, raw.looks(case)[row.look])
            found = bootstrap(samples, row.clock, rules.alpha_look, seed=raw.meta["seed"] % 2**32)
        if found and contradicts(row.verdict, found, rules.budget(row.class_).concern):
            row = replace(row, notes=(*row.notes, "bootstrap contradicts"))  # noqa: PLW2901
        checked.append(row)
    return tuple(checked)


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
