"""The estimator of a paired comparison: one number per process pair, then an interval.

Model. In process pair k and block b a sample of side s at position p takes
`ln t = mu + s * (theta + e_k) + drift * p + noise`: theta is what is asked for (the log of the time
ratio), e_k is what two fresh processes differ by (page and code placement), drift is the host
becoming slower or faster during a block. In a block A B B A both sides have the mean position 1.5,
so the difference of their means holds no linear drift: `d_kb = theta + e_k + noise`. A preemption
hits few blocks hard, hence `v_k = median_b d_kb`. What the blocks of one pair share (e_k) does not
average out with more blocks: the pairs are the statistical unit, n = K.

All values are natural logarithms; slowdown = exp(value) - 1, above 0 where the candidate is slower.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.bench.paired.raw import PairRecord, Samples

__all__ = [
    "Estimate",
    "block_differences",
    "medians",
    "pair_values",
    "record_values",
    "slowdown_of",
    "t_quantile",
    "trimmed_mean",
    "yuen",
]

TRIM = 0.2  # of the pairs, at each end
POWER = 0.99  # of the minimum detectable effect

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What some fresh pairs say, on the log scale.

    values: v_k per pair. m: 20 % trimmed mean, nan without pairs. se: its standard error, inf below
    two pairs. df: degrees of freedom. low, high: one-sided bounds. mde: log of the smallest true
    ratio that these bounds would show as slower with a probability of POWER.
    """

    values: tuple[float, ...]
    m: float
    se: float
    df: int
    low: float
    high: float
    mde: float

    @property
    def pairs(self) -> int:
        """How many process pairs."""
        return len(self.values)

    @property
    def slowdown(self) -> float:
        """exp(m) - 1."""
        return slowdown_of(self.m)

    @property
    def low_slowdown(self) -> float:
        """exp(low) - 1."""
        return slowdown_of(self.low)

    @property
    def high_slowdown(self) -> float:
        """exp(high) - 1."""
        return slowdown_of(self.high)

    @property
    def mde_slowdown(self) -> float:
        """exp(mde) - 1."""
        return slowdown_of(self.mde)


def slowdown_of(log_ratio: float) -> float:
    """exp(log_ratio) - 1, infinite where a float cannot hold it."""
    return math.expm1(log_ratio) if log_ratio < 700 else math.inf


def block_differences(side: NDArray[Any], times: FloatArray) -> FloatArray:
    """d_kb of each block: mean ln of the candidate's two times minus mean ln of the base's.

    side: [blocks, 4] of 0 base, 1 candidate, two each; times: [blocks, 4], any unit. A time of 0
    gives an infinity, two that cannot be compared nan.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        signed = np.where(side == 1, 0.5, -0.5) * np.log(times)
        return np.asarray(signed.sum(axis=1), np.float64)


def medians(differences: FloatArray, starts: NDArray[np.int64]) -> FloatArray:
    """v_k: the median of the differences `starts[k]:starts[k + 1]` of each pair."""
    counts = np.diff(starts)
    if len(counts) and (counts == counts[0]).all():
        return np.asarray(np.median(differences.reshape(len(counts), counts[0]), axis=1))
    parts = np.split(differences, starts[1:-1])
    return np.array([np.median(part) for part in parts[: len(counts)]], np.float64)


def pair_values(samples: Samples, clock: str) -> FloatArray:
    """v_k of each pair, by the clock "wall" or "cpu".

    A pair whose value is not finite (a clock that did not advance) is left out.
    """
    times = samples.wall_ns if clock == "wall" else samples.cpu_ns
    with np.errstate(invalid="ignore"):
        values = medians(block_differences(samples.side, times), samples.starts)
    return values[np.isfinite(values)]


def record_values(records: Iterable[PairRecord], clock: str) -> FloatArray:
    """`pair_values` of records as the driver has them, before there is a raw file."""
    values = []
    for record in records:
        order = np.lexsort((record.position, record.block))
        side = np.asarray(record.side, np.int8)[order].reshape(-1, 4)
        wall, cpu = (
            np.asarray(times, np.float64)[order].reshape(-1, 4)
            for times in (record.wall_ns, record.cpu_ns)
        )
        samples = Samples(np.array([0, len(order) // 4]), side, wall, cpu)
        values.append(pair_values(samples, clock))
    return np.concatenate([np.empty(0), *values])


@lru_cache(maxsize=4096)
def t_quantile(probability: float, df: float) -> float:
    """The quantile of Student's t with `df` degrees of freedom."""
    from scipy.special import stdtrit  # slow to load, and only here

    return float(stdtrit(df, probability))


def trimmed_mean(values: FloatArray) -> FloatArray:
    """The mean of the last axis without the least and the greatest fifth (rounded down)."""
    cut = math.floor(TRIM * values.shape[-1])
    middle = np.sort(values, axis=-1)[..., cut : values.shape[-1] - cut]
    return np.asarray(middle.mean(axis=-1), np.float64)


def yuen(values: Iterable[float], alpha: float) -> Estimate:
    """The trimmed mean of v_k and its interval with one-sided error `alpha` at each end.

    Yuen (1974). With K values sorted, g = floor(0.2 K) and h = K - 2 g: m is the mean of the middle
    h; winsorised, the g least become the (g+1)-th and the g greatest the (K-g)-th. The trimmed mean
    is to first order the mean of the winsorised influence, so its variance is the winsorised sum of
    squares (K - 1) s_w^2, freed of its bias, over h: SE = sqrt((K - 1) s_w^2 / (h (h - 1))), with
    Student's t of h - 1 degrees of freedom. For g = 0 this is the ordinary t interval.

    The true value lies above `high` with probability alpha, and below `low` likewise. `low` > 0
    happens with probability POWER at the true value (t_{1-alpha,h-1} + z_POWER) SE: the minimum
    detectable effect.
    """
    v = np.sort(np.asarray(tuple(values), np.float64))
    count = len(v)
    if count == 0:
        return Estimate((), math.nan, math.inf, 0, -math.inf, math.inf, math.inf)
    cut = math.floor(TRIM * count)
    h = count - 2 * cut
    m = float(trimmed_mean(v))
    if h < 2:
        return Estimate(tuple(v.tolist()), m, math.inf, 0, -math.inf, math.inf, math.inf)
    winsorised = np.clip(v, v[cut], v[count - 1 - cut])
    squares = float(((winsorised - winsorised.mean()) ** 2).sum())
    se = math.sqrt(squares / (h * (h - 1)))
    t = t_quantile(1 - alpha, h - 1)
    mde = (t + NormalDist().inv_cdf(POWER)) * se
    return Estimate(tuple(v.tolist()), m, se, h - 1, m - t * se, m + t * se, mde)
