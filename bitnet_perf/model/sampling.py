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
from typing import TYPE_CHECKING

from bitnet_perf import _native
from bitnet_perf.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Sampling", "generator", "sample"]

MOST = 2**31  # tokens: a top_k beyond it is all


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


def sample(
    logits: NDArray[np.float32],
    options: Sampling,
    history: Sequence[int],
    rng: np.random.Generator,
    *,
    isa: str | None = None,
    threads: int = 1,
) -> int:
    """The id chosen from float32 `logits` [vocab] after the ids of `history`; greedy takes the
    lowest id of equals. `isa` forces an instruction set in every kernel that has it.

    Raises ShapeError where `logits` is no row of float32, ConfigError where it holds NaN or an
    infinity, or `history` an id outside it; IsaError for an `isa` that cannot run here.
    """
    number = rng.random() if options.temperature > 0 else 0.0
    return _native.sample(
        logits, history, number, options.temperature, min(options.top_k, MOST),
        options.top_p, options.min_p, options.repetition_penalty, isa or "", threads,
    )  # fmt: skip
