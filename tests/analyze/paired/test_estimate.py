"""Properties of the estimator and of the decision that follows from it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bitnet_perf.analyze.paired.estimate import block_differences, medians, yuen
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.paired.verdict import decide

ALPHA = 0.01 / 3
SEVERITY = {"improved": 0, "pass": 1, "inconclusive": 2, "concern": 3, "action": 4}

pairs = st.lists(st.floats(-0.2, 0.2), min_size=8, max_size=48)
times = st.lists(
    st.tuples(st.sampled_from([(0, 1, 1, 0), (1, 0, 0, 1)]), *[st.floats(10.0, 1e6)] * 4),
    min_size=1,
    max_size=20,
)


def pair_value(blocks, factor=1.0, swap=False) -> float:
    side = np.array([block[0] for block in blocks], np.int8)
    taken = factor * np.array([block[1:] for block in blocks])
    differences = block_differences(1 - side if swap else side, taken)
    return float(medians(differences, np.array([0, len(blocks)]))[0])


@given(times, st.floats(1e-3, 1e3))
def test_a_slower_host_changes_nothing(blocks, factor):
    assert pair_value(blocks, factor) == pytest.approx(pair_value(blocks), abs=1e-9)


@given(times)
def test_base_and_candidate_change_places(blocks):
    assert pair_value(blocks, swap=True) == pytest.approx(-pair_value(blocks), abs=1e-12)


def test_linear_drift_within_a_block_cancels():
    side = np.array([(0, 1, 1, 0), (1, 0, 0, 1)], np.int8)
    drift = np.exp(0.3 * np.arange(4)) * np.ones((2, 1))
    assert block_differences(side, drift) == pytest.approx([0, 0], abs=1e-12)


@given(pairs)
def test_the_interval_is_antisymmetric(values):
    found, mirrored = yuen(values, ALPHA), yuen([-v for v in values], ALPHA)
    assert mirrored.m == pytest.approx(-found.m, abs=1e-12)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-12)
    assert mirrored.mde == pytest.approx(found.mde, abs=1e-12)


@given(pairs, st.floats(0, 0.3))
def test_a_true_shift_moves_the_interval_and_nothing_else(values, shift):
    found, moved = yuen(values, ALPHA), yuen([v + shift for v in values], ALPHA)
    assert moved.m == pytest.approx(found.m + shift, abs=1e-9)
    assert moved.se == pytest.approx(found.se, abs=1e-9)


@settings(max_examples=300)
@given(pairs, st.booleans())
def test_a_slower_candidate_is_never_judged_better(values, last):
    """Shift after shift: the verdict at one look never becomes milder."""
    rules, before = Rules(looks=(8,), long_looks=(8,)), -1
    for shift in np.linspace(-0.4, 0.4, 33):
        estimate = yuen([v + shift for v in values], rules.alpha_look)
        found = decide([estimate], rules, "core", last=last)
        assert SEVERITY[found.verdict] >= before
        before = SEVERITY[found.verdict]


def test_against_independent_formulas():
    rng = np.random.default_rng(5)
    values = rng.normal(0.02, 0.01, 20)
    found = yuen(values, ALPHA)
    assert found.m == pytest.approx(stats.trim_mean(values, 0.2))
    winsorised = np.asarray(stats.mstats.winsorize(values, (0.2, 0.2)))
    h = 12
    se = math.sqrt(19 * winsorised.var(ddof=1) / (h * (h - 1)))
    assert found.se == pytest.approx(se)
    assert found.high == pytest.approx(found.m + stats.t.ppf(1 - ALPHA, h - 1) * se)
    assert found.mde == pytest.approx((stats.t.ppf(1 - ALPHA, h - 1) + stats.norm.ppf(0.99)) * se)
