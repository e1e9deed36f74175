"""Change points: against definitions, against Apache Otava, and how often they are right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import changes as naive

import bitnet_perf as bp
from bitnet_perf.analyze import changes
from bitnet_perf.analyze.changes import change_points, energy_split

OTAVA = json.loads((Path(__file__).parents[1] / "golden/changes/otava.json").read_text())
LOGS = st.floats(-0.2, 0.2).map(lambda value: round(value, 3))


def indices(values):
    return [change.index for change in change_points(values)]


def noisy(rng, count, sigma, step=0.0, at=0):
    return np.exp(rng.normal(0, sigma, count) + np.where(np.arange(count) >= at, step, 0.0))


@pytest.mark.parametrize("row", OTAVA, ids=lambda row: row["name"])
def test_otava_finds_the_same(row):
    split, q = energy_split(np.log(row["values"]))
    assert split == row["split"]
    assert q == pytest.approx(row["q"], rel=1e-9)
    assert indices(row["values"]) == row["change_points"] == row["original"]


@settings(max_examples=40, deadline=None)
@given(st.lists(LOGS, min_size=10, max_size=16))
def test_the_best_split_is_that_of_the_definition(logs):
    split, q = energy_split(np.array(logs))
    expected, best = naive.best_split(logs, changes.LEAST)
    assert q == pytest.approx(best, abs=1e-12)
    # rounding may choose between equal ones
    ends = range(split + changes.LEAST, len(logs) + 1)
    mine = max(naive.q_value(logs[:split], logs[split:end]) for end in ends)
    assert split == expected or mine == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("step", [0.0, 0.012, 0.02, 0.1])
def test_shuffles_that_are_left_out_change_no_decision(step, monkeypatch):
    monkeypatch.setattr(changes, "SHUFFLES", 99)
    segment = np.log(noisy(np.random.default_rng(3), 13, 0.01, step, 6))
    p = changes._p_value(segment, energy_split(segment)[1], np.random.default_rng(5))
    whole = naive.p_value(segment.tolist(), changes.LEAST, 99, np.random.default_rng(5))
    assert (p <= changes.LEVEL) == (whole <= changes.LEVEL)
    assert p == pytest.approx(whole) if whole <= changes.LEVEL else p <= whole


@settings(max_examples=60, deadline=None)
@given(st.lists(LOGS, max_size=29))
def test_the_fence_is_that_of_the_definition(logs):
    values = np.exp(logs).tolist()
    assert indices(values) == naive.fence(values, changes.STEPS, changes.LONG)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=30, max_size=45), st.sampled_from([0.25, 2.0, 1024]))
def test_the_unit_does_not_matter(values, factor):
    moved = change_points([factor * value for value in values])
    found = change_points(values)
    assert [c.index for c in moved] == [c.index for c in found]
    assert [c.size for c in moved] == pytest.approx([c.size for c in found])


def test_noise_alone_raises_few_alarms():
    """LEVEL is 1 %: of 300 series at most 9 with a probability of 99.9 %. Of the fence 6.5 % of
    series of 29 points and 0.5 % of the steps that are judged were simulated."""
    rng = np.random.default_rng(11)
    assert sum(bool(indices(noisy(rng, 50, 0.02))) for _ in range(300)) <= 9
    rows = [indices(noisy(rng, 29, 0.02)) for _ in range(600)]
    assert sum(map(bool, rows)) <= 0.10 * len(rows)
    assert sum(map(len, rows)) <= 0.008 * len(rows) * (28 - changes.STEPS)


@pytest.mark.parametrize(("step", "least"), [(0.05, 23), (0.10, 25)])
def test_steps_in_noise_of_two_percent_are_found(step, least):
    rng = np.random.default_rng(12)
    hits = 0
    for _ in range(25):
        found = change_points(noisy(rng, 40, 0.02, np.log1p(step), 20))
        hits += any(abs(c.index - 20) <= 3 and abs(c.size - step) < 0.03 for c in found)
    assert hits >= least


def test_a_step_of_five_points_is_seen():
    rng = np.random.default_rng(13)
    found = [indices(noisy(rng, 60, 0.02, 0.1, 55)) for _ in range(20)]
    assert sum(55 in row for row in found) >= 18


def test_two_changes_and_their_sizes():
    rng = np.random.default_rng(14)
    values = noisy(rng, 60, 0.005, np.log(1.1), 20) * noisy(rng, 60, 0.005, -np.log(1.1), 40)
    first, second = change_points(values)
    assert (first.index, second.index) == (20, 40)
    assert first.size == pytest.approx(0.10, abs=0.01)
    assert second.size == pytest.approx(1 / 1.1 - 1, abs=0.01)
    assert first.to_dict()["p"] == first.p <= changes.LEVEL


@pytest.mark.parametrize(("last", "found"), [(1.10, [20]), (1.0, [])])
def test_below_thirty_points_the_last_step_is_judged(last, found):
    values = [*noisy(np.random.default_rng(15), 20, 0.004), last]
    assert indices(values) == found


def test_only_the_last_points_are_looked_at():
    rng = np.random.default_rng(16)
    old = noisy(rng, 100, 0.01, 0.5, 50)
    new = noisy(rng, changes.LONGEST, 0.01, 0.2, 120)
    assert indices([*old, *new]) == [220]


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_few_points_say_nothing(count):
    assert change_points([1.0, 9.0] * count) == () or count >= 5


def test_equal_values_have_no_change():
    assert change_points([3.0] * 29) == change_points([3.0] * 40) == ()


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_values_that_are_no_times_are_refused(bad):
    with pytest.raises(bp.ShapeError, match="finite values above 0"):
        change_points([1.0, bad])
