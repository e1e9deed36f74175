"""Declared trade-offs: which alarms they turn into notes, and what is said of the others."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from pydantic import ValidationError

from bitnet_perf.analyze.accepted import Accept, accept_rows
from bitnet_perf.analyze.paired.comparison import Row, overall
from bitnet_perf.analyze.routing import route, situation_of

CASE = "forward/gemv/i2_s/2560x2560/t1"
ALARM = Row(CASE, "action", 0.11, 0.10, 0.12, 0.01, 40, "outside", 2, "fail", (), "core",
            "unknown", "cpu", 0.11, 0.11, "agree", ())  # fmt: skip
DAY = datetime.date(2027, 3, 1)
ENTRY = Accept(case="gemv/i2_s/*", limit=0.125, reason="any length", expires=DAY)


def judged(row=ALARM, entry=ENTRY, today=DAY):
    (found,), said = accept_rows([row], [entry], today)
    return found, said


def test_an_alarm_within_its_limit_is_a_note_until_the_end_of_the_day():
    row, said = judged()
    assert (row.verdict, row.gate, said) == ("accepted", "note", ())
    assert row.reason == "action, accepted below +12.5 % until 2027-03-01: any length; outside"
    assert row.slowdown == ALARM.slowdown
    assert overall([row]) == ("pass", 0)
    assert route(situation_of([row], None)).agent == "promotion-validator"


@pytest.mark.parametrize("high", [0.125, 0.2, None])
def test_an_alarm_that_may_be_beyond_it_stays(high):
    row, (said,) = judged(replace(ALARM, high=high))
    assert (row.verdict, row.gate) == ("action", "fail")
    assert f"{CASE} may be slower by" in said
    assert "accepted is less than +12.5 % (any length)" in said
    assert overall([row]) == ("action", 1)


def test_an_expired_entry_says_so_and_counts_for_nothing():
    row, (said,) = judged(today=DAY + datetime.timedelta(days=1))
    assert row == ALARM
    assert "expired on 2027-03-01" in said


@pytest.mark.parametrize("verdict", ["inconclusive", "pass", "improved", "gone"])
def test_only_alarms_are_accepted(verdict):
    row = replace(ALARM, verdict=verdict)
    assert judged(row) == (row, ())
    assert judged(row, today=DAY + datetime.timedelta(days=1)) == (row, ())


def test_an_entry_without_a_case_says_so():
    row, (said,) = judged(entry=ENTRY.model_copy(update={"case": "pack/*"}))
    assert row == ALARM
    assert "no case of this run matches it" in said


def test_the_first_entry_that_fits_counts():
    wider = ENTRY.model_copy(update={"case": "*", "limit": 0.5, "reason": "wider"})
    (row,), said = accept_rows([ALARM], [ENTRY, wider], DAY)
    assert "any length" in row.reason
    assert said == ()
    tighter = ENTRY.model_copy(update={"limit": 0.05})
    (row,), said = accept_rows([ALARM], [tighter, wider], DAY)
    assert "wider" in row.reason
    assert len(said) == 1


@pytest.mark.parametrize(
    "change", [{"limit": 0}, {"limit": 1.0}, {"limit": float("nan")}, {"reason": ""}, {"case": ""}]
)
def test_entries_that_say_nothing_are_refused(change):
    with pytest.raises(ValidationError):
        Accept(**(ENTRY.model_dump() | change))
