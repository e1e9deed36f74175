"""Attention over a float16 cache on the device, against float64."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_launches import same_bits, traced, unset

from bitnet_perf import _native
from bitnet_perf.errors import ShapeError
from bitnet_perf.kernels.cuda.emulate import SCHEDULES
from bitnet_perf.kernels.cuda.launch import Emulated, bind
from bitnet_perf.kernels.cuda.plans import layer
from bitnet_perf.kernels.cuda.plans.plan import H200

# heads, heads of the cache, head_dim, capacity, positions seen of each sequence
CASES = {
    "2B4T": ((20, 5), 128, 70, [70, 1]),
    "one head a KV head": ((3, 3), 128, 40, [37, 9]),
    "six heads a KV head": ((6, 1), 64, 130, [129]),
    "small heads": ((4, 1), 64, 70, [70, 64, 2]),
    "small heads alone": ((2, 2), 64, 33, [33]),
}


class Cache:
    """Queries and a cache in which what is not seen is NaN."""

    def __init__(self, heads, dim, capacity, lengths, scale=1.0):
        rng = np.random.default_rng([dim, capacity])
        shape = (len(lengths), heads[1], capacity, dim)
        self.heads, self.lengths = heads, np.array(lengths, np.int32)
        self.q = (rng.standard_normal((len(lengths), heads[0] * dim)) * scale).astype(np.float32)
        self.keys, self.values = rng.standard_normal((2, *shape)).astype(np.float16)
        for m, length in enumerate(lengths):
            self.keys[m, :, length:] = self.values[m, :, length:] = np.nan
        self.scale = dim**-0.5

    def run(self, parts, schedule="in_order"):
        count, _, capacity, dim = self.keys.shape
        out = unset((count, self.heads[0], dim), np.float32)
        plan = layer.attention(count, self.heads, dim, capacity, scale=self.scale, machine=H200,
                               parts=parts)  # fmt: skip
        arrays = {"q": self.q, "keys": self.keys, "values": self.values, "length": self.lengths}
        bound = bind(plan, {**arrays, "out": out}, Emulated(schedule=schedule))
        bound.launch()
        if parts > 1:
            assert not bound.arrays["arrived"].any()
        return out

    def exact(self):
        """(out in float64, the bound's S, its V) of each head."""
        count, kv_heads, _, dim = self.keys.shape
        outs, larger, largest = (np.zeros((count, self.heads[0], d)) for d in (dim, 1, 1))
        group = self.heads[0] // kv_heads
        scale = float(np.float32(self.scale))
        for m, length in enumerate(self.lengths):
            for head in range(self.heads[0]):
                q = self.q[m].reshape(-1, dim)[head].astype(np.float64)
                k, v = (c[m, head // group, :length].astype(np.float64)
                        for c in (self.keys, self.values))  # fmt: skip
                s = k @ q * scale
                e = np.exp(s - s.max())
                outs[m, head] = e @ v / e.sum()
                larger[m, head] = (np.abs(k) @ np.abs(q)).max() * scale
                largest[m, head] = np.abs(v).max()
        return outs, larger, largest


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("parts", [1, 3])
def test_the_bound_holds(case, parts):
    heads, dim, capacity, lengths = CASES[case]
    for scale in (1.0, 30.0) if capacity < 100 else (30.0,):
        cache = Cache(heads, dim, capacity, lengths, scale=scale)
        out = cache.run(parts)
        exact, S, V = cache.exact()
        n = -(-capacity // (1024 // dim))  # positions of a group
        bound = 2.0**-24 * V * (40 * S + 4 * n + 4 * parts + 128)
        assert (np.abs(out - exact) <= bound).all()


def test_as_near_as_the_cpu():
    cache = Cache((8, 2), 128, 200, [200, 131])
    out, exact = cache.run(2), cache.exact()[0]
    cpu = _native.attention(cache.q.reshape(2, 8, 128), np.nan_to_num(cache.keys),
                            np.nan_to_num(cache.values), cache.lengths.astype(np.int64),
                            cache.scale)  # fmt: skip
    error, of_cpu = (np.abs(y - exact).max() for y in (out, np.asarray(cpu).reshape(out.shape)))
    assert error <= max(4 * of_cpu, 2.0**-22)


def test_every_schedule_gives_the_same_bits():
    cache = Cache((8, 2), 128, 150, [150, 60])
    for parts in (1, 4):
        expected = cache.run(parts)
        for schedule in SCHEDULES:
            assert same_bits(cache.run(parts, schedule), expected)


def test_more_parts_than_positions():
    cache = Cache((4, 1), 64, 200, [1, 200])
    exact = cache.exact()[0]
    first = cache.values[0, 0, 0].astype(np.float32)
    for parts in (7, 64):
        out = cache.run(parts)
        assert np.allclose(out, exact, atol=1e-5)
        assert all(same_bits(row, first) for row in out[0])


def test_scores_that_rise_and_fall():
    """The largest score comes first, last, or far above the others."""
    cache = Cache((4, 1), 128, 64, [64])
    cache.q[:] = 1
    for order in (np.arange(64), np.arange(64)[::-1], np.where(np.arange(64) == 40, 200, 0)):
        cache.keys[0, 0] = (order[:, None] / 4).astype(np.float16)
        exact, S, V = cache.exact()
        out = cache.run(1)
        assert (np.abs(out - exact) <= 2.0**-24 * V * (40 * S + 4 * 8 + 132)).all()


def test_a_plan_fills_the_machine():
    plan = layer.attention(1, (20, 5), 128, 4096, scale=1, machine=H200)
    assert [each.geometry.grid for each in plan.launches] == [(32, 5, 1)]
    assert plan.scratch["arrived"].zeros
    for M, capacity in ((64, 4096), (1, 100)):
        assert layer.attention(M, (20, 5), 128, capacity, scale=1, machine=H200).scratch == {}


# heads, heads of the cache, head_dim, rope_dim, of a token
ROTATED = (
    ((20, 5), 128, 128),
    ((3, 3), 64, 64),
    ((4, 1), 64, 24),
    ((2, 1), 24, 22),
    ((1, 1), 8, 2),
)


@pytest.mark.parametrize("neighbours", [False, True])
@pytest.mark.parametrize("together", [False, True])
def test_keys_are_rotated_and_stored_half_to_even(neighbours, together):
    for (heads, kv_heads), dim, rope_dim in ROTATED:
        rng = np.random.default_rng([heads, dim])
        qkv = rng.standard_normal((2, heads + 2 * kv_heads, dim)).astype(np.float32)
        qkv[0, -1, :4] = [65520, 2049, 1e-8, -0.0]
        angle = rng.random((2, rope_dim // 2), np.float32) * 6
        cos, sin = np.cos(angle), np.sin(angle)
        sequences, length = 1 if together else 2, np.array([9, 3], np.int32)
        caches = np.full((2, sequences, kv_heads, 9, dim), 7, np.float16)
        plan = layer.rope_store(2, (heads, kv_heads), dim, 9, rope_dim=rope_dim,
                                neighbours=neighbours, together=together)  # fmt: skip
        expected, turning = caches.copy(), heads + kv_heads
        turned = qkv.copy()
        turned[:, :turning] = _native.rope(
            qkv[:, :turning].reshape(2, -1), cos, sin, turning, dim, neighbours
        ).reshape(2, turning, dim)
        for m in range(2):
            with np.errstate(over="ignore"):
                new = turned[m, heads:].reshape(2, kv_heads, dim).astype(np.float16)
            expected[:, m % sequences, :, length[m] - 1] = new
        for schedule in SCHEDULES[:1] if dim > 64 else SCHEDULES:
            found, (keys, values) = qkv.copy(), caches.copy()
            bind(plan, {"qkv": found, "cos": cos, "sin": sin, "keys": keys, "values": values,
                        "length": length}, Emulated(schedule=schedule)).launch()  # fmt: skip
            assert same_bits(np.stack([keys, values]), expected), (dim, rope_dim)
            assert same_bits(found[:, :heads], turned[:, :heads])
            assert same_bits(found[:, heads:], qkv[:, heads:])


@pytest.mark.parametrize("neighbours", [False, True])
def test_rotating_and_storing_move_whole_pieces(neighbours):
    qkv, caches = np.ones((2, 30, 128), np.float32), np.zeros((2, 2, 5, 9, 128), np.float16)
    angle = np.zeros((2, 64), np.float32)
    plan = layer.rope_store(2, (20, 5), 128, 9, rope_dim=128, neighbours=neighbours)
    trace = traced(plan, qkv=qkv, cos=angle, sin=angle, keys=caches[0], values=caches[1],
                   length=np.array([9, 3], np.int32))  # fmt: skip
    moved = [a for a in trace.accesses() if a.width > 4]
    assert {(a.width, a.write) for a in moved} == {(16, False), (16, True), (8, True)}
    # Neighbours lie in two loads of one sector each.
    assert all(a.sectors <= 1 + neighbours for a in moved)


def test_rows_of_the_cache_are_read_whole():
    cache = Cache((8, 2), 128, 256, [256])
    out = unset((1, 8, 128), np.float32)
    plan = layer.attention(1, (8, 2), 128, 256, scale=1, machine=H200, parts=1)
    trace = traced(plan, q=cache.q, keys=cache.keys, values=cache.values, length=cache.lengths,
                   out=out)  # fmt: skip
    loads = [a for a in trace.accesses() if not a.shared and not a.write and a.width == 16]
    # Two positions of 256 bytes a warp; each position's key and value once a KV head.
    assert sum(a.requests for a in loads if a.sectors == 1) == 2 * 2 * 256 // 2


def test_parts_are_put_together_in_whole_pieces():
    cache = Cache((8, 2), 64, 256, [256])
    plan = layer.attention(1, (8, 2), 64, 256, scale=1, machine=H200, parts=4)
    scratch = {name: np.zeros(a.shape, a.dtype) for name, a in plan.scratch.items()}
    trace = traced(plan, q=cache.q, keys=cache.keys, values=cache.values, length=cache.lengths,
                   out=unset((1, 8, 64), np.float32), **scratch)  # fmt: skip
    factors = [a for a in trace.accesses() if a.width == 8]
    assert {(a.shared, a.write) for a in factors} == {(True, True), (True, False), (False, False)}
    assert all(a.conflicts <= 1.1 and a.sectors == 1 for a in factors)
    (stored,) = [a for a in trace.accesses() if not a.shared and a.write and a.width == 16]
    assert stored.sectors == 1


def test_what_no_plan_takes():
    for heads, dim, text in (
        ((5, 2), 128, "heads that are a multiple"), ((4, 2), 80, "head_dim 64, 128"),
        ((4, 0), 64, "accepted are 1 and more"),
    ):  # fmt: skip
        with pytest.raises(ShapeError, match=text):
            layer.attention(1, heads, dim, 10, scale=1, machine=H200)
    with pytest.raises(ShapeError, match="parts: found 65, accepted are 1 to 64"):
        layer.attention(1, (4, 1), 64, 10, scale=1, machine=H200, parts=65)
    with pytest.raises(ShapeError, match="multiple of 8"):
        layer.rope_store(1, (4, 2), 12, 10, rope_dim=12, neighbours=False)
    for rope_dim in (66, 33):
        with pytest.raises(ShapeError, match=f"found 64, {rope_dim}, accepted .* an even number"):
            layer.rope_store(1, (4, 2), 64, 10, rope_dim=rope_dim, neighbours=False)
