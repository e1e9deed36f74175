"""What counts for a goal: rates of drawn trials, bounds of live ones, seconds on a quiet host."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bitnet_perf.analyze.paired.operating import Cell, Goal, cell_of, draw_trials, goals, rate
from bitnet_perf.analyze.paired.rules import Rules

CASE = "forward/gemv/i2_s/64x2560/t1"


@pytest.fixture(scope="module")
def good() -> Cell:
    """A cell of equal sides that all pass, drawn from 100 pairs."""
    values = np.random.default_rng(1).normal(0, 0.005, 100)
    decisions = draw_trials(values, Rules(), "core", trials=50, seed=2)
    where = ("quiet", CASE, 0.0, "extra work")
    return cell_of(where, decisions, values.tolist(), 0.2, load=1.0)


def goal(text: str, *cells: Cell) -> Goal:
    return next(each for each in goals(cells) if each.text.startswith(text))


def test_a_drawn_cell_misses_by_its_rate(good):
    assert goal("+0 % passes", replace(good, passed=rate(989, 1000))).met is False
    assert goal("+0 % passes", replace(good, passed=rate(990, 1000))).met is True
    alarms = "+0 % is a concern"
    assert goal(alarms, replace(good, alarmed=rate(1, 1000))).met is True
    assert goal(alarms, replace(good, alarmed=rate(2, 1000))).met is False


def test_rates_drawn_from_few_pairs_show_nothing(good):
    few = replace(good, pairs=67, passed=rate(0, 1000))
    assert goal("+0 % passes", few).met is None
    assert goal("+0 % passes", replace(few, pairs=68)).met is False
    assert goal("+0 % passes", replace(few, source="live", passed=rate(30, 30))).met is True


def test_live_trials_miss_where_their_bounds_exclude_the_goal(good):
    live = replace(good, source="live", passed=rate(29, 30), alarmed=rate(1, 30))
    assert goal("+0 % passes", live).met is True
    assert goal("+0 % is a concern", live).met is True  # one of 30: the bound is 0.08 %
    assert goal("+0 % is a concern", replace(live, alarmed=rate(3, 30))).met is False
    bad = replace(live, passed=rate(20, 30))
    assert bad.passed.high < 0.99
    assert goal("+0 % passes", good, bad).met is False
    assert "live" in goal("+0 % passes", good, bad).worst


def test_a_few_live_trials_exclude_nothing_and_show_no_more(good):
    live = replace(good, source="live", passed=rate(2, 3))
    assert goal("+0 % passes", live).word == "not excluded"
    assert goal("+0 % passes", replace(live, passed=rate(3000, 3000))).word == "met"
    assert goal("+0 % passes", good).word == "met"
    assert goal("+0 % passes", replace(live, passed=rate(10, 30))).word == "MISSED"
    assert goal("+0 % passes", replace(good, slowdown=0.2)).word == "not shown"


def test_whether_the_bound_meets_it_too_is_told(good):
    assert not goal("+0 % passes", replace(good, passed=rate(30, 30))).bounded
    assert goal("+0 % passes", replace(good, passed=rate(10_000, 10_000))).bounded
    assert not goal("+0 % is a concern", replace(good, alarmed=rate(0, 30))).bounded
    assert goal("+0 % is a concern", replace(good, alarmed=rate(0, 10_000))).bounded


def test_seconds_are_goals_at_a_low_load_alone(good):
    assert goal("a fresh pair", good).met is True
    assert goal("a fresh pair", replace(good, pair_seconds=0.36)).met is False
    assert goal("a fresh pair", replace(good, load=2.1, pair_seconds=0.36)).met is None
    assert goal("a fresh pair", replace(good, load=math.nan)).met is None
    worst = replace(good, pair_seconds=0.45)
    assert goal("a case, first look", good, worst).met is True
    assert goal("a case, worst", good, worst).met is False
    assert "30.60 s" in goal("a case, worst", good, worst).worst
