"""Times out of a comparison, and the anchors beside them."""

from __future__ import annotations

import numpy as np
import pytest
from analyze.paired.synthetic import case, raw, record

from bitnet_perf.analyze.levels import anchors_of, level_of, level_of_runs
from bitnet_perf.bench.paired.raw import Raw


def test_each_side_has_its_time():
    file = raw([case()], {(0, 0): [0.05] * 8, (0, 1): [0.05] * 20})
    base, candidate = (level_of(file, 0, side) for side in (0, 1))
    assert base.value == pytest.approx(4e-4)
    assert candidate.value == pytest.approx(4e-4 * np.exp(0.05))
    assert (base.count, candidate.count) == (28, 28)
    assert candidate.low == pytest.approx(candidate.value)


def test_the_primary_clock_is_taken():
    pairs = [record(0, 0, 0.0, wall=1.0, base=1e6) for _ in range(2)]
    meta = raw([case()], {}).meta
    for clock, seconds in (("cpu", 1e-3), ("wall", 1e-3 * np.e)):
        cases = [{**meta["cases"][0], "clock": clock}, *meta["cases"][1:]]
        file = Raw.build({**meta, "cases": cases}, pairs)
        assert level_of(file, 0, 1).value == pytest.approx(seconds)


def test_bounds_hold_the_trimmed_mean_of_the_pairs():
    rng = np.random.default_rng(1)
    file = raw([case()], {(0, 0): rng.normal(0, 0.02, 40).tolist()})
    level = level_of(file, 0, 1)
    assert level.low < level.value < level.high
    assert level.high / level.low < 1.03


def test_anchors_are_the_canaries_of_the_run():
    file = raw([case()], {(0, 0): [0.0] * 8})
    assert anchors_of(file) == pytest.approx({"compute": 4e-4, "streaming": 4e-4}, rel=1e-3)
    without = raw([case()], {(0, 0): [0.0] * 8}, canary={"streaming": []})
    assert set(anchors_of(without)) == {"compute"}
    meta = {**file.meta, "cases": [*file.meta["cases"]]}
    meta["cases"][1] = {**meta["cases"][1], "error": "it died"}
    assert set(anchors_of(Raw(meta, file.columns, file.pairs))) == {"streaming"}


def test_what_was_not_timed_has_no_time():
    assert level_of(raw([case()], {}), 0, 0) is None
    assert level_of_runs([]) is level_of_runs([[], [0.0], [float("inf")]]) is None
    one = level_of_runs([[1.0, 3.0, 2.0]])
    assert (one.value, one.low, one.high, one.count) == (pytest.approx(2.0), None, None, 1)
    wild = level_of_runs([[1e-300], [1e300]])
    assert (wild.low, wild.high) == (None, None)
