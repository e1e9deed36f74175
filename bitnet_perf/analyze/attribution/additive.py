"""Trimmed means of the parts of a sum that add up to the trimmed mean of the sum.

The interval of Yuen (`analyze.paired.estimate`) trims a total by its own order. Parts trimmed by
orders of their own would not add up, so all parts follow the order of the total: what is left out
of one is left out of all. For the total itself nothing differs from Yuen.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.analyze.paired.estimate import TRIM, t_quantile

__all__ = ["means_by_pair", "trimmed_parts"]

AWAY = 0.01  # of the time that a sample ran
LEAST = 3  # samples of a side

FloatArray = NDArray[np.float64]


def trimmed_parts(
    parts: FloatArray, total: FloatArray, alpha: float
) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """Means, half widths, and the pairs that were kept.

    parts: [K, n], a row for each pair; total: [K], the order. Of K pairs g = floor(0.2 K) with the
    least and g with the greatest total are left out, h = K - 2g stay. A mean is that of the h rows.
    Its half width is t_{1-alpha,h-1} sqrt(S / (h (h - 1))), S the sum of squares about the mean
    after the rows left out took the values of the row next to them that stayed. For a part that
    follows the total this is Yuen's; one that is independent of it is a mean of h values, and S / h
    is then too large by a fifth to a half, never too small. Infinite below two rows.
    """
    count = len(total)
    cut = math.floor(TRIM * count)
    order = np.argsort(total, kind="stable")
    kept = order[cut : count - cut]
    means = parts[kept].mean(axis=0)
    h = count - 2 * cut
    if h < 2:
        return means, np.full(parts.shape[1], np.inf), kept
    taken = order.copy()
    taken[:cut], taken[count - cut :] = order[cut], order[count - 1 - cut]
    replaced = parts[taken]
    squares = ((replaced - replaced.mean(axis=0)) ** 2).sum(axis=0)
    half = t_quantile(1 - alpha, h - 1) * np.sqrt(squares / (h * (h - 1)))
    return means, np.asarray(half, np.float64), kept


def means_by_pair(
    side: NDArray[Any], parts: FloatArray, away: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(base, candidate - base) of the parts in one pair: of each side the mean of the samples that
    nothing interrupted.

    side: [samples] of 0 base, 1 candidate; parts: [samples, n]; away: [samples], how long the
    process did not run during one, in the unit of the parts. An interruption falls into one part by
    chance, and on a loaded host most samples of some milliseconds have one. So the samples stay
    that were away for at most AWAY of the time they ran longer than the one that was least; all of
    them where these are fewer than LEAST. And of those that stay the middle half by their sum,
    because not all that disturbs is seen as time away.
    """
    means = []
    for each in (0, 1):
        mine = np.flatnonzero(side == each)
        sums = parts[mine].sum(axis=1)
        order = np.argsort(away[mine], kind="stable")
        ran = sums - away[mine]
        clean = int((away[mine] <= away[mine].min() + AWAY * ran).sum())
        stay = order[:clean] if clean >= LEAST else order
        stay = stay[np.argsort(sums[stay], kind="stable")]
        cut = (len(stay) + 1) // 4 if len(stay) > 2 else 0
        means.append(parts[mine[stay[cut : len(stay) - cut]]].mean(axis=0))
    return means[0], means[1] - means[0]
