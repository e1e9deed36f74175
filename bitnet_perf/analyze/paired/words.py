"""A judged row in words, the same wherever it is shown."""

from __future__ import annotations

from bitnet_perf.analyze.paired.comparison import Row

__all__ = ["bounds", "percent"]


def percent(value: float | None, sign: str = "+") -> str:
    """A part as percent, with its sign where `sign` is "+"; nothing where there is none."""
    if value is None:
        return ""
    return f"{100 * value:{sign}.1f} %" if abs(value) < 100 else "any"


def bounds(row: Row) -> str:
    """ "+1.2 to +3.4 %", or nothing where there is no interval."""
    if row.low is None or row.high is None:
        return ""
    return f"{percent(row.low).removesuffix(' %')} to {percent(row.high)}"
