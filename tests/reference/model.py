"""A plain NumPy forward pass of a BitNet model: the oracle of the engine. Float64 where nothing is
rounded on purpose; imports nothing from bitnet_perf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Arithmetic:
    """What a program rounds on the way."""

    activation: str = "relu2"
    quant: str = "q8_act"
    half_q: bool = False  # queries
    half_kv: bool = True  # keys and values
    half_p: bool = False  # probabilities
    half_head: bool = False  # input of the head


@dataclass
class Weights:
    """Ternary matrices as (int8[N, K], scale), norms and embedding as floats, named as in files."""

    heads: int
    kv_heads: int
    eps: float
    rope_base: float
    ternary: dict[str, tuple[np.ndarray, float]]
    floats: dict[str, np.ndarray]
    layers: int
    interleaved: bool = False


def half(x):
    return x.astype(np.float16).astype(np.float64)


def rms_norm(x, weight, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * weight


def q8_act(x):
    """(int8 values, what one of them is worth) a row."""
    x = x.astype(np.float32)
    amax = np.maximum(np.abs(x).max(axis=-1, keepdims=True), np.float32(1e-5))
    s = np.float32(127) / amax
    return np.rint(x * s).astype(np.int64), 1 / s.astype(np.float64)


def q8_k(x):
    """The same in blocks of 256, the value of largest magnitude becoming -127."""
    x = x.astype(np.float32).reshape(*x.shape[:-1], -1, 256)
    at = np.abs(x).argmax(axis=-1, keepdims=True)
    most = np.take_along_axis(x, at, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(most == 0, np.float32(0), np.float32(-127) / most)
        worth = np.where(most == 0, np.float32(0), np.float32(1) / inverse)
    return np.minimum(127, np.rint(x * inverse)).astype(np.int64), worth.astype(np.float64)


def product(x, w, how):
    codes, scale = w
    if how.quant == "q8_act":
        q, worth = q8_act(x)
        return (q @ codes.T.astype(np.int64)) * worth * scale
    q, worth = q8_k(x)
    blocks = codes.astype(np.int64).reshape(codes.shape[0], -1, 256)
    sums = np.einsum("mbk,nbk->mnb", q, blocks)
    return (sums * worth[..., 0][:, None, :]).sum(axis=-1) * scale


def rotate(x, positions, base, interleaved):
    """x [T, heads, D]."""
    dim = x.shape[-1]
    angle = positions[:, None] * base ** (-2 * np.arange(dim // 2) / dim)
    cos, sin = np.cos(angle)[:, None, :], np.sin(angle)[:, None, :]
    a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else (x[..., : dim // 2], x[..., dim // 2 :])
    turned = (a * cos - b * sin, a * sin + b * cos)
    if interleaved:
        return np.stack(turned, axis=-1).reshape(x.shape)
    return np.concatenate(turned, axis=-1)


def attention(q, k, v, how):
    """Causal; q [T, H, D], k and v [T, KV, D]."""
    if how.half_q:
        q = half(q)
    if how.half_kv:
        k, v = half(k), half(v)
    group = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
    scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(q.shape[-1])
    scores = np.where(np.tril(np.ones(scores.shape[1:], bool)), scores, -np.inf)
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    if how.half_p:
        p = half(p)
    return np.einsum("hts,shd->thd", p, v).reshape(q.shape[0], -1)


def activate(gate, up, how):
    if how.activation == "relu2":
        return np.maximum(gate, 0) ** 2 * up
    return gate / (1 + np.exp(-gate)) * up


def forward(w, tokens, how):
    """Logits float64 [T, vocab]."""
    tokens = np.asarray(tokens)
    positions = np.arange(tokens.size, dtype=np.float64)
    x = w.floats["token_embd"][tokens].astype(np.float64)

    def norm(y, name):
        return rms_norm(y, w.floats[name], w.eps) if name in w.floats else y

    for layer in range(w.layers):
        blk = f"blk.{layer}."
        y = norm(x, blk + "attn_norm")
        q, k, v = (product(y, w.ternary[blk + f"attn_{n}"], how) for n in "qkv")
        q = q.reshape(tokens.size, w.heads, -1)
        k, v = (each.reshape(tokens.size, w.kv_heads, -1) for each in (k, v))
        q, k = (rotate(each, positions, w.rope_base, w.interleaved) for each in (q, k))
        y = norm(attention(q, k, v, how), blk + "attn_sub_norm")
        x = x + product(y, w.ternary[blk + "attn_output"], how)
        y = norm(x, blk + "ffn_norm")
        gate, up = (product(y, w.ternary[blk + f"ffn_{n}"], how) for n in ("gate", "up"))
        y = norm(activate(gate, up, how), blk + "ffn_sub_norm")
        x = x + product(y, w.ternary[blk + "ffn_down"], how)
    y = norm(x, "output_norm")
    if how.half_head:
        y = half(y)
    return y @ w.floats.get("output", w.floats["token_embd"]).T.astype(np.float64)
