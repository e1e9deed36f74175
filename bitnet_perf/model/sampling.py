"""The next token from a row of logits.

Always in this order, which is that of Transformers: repetition penalty, temperature, top-k, top-p,
min-p, draw. Each filter sees what the ones before it left, and at least one token always stays. The
draw is one number of a PCG64 generator, so the same seed and logits give the same ids; greedy draws
none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias

from bitnet_perf.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Places: TypeAlias = NDArray[np.intp]

__all__ = ["Sampling", "generator", "min_p", "penalize", "sample", "top_k", "top_p"]

LARGEST = 1e300  # what a penalty may make of a logit: differences stay finite


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen; the defaults are greedy. Raises ConfigError naming the option."""

    temperature: float = 0.0  # logits are divided by it; 0: the most probable token, no draw
    top_k: int = 0  # the k most probable tokens; 0: all
    top_p: float = 1.0  # the fewest tokens that together reach this probability; 1: all
    min_p: float = 0.0  # tokens of at least this share of the best one's probability; 0: all
    repetition_penalty: float = 1.0  # of tokens already there: positive logits / it, others * it
    seed: int | None = None  # None: another sequence each time

    def __post_init__(self) -> None:
        self._check("temperature", float, lambda value: value >= 0, "0 (greedy) or more")
        self._check("top_k", int, lambda value: value >= 0, "0 (all) or more")
        self._check("top_p", float, lambda value: 0 < value <= 1, "above 0, at most 1 (all)")
        self._check("min_p", float, lambda value: 0 <= value <= 1, "0 (all) to 1")
        self._check("repetition_penalty", float, lambda value: value > 0, "above 0; 1 is none")
        if self.seed is not None:
            self._check("seed", int, lambda value: value >= 0, "0 or more, or None")

    def _check(self, name: str, kind: type, right: Callable[[float], bool], accepted: str) -> None:
        value = getattr(self, name)
        if type(value) not in {kind, int} or not isfinite(value) or not right(value):
            raise ConfigError(f"{name}: {value!r}; accepted is {kind.__name__}, {accepted}")


def generator(options: Sampling) -> np.random.Generator:
    """The generator that `options.seed` starts."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(options.seed))


def penalize(values: Floats, history: Sequence[int], penalty: float) -> Floats:
    """`values` with those of the tokens of `history`, each once however often it is there, divided
    by `penalty` where positive and multiplied by it elsewhere (Keskar et al. 2019, as llama.cpp and
    Transformers do). Raises ConfigError for ids outside `values`."""
    import numpy as np

    seen = np.unique(np.asarray(history, dtype=np.int64))
    if seen.size and not 0 <= seen[0] <= seen[-1] < values.size:
        raise ConfigError(f"history: ids {seen[0]} to {seen[-1]}, the logits have {values.size}")
    result, before = values.copy(), values[seen]
    with np.errstate(over="ignore"):
        after = np.where(before > 0, before / penalty, before * penalty)
    result[seen] = np.clip(after, -LARGEST, LARGEST)
    return result


def top_k(values: Floats, k: int) -> Places:
    """Places, ascending, of the `k` largest; of equal ones the first. `k` 0: all."""
    import numpy as np

    if not 0 < k < values.size:
        return np.arange(values.size)
    least = np.partition(values, values.size - k)[values.size - k]
    above = np.flatnonzero(values > least)
    equal = np.flatnonzero(values == least)[: k - above.size]
    return np.sort(np.concatenate([above, equal]))


def top_p(values: Floats, p: float) -> Places:
    """Places, ascending, of the fewest largest whose probabilities reach `p`; of equal ones the
    first. `p` 1: all."""
    import numpy as np

    if p >= 1:
        return np.arange(values.size)
    shares = _probabilities(values)
    count = 256
    while True:  # the largest ones, more of them until they reach p
        count = min(8 * count, values.size)
        least = np.partition(values, values.size - count)[values.size - count]
        places = np.flatnonzero(values >= least)
        order = places[np.argsort(-values[places], kind="stable")]
        reached = np.cumsum(shares[order])
        if reached[-1] >= p or order.size == values.size:
            break
    kept = int(np.searchsorted(reached, p, side="left")) + 1
    return np.sort(order[:kept])


def min_p(values: Floats, p: float) -> Places:
    """Places, ascending, of those at least `p` times as probable as the largest. `p` 0: all."""
    import numpy as np

    if p <= 0:
        return np.arange(values.size)
    return np.flatnonzero(values >= values.max() + np.log(p))


def _probabilities(values: Floats) -> Floats:
    import numpy as np

    powers = np.exp(values - values.max())
    shares: Floats = powers / powers.sum()
    return shares


def sample(
    logits: NDArray[np.float32],
    options: Sampling,
    history: Sequence[int],
    rng: np.random.Generator,
) -> int:
    """The id chosen from float32 `logits` [vocab] after the ids of `history`; greedy takes the
    lowest id of equals.

    Raises ShapeError where `logits` is no row of float32, ConfigError where it holds NaN or an
    infinity, or `history` an id outside it.
    """
    import numpy as np

    row: Any = logits
    if not isinstance(row, np.ndarray) or row.dtype != np.float32 or row.ndim != 1 or not row.size:
        found = f"{getattr(row, 'dtype', type(row).__name__)} {np.shape(row)}"
        raise ShapeError(f"logits: {found}; accepted is a row of float32, one or more")
    if not (isfinite(logits.max()) and isfinite(logits.min())):
        place = int(np.flatnonzero(~np.isfinite(logits))[0])
        raise ConfigError(f"logits: entry {place} is {logits[place]}; all must be finite")
    if options.temperature == 0 and options.repetition_penalty == 1:
        return int(np.argmax(logits))  # no copy: a greedy step takes no memory
    values = logits.astype(np.float64)
    if options.repetition_penalty != 1:
        values = penalize(values, history, options.repetition_penalty)
    if options.temperature == 0:
        return int(np.argmax(values))
    with np.errstate(over="ignore"):  # a tiny temperature: all but the largest become impossible
        values = (values - values.max()) / options.temperature
    ids = top_k(values, options.top_k)
    values = values[ids]
    kept = top_p(values, options.top_p)
    ids, values = ids[kept], values[kept]
    kept = min_p(values, options.min_p)
    ids, values = ids[kept], values[kept]
    reached = np.cumsum(_probabilities(values))
    place = int(np.searchsorted(reached, rng.random() * reached[-1], side="right"))
    return int(ids[min(place, ids.size - 1)])
