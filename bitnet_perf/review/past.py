"""What the history knows of the cases of a gate before it runs: a record like the others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bitnet_perf.errors import BitnetPerfError
from bitnet_perf.report.plots.trends import TrendLine
from bitnet_perf.review.history import Trend, history
from bitnet_perf.review.records import Past

__all__ = ["past_of", "trend_lines"]

LAST = 40  # steps of a trend that are told


def past_of(url: str | None, cases: Iterable[str], repository: Path) -> tuple[Past | None, str]:
    """The trends of the cases on this host; or None and why there are none."""
    try:
        found = history(url, repository=repository)
    except BitnetPerfError as error:
        return None, str(error)
    wanted = set(cases)
    mine = tuple(
        trend
        for trend in found.trends
        if trend.case in wanted and trend.this_host and trend.measure == "value"
    )
    return (Past(trends=mine), "") if mine else (None, "the history holds none of these cases")


def trend_lines(past: Past | None) -> tuple[TrendLine, ...]:
    """The last steps of each trend as a line."""
    return tuple(_line(trend) for trend in (past.trends if past else ()))


def _line(trend: Trend) -> TrendLine:
    first = max(0, len(trend.steps) - LAST)
    steps = trend.steps[first:]
    return TrendLine(
        case=trend.case,
        unit=trend.unit,
        commits=tuple(step.commit for step in steps),
        values=tuple(step.value for step in steps),
        marks=tuple(moved.index - first for moved in trend.moved if moved.index >= first),
    )
