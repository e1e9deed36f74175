"""Where a finding goes next: one table, the first row that holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bitnet_perf.analyze.paired.comparison import Row

__all__ = ["ROUTES", "Route", "Situation", "route", "situation_of"]


@dataclass(frozen=True)
class Situation:
    """What routing looks at.

    measured_cases: timed, or found identical. over: cases over their budget; quantization: all of
    those are cases of quantization. localized: the kernel that holds the change, and its share.
    unknown: core cases that are inconclusive, and cases of which a side failed. slower: cases
    within budget, measurably slower.
    """

    measured_cases: int
    has_baseline: bool
    over: tuple[str, ...] = ()
    quantization: bool = False
    localized: tuple[str, float] | None = None
    unknown: tuple[str, ...] = ()
    slower: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    """A row of the table: when it holds, the verdict, who acts next, and the rule in words."""

    holds: Callable[[Situation], object]
    verdict: str
    agent: str
    rule: str


ROUTES = (
    Route(
        lambda s: s.measured_cases == 0 and not s.unknown,
        "skipped",
        "none",
        "nothing was measured",
    ),
    Route(
        lambda s: not s.has_baseline,
        "baseline establishment needed",
        "review-summarizer",
        "no baseline stands beside the measurements",
    ),
    Route(
        lambda s: s.over and s.quantization,
        "quantization performance issues",
        "quantization-optimizer",
        "over budget in cases of quantization alone",
    ),
    Route(
        lambda s: s.over and s.localized,
        "significant regression detected",
        "perf-fixer",
        "over budget, and one kernel holds at least 70 % of the change",
    ),
    Route(
        lambda s: s.over,
        "significant regression detected",
        "perf-fixer",
        "over budget, in no one place",
    ),
    Route(
        lambda s: s.unknown,
        "not known yet",
        "none",
        "inconclusive: a core case, or one of which a side failed",
    ),
    Route(
        lambda s: s.slower,
        "regression detected within threshold",
        "promotion-validator",
        "slower, within the budget",
    ),
    Route(
        lambda _: True,
        "performance validation complete",
        "test-finalizer",
        "all budgets are met",
    ),
)


def route(situation: Situation) -> Route:
    """The first row of ROUTES that holds for `situation`."""
    return next(row for row in ROUTES if row.holds(situation))


def situation_of(rows: Iterable[Row], localized: tuple[str, float] | None) -> Situation:
    """The situation after a comparison of two sides."""
    judged = [row for row in rows if row.verdict not in ("new", "gone")]
    over = [row for row in judged if row.gate == "fail"]
    return Situation(
        measured_cases=sum(row.pairs > 0 or row.verdict == "identical" for row in judged),
        has_baseline=True,
        over=tuple(row.case for row in over),
        quantization=bool(over) and all(r.case.startswith("quantization/") for r in over),
        localized=localized,
        unknown=tuple(row.case for row in judged if row.gate == "closed"),
        slower=tuple(r.case for r in judged if r.gate == "note" or "measurably slower" in r.notes),
    )
