"""What a tuning run found, and the choice that follows: pure functions over times in turns.

A round times every candidate once forward and once backward, so the log of a ratio within a round
holds no drift. The rounds of one set share its processes, hence a difference counts only where
every set shows it: the interval of the median over all rounds leaves out 0, and the median of each
set lies on the same side.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "LEAST",
    "SPENT",
    "Candidate",
    "Choice",
    "Effect",
    "Says",
    "Tuning",
    "best",
    "effect",
    "threshold",
]

ERROR = 0.01  # that the interval of a median misses it
SPENT = "not measured: the time is spent"  # why a choice is what it was
LEAST = 0.01  # a smaller difference is no reason to leave a default

Says = Literal["faster", "slower", "no difference"]
Value = int | str
Sets = Sequence[Sequence[float]]  # seconds by set of processes and round


@dataclass(frozen=True, slots=True)
class Effect:
    """How much longer a candidate takes than the default: 0.05 is 5 %, below 0 it is faster."""

    change: float
    low: float
    high: float
    says: Says


def effect(default: Sets, candidate: Sets) -> Effect:
    """The median change over the rounds that both have, and what is decided."""
    pairs = [
        [math.log(c / d) for d, c in zip(before, after, strict=False)]
        for before, after in zip(default, candidate, strict=True)
    ]
    whole = sorted(value for each in pairs for value in each)
    low, high = _interval(whole)
    middle = statistics.median(whole)
    signs = {statistics.median(each) > 0 for each in pairs}
    says: Says = "no difference"
    if len(signs) == 1 and (low > 0 or high < 0) and abs(middle) >= math.log1p(LEAST):
        says = "slower" if middle > 0 else "faster"
    return Effect(math.expm1(middle), math.expm1(low), math.expm1(high), says)


def _interval(ordered: Sequence[float]) -> tuple[float, float]:
    """Order statistics that enclose the median, but for ERROR; all of them where these are few."""
    from scipy.stats import binom

    count = len(ordered)
    rank = max(0, int(binom.ppf(ERROR / 2, count, 0.5)) - 1)
    return ordered[rank], ordered[count - 1 - rank]


def best(effects: Mapping[Value, Sequence[Effect]], default: Value) -> tuple[Value, str]:
    """The candidate to choose, and why. `effects`: of each but the default, one for each part of
    the work: it must be faster in one part and slower in none."""
    better = {
        value: sum(math.log1p(each.change) for each in parts if each.says == "faster")
        for value, parts in effects.items()
        if any(each.says == "faster" for each in parts)
        and not any(each.says == "slower" for each in parts)
    }
    if better:
        value = min(better, key=lambda each: better[each])
        return value, f"{100 * -math.expm1(better[value]):.1f} % less time than {default}"
    if effects and all(any(e.says == "slower" for e in parts) for parts in effects.values()):
        return default, "the others are slower"
    return default, "no difference seen" if effects else "nothing else runs here"


def threshold(points: Mapping[int, Effect], default: int, most: int) -> tuple[int, str]:
    """From how many tokens on the second way is taken. `points`: by tokens, the second way against
    the first; what is not decided counts as no difference, and of equals the nearest to `default`
    is taken."""

    def cost(least: int) -> float:
        return sum(
            math.log1p(each.change)
            for tokens, each in points.items()
            if tokens >= least and each.says != "no difference"
        )

    choices = sorted({*points, default, most}, key=lambda least: abs(least - default))
    chosen = min(choices, key=cost)
    if chosen == default:
        return default, "no better crossover seen"
    gain = 1 - math.exp((cost(chosen) - cost(default)) / len(points))
    return chosen, f"{100 * gain:.1f} % less time on average over the sizes measured"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Candidate(_Record):
    """A row of the table: one candidate of a tunable in one part of the work. seconds: the median;
    None where it could not be measured, which `says` tells. change, low, high: against the default,
    None for the default itself. rate: what it reads or does a second, in `unit`."""

    tunable: str = Field(max_length=100)
    candidate: str = Field(max_length=100)
    part: str = Field(max_length=100)
    seconds: float | None = Field(default=None, gt=0)
    change: float | None = None
    low: float | None = None
    high: float | None = None
    rate: float | None = Field(default=None, gt=0)
    unit: str = Field(default="", max_length=20)
    says: str = Field(max_length=300)


class Choice(_Record):
    """What is taken for a tunable, and why."""

    tunable: str = Field(max_length=100)
    value: Value
    default: Value
    why: str = Field(max_length=300)


class Tuning(_Record):
    """A tuning run. `host`: the key of its fingerprint; `build`: what else a repeat depends on.
    `subject`: whose layers were measured. Later fields are read by this version alone."""

    version: Literal[1] = 1
    host: str = Field(max_length=100)
    build: str = Field(max_length=300)
    subject: str = Field(max_length=300)
    date: str = Field(max_length=40)
    seconds: float = Field(ge=0)
    candidates: tuple[Candidate, ...] = Field(max_length=1000)
    choices: tuple[Choice, ...] = Field(max_length=100)

    @property
    def values(self) -> dict[str, Value]:
        """The choices that leave their default."""
        return {each.tunable: each.value for each in self.choices if each.value != each.default}

    @property
    def unmeasured(self) -> frozenset[str]:
        """The tunables that the time did not reach."""
        return frozenset(each.tunable for each in self.choices if each.why == SPENT)
