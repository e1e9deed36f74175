"""NumPy oracles of the packed formats, written from the format description alone.

Nothing here comes from the package under test. W is int8[N, K] of -1, 0, 1; every `pack_*` gives
the code bytes (uint8, flat) of weights whose K is already a multiple of the group (see `pad`),
every `unpack_*` turns them back. A tile is (BM, BK, bm).
"""

from __future__ import annotations

import struct

import numpy as np

GROUP = {
    "i2_s": 128, "tl1": 32, "tl2": 32, "tq1_0": 256, "tq2_0": 256,
    "native_i2_r4": 128, "native_i2_r16": 128,
}  # fmt: skip
ROWS = {"native_i2_r4": 4, "native_i2_r16": 16}  # packed together; 1 elsewhere


def pad(w, group, rows=1):
    """Zero weights appended up to a multiple of `group` columns and `rows` rows."""
    N, K = w.shape
    return np.pad(w, ((0, -N % rows), (0, -K % group)))


def pack_i2_s(w):
    c = (w + 1).astype(np.uint8).reshape(w.shape[0], -1, 4, 32)
    return (c[:, :, 0] << 6 | c[:, :, 1] << 4 | c[:, :, 2] << 2 | c[:, :, 3]).reshape(-1)


def unpack_i2_s(data, N, K):
    b = data.reshape(N, K // 128, 1, 32)
    shifts = np.array([6, 4, 2, 0], np.uint8).reshape(1, 1, 4, 1)
    return ((b >> shifts & 3).astype(np.int8) - 1).reshape(N, K)


def pack_native_i2_r4(w):
    """Groups of i2_s of four rows side by side: byte (n/4)*K + g*128 + (n%4)*32 + p."""
    N, K = w.shape
    rows = pack_i2_s(w).reshape(N // 4, 4, K // 128, 32)
    return rows.transpose(0, 2, 1, 3).reshape(-1)


def unpack_native_i2_r4(data, N, K):
    rows = data.reshape(N // 4, K // 128, 4, 32).transpose(0, 2, 1, 3)
    return unpack_i2_s(rows.reshape(-1), N, K)


def pack_native_i2_r16(w):
    """Dwords of the groups of sixteen rows: (n/16)*4K + g*512 + (p/4)*64 + (n%16)*4 + p%4."""
    N, K = w.shape
    rows = pack_i2_s(w).reshape(N // 16, 16, K // 128, 8, 4)
    return rows.transpose(0, 2, 3, 1, 4).reshape(-1)


def unpack_native_i2_r16(data, N, K):
    rows = data.reshape(N // 16, K // 128, 8, 16, 4).transpose(0, 3, 1, 2, 4)
    return unpack_i2_s(rows.reshape(-1), N, K)


def pack_tq2_0(w, d=1.0):
    c = (w + 1).astype(np.uint8).reshape(-1, 2, 4, 32)
    codes = c[:, :, 0] | c[:, :, 1] << 2 | c[:, :, 2] << 4 | c[:, :, 3] << 6
    return _with_scales(codes.reshape(-1, 64), d)


def unpack_tq2_0(data, N, K):
    b = data.reshape(-1, 66)[:, :64].reshape(-1, 2, 1, 32)
    shifts = np.array([0, 2, 4, 6], np.uint8).reshape(1, 1, 4, 1)
    return ((b >> shifts & 3).astype(np.int8) - 1).reshape(N, K)


def pack_tq1_0(w, d=1.0):
    trits = (w + 1).astype(np.int64).reshape(-1, 256)
    codes = np.zeros((trits.shape[0], 52), np.int64)
    for byte, places in enumerate(_tq1_places()):
        value = sum(trits[:, k] * 3 ** (4 - n) for n, k in enumerate(places))
        codes[:, byte] = (256 * value + 242) // 243
    return _with_scales(codes.astype(np.uint8), d)


def unpack_tq1_0(data, N, K):
    b = data.reshape(-1, 54)[:, :52].astype(np.int64)
    w = np.zeros((b.shape[0], 256), np.int8)
    for byte, places in enumerate(_tq1_places()):
        for n, k in enumerate(places):
            w[:, k] = (b[:, byte] * 3**n % 256 * 3 >> 8) - 1
    return w.reshape(N, K)


def _tq1_places():
    """Weights of each of the 52 bytes of a block, most significant trit first."""
    for m in range(32):
        yield [m + 32 * n for n in range(5)]
    for m in range(16):
        yield [160 + m + 16 * n for n in range(5)]
    for m in range(4):
        yield [240 + m + 4 * n for n in range(4)]


def _with_scales(codes, d):
    scales = np.broadcast_to(np.asarray(d, np.float16).reshape(-1, 1), (codes.shape[0], 1))
    raw = np.ascontiguousarray(scales).view(np.uint8).reshape(-1, 2)
    return np.concatenate([codes, raw], axis=1).reshape(-1)


def _tl1_place(n, k, K, tile):
    BM, BK, bm = tile
    by = 256 // bm
    index = (n // BM, k // BK, n % BM // bm, k % BK // by, n % bm // 16, k % by // 4, n % 16)
    sizes = (None, K // BK, BM // bm, BK // by, bm // 16, by // 4, 16)
    place = index[0]
    for at, size in zip(index[1:], sizes[1:], strict=True):
        place = place * size + at
    return place


def _pairs(w):
    """Bytes of four columns: two pair indices, the first in the high nibble."""
    v = (3 * w[..., 0::2] + w[..., 1::2] + 4).astype(np.uint8)
    return v[..., 0::2] << 4 | v[..., 1::2]


def pack_tl1(w, tile):
    N, K = w.shape
    n, k = np.meshgrid(np.arange(N), np.arange(0, K, 4), indexing="ij")
    out = np.empty(N * K // 4, np.uint8)
    out[_tl1_place(n, k, K, tile)] = _pairs(w)
    return out


def _unpairs(b):
    v = np.stack([b >> 4, b & 15], axis=-1).astype(np.int8)
    return np.stack([v // 3 - 1, v % 3 - 1], axis=-1).astype(np.int8)


def unpack_tl1(data, N, K, tile):
    n, k = np.meshgrid(np.arange(N), np.arange(0, K, 4), indexing="ij")
    return _unpairs(data[_tl1_place(n, k, K, tile)]).reshape(N, K)


ROW_ORDER = np.r_[0:8, 16:24, 8:16, 24:32]  # rows of a tl2 vector as they are stored


def tl2_sizes(N, K, tile):
    """Columns in triples, and the bytes of triple indices, signs and pair indices."""
    K3 = K // tile[1] * tile[1]
    return K3, K3 * N // 6, K3 * N // 24, (K - K3) * N // 4


def pack_tl2(w, tile):
    BM, BK, _ = tile
    N, K = w.shape
    K3 = K // BK * BK
    # Axes [N/BM][K3/BK][BM/32][32 rows][BK/3 triples]
    t = w[:, :K3].reshape(N // BM, BM // 32, 32, K3 // BK, BK // 3, 3).transpose(0, 3, 1, 2, 4, 5)
    v = t[..., 0] * 9 + t[..., 1] * 3 + t[..., 2]
    index = np.abs(v).astype(np.uint8)
    indices = (index[..., 0::2] << 4 | index[..., 1::2]).swapaxes(-1, -2)[..., ROW_ORDER]
    minus = (v < 0).reshape(*v.shape[:-1], BK // 24, 8)
    signs = np.zeros((*v.shape[:3], BK // 24, 16), np.uint16)
    for place in range(8):
        high, low = minus[..., :16, :, place], minus[..., 16:, :, place]
        signs |= (high.astype(np.uint16) << (15 - 2 * place)).swapaxes(-1, -2)
        signs |= (low.astype(np.uint16) << (14 - 2 * place)).swapaxes(-1, -2)
    # Axes [N/BM][K2/32][BM/32][8][32 rows]
    p = _pairs(w[:, K3:]).reshape(N // BM, BM // 32, 32, (K - K3) // 32, 8)
    pairs = p.transpose(0, 3, 1, 4, 2)[..., ROW_ORDER]
    parts = [indices.reshape(-1), signs.astype("<u2").reshape(-1).view(np.uint8), pairs.reshape(-1)]
    return np.concatenate(parts)


def unpack_tl2(data, N, K, tile):
    BM, BK, _ = tile
    K3, a, b, c = tl2_sizes(N, K, tile)
    inverse = np.argsort(ROW_ORDER)
    indices = data[:a].reshape(N // BM, K3 // BK, BM // 32, BK // 6, 32)[..., inverse]
    index = np.stack([indices >> 4, indices & 15], axis=-1).astype(np.int64)
    index = index.transpose(0, 1, 2, 4, 3, 5).reshape(N // BM, K3 // BK, BM // 32, 32, BK // 3)
    signs = data[a : a + b].view("<u2").reshape(N // BM, K3 // BK, BM // 32, BK // 24, 16)
    minus = np.zeros((*index.shape[:3], 32, BK // 24, 8), bool)
    for place in range(8):
        minus[..., :16, :, place] = (signs >> (15 - 2 * place) & 1).swapaxes(-1, -2)
        minus[..., 16:, :, place] = (signs >> (14 - 2 * place) & 1).swapaxes(-1, -2)
    v = np.where(minus.reshape(index.shape), -index, index) + 13
    triples = np.stack([v // 9 - 1, v // 3 % 3 - 1, v % 3 - 1], axis=-1)
    left = triples.transpose(0, 2, 3, 1, 4, 5).reshape(N, K3)
    pairs = data[a + b : a + b + c].reshape(N // BM, (K - K3) // 32, BM // 32, 8, 32)[..., inverse]
    right = _unpairs(pairs.transpose(0, 2, 4, 1, 3)).reshape(N, K - K3)
    return np.concatenate([left, right], axis=1).astype(np.int8)


def scale_offset(name, N, K):
    """Place of the float32 scale: the official engine's formula, divisions rounding down."""
    if name != "tl2":
        return N * K // 4
    size = (K - 256) * N // 3 * 5 // 8 + 256 * N // 2 * 4 // 8
    return -(-size // 32) * 32


def pack(name, w, scale=1.0, tile=None):
    """Every byte of the packed form of int8[N, K], padding and scale included."""
    N = w.shape[0]
    padded = pad(w, GROUP[name], ROWS.get(name, 1))
    K = padded.shape[1]
    if name in {"tq1_0", "tq2_0"}:
        return (pack_tq1_0 if name == "tq1_0" else pack_tq2_0)(padded, scale)
    if name in ROWS:
        return (pack_native_i2_r4 if name == "native_i2_r4" else pack_native_i2_r16)(padded)
    codes = {"tl1": pack_tl1, "tl2": pack_tl2}[name](padded, tile) if tile else pack_i2_s(padded)
    out = np.zeros(scale_offset(name, N, K) + 32, np.uint8)
    out[: codes.size] = codes
    out[-32:-28] = np.frombuffer(struct.pack("<f", scale), np.uint8)
    return out


def quantize(x, rule="absmean", scale=None):
    """Ternary codes and float32 scale of float[N, K]: the three rules, per tensor.

    absmean divides by the mean of |x|, at least 1e-5, and rounds half to even; the mean is taken
    in float64, so it equals another order of adding to the last float32 bit but for rare ties.
    """
    x = x.astype(np.float32)
    if rule == "absmax_sign":
        codes = np.where(np.abs(x) < np.float32(1e-6), 0, np.sign(x))
        return codes.astype(np.int8), np.abs(x).max()
    if rule == "absmean":
        scale = max(np.abs(x).mean(dtype=np.float64), 1e-5)
    s = np.float32(scale)
    return np.clip(np.rint(x / s), -1, 1).astype(np.int8), s
