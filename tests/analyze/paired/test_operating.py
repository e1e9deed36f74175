"""Rates of trials on pairs with known laws, and the goals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bitnet_perf.analyze.paired.operating import cell_of, draw_trials, goals, lag1, rate
from bitnet_perf.analyze.paired.rules import Rules

CASE = "forward/gemv/i2_s/64x2560/t1"


@pytest.mark.parametrize(("count", "trials"), [(0, 30), (1, 30), (15, 30), (30, 30), (3, 1000)])
def test_bounds_are_those_of_the_exact_test(count, trials):
    found = rate(count, trials)
    exact = stats.binomtest(count, trials).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert found.part == count / trials


def cells(true, spread=0.007, source="extra work", environment="quiet"):
    rng = np.random.default_rng(3)
    values = np.log1p(true) + rng.normal(0, spread, 200)
    values += math.log1p(true) - values.mean()
    decisions = draw_trials(values, Rules(), "core", trials=300, seed=1)
    return cell_of((environment, CASE, true, source), decisions, values.tolist(), 0.5)


def test_a_cell_counts_what_trials_say():
    same = cells(0.0)
    assert (same.passed.part, same.alarmed.part, same.unknown.part) == (1.0, 0.0, 0.0)
    assert same.first_look > 0.9
    assert same.seconds == pytest.approx(8 * 0.5, rel=0.2)
    slow = cells(0.10)
    assert (slow.passed.part, slow.alarmed.part) == (0.0, 1.0)
    assert slow.slower.part == 1.0
    assert slow.near.part > 0.95
    assert slow.mean == pytest.approx(0.10, abs=0.003)


def test_goals_look_at_the_worst_cell_and_never_at_scaled_ones():
    found = {goal.text: goal for goal in goals([cells(0.0), cells(0.0, 0.2, "scaled")])}
    assert found["+0 % passes >= 99 %"].met is True
    assert found["+10 % passes <= 0.1 %"].met is None
    noisy = cells(0.0, 0.2, environment="noisy")
    found = {goal.text: goal for goal in goals([cells(0.0), noisy])}
    assert found["+0 % passes >= 99 %"].met is False
    assert "noisy" in found["+0 % passes >= 99 %"].worst


def test_trials_are_the_same_for_a_seed():
    values = np.random.default_rng(0).normal(0.04, 0.01, 50)
    first, second = (draw_trials(values, Rules(), "core", trials=20, seed=9) for _ in range(2))
    assert first == second


def test_correlation_of_neighbours():
    assert lag1([1.0, -1.0] * 10) == pytest.approx(-0.95)
    assert math.isnan(lag1([1.0, 1.0, 1.0]))
    assert math.isnan(lag1([1.0, 2.0]))
