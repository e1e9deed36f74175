"""How much work a seed has to repeat on this host so that its case costs what was drawn."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from acceptance.scratch import make_change
from acceptance.seeds import Seed

from bitnet_perf.bench.paired.sides import Side
from bitnet_perf.review.compare import compare

__all__ = ["Dose", "calibrate", "draw"]

PAIRS = 12


@dataclass(frozen=True)
class Dose:
    """cost: what was drawn. parts: of 10,000, for each commit."""

    cost: float
    parts: tuple[int, ...]


def calibrate(folder: Path, seed: Seed) -> float:
    """What the case of `seed` costs more for each part of 10,000: the trial dose, compared."""
    trial = make_change(folder, seed, "trial", [seed.trial] * len(seed.commits), harmless=False)
    sides = (Side.revision(each, repository=folder) for each in (trial.base, trial.head))
    found = compare(*sides, seed.cases[:1], pairs=PAIRS, canaries=False, counts="off")
    row = found.rows()[0]
    if row.slowdown is None or row.low is None or row.low <= 0:
        raise RuntimeError(f"{seed.name}: the trial dose does not show: {row.reason}")
    return row.slowdown / (seed.trial * len(seed.commits))


def draw(seed: Seed, number: int, turn: int, slope: float) -> Dose:
    """The cost of one run out of the range of `seed`, and its dose. The same numbers give the
    same."""
    if seed.cost is None:
        return Dose(0.0, (seed.trial,) * len(seed.commits))
    cost = random.Random(f"{number} {seed.name} {turn}").uniform(*seed.cost)
    each = max(1, round(cost / slope / len(seed.commits)))
    return Dose(cost, (each,) * len(seed.commits))
