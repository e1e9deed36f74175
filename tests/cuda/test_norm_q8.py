"""Rows made, normed and quantized in one launch: what the launches for each of these give."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_launches import padded, same_bits, traced, unset
from reference.cuda_w2a8 import quantize_q8_act

from bitnet_perf import _native
from bitnet_perf.errors import ShapeError
from bitnet_perf.kernels.cuda.emulate import SCHEDULES
from bitnet_perf.kernels.cuda.launch import Emulated, bind
from bitnet_perf.kernels.cuda.plans import layer
from bitnet_perf.kernels.cuda.plans.norms import quantized_row
from bitnet_perf.kernels.cuda.plans.plan import H200, Machine

EPS = 1e-5
CASES = [(op, EPS) for op in ("itself", "add", "relu2_mul", "silu_mul")]
CASES += [("relu2_mul", None), ("silu_mul", None)]
# Beside them 9001: more than are under way at once.
SIZES = ((1, 1), (3, 5), (2, 130), (3, 1030), (1, 2560), (2, 9001))


class Rows:
    """Operands of M rows of K values; gates and ups lie in one row."""

    def __init__(self, op, M, K, scale=3.0):
        rng = np.random.default_rng([M, K])
        self.op, self.M, self.K = op, M, K
        self.stride = 2 * K + 3 if op.endswith("_mul") else K
        self.a = (rng.standard_normal((M, self.stride)) * scale).astype(np.float32)
        b = self.a.reshape(-1)[K:] if self.stride > K else rng.standard_normal((M, K))
        self.b = np.ascontiguousarray(b, np.float32)
        self.weight = rng.standard_normal(K).astype(np.float32)

    def run(self, eps, machine=H200, schedule="in_order"):
        """(values, x_scales, x_sums, a afterwards)."""
        M, K = self.M, self.K
        made = (np.full((M, -(-K // 128) * 128), 99, np.int8), unset(M, np.float32),
                np.full(M, -1, np.int32))  # fmt: skip
        a = self.a.copy()
        plan = quantized_row(self.op, M, K, machine, eps=eps, stride=self.stride)
        arrays = dict(zip(("values", "x_scales", "x_sums"), made, strict=True))
        arrays |= {"a": a, "b": self.b, "weight": self.weight}
        bind(plan, arrays, Emulated(schedule=schedule)).launch()
        return *made, a

    def expected(self, eps):
        """The same: the row by the CPU, its norm by `rms_norm`, quantized by the reference."""
        a = self.a[:, : self.K].copy()
        up = self.a[:, self.K : 2 * self.K].copy()
        row = {
            "itself": lambda: a, "add": lambda: a + self.b,
            "relu2_mul": lambda: _native.relu2_mul(a, up),
            "silu_mul": lambda: self.silu(a, up),
        }[self.op]()  # fmt: skip
        kept = row if self.op == "add" else self.a
        if eps is not None:
            out = unset(row.shape, np.float32)
            plan = layer.rms_norm(self.M, self.K, "f32", eps)
            bind(plan, {"x": row, "weight": self.weight, "out": out}, Emulated()).launch()
            row = out
        values, scale, sums = quantize_q8_act(row)
        return padded(values), scale, sums, kept

    def silu(self, gate, up):
        out = unset(gate.shape, np.float32)
        plan = layer.combine("silu_mul", self.M, self.K, "f32")
        bind(plan, {"a": gate, "b": up, "out": out}, Emulated()).launch()
        return out


def same(found, expected):
    return all(same_bits(f, e) for f, e in zip(found, expected, strict=True))


@pytest.mark.parametrize(("op", "eps"), CASES)
def test_the_bits_are_those_of_one_launch_after_another(op, eps):
    for M, K in SIZES:
        rows = Rows(op, M, K)
        assert same(rows.run(eps), rows.expected(eps)), (M, K)


@pytest.mark.parametrize(("op", "eps"), CASES)
def test_every_schedule_and_few_bytes_of_shared_memory(op, eps):
    rows = Rows(op, 2, 1030)
    expected = rows.expected(eps)
    for schedule in SCHEDULES:
        assert same(rows.run(eps, schedule=schedule), expected)
    small = Machine(1, 4 * 1152 + 1023)
    assert len(quantized_row(op, 2, 1030, small, eps=eps).launches) > 1
    assert same(rows.run(eps, small), expected)
    assert len(quantized_row(op, 2, 1024, small, eps=eps).launches) == 1


def test_the_norm_is_one():
    """Against float64: no value is more than a step off."""
    rows = Rows("add", 2, 2560)
    values, scale, sums, kept = rows.run(EPS)
    wide = kept.astype(np.float64)
    exact = wide / np.sqrt((wide**2).mean(axis=1, keepdims=True) + EPS) * rows.weight
    assert np.abs(values / scale[:, None] - exact).max() <= 0.51 / scale.min()
    assert np.array_equal(sums, values.sum(axis=1))


@pytest.mark.parametrize(("op", "eps"), CASES)
def test_a_row_that_is_not_finite_leaves_the_others(op, eps):
    rows = Rows(op, 3, 260)
    rows.a[1, 7] = np.inf
    values, scale, sums, _ = rows.run(eps)
    with np.errstate(all="ignore"):
        expected = rows.expected(eps)
    assert np.isnan(scale).tolist() == [False, True, False]
    for row in (0, 2):
        assert same_bits(values[row], expected[0][row])
        assert (scale[row], sums[row]) == (expected[1][row], expected[2][row])


def test_rows_of_zeros():
    for op, eps in CASES:
        rows = Rows(op, 1, 300)
        rows.a[:], rows.b[:] = 0, 0
        values, scale, sums, _ = rows.run(eps)
        assert not values.any()
        assert not sums.any()
        assert scale[0] == np.float32(127) / np.float32(1e-5)


@pytest.mark.parametrize(("op", "eps"), CASES)
def test_memory_is_moved_in_whole_pieces(op, eps):
    rows = Rows(op, 2, 2560)
    plan = quantized_row(op, 2, 2560, H200, eps=eps)
    one = rows.a.reshape(-1)[: 2 * 2560].copy()
    trace = traced(plan, a=one, b=one[::-1].copy(), weight=rows.weight,
                   values=np.zeros((2, 2560), np.int8), x_scales=np.zeros(2, np.float32),
                   x_sums=np.zeros(2, np.int32))  # fmt: skip
    found = trace.accesses()
    loads = [a for a in found if not a.shared and not a.write]
    assert {a.width for a in loads} == {16}
    operands = 1 + (op != "itself")
    # Each of 20 warps of a row once: operands, and the weight.
    assert sum(a.requests for a in loads) == 2 * 20 * (operands + (eps is not None))
    assert all(a.sectors == 1 for a in found if not a.shared and a.width >= 4)
    assert all(a.conflicts <= 1.1 for a in found if a.shared)


def test_what_no_plan_takes():
    for make, text in (
        (lambda: quantized_row("add", 0, 5, H200, eps=1), "M, K, stride: found 0, 5, 5"),
        (lambda: quantized_row("add", 1, 5, H200, eps=1, stride=6), "K for a stride"),
        (lambda: quantized_row("silu_mul", 1, 5, H200, eps=1, stride=4), "1, 5, 4"),
        (lambda: quantized_row("itself", 1, 5, H200, eps=None), "without a norm"),
    ):
        with pytest.raises(ShapeError, match=text):
            make()
