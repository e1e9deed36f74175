"""Gains over scalar and over one thread, and places: pure, on made-up figures."""

from __future__ import annotations

import pytest
from analyze.paired.synthetic import raw

from bitnet_perf.analyze.efficiency import (
    cache_rows,
    kernel_places,
    places,
    scaling_of_threads,
    stage_rows,
    vector_gains,
)
from bitnet_perf.analyze.evidence import (
    Evidence,
    KernelTime,
    Misses,
    SideEvidence,
    StageMemory,
    Timed,
    WorkOf,
)
from bitnet_perf.bench.ceilings import Ceilings, MacLimit, ReadLimit
from bitnet_perf.bench.fingerprint import Cache, fingerprint

GEMV = "forward/gemv/i2_s/64x64/t1"
DECODE = "generation/decode/i2_s/small-n32/t"


def ceilings():
    """Limits of one host: 100 GB/s from L1, 10 from memory, 200 Gop/s, of one and two threads."""
    caches = (Cache(level=1, bytes=32768, shared_by=1),)
    host = fingerprint().model_copy(update={"caches": caches})

    def read(level, rate, threads):
        return ReadLimit(level=level, bytes=1, threads=threads, pattern="p", gb_per_s=rate,
                         spread=0.0, patterns={})  # fmt: skip

    reads = tuple(
        read(level, rate, n) for n in (1, 2) for level, rate in (("L1", 100.0), ("memory", 10.0))
    )
    macs = tuple(MacLimit(isa="x", threads=n, gop_per_s=200.0, spread=0.0) for n in (1, 2))
    return Ceilings(host=host, reads=reads, macs=macs)


def timed(case, asked, ran, *seconds):
    return Timed(case=case, asked=asked, ran=ran, seconds=seconds)


def evidence(base, candidate, **shared):
    sides = [SideEvidence(label=name, **each) for name, each in zip("bc", (base, candidate),
                                                                    strict=True)]  # fmt: skip
    return Evidence(base=sides[0], candidate=sides[1], **shared)


WORK = WorkOf(case=GEMV, isa="x", bytes=1000, ops=8000, footprint=1000, written=100)


def test_a_vector_variant_against_scalar_and_its_peak():
    base = {"timed": (timed(GEMV, "", "x", 1e-7, 1e-7, 1e-7),
                      timed(GEMV, "scalar", "scalar", 4e-7, 4e-7, 4e-7))}  # fmt: skip
    candidate = {"timed": (timed(GEMV, "", "x", 1e-7, 2e-7, 1e-7),
                           timed(GEMV, "scalar", "scalar", 4e-7, 4e-7, 4e-7))}  # fmt: skip
    (found,) = vector_gains(evidence(base, candidate, works=(WORK,), ceilings=ceilings()))
    assert (found.base.value, found.candidate.value) == (pytest.approx(4), pytest.approx(4))
    assert found.candidate.low == pytest.approx(2)
    assert found.place.words() == "compute-bound, 40 % of x peak"
    assert found.to_dict()["place"]["compute"] == pytest.approx(0.4)


def test_scalar_alone_is_no_gain():
    side = {"timed": (timed(GEMV, "", "scalar", 1e-7), timed(GEMV, "scalar", "scalar", 1e-7))}
    assert vector_gains(evidence(side, side)) == ()


def test_a_side_without_the_case_has_none():
    side = {"timed": (timed(GEMV, "", "x", 1e-7), timed(GEMV, "scalar", "scalar", 3e-7))}
    (found,) = vector_gains(evidence({}, side))
    assert (found.base, found.place) == (None, None)
    assert found.candidate.value == pytest.approx(3)


def test_threads_against_one():
    side = {"timed": (timed(DECODE + "1", "", "x", 4e-3, 4e-3), timed(DECODE + "2", "", "x", 2e-3,
                      2e-3), timed(DECODE + "4", "", "x", 2e-3, 1e-3))}  # fmt: skip
    two, four = scaling_of_threads(evidence(side, side))
    assert (two.threads, two.base.value, two.efficiency) == (2, pytest.approx(2), pytest.approx(1))
    assert four.candidate.value == pytest.approx(3)
    assert four.efficiency == pytest.approx(0.75)
    assert scaling_of_threads(evidence({}, {"timed": side["timed"][1:]})) == ()


def test_compared_cases_stand_under_the_limits_of_the_run():
    file = raw([{"name": GEMV, "class": "core", "isas": ["x", "y"]}], {(0, 0): [0.1] * 8})
    work = WORK.model_copy(update={"ops": 4_000_000, "bytes": 100})
    (found,) = places(evidence({}, {}, works=(work,), ceilings=ceilings()), file)
    assert found.case == GEMV
    assert found.base.compute == pytest.approx(0.05)  # 4e6 in 4e-4 s are 10 Gop/s of 200
    assert found.candidate.compute is None  # no limit of that instruction set
    assert places(evidence({}, {}, works=(work,)), file) == ()
    assert places(evidence({}, {}, ceilings=ceilings()), file) == ()
    assert places(evidence({}, {}, works=(work,), ceilings=ceilings()), None) == ()


def test_kernels_of_a_profile_are_placed_by_what_returns():
    def ran(name, footprint, seconds):
        return KernelTime(kernel=name, threads=2, calls=10, seconds=seconds, bytes=10**7, ops=0,
                          footprint=footprint)  # fmt: skip

    side = {"kernels": (ran("gemv/i2_s/x", 1 << 30, 2e-3), ran("add/f32/x", 1000, 2e-4))}
    gemv, add = kernel_places(evidence({}, side, ceilings=ceilings()))
    assert (gemv.base, gemv.candidate.words()) == (None, "memory-bound, 50 % of memory bandwidth")
    assert add.candidate.words() == "memory-bound, 50 % of L1 bandwidth"
    assert kernel_places(evidence({}, side)) == ()


def test_memory_of_a_stage_stands_beside_that_of_the_base():
    row = StageMemory(stage="Model Load", allocations=4, allocated=100, peak=None)
    (found,) = stage_rows(evidence({"stages": (row,)}, {}))
    assert (found.stage, found.base.allocated, found.candidate) == ("Model Load", 100, None)


def test_what_was_not_counted_is_none_and_never_0():
    misses = Misses(case=GEMV, tool="t", accesses=10, misses=2)
    (found,) = cache_rows(evidence({}, {"misses": (misses,)}))
    assert (found.base, found.candidate.misses) == (None, 2)
    assert cache_rows(evidence({}, {})) == ()
