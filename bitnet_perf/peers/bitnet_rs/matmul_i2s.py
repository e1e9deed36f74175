"""Oracle of `matmul_i2s`: int8 [m, k] times uint8 [k, n], one byte per weight, to float32 [m, n].

The scalar provider sums float32 products one after another. AVX2 and AVX-512 multiply 32 or 64
values of k in int32, add them to 8 or 16 float32 lanes, and sum the lanes at the end; they check
no sizes and panic where a slice ends too early.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from bitnet_perf.peers.bitnet_rs.common import (
    F32,
    Call,
    Ints,
    Outcome,
    Refusal,
    fold_lanes,
    sequential_dot,
)

LANES = {"avx2": 8, "avx512": 16}
FEATURES = {"avx2": "AVX2", "avx512": "AVX-512F+BW"}


def matmul_i2s(call: Call) -> Outcome:
    """Output c [m, n] of one run."""
    a, b = call.inputs["a"].reshape(-1), call.inputs["b"].reshape(-1)
    m, n, k = sizes(call)
    c_len = call.number("c_len", m * n)
    if call.level not in LANES:
        _refuse_sizes((("A", m * k, a.size), ("B", k * n, b.size), ("C", m * n, c_len)))
        c = sequential_dot(a.astype(np.float32).reshape(m, k), b.astype(np.float32).reshape(k, n))
        return Outcome({"c": c})
    if call.hidden:
        raise Refusal(
            f"Kernel error: Unsupported hardware: required {FEATURES[call.level]}, available none"
        )
    lanes = LANES[call.level]
    if a.size < m * k or b.size < k * n or c_len < m * n:
        raise Refusal(_panic((a.size, b.size, c_len), (m, n, k), lanes), "panic")
    wide_a = a[: m * k].astype(np.int64).reshape(m, k)
    return Outcome({"c": _by_lanes(wide_a, b[: k * n].astype(np.int64).reshape(k, n), lanes)})


def sizes(call: Call) -> tuple[int, int, int]:
    """(m, n, k) as the caller named them."""
    return call.number("m", 0), call.number("n", 0), call.number("k", 0)


def _refuse_sizes(matrices: tuple[tuple[str, int, int], ...]) -> None:
    for name, expected, got in matrices:
        if expected != got:
            raise Refusal(
                f"Kernel error: Kernel execution failed: Matrix {name} dimension mismatch: "
                f"expected {expected}, got {got}"
            )


def _by_lanes(a: Ints, b: Ints, lanes: int) -> F32:
    """Lane p of a step of 4 * lanes values holds values 2p, 2p + 1 of both halves of the step."""
    step = 4 * lanes
    total = np.zeros((a.shape[0], b.shape[1], lanes), np.float32)
    for start in range(0, a.shape[1], step):
        wide = np.zeros((a.shape[0], step), np.int64)
        tall = np.zeros((step, b.shape[1]), np.int64)
        part = a[:, start : start + step]
        wide[:, : part.shape[1]] = part
        tall[: part.shape[1]] = b[start : start + step]
        split_a = wide.reshape(a.shape[0], 2, lanes, 2)
        split_b = tall.reshape(2, lanes, 2, b.shape[1])
        total += np.einsum("mhlp,hlpn->mnl", split_a, split_b).astype(np.float32)
    return fold_lanes(total)


def _panic(lengths: tuple[int, int, int], shape: tuple[int, int, int], lanes: int) -> str:
    """Text of the first slice or index that goes out of bounds, in the order of the loops."""
    (a_len, b_len, c_len), (m, n, k) = lengths, shape
    step = 4 * lanes
    for i, j in product(range(0, m, lanes), range(0, n, lanes)):
        rows, columns = range(i, min(i + lanes, m)), range(j, min(j + lanes, n))
        for start, row in product(range(0, k, step), rows):
            used = min(step, k - start)
            begin = row * k + start
            if begin > a_len:
                return f"range start index {begin} out of range for slice of length {a_len}"
            if a_len - begin < used < step:
                return f"range end index {used} out of range for slice of length {a_len - begin}"
            for column, weight in product(columns, range(start, start + used)):
                if weight * n + column >= b_len:
                    return _index_text(b_len, weight * n + column)
        for row, column in product(rows, columns):
            if row * n + column >= c_len:
                return _index_text(c_len, row * n + column)
    return "out of bounds"


def _index_text(length: int, index: int) -> str:
    return f"index out of bounds: the len is {length} but the index is {index}"
