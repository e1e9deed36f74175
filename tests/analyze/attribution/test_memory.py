"""Memory by stage, and a leak that is seen as one."""

from __future__ import annotations

import numpy as np
import pytest
from analyze.attribution.synthetic import DECODE, GATE_UP, pair_of, profile

from bitnet_perf.analyze.attribution.memory import growths, memory_rows
from bitnet_perf.bench.paired.profiles import CaseProfile, SideCounts

MIB = 1 << 20


def counts(allocations, allocated):
    return SideCounts(
        calls=1, bytes=0, ops=0, allocations=allocations, allocated=allocated
    )  # fmt: skip


def test_allocations_are_told_by_stage_and_side():
    before, after = (counts(1, 64), counts(2, 128)), (counts(1, 64), counts(5, 1024))
    pair = pair_of("ABBA", [(10, 20)] * 4, counts=(before, after), peak=(50 * MIB, 70 * MIB))
    found = memory_rows([CaseProfile(case=DECODE, stacks=((), GATE_UP), pairs=(pair,) * 3)])
    assert [row.stage for row in found] == ["Forward Pass", "Generation"]
    forward = found[0]
    assert (forward.allocations, forward.allocated) == ((2.0, 5.0), (128.0, 1024.0))
    assert forward.peak == (50 * MIB, 70 * MIB)
    assert forward.change == forward.low == forward.high == 20 * MIB
    assert forward.to_dict()["case"] == DECODE


def test_a_host_that_tells_no_peak_has_none():
    pair = pair_of("ABBA", [(10,)] * 4, peak=(-1, -1))
    (row,) = memory_rows([CaseProfile(case=DECODE, stacks=((),), pairs=(pair,))])
    assert (row.peak, row.change, row.low) == (None, None, None)


def test_what_was_not_recorded_has_no_rows():
    missing = CaseProfile(case=DECODE, missing="too old")
    assert memory_rows([missing]) == growths([missing]) == ()


def test_a_leak_is_seen_and_stands_first():
    leaking = profile(grown=((0, 0, 0), (0, 1000, 0)), iterations=2)
    found = growths([profile("load/gguf/i2_s/small/t1"), leaking])
    assert [row.leaks for row in found].count(True) == 1
    assert (found[0].what, found[0].case) == ("malloc bytes", DECODE)
    assert found[0].change == pytest.approx(500)
    assert found[0].low == pytest.approx(500)
    assert found[0].path == ("Generation", "decode_loop", "in no span")


def test_a_leak_is_placed_where_more_is_allocated():
    before, after = (counts(1, 64), counts(2, 128)), (counts(1, 64), counts(3, 1128))
    pair = pair_of("ABBA" * 2, [(10, 20)] * 8, counts=(before, after))
    pair = pair.model_copy(update={"grown": tuple((0, 1000 * (c == "B"), 0) for c in "ABBA" * 2)})
    found = growths([CaseProfile(case=DECODE, stacks=((), GATE_UP), pairs=(pair,) * 4)])
    assert found[0].leaks
    assert found[0].path == ("Forward Pass", *GATE_UP)


@pytest.mark.parametrize(
    "grown",
    [
        ((4096, 5000, 9), (4096, 5000, 9)),  # both sides
        ((0, 0, 0), (100, 8, 0)),  # less than tells
        ((0, 900, 9), (0, 0, 0)),  # mended
        ((0, 4000, 0), (0, 4300, 0)),  # a little of what the base keeps
    ],
)
def test_what_is_no_leak_of_the_candidate(grown):
    assert not any(row.leaks for row in growths([profile(grown=grown)]))


def test_pages_that_come_and_go_are_no_leak():
    rng = np.random.default_rng(3)
    rows = [(10,)] * 24
    pairs = []
    for _ in range(8):
        made = pair_of("ABBA" * 6, rows)
        noise = tuple((int(4096 * rng.integers(-1, 2)), 0, 0) for _ in rows)
        pairs.append(made.model_copy(update={"grown": noise}))
    found = growths([CaseProfile(case=DECODE, stacks=((),), pairs=tuple(pairs))])
    assert not any(row.leaks for row in found)


def test_among_many_cases_none_grows_by_chance():
    rng = np.random.default_rng(3)  # one would, each case judged alone
    cases = []
    for number in range(20):
        pairs = []
        for _ in range(7):
            pair = pair_of("ABBA" * 3, [(10,)] * 12)
            extra = 100 * rng.normal(0, 1, 12)
            noise = tuple((0, int(max(0.0, 1000 + value)), 0) for value in extra)
            pairs.append(pair.model_copy(update={"grown": noise}))
        cases.append(CaseProfile(case=f"load/a/b/c{number}/t1", stacks=((),), pairs=tuple(pairs)))
    assert not any(row.low > 0 for row in growths(cases))


def test_what_the_first_sample_makes_once_is_no_leak():
    made = pair_of("ABBA" * 3, [(10,)] * 12)
    grown = list(made.grown)
    grown[1] = (8 * MIB, MIB, 100)  # the first of the candidate
    pairs = (made.model_copy(update={"grown": tuple(grown)}),) * 8
    found = growths([CaseProfile(case=DECODE, stacks=((),), pairs=pairs)])
    assert not any(row.leaks for row in found)
