"""What a tuning run decides, from times with known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bitnet_perf.analyze.tuning import LEAST, Effect, best, effect, threshold


def sets(ratio, noise=0.0, seed=0, drift=0.0):
    """(default, candidate): three sets of seven rounds, the candidate `ratio` as long."""
    rng = np.random.default_rng(seed)
    base = [
        [math.exp(drift * (7 * s + r) + rng.normal(0, 0.2)) for r in range(7)] for s in range(3)
    ]
    other = [[b * ratio * math.exp(rng.normal(0, noise)) for b in each] for each in base]
    return base, other


@pytest.mark.parametrize(
    ("ratio", "says"), [(0.9, "faster"), (1.1, "slower"), (1.0, "no difference")]
)
def test_a_difference_is_seen_through_what_both_share(ratio, says):
    found = effect(*sets(ratio, noise=0.01, drift=0.1))
    assert found.says == says
    assert found.low <= found.change <= found.high
    assert found.change == pytest.approx(ratio - 1, abs=0.02)


def test_noise_is_no_difference():
    said = [effect(*sets(1.0, noise=0.1, seed=seed)).says for seed in range(200)]
    assert said.count("no difference") >= 195


def test_a_set_that_disagrees_decides_nothing():
    base, other = sets(0.9)
    other[1] = [1.01 * each for each in base[1]]
    found = effect(base, other)
    assert (found.says, found.high < 0) == ("no difference", False)


def test_less_than_the_least_is_no_reason():
    assert effect(*sets(1 - 0.9 * LEAST)).says == "no difference"
    assert effect(*sets(1 - 1.2 * LEAST)).says == "faster"


def test_few_rounds_have_the_interval_of_all_of_them():
    found = effect([[1.0, 1.0]], [[0.8, 1.2]])
    assert (found.low, found.high, found.says) == (
        pytest.approx(-0.2), pytest.approx(0.2), "no difference",
    )  # fmt: skip


def of(change, says=None):
    said = says or ("faster" if change < 0 else "slower")
    return Effect(change, change - 0.005, change + 0.005, said)


def test_the_fastest_that_is_slower_nowhere_is_taken():
    found = {
        "a": [of(-0.30), of(0.05)],
        "b": [of(-0.10), of(-0.02, "no difference")],
        "c": [of(-0.05), of(-0.04)],
    }
    assert best(found, "x") == ("b", "10.0 % less time than x")
    assert best({"a": [of(-0.30), of(0.05)]}, "x") == ("x", "the others are slower")
    assert best({"a": [of(0.3)], "b": [of(0.0, "no difference")]}, 3) == (3, "no difference seen")
    assert best({}, 3) == (3, "nothing else runs here")


def test_a_crossover_lies_where_the_second_way_becomes_faster():
    points = {2: of(0.2), 3: of(0.1), 4: of(-0.01, "no difference"), 6: of(-0.1), 8: of(-0.3)}
    assert threshold(points, 4, 4096)[0] == 4
    assert threshold(points, 2, 4096)[0] == 4
    assert threshold(points, 8, 4096)[0] == 6
    value, why = threshold({m: of(0.1) for m in (2, 4, 8)}, 4, 4096)
    assert (value, why) == (4096, "6.2 % less time on average over the sizes measured")
    assert threshold({m: of(-0.1) for m in (2, 4, 8)}, 4, 4096)[0] == 2
    assert threshold({m: of(0.0, "no difference") for m in (2, 4)}, 3, 4096) == (
        3, "no better crossover seen",
    )  # fmt: skip
