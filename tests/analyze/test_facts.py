"""Facts out of a raw file: times of the candidate, and what ran in it beside what could have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bitnet_perf.analyze.facts import (
    Allocation,
    Overhead,
    Ran,
    Repack,
    allocations_of,
    flags_of,
    medians_of,
    overheads_of,
    ran_of,
    repacks_of,
    shares_of,
)
from bitnet_perf.bench.paired.raw import Raw

GOLDEN = Path(__file__).parents[1] / "golden" / "lockstep"
CASE = "forward/gemv/i2_s/2560x2560/t1"
KERNELS = [("gemv", "i2_s", "x86_avx2"), ("gemv", "i2_s", "scalar")]
HOST = ["scalar", "x86_avx2"]


@pytest.fixture
def raw():
    return Raw.load(GOLDEN / "pinned_plus5_2560.npz")


def ran_with(raw, **known):
    first, *rest = raw.meta["cases"]
    return replace(raw, meta={**raw.meta, "cases": [{**first, **known}, *rest]})


def test_the_times_are_those_of_the_candidate(raw):
    looks = [raw.samples(0, look) for look in raw.looks(0)]
    times = [np.median(each.cpu_ns[each.side == 1]) for each in looks]
    found = medians_of(raw)
    assert found.keys() == {CASE}  # no canaries
    assert found[CASE] == pytest.approx(np.median(times) / 1e9)
    assert medians_of(ran_with(raw, error="died")) == {}


@pytest.mark.parametrize("isa", HOST)
def test_what_ran_stands_beside_what_could_have(raw, isa):
    told = ran_with(raw, isas=["x86_avx2", isa], note="candidate: python loop")
    assert ran_of(told, KERNELS, HOST) == (
        Ran(CASE, isa, "x86_avx2", "x86_avx2", "candidate: python loop"),
    )


def test_what_is_not_known_is_no_fact(raw):
    assert ran_of(raw, KERNELS, HOST) == ()
    assert ran_of(ran_with(raw, isas=["python", "python"]), [], HOST) == ()


CRATE = "bitnet-kernels"


def of_crate(raw, features, **known):
    command = ["cargo", "bench", "-p", CRATE, "--bench", "kernel_benchmarks"]
    command += ["--no-default-features", "--features", features, "--", "--exact", "matmul/8"]
    return ran_with(raw, crate=CRATE, bench="kernel_benchmarks", command=command, **known)


def test_a_feature_that_was_left_out_is_told(raw):
    (flag,) = flags_of(of_crate(raw, "cpu"), HOST)
    assert (flag.name, flag.cases) == ("avx2", (CASE,))
    assert flag.command.endswith(
        f"-p {CRATE} --bench kernel_benchmarks --no-default-features --features cpu,avx2"
    )


def test_no_feature_is_off_that_is_on_unknown_or_of_no_use_here(raw):
    assert flags_of(of_crate(raw, "cpu,avx2"), HOST) == ()
    assert flags_of(of_crate(raw, "cpu"), ["scalar", "neon"]) == ()
    assert flags_of(of_crate(raw, "cpu", skipped="no test"), HOST) == ()
    assert flags_of(raw, HOST) == ()


def profiled(case, *shares):
    nodes = [SimpleNamespace(level="total", path=(), share=1.0)]
    nodes += [
        SimpleNamespace(level="kernel", path=("forward", operation, kernel), share=share)
        for operation, kernel, share in shares
    ]
    return SimpleNamespace(case=case, nodes=tuple(nodes))


STEP = "generation/decode/i2_s/small-n32/t1"


def test_the_shares_of_kernels_and_what_is_between_them():
    cases = [
        profiled(STEP, ("qkv", "gemv/i2_s/x", 0.5), ("down", "gemv/i2_s/x", 0.25),
                 ("rope", "rope/f32/x", 0.125)),
        profiled("load/gguf/i2_s/small/t1", ("weight_repack", "pack/i2_s/x", 0.1)),
        SimpleNamespace(case="forward/prefill/i2_s/small-n32/t1", nodes=()),
    ]  # fmt: skip
    assert shares_of(cases) == {STEP: {"gemv/i2_s/x": 0.75, "rope/f32/x": 0.125}}
    assert overheads_of(cases) == (Overhead(STEP, 0.125),)


def test_what_a_step_of_the_candidate_allocates():
    def row(case, candidate):
        return SimpleNamespace(
            case=case, stage="forward", allocations=(9, candidate), allocated=(9, 64.0)
        )

    rows = [row(STEP, 2.0), row(STEP, 0.0), row("load/gguf/i2_s/small/t1", 5.0)]
    assert allocations_of(rows) == (Allocation(STEP, "forward", 2.0, 64.0),)


def test_what_a_step_of_the_candidate_packs_again():
    def node(level, path, base, change):
        return SimpleNamespace(level=level, path=path, share=0.0, base=base, change=change)

    nodes = (
        node("total", (), 1.0, 1.0),
        node("operation", ("load", "weight_repack"), 0.0, 0.5),
        node("kernel", ("load", "weight_repack", "pack/i2_s/x"), 0.0, 0.4),
        node("kernel", ("forward", "qkv", "pack/i2_s/x"), 0.0, 0.25),
        node("kernel", ("forward", "qkv", "gemv/i2_s/x"), 0.5, 0.0),
    )
    cases = [
        SimpleNamespace(case=STEP, nodes=nodes),
        SimpleNamespace(case="load/gguf/i2_s/small/t1", nodes=nodes),
    ]
    assert repacks_of(cases) == (
        Repack(STEP, "weight_repack", 0.25),
        Repack(STEP, "qkv > pack/i2_s/x", 0.125),
    )
