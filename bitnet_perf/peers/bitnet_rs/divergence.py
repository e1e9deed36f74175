"""Where the crates' CPU levels differ from their scalar level, by name.

`explain` looks at the elements that differ and names a cause for each of them. A difference that
no cause covers is not explained, whatever level produced it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.peers.bitnet_rs import kernel as providers
from bitnet_perf.peers.bitnet_rs import matmul_i2s as integers
from bitnet_perf.peers.bitnet_rs import quant_tl2 as tl2
from bitnet_perf.peers.bitnet_rs.common import (
    Call,
    Outcome,
    flat_f32,
    per_element,
    unpack2,
)
from bitnet_perf.peers.bitnet_rs.quant import grouped_scales
from bitnet_perf.peers.bitnet_rs.quant_i2s import repeated_from

#: name -> what differs from the scalar level
DIVERGENCES: dict[str, str] = {
    "repeated-codes": "quant.i2s with AVX2 gives elements 4-7 of each 8 the codes of elements 0-3",
    "block-size": "quant.tl2 takes a default block of 64, 128 or 256 by CPU level",
    "zero-code": "zero in kernel.tl2 is +0.4 s with AVX-512 and -0.4 s elsewhere",
    "dirty-output": "kernel.tl2 clears the output buffer with SIMD, the scalar level ORs into it",
    "ties": "halves are rounded to even by SIMD code, away from zero by scalar code",
    "summation-order": "float32 products are summed in another order",
    "non-finite": "NaN and infinities take other codes, or another absmax, with SIMD",
    "reciprocal": "SIMD code multiplies by 1/s, which falls on the other side of a threshold",
    "index-overflow": "a quant.tl2 table index beyond int32 becomes 0 with SIMD, 255 without",
    "bucket-edge": "kernel.tl2 with AVX-512 compares with 0.8 s instead of taking distances",
    "short-output": "kernel.tl2 with SIMD refuses an output of floor(n/4) bytes",
    "no-provider": "the provider refuses a CPU without its instructions",
    "large-block": "i2s_matmul_blocked panics where a block holds more than 256 values",
    "unchecked-size": "matmul_i2s with SIMD accepts arrays longer than it needs",
}
NOTHING: frozenset[str] = frozenset()
Mask = NDArray[np.bool_]


def explain(call: Call, scalar: Outcome | None, crate: Outcome | None) -> tuple[str, ...]:
    """Names of what makes `crate` differ from `scalar` (None: refused), most telling first.

    Empty where a difference is left that no name covers.
    """
    rule = RULES.get(call.codec)
    with np.errstate(all="ignore"):
        names = rule(call, scalar, crate) if rule is not None else NOTHING
    return tuple(name for name in DIVERGENCES if name in names)


def _present(**causes: Mask | bool) -> frozenset[str]:
    return frozenset(
        name.replace("_", "-") for name, where in causes.items() if bool(np.any(where))
    )


def _halfway(value: NDArray[Any]) -> Mask:
    magnitude = np.abs(value)
    return np.asarray(magnitude - np.trunc(magnitude) == 0.5)


def _quant_i2s(call: Call, scalar: Outcome | None, crate: Outcome | None) -> frozenset[str]:
    if scalar is None or crate is None:
        return NOTHING
    x = flat_f32(call.inputs["x"])
    mine, theirs = (
        o.outputs["levels"] if "levels" in o.outputs else unpack2(o.outputs["data"])[: x.size]
        for o in (scalar, crate)
    )
    block = int(crate.meta.get("block_size", call.number("block_size", 32)))
    source, grouped = repeated_from(x.size, block)
    differ = mine != theirs
    if np.any(differ & ~grouped):
        return NOTHING
    repeated = differ & (source != np.arange(x.size))
    converted = differ & ~repeated
    s = per_element(crate.outputs["scales"], block, x.size)
    tie = _halfway(x / s) | _halfway(x * (np.float32(1) / s))
    finite = np.isfinite(x)
    return _present(
        repeated_codes=repeated,
        non_finite=converted & ~finite,
        ties=converted & finite & tie,
        reciprocal=converted & finite & ~tie,
    )


def _quant_tl2(call: Call, scalar: Outcome | None, crate: Outcome | None) -> frozenset[str]:
    if scalar is None or crate is None:
        return NOTHING
    x = flat_f32(call.inputs["x"])
    block, bits = tl2.block_of(call), call.number("precision_bits", 2)
    scales = grouped_scales(x, block, bits)
    mine = tl2.codes_of(x, scales, block, bits, 0) & 3
    differ = mine != unpack2(crate.outputs["data"])[: x.size]
    if np.any(differ & ~tl2.in_group(x.size, block, tl2.lanes_of(call))):
        return NOTHING
    exact, wide = tl2.indices(x, per_element(scales, block, x.size))
    finite, overflow = np.isfinite(x), np.abs(wide) >= np.float32(2**31)
    tie = _halfway(exact) | _halfway(wide)
    return _present(
        block_size=scalar.meta.get("block_size") != block,
        non_finite=differ & ~finite,
        index_overflow=differ & finite & overflow,
        ties=differ & finite & ~overflow & tie,
        reciprocal=differ & finite & ~overflow & ~tie,
    )


def _kernel_tl2(call: Call, scalar: Outcome | None, crate: Outcome | None) -> frozenset[str]:
    x = flat_f32(call.inputs["x"])
    block = call.number("block_size", 128)
    before, _ = providers.buffers(call, x.size, block)
    if scalar is None or crate is None:
        return _present(short_output=crate is None and x.size // 4 <= before.size < x.size / 4)
    if x.size == 0:
        return _present(dirty_output=scalar.outputs["data"] != crate.outputs["data"])
    differ = unpack2(scalar.outputs["data"]) != unpack2(crate.outputs["data"])
    dirty = differ & (unpack2(before) != 0)
    rest = differ & ~dirty
    inside = min(x.size, rest.size)
    odd_block = np.logical_or.reduceat(~np.isfinite(x), np.arange(0, x.size, block))
    mine, theirs = scalar.outputs["scales"], crate.outputs["scales"]
    other_scale = np.flatnonzero((mine != theirs) & ~(np.isnan(mine) & np.isnan(theirs)))
    odd = per_element(odd_block, block, x.size)[:inside]
    if np.any(rest[inside:]) or not np.all(odd_block[other_scale]):
        return NOTHING
    v = providers.normalized(x, theirs, block)[:inside]
    left, right = np.abs(v + np.float32(0.4)), np.abs(v - np.float32(0.4))
    edge = np.abs(np.abs(v) - np.float32(0.8)) < np.float32(1e-6)
    regular = rest[:inside] & ~odd
    if np.any(regular & (left != right) & ~edge):
        return NOTHING
    return _present(
        dirty_output=dirty,
        non_finite=bool(np.any(rest[:inside] & odd)) or other_scale.size > 0,
        zero_code=regular & (left == right),
        bucket_edge=regular & (left != right),
    )


def _matmul_i2s(call: Call, scalar: Outcome | None, crate: Outcome | None) -> frozenset[str]:
    if call.level not in integers.LANES:
        return NOTHING
    if crate is None:
        return _present(no_provider=call.hidden)
    if scalar is None:
        return _present(unchecked_size=True)
    m, n, k = integers.sizes(call)
    a = np.abs(call.inputs["a"].reshape(-1)[: m * k].astype(np.float64)).reshape(m, k)
    b = call.inputs["b"].reshape(-1)[: k * n].astype(np.float64).reshape(k, n)
    return _sums(scalar, crate, a @ b, k)


def _matmul(call: Call, scalar: Outcome | None, crate: Outcome | None) -> frozenset[str]:
    if scalar is None:
        return NOTHING
    if crate is None:
        return _present(large_block=call.function == "i2s_matmul_blocked")
    m, n, k = (call.number(name, 0) for name in "mnk")
    block = call.number("block_size", 1)
    x = np.abs(flat_f32(call.inputs["x"])[: m * k].reshape(m, k).astype(np.float64))
    scales = flat_f32(call.inputs["scales"])[: n * -(-k // block)].reshape(n, -1)
    w = np.abs(per_element(scales.T.astype(np.float64), block, k))
    return _sums(scalar, crate, x @ w, k)


def _sums(scalar: Outcome, crate: Outcome, terms: NDArray[np.float64], k: int) -> frozenset[str]:
    """Two sums of the same k terms, whose magnitudes add up to `terms`.

    Each carries at most k + 2 rounding errors of 2^-24 of that, plus underflow.
    """
    mine, theirs = scalar.outputs["c"], crate.outputs["c"]
    differ = (mine.view(np.uint32) != theirs.view(np.uint32)) & ~(np.isnan(mine) & np.isnan(theirs))
    finite = np.isfinite(mine) & np.isfinite(theirs)
    gap = np.abs(mine.astype(np.float64) - theirs.astype(np.float64))
    bound = 2 * (k + 2) * 2.0**-24 * terms + k * 2.0**-126
    if np.any(differ & finite & ~(gap <= bound)):
        return NOTHING
    return _present(summation_order=differ & finite, non_finite=differ & ~finite)


Rule = Callable[[Call, Outcome | None, Outcome | None], frozenset[str]]
RULES: dict[str, Rule] = {
    "quant.i2s": _quant_i2s,
    "quant.tl2": _quant_tl2,
    "kernel.tl2": _kernel_tl2,
    "matmul_i2s": _matmul_i2s,
    "matmul": _matmul,
}
