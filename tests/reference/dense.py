"""Oracles of heads and embeddings: ggml's activation formats restated, and products of the block
formats as exact integer sums followed by the stated order of float32 operations. How the bytes of a
block become weights is left to the gguf package."""

from __future__ import annotations

import gguf
import numpy as np

BLOCK = {"f32": 1, "f16": 1, "bf16": 1, "q8_0": 32, "q4_0": 32, "q6_k": 256, "q4_k": 256}
# Places of the float16 scales in a block: d, and dmin where there is one.
SCALES = {"q8_0": (0,), "q4_0": (0,), "q6_k": (208,), "q4_k": (0, 2)}
ACTIVATIONS = {"q8_0": "q8_0", "q4_0": "q8_0", "q6_k": "q8_k", "q4_k": "q8_k"}


def ggml_type(name: str) -> gguf.GGMLQuantizationType:
    return gguf.GGMLQuantizationType[name.upper()]


def dequantize(data: np.ndarray, name: str, n: int) -> np.ndarray:
    """float32[n, K] of bytes, by the gguf package."""
    rows = np.ascontiguousarray(data).reshape(n, -1)
    if name in ("f32", "f16"):
        return rows.view(np.dtype(f"<{name.replace('f32', 'f4').replace('f16', 'f2')}")).astype(
            "f4"
        )
    return gguf.quants.dequantize(rows, ggml_type(name))


def random_weights(name: str, n: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """Bytes of n x k weights: random floats, or any codes and scales with a small random d."""
    if BLOCK[name] == 1:
        x = (rng.standard_normal((n, k)) * 0.02).astype(np.float32)
        if name == "bf16":
            return (x.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8).reshape(-1)
        return x.astype(name.replace("f", "float")).view(np.uint8).reshape(-1)
    size = gguf.GGML_QUANT_SIZES[ggml_type(name)][1]
    blocks = rng.integers(0, 256, (n * k // BLOCK[name], size), np.uint8)
    for at in SCALES[name]:
        d = (rng.standard_normal(len(blocks)) * 0.01).astype(np.float16)
        blocks[:, at : at + 2] = d.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(-1)


def quantize_q8_k(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """quantize_row_q8_K_ref of float32[M, K]: values int8[M, K], d and sums [M, K / 256]."""
    blocks = x.reshape(-1, 256)
    at = np.abs(blocks).argmax(axis=1)  # the first of the largest
    most = blocks[np.arange(len(blocks)), at]
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.float32(-127) / most
    usable = np.isfinite(inverse)
    inverse = np.where(usable, inverse, np.float32(0))
    values = np.minimum(np.float32(127), np.rint(inverse[:, None] * blocks)).astype(np.int8)
    d = np.divide(np.float32(1), inverse, out=np.zeros_like(inverse), where=usable)
    return _shaped(x, values, d)


def quantize_q8_0(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """quantize_row_q8_0_ref of float32[M, K]: values int8[M, K], d and sums [M, K / 32]."""
    blocks = x.reshape(-1, 32)
    d = np.abs(blocks).max(axis=1) / np.float32(127)
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.float32(1) / d
    usable = np.isfinite(inverse)
    scaled = blocks * np.where(usable, inverse, np.float32(0))[:, None]
    magnitude = np.floor(np.abs(scaled).astype(np.float64) + 0.5)  # halves away from zero
    values = np.copysign(magnitude, scaled).astype(np.int8)
    with np.errstate(over="ignore"):
        half = np.where(usable, d, np.float32(0)).astype(np.float16)
    return _shaped(x, values, half.astype(np.float32))


def _shaped(x, values, d):
    m = len(x)
    sums = values.astype(np.int32).sum(axis=1, dtype=np.int32)
    return values.reshape(x.shape), d.reshape(m, -1), sums.reshape(m, -1)


QUANTIZE = {"q8_k": quantize_q8_k, "q8_0": quantize_q8_0}


def _integers(data: np.ndarray, name: str, n: int, keep: int) -> np.ndarray:
    """The weights, int64[n, blocks, block], with scale `keep` of SCALES as 1 and others as 0."""
    size = gguf.GGML_QUANT_SIZES[ggml_type(name)][1]
    blocks = data.reshape(-1, size).copy()
    for index, at in enumerate(SCALES[name]):
        one = np.float16(index == keep).tobytes()
        blocks[:, at : at + 2] = np.frombuffer(one, np.uint8)
    return dequantize(blocks, name, n).astype(np.int64).reshape(n, -1, BLOCK[name])


def _scale(data: np.ndarray, name: str, n: int, which: int) -> np.ndarray:
    size = gguf.GGML_QUANT_SIZES[ggml_type(name)][1]
    at = SCALES[name][which]
    half = np.ascontiguousarray(data.reshape(-1, size)[:, at : at + 2]).view(np.float16)
    return half.astype(np.float32).reshape(n, -1)


def product(data: np.ndarray, name: str, n: int, k: int, x: np.ndarray) -> np.ndarray:
    """float32[M, n] of float32[M, k], every bit as the contract says."""
    values, d, _ = QUANTIZE[ACTIVATIONS[name]](x)
    q = values.astype(np.int64).reshape(len(x), -1, BLOCK[name])
    terms = []  # [M, n, blocks] float32, in the order in which a block adds them
    for which in range(len(SCALES[name])):
        sums = np.einsum("nbk,mbk->mnb", _integers(data, name, n, which), q)
        assert np.abs(sums).max(initial=0) < 2**31
        scale = _scale(data, name, n, which)[None] * d[:, None]
        terms.append(scale * sums.astype(np.float32))
    blocks = k // BLOCK[name]
    if BLOCK[name] == 256:
        out = np.zeros((len(x), n), np.float32)
        for b in range(blocks):
            for term in terms:
                out += term[:, :, b]
        return out
    lane = np.zeros((8, len(x), n), np.float32)
    for b in range(blocks):
        lane[b % 8] += terms[0][:, :, b]
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]))
