"""Memory by stage on both sides, and memory that is not given back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.analyze.attribution.tree import ALPHA, finite, place_of
from bitnet_perf.analyze.paired.estimate import yuen
from bitnet_perf.bench.paired.profiles import CaseProfile, PairProfile
from bitnet_perf.stages.table import STAGES

__all__ = ["Growth", "MemoryRow", "growths", "memory_rows"]

What = Literal["resident bytes", "malloc bytes", "Python objects"]
# What is held, in the order of the file; and growth of one iteration that is none.
KINDS: tuple[tuple[What, float], ...] = (
    ("resident bytes", 256.0),
    ("malloc bytes", 16.0),
    ("Python objects", 0.5),
)
PART = 0.1  # of what the base keeps, below which growth is none


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """One stage in one case, (base, candidate): native allocations and their bytes of one iteration
    in its spans; peak: resident bytes at their most while the case ran, of all its stages
    together, None where the host does not say. change, low, high: of the peak, with a 95 %
    interval; None where it is not known."""

    case: str
    stage: str
    allocations: tuple[float, float]
    allocated: tuple[float, float]
    peak: tuple[float, float] | None
    change: float | None
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return finite(asdict(self))


@dataclass(frozen=True, slots=True)
class Growth:
    """What one iteration of a case takes and does not give back, after garbage was collected.

    base, candidate: means over the pairs; change, low, high: what the candidate keeps more, with an
    interval, 95 % for all growths together. `leaks`: that is sure, and more than the least that
    tells and than a tenth of what the base keeps; a case on which the base leaks as much does not.
    path: stage, operation, kernel whose native allocations grew most in bytes, else the operation
    that the case is.
    """

    case: str
    what: What
    base: float
    candidate: float
    change: float
    low: float
    high: float
    leaks: bool
    path: tuple[str, str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return finite(asdict(self))


def memory_rows(profiles: Iterable[CaseProfile]) -> tuple[MemoryRow, ...]:
    """One row for each stage in each case that was recorded, in their order."""
    found = []
    for profile in profiles:
        if not profile.pairs:
            continue
        seen = any("/" not in name for stack in profile.stacks for name in stack)
        stages = [place_of(stack, profile.case, seen)[0] for stack in profile.stacks]
        peaks = np.array([pair.peak for pair in profile.pairs], np.float64)
        known = bool((peaks >= 0).all())
        change = yuen((peaks[:, 1] - peaks[:, 0]).tolist(), ALPHA) if known else None
        for stage in dict.fromkeys((*STAGES.values(), *stages)):
            if stage not in stages:
                continue
            mine = [n for n, each in enumerate(stages) if each == stage]
            base, candidate = (_counts(profile.pairs, side, mine) for side in (0, 1))
            found.append(
                MemoryRow(
                    profile.case,
                    stage,
                    (float(base[0]), float(candidate[0])),
                    (float(base[1]), float(candidate[1])),
                    (float(peaks[:, 0].mean()), float(peaks[:, 1].mean())) if known else None,
                    *((change.m, change.low, change.high) if change else (None, None, None)),
                )
            )
    return tuple(found)


def _counts(pairs: Sequence[PairProfile], side: int, stacks: Sequence[int]) -> NDArray[np.float64]:
    """Allocations and their bytes of one iteration in these stacks, as mean over the pairs."""
    rows = [
        [sum(ask(pair.counts[side][n]) for n in stacks) for ask in _ALLOCATIONS] for pair in pairs
    ]
    return np.asarray(np.mean(rows, axis=0))


_ALLOCATIONS: tuple[Callable[[Any], float], ...] = (
    lambda counts: float(counts.allocations),
    lambda counts: float(counts.allocated),
)


def growths(profiles: Iterable[CaseProfile]) -> tuple[Growth, ...]:
    """What every case keeps of one iteration, by kind of memory; leaks first, then by case. The
    intervals hold for all of them together: of some dozens a few would leave out 0 by chance."""
    found = []
    measured = [profile for profile in profiles if profile.pairs]
    alpha = ALPHA / (len(measured) * len(KINDS) or 1)
    for profile in measured:
        kept = np.array([_kept(pair, profile.iterations) for pair in profile.pairs])
        path = _allocates_more(profile)
        for n, (what, least) in enumerate(KINDS):
            values = kept[:, :, n]
            change = yuen((values[:, 1] - values[:, 0]).tolist(), alpha)
            found.append(
                Growth(
                    profile.case,
                    what,
                    float(values[:, 0].mean()),
                    float(values[:, 1].mean()),
                    change.m,
                    change.low,
                    change.high,
                    change.low > 0 and change.m > max(least, PART * values[:, 0].mean()),
                    path,
                )
            )
    return tuple(sorted(found, key=lambda row: not row.leaks))


def _allocates_more(profile: CaseProfile) -> tuple[str, str, str]:
    """The place whose native allocations grew most in bytes."""
    more = [
        sum(pair.counts[1][n].allocated - pair.counts[0][n].allocated for pair in profile.pairs)
        for n in range(len(profile.stacks))
    ]
    most = max(range(len(more)), key=lambda n: more[n])
    seen = any("/" not in name for stack in profile.stacks for name in stack)
    return place_of(profile.stacks[most] if more[most] > 0 else (), profile.case, seen)


def _kept(pair: PairProfile, iterations: int) -> NDArray[np.float64]:
    """[side, kind]: what one iteration keeps, as mean over the samples of a pair but the first of
    each side, which fills what is made once."""
    side = np.frombuffer(pair.pattern.encode(), np.uint8) - ord("A")
    grown = np.asarray(pair.grown, np.float64)
    return np.array([grown[side == each][1:].mean(axis=0) / iterations for each in (0, 1)])
