"""NumPy oracle of the block-scaled codecs and products of the BitNet.rs crates, scalar level.

Written block by block from the crates' sources (tables, rounding and casts as Rust has them), with
nothing in common with the product's kernels. Arithmetic is float32.
"""

import warnings

import numpy as np

F = np.float32
BLOCK = {
    "quant.i2s": 32,
    "quant.tl1": 64,
    "quant.tl2": 64,
    "device.i2s": 32,
    "device.tl1": 16,
    "device.tl2": 32,
    "kernel.i2s": 32,
    "kernel.tl1": 64,
    "kernel.tl2": 128,
}
LEVELS = F([-2, -1, 0, 1])
SIGNS = F([0, 1, 0, -1])
THIRDS = F([-1, -0.33, 0.33, 1])
WIDE = F([-1.2, -0.4, 0.4, 1.2])
SIXTEENTHS = F(
    [
        -1,
        -0.8667,
        -0.7333,
        -0.6,
        -0.4667,
        -0.3333,
        -0.2,
        -0.0667,
        0.0667,
        0.2,
        0.3333,
        0.4667,
        0.6,
        0.7333,
        0.8667,
        1,
    ]
)
TABLE = {
    "quant": LEVELS,
    "device.i2s": SIGNS,
    "device.tl1": SIXTEENTHS,
    "device.tl2": THIRDS,
    "kernel.i2s": SIGNS,
    "kernel.tl1": THIRDS,
    "kernel.tl2": WIDE,
}


def round_away(v):
    """f32::round: half away from zero, exact for every float32."""
    with np.errstate(invalid="ignore"):
        whole = np.trunc(v)
        return np.where(np.abs(v - whole) >= F(0.5), whole + np.copysign(F(1), v), whole)


def cast(v, low, high):
    """`as i32` (or usize), then clamp: NaN is 0, beyond the range saturates."""
    return np.clip(np.nan_to_num(v.astype(np.float64), nan=0.0), low, high).astype(np.int64)


def largest(x, finite_only=False):
    a = np.abs(x)
    a = a[np.isfinite(a)] if finite_only else a[~np.isnan(a)]
    return F(max(a, default=0))


def quant_scale(x):
    most = largest(x, finite_only=True)
    if most < F(1e-30):
        return F(1)
    return min(most, F(1e30))


def quant_i2s(x):
    s = quant_scale(x)
    return np.where(np.isfinite(x), cast(round_away(x / s), -2, 1) + 2, 2), s


def quant_tl1(x):
    most = F(np.inf) if np.isnan(x).all() else largest(x)
    t = F(1) if most == 0 else most
    index = np.arange(256, dtype=np.float32)
    table = np.clip(cast(round_away((index - F(128)) * t / t), -(2**31), 2**31 - 1) + 2, 0, 3)
    return table[cast(round_away(x / t + F(128)), 0, 255)], quant_scale(x)


def quant_tl2(x):
    s = quant_scale(x)
    index = np.arange(256, dtype=np.float32)
    table = np.clip(cast(round_away((index - F(128)) * s / F(128) / s), -99, 99) + 2, 0, 3)
    return table[cast(round_away(x / s * F(128) + F(128)), 0, 255)], s


def ratio(x):
    s = largest(x)
    return (x / s if s > 0 else np.zeros_like(x)), s


def sign_codes(r):
    return np.where(r > F(0.5), 1, np.where(r < F(-0.5), 3, 0))


def device_i2s(x):
    r, s = ratio(x)
    return sign_codes(r), s


def device_tl1(x):
    r, s = ratio(x)
    return cast((np.clip(r, F(-1), F(1)) + F(1)) * F(7.5), 0, 255), s


def device_tl2(x):
    r, s = ratio(x)
    return np.minimum(cast((np.clip(r, F(-1), F(1)) + F(1)) * F(1.5), 0, 255), 3), s


def kernel_scale(x):
    most = largest(x)
    return most / F(1.5) if most > F(1e-8) else F(1)


def kernel_i2s(x):
    s = kernel_scale(x)
    return sign_codes(x / s), s


def nearest(x, table):
    s = kernel_scale(x)
    distance = np.abs((x / s)[:, None] - table)
    return np.where(np.isnan(distance).any(axis=1), 0, np.argmin(distance, axis=1)), s


def kernel_tl1(x):
    return nearest(x, THIRDS)


def kernel_tl2(x):
    return nearest(x, WIDE)


def packed(codes):
    padded = np.zeros(-(-codes.size // 4) * 4, np.uint8)
    padded[: codes.size] = codes
    c = padded.reshape(-1, 4)
    return c[:, 0] | c[:, 1] << 2 | c[:, 2] << 4 | c[:, 3] << 6


def quantize(x, codec, block=None):
    """(data, scales, block) of a float32 array."""
    flat = np.asarray(x, np.float32).ravel()
    block = block or BLOCK[codec]
    if codec == "quant.i2s":
        block = max(block, 4)
    codes, scales = [], []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        for begin in range(0, flat.size, block):
            code, scale = globals()[codec.replace(".", "_")](flat[begin : begin + block])
            codes.append(code)
            scales.append(scale)
    codes = np.concatenate(codes).astype(np.uint8)
    return (codes if codec == "device.tl1" else packed(codes)), np.array(scales, np.float32), block


def dequantize(data, scales, codec, block, n):
    """float32[n]; values behind the last scale are zero."""
    if codec == "device.tl1":
        codes = np.minimum(data[:n], 15)
    else:
        codes = (data[:, None] >> np.uint8([0, 2, 4, 6]) & 3).ravel()[:n]
    table = TABLE["quant" if codec.startswith("quant.") else codec]
    out = np.zeros(n, np.float32)
    with np.errstate(all="ignore"):
        for b, s in enumerate(scales[: -(-n // block)]):
            part = slice(b * block, (b + 1) * block)
            zero = codec in ("quant.i2s", "quant.tl2") and not np.isfinite(s)
            out[part] = 0 if zero else table[codes[part]] * s
    return out


def matmul_i2s(a, b):
    c = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for k in range(a.shape[1]):
        c += a[:, k, None].astype(np.float32) * b[k].astype(np.float32)
    return c


def matmul_blocks(x, codes, scales, block):
    n, k_total = codes.shape[0], x.shape[1]
    c = np.zeros((x.shape[0], n), np.float32)
    with np.errstate(all="ignore"):
        for k in range(k_total):
            w = SIGNS[codes[:, k // 4] >> (2 * (k % 4)) & 3] * scales[:, k // block]
            c += x[:, k, None] * w
    return c
