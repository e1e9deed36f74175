"""The weaker comparison without pairs, and the cross-check that can only contradict."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import bitnet_perf as bp
from bitnet_perf.analyze.paired.bootstrap import Bootstrap, _medians, bootstrap, contradicts
from bitnet_perf.analyze.paired.comparison import judge
from bitnet_perf.analyze.paired.estimate import pair_values, yuen
from bitnet_perf.analyze.paired.unpaired import unpaired
from bitnet_perf.bench.paired.raw import Raw

GOLDEN = Path(__file__).parents[2] / "golden" / "lockstep"


def processes(rng, mean, count=10):
    return [(mean * rng.normal(1, 0.01, 5)).tolist() for _ in range(count)]


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5])
def test_without_pairs_nothing_is_decided(factor):
    rng = np.random.default_rng(1)
    row = unpaired("forward/x", processes(rng, 1.0), processes(rng, factor))
    assert (row.verdict, row.gate, row.pairs) == ("inconclusive", "closed", 0)
    assert row.notes[0] == "unpaired"
    assert row.slowdown == pytest.approx(factor - 1, abs=0.02)
    assert row.low < row.slowdown < row.high
    assert ("looks slower" in row.notes) == (factor > 1)
    assert ("looks faster" in row.notes) == (factor < 1)
    assert "measure it in pairs" in row.reason


def test_one_process_a_side_has_no_interval():
    row = unpaired("load/x", [[1.0]], [[1.1]], class_="other")
    assert (row.low, row.high, row.gate) == (None, None, "neutral")


@pytest.mark.parametrize("wrong", [[], [[]], [[0.0]], [[float("nan")]]])
def test_times_that_are_none_are_refused(wrong):
    with pytest.raises(bp.FormatError, match="forward/x: candidate"):
        unpaired("forward/x", [[1.0]], wrong)


def test_the_bootstrap_agrees_with_yuen_on_recordings():
    raw = Raw.load(GOLDEN / "pinned_same_2560.npz")
    samples = raw.samples(0, 1)
    found = bootstrap(samples, "cpu", 0.01 / 3, seed=3)
    estimate = yuen(pair_values(samples, "cpu"), 0.01 / 3)
    assert found.low < estimate.m < found.high
    assert found.se == pytest.approx(estimate.se, rel=0.5)
    assert judge(raw) == judge(raw)
    assert not any("bootstrap differs" in row.notes for row in judge(raw))


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5])
def test_medians_are_drawn_as_if_every_block_were(blocks):
    values = np.array([0.0, 1.0, 10.0, 11.0, 30.0][:blocks])
    every = np.median(list(itertools.product(values, repeat=blocks)), axis=1)
    count = 40_000
    ordered = np.concatenate([[99.0], values])  # a pair of one block stands before it
    starts = np.array([0, 1, 1 + blocks])
    drawn = _medians(ordered, starts, np.ones(count, np.int64), np.random.default_rng(5))
    assert set(drawn.tolist()) <= set(every.tolist())
    for value in set(every.tolist()):
        part = (every == value).mean()
        assert (drawn == value).mean() == pytest.approx(part, abs=5 * (part / count) ** 0.5)


def test_what_contradicts():
    near = Bootstrap(-0.01, 0.06, 0.01)
    assert contradicts("pass", near, 0.05)
    assert contradicts("improved", near, 0.05)
    assert contradicts("action", near, 0.05)
    assert not contradicts("inconclusive", near, 0.05)
    assert not contradicts("pass", Bootstrap(-0.01, 0.02, 0.01), 0.05)
    assert not contradicts("concern", Bootstrap(0.03, 0.06, 0.01), 0.05)
