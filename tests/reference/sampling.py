"""The choice of a token in NumPy float64, written from the definitions of its steps: repetition
penalty, temperature, top-k, top-p, min-p, draw. Each filter sees what the ones before it left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]

LARGEST = 1e300  # what a penalty may make of a logit: differences stay finite


def penalize(values: Floats, history: Sequence[int], penalty: float) -> Floats:
    """`values` with those of the tokens of `history`, each once however often it is there, divided
    by `penalty` where positive and multiplied by it elsewhere (Keskar et al. 2019, as llama.cpp and
    Transformers do)."""
    seen = np.unique(np.asarray(history, dtype=np.int64))
    result, before = values.copy(), values[seen]
    with np.errstate(over="ignore"):
        after = np.where(before > 0, before / penalty, before * penalty)
    result[seen] = np.clip(after, -LARGEST, LARGEST)
    return result


def top_k(values: Floats, k: int) -> Places:
    """Places, ascending, of the `k` largest; of equal ones the first. `k` 0: all."""
    if not 0 < k < values.size:
        return np.arange(values.size)
    least = np.partition(values, values.size - k)[values.size - k]
    above = np.flatnonzero(values > least)
    equal = np.flatnonzero(values == least)[: k - above.size]
    return np.sort(np.concatenate([above, equal]))


def top_p(values: Floats, p: float) -> Places:
    """Places, ascending, of the fewest largest whose probabilities reach `p`; of equal ones the
    first. `p` 1: all."""
    if p >= 1:
        return np.arange(values.size)
    order = np.argsort(-values, kind="stable")
    reached = np.cumsum(_probabilities(values[order]))
    count = int(np.searchsorted(reached, p, side="left")) + 1
    return np.sort(order[:count])


def min_p(values: Floats, p: float) -> Places:
    """Places, ascending, of those at least `p` times as probable as the largest. `p` 0: all."""
    if p <= 0:
        return np.arange(values.size)
    return np.flatnonzero(values >= values.max() + np.log(p))


def _probabilities(values: Floats) -> Floats:
    powers = np.exp(values - values.max())
    shares: Floats = powers / powers.sum()
    return shares


class Options(Protocol):
    """What a choice depends on; temperature 0 is greedy, 0 and 1 are filters that are off."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float


def kept(
    logits: NDArray[np.float32], options: Options, history: Sequence[int]
) -> tuple[Places, Floats]:
    """The ids that the filters keep, ascending, and what their probabilities sum to so far."""
    values = logits.astype(np.float64)
    if options.repetition_penalty != 1:
        values = penalize(values, history, options.repetition_penalty)
    if options.temperature == 0:
        return np.array([np.argmax(values)]), np.ones(1)
    with np.errstate(over="ignore"):  # a tiny temperature: all but the largest become impossible
        values = (values - values.max()) / options.temperature
    ids = top_k(values, options.top_k)
    ids = ids[top_p(values[ids], options.top_p)]
    ids = ids[min_p(values[ids], options.min_p)]
    return ids, np.cumsum(_probabilities(values[ids]))


def choose(
    logits: NDArray[np.float32], options: Options, history: Sequence[int], number: float
) -> int:
    """The id in whose part of the probabilities `number`, 0 to 1, lies."""
    ids, reached = kept(logits, options, history)
    place = int(np.searchsorted(reached, number * reached[-1], side="right"))
    return int(ids[min(place, ids.size - 1)])
