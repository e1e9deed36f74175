"""The rules on recorded pairs: how often they are right, with true slowdowns added to recordings of
unchanged code. Pairs are drawn with replacement, which knows no correlation between them."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bitnet_perf.analyze.paired.estimate import pair_values, yuen
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.paired.verdict import decide
from bitnet_perf.bench.paired.raw import Raw

GOLDEN = Path(__file__).parents[2] / "golden" / "lockstep"
RULES = Rules()
TRIALS = 1000


@cache
def recorded(name: str) -> np.ndarray:
    """All pair values of a recording, moved so that their trimmed mean is 0."""
    raw = Raw.load(GOLDEN / f"{name}.npz")
    values = np.concatenate([pair_values(raw.samples(0, look), "cpu") for look in raw.looks(0)])
    return values - yuen(values, RULES.alpha_look).m


def trials(name: str, slowdown: float) -> tuple[Counter[str], float, float]:
    """(verdicts, part shown slower, part within 1.5 points) of TRIALS whole comparisons."""
    rng, values = np.random.default_rng(2), recorded(name) + np.log1p(slowdown)
    verdicts: Counter[str] = Counter()
    slower = near = 0
    for _ in range(TRIALS):
        looks = []
        for size in RULES.looks:
            looks.append(yuen(rng.choice(values, size), RULES.alpha_look))
            found = decide(looks, RULES, "core", last=len(looks) == len(RULES.looks))
            if found.settled:
                break
        verdicts[found.verdict] += 1
        slower += looks[-1].low > 0
        near += abs(looks[-1].slowdown - slowdown) <= 0.015
    return verdicts, slower / TRIALS, near / TRIALS


@pytest.mark.parametrize("name", ["pinned_same_2560", "pinned_same_6912"])
@pytest.mark.parametrize("slowdown", [0.0, 0.03])
def test_what_is_within_the_budget_passes(name, slowdown):
    verdicts, _, _ = trials(name, slowdown)
    assert verdicts["pass"] >= (0.99 if slowdown == 0 else 0.95) * TRIALS
    assert verdicts["concern"] + verdicts["action"] <= 0.005 * TRIALS


def test_a_slowdown_at_the_budget_does_not_pass():
    verdicts, slower, near = trials("pinned_same_2560", 0.05)
    assert verdicts["pass"] + verdicts["improved"] <= 0.015 * TRIALS
    assert slower >= 0.98
    assert near >= 0.95


@pytest.mark.parametrize("name", ["pinned_same_2560", "pinned_same_6912"])
def test_a_large_slowdown_never_passes(name):
    verdicts, slower, _ = trials(name, 0.10)
    assert verdicts["pass"] == verdicts["improved"] == 0
    assert slower >= 0.99
