"""What kernels predict for a whole run, and whether the run says the same."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_perf.analyze.crosscheck import (
    LEAST_COVERED,
    Interval,
    cross_check,
    cross_check_benches,
)
from bitnet_perf.analyze.paired.comparison import Row

RUN = "generation/decode/i2_s/small-n32/t1"
GEMV = "forward/gemv/native_i2_r4/2560x2560/t1"
WIDE = "forward/gemv/native_i2_r4/6912x2560/t1"
HEAD = "forward/gemv_dense/f16/2560x2560/t1"
SHARES = {RUN: {"gemv/native_i2_r4/x86_avx2": 0.6, "gemv_dense/f16/x86_avx2": 0.3, "rope/f32": 0.1}}

row = partial(
    Row, verdict="pass", mde=0.01, pairs=8, reason="inside", look=1, gate="pass", notes=(),
    class_="core", bound="unknown", clock="cpu", wall=None, cpu=None, clocks=None, canaries=(),
)  # fmt: skip


def timed(case, value, half=0.005):
    return row(case=case, slowdown=value, low=value - half, high=value + half)


def check(kernel, head, run, half=0.005):
    rows = [timed(GEMV, kernel, half), timed(HEAD, head, half), timed(RUN, run, half)]
    (found,) = cross_check(rows, SHARES)
    return found


def test_the_prediction_is_the_sum_of_shares_times_changes():
    found = check(0.10, 0.02, 0.066)
    assert found.predicted is not None
    assert found.predicted.value == pytest.approx(0.6 * 0.10 + 0.3 * 0.02)
    half = (0.3**2 + 0.15**2) ** 0.5 * 0.01
    assert found.predicted.high - found.predicted.value == pytest.approx(half)
    assert (found.status, found.covered) == ("agrees", pytest.approx(0.9))
    assert found.kernels[0] == ("gemv/native_i2_r4", 0.6, 0.10)


@pytest.mark.parametrize(
    ("kernel", "run", "status"),
    [
        (0.10, 0.06, "agrees"),
        (0.0, 0.0, "agrees"),
        (0.10, -0.03, "opposite"),
        (-0.10, 0.03, "opposite"),
        (0.10, 0.02, "not seen"),
        (0.10, 0.0, "not seen"),
        (0.0, 0.08, "not explained"),
        (0.05, 0.10, "not explained"),
        (-0.05, -0.10, "not explained"),
    ],
)
def test_what_the_two_say_together(kernel, run, status):
    found = check(kernel, 0.0, run)
    assert found.status == status
    assert found.finding is (status == "opposite")
    assert f"{100 * run:+.1f} %" in found.sentence
    assert found.to_dict()["finding"] is found.finding
    assert {number.file for number in found.numbers} == {"raw.npz", "profile.json"}


def test_cases_of_one_kernel_are_one_change():
    rows = [timed(GEMV, 0.10), timed(WIDE, 0.20), timed(HEAD, 0.0), timed(RUN, 0.09)]
    (found,) = cross_check(rows, SHARES)
    assert found.kernels[0][2] == pytest.approx(0.15)


def test_a_run_that_was_not_timed_or_is_not_covered_is_not_compared():
    kernels = [timed(GEMV, 0.10), timed(HEAD, 0.0)]
    (found,) = cross_check(kernels, SHARES)
    assert (found.status, found.predicted) == ("not compared", None)
    assert "it was not timed" in found.sentence
    (found,) = cross_check([timed(HEAD, 0.1), timed(RUN, -0.1)], SHARES)
    assert found.status == "not compared"
    assert f"30 % of its time, fewer than {100 * LEAST_COVERED:.0f} %" in found.sentence
    assert not found.finding


def test_identical_code_predicts_no_change():
    same = [row(case=c, verdict="identical", slowdown=None, low=None, high=None)
            for c in (GEMV, HEAD, RUN)]  # fmt: skip
    (found,) = cross_check(same, SHARES)
    assert (found.status, found.predicted) == ("agrees", Interval(0.0, 0.0, 0.0))


SMALL = st.floats(-0.3, 0.3)


@settings(deadline=None)
@given(SMALL, SMALL, SMALL)
def test_the_other_direction_is_judged_alike(kernel, head, run):
    assert check(kernel, head, run).status == check(-kernel, -head, -run).status


@settings(deadline=None)
@given(SMALL, SMALL, st.floats(0.0, 0.05))
def test_a_run_as_predicted_always_agrees(kernel, head, half):
    assert check(kernel, head, 0.6 * kernel + 0.3 * head, half).status == "agrees"


@settings(deadline=None)
@given(SMALL, SMALL, st.floats(0.0, 0.05))
def test_only_what_is_surely_not_0_disagrees_in_direction(kernel, run, half):
    found = check(kernel, 0.0, run, half)
    if found.finding:
        assert found.predicted.direction * found.measured.direction == -1


MODEL = "generation/xtask/benchmark/m"
BENCHES = ("forward/bitnet-kernels/kernel_benchmarks/matmul/64", "forward/bitnet/kernel_ops/x/1")


@pytest.mark.parametrize(
    ("first", "second", "run", "status"),
    [
        (0.10, 0.02, 0.03, "agrees"),
        (0.10, 0.02, -0.03, "opposite"),
        (0.10, 0.02, 0.0, "not seen"),
        (0.02, -0.02, 0.05, "not explained"),
        (0.001, -0.001, 0.0, "agrees"),
    ],
)
def test_a_model_of_a_workspace_against_the_mean_of_its_forward_benches(first, second, run, status):
    other = timed("quantization/bitnet-quantization/quantization/a", 0.5)
    rows = [timed(BENCHES[0], first), timed(BENCHES[1], second), other, timed(MODEL, run)]
    (found,) = cross_check_benches(rows)
    assert (found.status, found.finding) == (status, status == "opposite")
    assert found.predicted is not None
    assert found.predicted.value == pytest.approx((first + second) / 2)
    assert found.sentence.startswith(f"{MODEL}: the mean of 2 forward benches is ")
    assert all(number.file == "raw.npz" for number in found.numbers)


def test_a_model_without_benches_beside_it_is_not_compared():
    (found,) = cross_check_benches([timed(MODEL, 0.1)])
    assert (found.status, found.numbers[0].name) == ("not compared", "measured")
    assert "no forward bench was timed" in found.sentence
    assert cross_check_benches([timed(BENCHES[0], 0.1)]) == ()
