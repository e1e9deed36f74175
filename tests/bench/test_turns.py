"""Cases timed in turns: what is told, and what a failure takes from the rest."""

from __future__ import annotations

import pytest

import bitnet_perf as bp
from bitnet_perf.bench import turns as module
from bitnet_perf.bench.paired.process import Worker, WorkerFailed
from bitnet_perf.bench.paired.sides import prepare_side
from bitnet_perf.bench.turns import FEWEST, Turn, take_turns

CASE = "forward/gemv/i2_s/64x256/t1"


@pytest.fixture(scope="module")
def ready():
    return prepare_side(bp.Side.isa(""))


def test_each_turn_has_a_time_of_every_round(ready):
    turns = [Turn(ready, CASE), Turn(ready, CASE, "scalar"), Turn(ready, CASE[:-1] + "2")]
    best, scalar, team = take_turns(turns, 4, 1e-5)
    assert [len(each.seconds) for each in (best, scalar, team)] == [4, 4, 4]
    assert scalar.isa == "scalar"
    assert all(value > 0 for each in (best, scalar, team) for value in each.seconds)


def test_a_turn_that_cannot_be_taken_says_why_and_leaves_the_rest(ready):
    turns = [Turn(ready, CASE), Turn(ready, "forward/gemv/nope/64x256/t1"), Turn(ready, CASE, "z")]
    good, unknown, isa = take_turns(turns, 3, 1e-5, "wall")
    assert (len(good.seconds), good.why) == (3, "")
    assert unknown.seconds == isa.seconds == ()
    assert "nope" in unknown.why
    assert "'z'" in isa.why


def test_a_budget_ends_the_rounds_but_for_the_fewest(ready):
    (found,) = take_turns([Turn(ready, CASE)], 50, 1e-5, budget=0.0)
    assert len(found.seconds) == FEWEST


def test_a_worker_that_dies_between_rounds_is_told(ready, monkeypatch):
    sample, calls = module._sample, []

    def dying(worker: Worker, iterations, clock):
        calls.append(worker)
        if len(calls) > 4:
            raise WorkerFailed(0, "it died")
        return sample(worker, iterations, clock)

    monkeypatch.setattr(module, "LEAST", 0.0)  # one sample to calibrate
    monkeypatch.setattr(module, "_sample", dying)
    (found,) = take_turns([Turn(ready, CASE)], 9, 1e-6)
    assert (found.seconds, found.why) == ((), "it died")


def test_turns_that_differ_in_tunables_share_a_process(ready, monkeypatch):
    started = []
    start = module._start
    monkeypatch.setattr(module, "_start", lambda *words: started.append(1) or start(*words))
    turns = [Turn(ready, CASE, tuned={"prefetch_bytes": value}) for value in (0, 3072)]
    found = take_turns([*turns, Turn(ready, CASE), Turn(ready, CASE)], 3, 1e-5)
    assert [len(each.seconds) for each in found] == [3, 3, 3, 3]
    assert len(started) == 3


def test_a_value_that_is_refused_fails_its_turn(ready):
    (found,) = take_turns([Turn(ready, CASE, tuned={"prefetch_bytes": -1})], 3, 1e-5)
    assert "accepted is 0 to 65536 bytes" in found.why
