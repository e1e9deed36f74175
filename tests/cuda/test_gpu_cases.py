"""GPU cases: right on the emulator, wrong ones told, names stable."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bitnet_perf.bench import gpu_cases as gpu_cases_module
from bitnet_perf.bench.gpu_cases import FAMILIES, checked_rows, gpu_cases, named, small_cases
from bitnet_perf.bench.gpu_measure import check_case
from bitnet_perf.errors import ConfigError, MeasurementError
from bitnet_perf.kernels.cuda.catalog import KERNELS
from bitnet_perf.kernels.cuda.launch import Emulated, poisoned
from bitnet_perf.kernels.cuda.plans import dense
from bitnet_perf.kernels.cuda.plans.plan import H200, Machine


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in small_cases()])
def test_every_family_is_right_on_the_emulator(case):
    found = check_case(case, Emulated())
    assert found >= max(1, case.shape[0] * case.shape[1]) or "/cuda_empty/" in case.name


@pytest.mark.parametrize("cases", [small_cases, gpu_cases])
def test_no_family_is_without_a_case(cases):
    """In the catalog and not in what runs on a device: nobody would see it fail there."""
    plans = [case.plan(H200) for case in cases()]
    found = {launch.kernel.family for plan in plans for launch in plan.launches}
    own = {"clock_stamp"}  # stands around every sample of `try`, which refuses those without it
    assert found | own == {kernel.family for kernel in KERNELS}
    assert set(FAMILIES) <= found


def test_a_family_without_a_case_is_seen(monkeypatch):
    monkeypatch.delitem(gpu_cases_module.FAMILIES, "argmax")
    plans = [case.plan(H200) for case in small_cases()]
    assert "argmax" not in {each.kernel.family for plan in plans for each in plan.launches}


def test_small_and_large_cases_are_the_same_ones():
    """A case that only a device runs has a small twin that the emulator has checked."""

    def form(name):
        return name.split("/")[1:3]

    small = [form(case.name) for case in small_cases()]
    assert [form(case.name) for case in gpu_cases() if form(case.name) not in small] == []


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"empty"}))
def test_a_wrong_kernel_of_every_family_is_seen(family):
    """Nothing is launched: each result that is compared is poison, or the input as it was."""
    for case in FAMILIES[family](True):
        idle = replace(case, plan=lambda m, case=case: replace(case.plan(m), launches=()))
        with pytest.raises(MeasurementError, match="values are wrong, nothing was timed"):
            check_case(idle, Emulated())


def test_the_bytes_of_a_case_are_those_of_its_arrays():
    """Each input read once and each result written once; an array in place is both, and of caches
    and tables only the rows that are asked for count."""
    for family in FAMILIES.keys() - {"rope_store", "embed", "norm_q8", "advance"}:
        for case in FAMILIES[family](True):
            arrays = [*case.inputs().values(), *map(poisoned, case.results.values())]
            moved = sum(array.nbytes for array in arrays)
            assert abs(case.bytes - moved) <= 64 + 0.04 * moved, case.name


def test_a_wrong_result_is_named_and_not_timed():
    case = small_cases()[0]

    def expected(given):
        (right,) = case.expected(given)
        right.values[0, 7] += 1
        return (right,)

    with pytest.raises(MeasurementError, match=r"y\[0, 7\]: found .*; 1 of 40 values are wrong"):
        check_case(replace(case, expected=expected), Emulated())
    none = replace(case, plan=lambda machine: replace(case.plan(machine), launches=()))
    with pytest.raises(MeasurementError, match="40 of 40 values are wrong, nothing was timed"):
        check_case(none, Emulated())


def test_names_are_identities():
    names = [case.name for case in gpu_cases()]
    assert len(set(names)) == len(names)
    assert "forward/cuda_gemv/frag16x32.bf16/2560x2560/t1" in names
    assert "forward/cuda_gemm/frag16x32.bf16/128x6912x2560/t1" in names
    assert {case.name for case in gpu_cases(quick=True)} < set(names)
    assert named(names[0]).name == names[0]
    with pytest.raises(ConfigError, match="case: found 'nothing'"):
        named("nothing")


def test_large_cases_are_checked_in_part():
    case = next(case for case in gpu_cases() if "2048x6912x2560" in case.name)
    assert case.packed == 6912 * 2560 // 4
    assert case.ops == 2 * 2048 * 6912 * 2560
    rows = checked_rows(2048, 6912 * 2560)
    assert 100 < len(rows) < 130
    assert (rows[0], rows[-1]) == (0, 2047)
    assert checked_rows(3, 10).tolist() == [0, 1, 2]
    assert len(checked_rows(2048, 1 << 40)) == 2


def test_the_tile_of_a_dense_product():
    def name(shape, architecture="sm_90a", shared=227 * 1024):
        plan = dense.matmul(shape, "f16", "f32", Machine(132, shared, architecture))
        return plan.launches[0].kernel.name

    assert name((4096, 4096, 4096)) == "matmul_fp16_warpgroups/n256_m128"
    assert name((4096, 4096, 4096), "sm_80", 163 * 1024) == "matmul_fp16/n256_m128"
    assert name((4096, 4096, 4096), "sm_86", 99 * 1024) == "matmul_fp16/n128_m128"
    assert name((64, 64, 64)) == "matmul_fp16/n64_m64"
    assert name((4096, 4096, 4095)) == "matmul_fp16/n64_m64_any"
