"""Declared trade-offs: an alarm that stays within one is a note, not a failure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.verdict import ALARMS
from bitnet_perf.analyze.paired.words import percent
from bitnet_perf.bench.cases import matches

__all__ = ["ACCEPTED", "Accept", "accept_rows"]

ACCEPTED = "accepted"  # the verdict of an alarm that stays within a trade-off


class Accept(BaseModel):
    """A declared trade-off: cases that match the glob `case` may be slower by less than `limit`
    (0.08: 8 %), for that reason, until the end of the day `expires`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    case: str = Field(min_length=1)
    limit: float = Field(gt=0, lt=1)
    reason: str = Field(min_length=1)
    expires: datetime.date


def accept_rows(
    rows: Iterable[Row], declared: Sequence[Accept], today: datetime.date
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The rows, alarms within a trade-off turned into `accepted`; and what to say about each entry
    that did not count: expired, too small, or without a case.

    An alarm is within a trade-off where its upper bound is below the limit, as a pass is where it
    is below the budget. What is inconclusive stays so.
    """
    judged = list(rows)
    said = []
    for entry in declared:
        found = [n for n, row in enumerate(judged) if matches(row.case, entry.case)]
        alarms = [n for n in found if judged[n].verdict in ALARMS]
        if not found:
            said.append(f"Accepted trade-off {entry.case!r}: no case of this run matches it.")
        elif alarms and today > entry.expires:
            said.append(
                f"Accepted trade-off {entry.case!r}: expired on {entry.expires}, it no longer "
                f"counts ({entry.reason})."
            )
        elif alarms:
            said += [text for n in alarms if (text := _beyond(judged[n], entry))]
            for n in alarms:
                if not _beyond(judged[n], entry):
                    judged[n] = _accepted(judged[n], entry)
    return tuple(judged), tuple(said)


def _beyond(row: Row, entry: Accept) -> str:
    """Why the alarm is not within the trade-off, or nothing."""
    if row.high is not None and row.high < entry.limit:
        return ""
    return (
        f"Accepted trade-off {entry.case!r}: {row.case} may be slower by "
        f"{percent(row.high) or 'any part'}, accepted is less than {percent(entry.limit)} "
        f"({entry.reason})."
    )


def _accepted(row: Row, entry: Accept) -> Row:
    reason = (
        f"{row.verdict}, accepted below {percent(entry.limit)} until {entry.expires}: "
        f"{entry.reason}; {row.reason}"
    )
    return replace(row, verdict=ACCEPTED, gate="note", reason=reason)
