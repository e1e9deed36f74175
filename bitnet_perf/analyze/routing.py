"""Where a finding goes next: one table, the first row that holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ROUTES", "Route", "Situation", "route"]


@dataclass(frozen=True)
class Situation:
    """What routing looks at: how many cases were measured, and whether there is a baseline."""

    measured_cases: int
    has_baseline: bool


@dataclass(frozen=True)
class Route:
    """A row of the table: when it holds, the verdict, who acts next, and the rule in words."""

    holds: Callable[[Situation], bool]
    verdict: str
    agent: str
    rule: str


ROUTES = (
    Route(
        lambda s: s.measured_cases == 0,
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
)


def route(situation: Situation) -> Route:
    """The first row of ROUTES that holds for `situation`.

    Judging against a baseline is the paired comparison's work, so a situation with one has no row
    here and raises LookupError.
    """
    for row in ROUTES:
        if row.holds(situation):
            return row
    raise LookupError("routing: a situation with a baseline is judged by the paired comparison")
