"""The float parts of a layer in NumPy float64, written from their definitions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def rms_norm(x: NDArray[np.float32], weight: NDArray[np.float32], eps: float) -> Array:
    """x / sqrt(mean(x^2) + eps) * weight over the last axis."""
    wide = x.astype(np.float64)
    mean = np.mean(wide**2, axis=-1, keepdims=True)
    return wide / np.sqrt(mean + float(np.float32(eps))) * weight


def rope(
    x: NDArray[np.float32],
    cos: NDArray[np.float32],
    sin: NDArray[np.float32],
    heads: int,
    *,
    head_dim: int,
    interleaved: bool,
) -> NDArray[np.float32]:
    """x [M, columns] with the first pairs of each head turned; every step rounded to float32."""
    out = x.copy()
    half = cos.shape[1]
    for m in range(len(x)):
        for h in range(heads):
            for i in range(half):
                first, second = (2 * i, 2 * i + 1) if interleaved else (i, i + half)
                a, b = x[m, h * head_dim + first], x[m, h * head_dim + second]
                out[m, h * head_dim + first] = a * cos[m, i] - b * sin[m, i]
                out[m, h * head_dim + second] = a * sin[m, i] + b * cos[m, i]
    return out


def silu_mul(gate: NDArray[np.float32], up: NDArray[np.float32]) -> Array:
    """gate / (1 + exp(-gate)) * up."""
    wide = gate.astype(np.float64)
    return wide / (1.0 + np.exp(-wide)) * up


def softmax_numerators(x: NDArray[np.float32], largest: float, temperature: float) -> Array:
    """exp((x - largest) / temperature), 1 where x is above: in long double from the float64
    quotient on."""
    with np.errstate(over="ignore"):
        quotient = np.minimum((x.astype(np.float64) - largest) / temperature, 0)
    return np.exp(quotient.astype(np.longdouble)).astype(np.float64)


def attention(
    q: NDArray[np.float32],
    keys: NDArray[np.floating],
    values: NDArray[np.floating],
    length: NDArray[np.int64],
    scale: float,
    *,
    round_p: bool = False,
) -> tuple[Array, Array, Array]:
    """(out [M, heads, head_dim], S [M, heads], V [M, heads]) for q [M, heads, head_dim] and keys
    and values [1 or M, KV heads, positions, head_dim]: S is the largest sum of |q k| scale, V the
    largest |v|, from which the bound of the kernels follows."""
    M, heads, _ = q.shape
    out = np.zeros(q.shape, np.float64)
    most, largest = np.zeros((M, heads)), np.zeros((M, heads))
    scale = float(np.float32(scale))
    for m in range(M):
        sequence = m if len(keys) > 1 else 0
        for h in range(heads):
            kv = h // (heads // keys.shape[1])
            k = keys[sequence, kv, : length[m]].astype(np.float64)
            v = values[sequence, kv, : length[m]].astype(np.float64)
            scores = k @ q[m, h].astype(np.float64) * scale
            p = np.exp(scores - scores.max())
            p /= p.sum()
            if round_p:
                p = p.astype(np.float16).astype(np.float64)
            out[m, h] = p @ v
            most[m, h] = (np.abs(k) @ np.abs(q[m, h]).astype(np.float64)).max() * scale
            largest[m, h] = np.abs(v).max()
    return out, most, largest
