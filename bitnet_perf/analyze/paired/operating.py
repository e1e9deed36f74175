"""How often the rules are right: trials drawn from recorded pairs, their rates, and the goals.

A trial is a whole comparison: fresh pairs for each look are drawn with replacement from the pairs
that were recorded for one slowdown in one environment, and `decide` judges them. Its bounds
(Clopper-Pearson) hold for these recorded pairs: another hour of the host would have given others,
and pairs drawn at random know no correlation in time, which `lag1` tells beside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.analyze.paired.estimate import yuen
from bitnet_perf.analyze.paired.rules import Class, Rules
from bitnet_perf.analyze.paired.verdict import ALARMS, Decision, decide

__all__ = ["Cell", "Goal", "Rate", "cell_of", "draw_trials", "goals", "lag1", "rate"]

CONFIDENCE = 0.95
NEAR = 0.015  # an estimate this near to the true slowdown is right
Source = Literal["extra work", "scaled", "live"]


@dataclass(frozen=True, slots=True)
class Rate:
    """A part of trials with its two-sided Clopper-Pearson bounds."""

    count: int
    trials: int
    low: float
    high: float

    @property
    def part(self) -> float:
        """count / trials."""
        return self.count / self.trials


def rate(count: int, trials: int) -> Rate:
    """Clopper and Pearson (1934): the bounds are quantiles of beta distributions, so that each
    tail has at most half of 1 - CONFIDENCE whatever the true rate is."""
    from scipy.special import betaincinv

    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(count, trials - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, trials - count, 1 - tail)) if count < trials else 1.0
    return Rate(count, trials, low, high)


@dataclass(frozen=True, slots=True)
class Cell:
    """One case with one true slowdown in one environment.

    passed (pass or improved), alarmed (concern or action), unknown (inconclusive), slower (lower
    bound above 0 at the last look taken), near (estimate within 1.5 points): rates of trials.
    first_look: part of trials that the first look settled. pairs: recorded; lag1: correlation of
    one pair with the next; seconds: of one trial, mean; pair_seconds: of one fresh pair, median;
    mean: slowdown that all pairs show; load: of the host while they were recorded, median.
    """

    environment: str
    case: str
    slowdown: float
    source: Source
    passed: Rate
    alarmed: Rate
    unknown: Rate
    slower: Rate
    near: Rate
    first_look: float
    pairs: int
    lag1: float
    seconds: float
    pair_seconds: float
    mean: float
    load: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def lag1(values: Sequence[float]) -> float:
    """Correlation of each value with the next one; nan below three values or without spread."""
    x = np.asarray(values) - np.mean(values)
    total = float((x * x).sum())
    return float((x[1:] * x[:-1]).sum()) / total if len(x) > 2 and total > 0 else math.nan


def draw_trials(
    values: NDArray[np.float64], rules: Rules, class_: Class, *, trials: int, seed: int
) -> list[tuple[Decision, int]]:
    """Decisions of `trials` whole comparisons on pairs drawn from `values`, and pairs used."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(trials):
        looks, used = [], 0
        for size in rules.looks:
            looks.append(yuen(generator.choice(values, size), rules.alpha_look))
            used += size
            decision = decide(looks, rules, class_, last=len(looks) == len(rules.looks))
            if decision.settled:
                break
        found.append((decision, used))
    return found


def cell_of(
    where: tuple[str, str, float, Source],
    decisions: Sequence[tuple[Decision, int]],
    values: Sequence[float],
    pair_seconds: float,
    *,
    seconds: float | None = None,
    load: float = math.nan,
) -> Cell:
    """The rates of some trials. `where`: environment, case, true slowdown, source. `seconds` is the
    mean of whole trials where those were timed, else what their pairs take is used."""
    count = len(decisions)
    verdicts = [decision.verdict for decision, _ in decisions]
    estimates = [d.estimate for d, _ in decisions if d.estimate is not None]
    slower = sum(e.low > 0 for e in estimates)
    near = sum(abs(e.slowdown - where[2]) <= NEAR for e in estimates)
    used = float(np.mean([pairs for _, pairs in decisions]))
    return Cell(
        *where,
        passed=rate(sum(v in ("pass", "improved") for v in verdicts), count),
        alarmed=rate(sum(v in ALARMS for v in verdicts), count),
        unknown=rate(verdicts.count("inconclusive"), count),
        slower=rate(slower, count),
        near=rate(near, count),
        first_look=sum(d.look == 0 for d, _ in decisions) / count,
        pairs=len(values),
        lag1=lag1(values),
        seconds=used * pair_seconds if seconds is None else seconds,
        pair_seconds=pair_seconds,
        mean=math.expm1(yuen(values, 0.01 / 3).m),
        load=load,
    )


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal, the worst cell for it, and whether it was met; None where no cell shows it.

    bounded: whether the Clopper-Pearson bound of the worst cell meets the goal as well. source: of
    that cell.
    """

    text: str
    met: bool | None
    worst: str
    bounded: bool = False
    source: Source | None = None

    @property
    def word(self) -> str:
        """`met`, `MISSED`, `not shown`, or `not excluded`: a few live trials show no more."""
        if self.met is None:
            return "not shown"
        if not self.met:
            return "MISSED"
        return "not excluded" if self.source == "live" and not self.bounded else "met"


# (slowdown, rate, at least or at most, bound): what a comparison on this host shall reach.
_GOALS = (
    (0.0, "passed", ">=", 0.99),
    (0.0, "alarmed", "<=", 0.001),
    (0.03, "passed", ">=", 0.95),
    (0.05, "passed", "<=", 0.01),
    (0.05, "slower", ">=", 0.99),
    (0.10, "passed", "<=", 0.001),
    (0.10, "near", ">=", 0.95),
    (0.0, "unknown", "<=", 0.05),
    (0.03, "unknown", "<=", 0.05),
    (0.07, "unknown", "<=", 0.05),
)
_WORDS = {
    "passed": "passes",
    "alarmed": "is a concern or action",
    "slower": "is shown slower",
    "near": "is estimated within 1.5 points",
    "unknown": "is inconclusive",
}
LEAST_POOL = 68  # pairs of a trial that takes every look: fewer are no pool to draw it from
QUIET = 2.0  # load up to which seconds are goals
_SECONDS = (("a fresh pair", 1, 0.35), ("a case, first look", 8, 5.0), ("a case, worst", 68, 30.0))


def goals(cells: Iterable[Cell]) -> tuple[Goal, ...]:
    """Every goal against the worst cell; scaled cells count for none, nor do rates drawn from less
    than LEAST_POOL pairs, which would repeat pairs within one trial and share their chance.

    A drawn cell misses a goal by its rate. Whole live trials are few, one that goes wrong by chance
    is no rate: their cell misses a goal where its bounds exclude it.
    """
    counted = [cell for cell in cells if cell.source != "scaled"]
    whole = [cell for cell in counted if cell.source == "live" or cell.pairs >= LEAST_POOL]
    rates = [_goal(whole, *row) for row in _GOALS]
    return (*rates, *(_seconds_goal(counted, *row) for row in _SECONDS))


def _goal(cells: Sequence[Cell], slowdown: float, name: str, sense: str, bound: float) -> Goal:
    text = f"+{100 * slowdown:g} % {_WORDS[name]} {sense} {100 * bound:g} %"
    sign = 1 if sense == ">=" else -1

    def margin(cell: Cell) -> float:
        """How far on the right side of the bound the cell is."""
        found: Rate = getattr(cell, name)
        farthest = found.high if sign > 0 else found.low
        return sign * ((farthest if cell.source == "live" else found.part) - bound)

    mine = [cell for cell in cells if cell.slowdown == slowdown]
    if not mine:
        return Goal(text, None, "not shown")
    worst = min(mine, key=margin)
    found: Rate = getattr(worst, name)
    nearest = found.low if sign > 0 else found.high
    return Goal(
        text,
        margin(worst) >= 0,
        f"{100 * found.part:.2f} % ({100 * found.low:.2f} to {100 * found.high:.2f} %) in "
        f"{worst.environment}, {worst.case}, {worst.source}",
        sign * (nearest - bound) >= 0,
        worst.source,
    )


def _seconds_goal(cells: Sequence[Cell], what: str, pairs: int, limit: float) -> Goal:
    """Seconds of so many pairs, at a load of QUIET or less."""
    text = f"{what} ({pairs} pair{'s' * (pairs > 1)}) takes <= {limit:g} s at load <= {QUIET:g}"
    mine = [cell for cell in cells if cell.load <= QUIET]
    if not mine:
        return Goal(text, None, "not shown")
    worst = max(mine, key=lambda cell: cell.pair_seconds)
    seconds = pairs * worst.pair_seconds
    return Goal(text, seconds <= limit, f"{seconds:.2f} s in {worst.environment}, {worst.case}")
