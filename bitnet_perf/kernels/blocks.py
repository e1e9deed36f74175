"""Block-scaled codecs and products of the BitNet.rs crates, native.

Results equal the crates' scalar level bit for bit on every ISA and for every input, NaN,
infinities, ties and tails included. Sources: bitnet-quantization (`quant.*`, `device.*`) and
bitnet-kernels (`kernel.*`, `matmul_i2s`, `matmul`) of EffortlessMetrics/BitNet-rs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitnet_perf import _native
from bitnet_perf.errors import ShapeError
from bitnet_perf.formats.blocks import Blocks

__all__ = ["dequantize_blocks", "matmul_blocks", "matmul_i2s", "quantize_blocks"]


def quantize_blocks(
    x: ArrayLike,
    codec: str,
    block: int | None = None,
    *,
    isa: str | None = None,
    threads: int = 1,
    out: tuple[NDArray[np.uint8], NDArray[np.float32]] | None = None,
) -> Blocks:
    """Encodes a float32 tensor of any shape by a block-scaled codec.

    Args:
        x: float32, at least one dimension, none of them 0.
        codec: an id of `codecs()`, such as `quant.i2s`.
        block: values that share a scale; None is the codec's own. `quant.i2s` raises 1 to 3 to 4;
            `device.*` and `kernel.*` have one block only.
        isa: None is the best of this host.
        threads: 1 or more.
        out: one-dimensional (data, scales) to write to. `kernel.*` OR their codes into data as it
            stands, the others overwrite; longer buffers keep what is behind. As in the crate,
            `kernel.*` ask for n // 4 bytes, and write the last, partial byte only if there is
            room.

    Returns:
        Blocks whose data and scales are new arrays, or views of `out`; where `out` had no room for
        the last byte, data is a copy in which that byte is zero.

    Raises:
        FormatError: unknown codec, block not admitted, no finite value at all (`quant.i2s`).
        ShapeError: wrong dtype or rank, an empty array, `out` too short (expected and got).
        IsaError: unknown ISA, or one that this host cannot run.
    """
    array = np.asarray(x)
    if array.size == 0:
        raise ShapeError(
            f"x: found an empty array {array.dtype}{list(array.shape)}, accepted is every "
            "dimension >= 1"
        )
    data, scales = (None, None) if out is None else _pair(out)
    data, scales, used = _native.block_quantize(
        array, codec, block, isa or "", threads, data, scales
    )
    n = array.size
    nbytes = n if codec == "device.tl1" else -(-n // 4)
    if data.size < nbytes:
        whole = np.zeros(nbytes, np.uint8)
        whole[: data.size] = data
        data = whole
    return Blocks(codec, data[:nbytes], scales[: -(-n // used)], used, array.shape)


def _pair(
    out: tuple[NDArray[np.uint8], NDArray[np.float32]],
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    try:
        data, scales = out
    except (TypeError, ValueError):
        raise ShapeError(
            f"out: found {type(out).__name__}, accepted is (data uint8[...], scales float32[...])"
        ) from None
    return data, scales


def dequantize_blocks(
    b: Blocks,
    block: int | None = None,
    *,
    isa: str | None = None,
    threads: int = 1,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Decodes `b` as the crate's decoder does; `kernel.*`, which have none, by their code table.

    Args:
        b: what `quantize_blocks` returned.
        block: None is the block of `b`. Another one is what the crate computes when its decoder
            is set up with a block of its own: scales are read by it, values behind the last scale
            are zero.
        isa: None is the best of this host.
        threads: 1 or more.
        out: float32 array of b.shape to write to.

    Returns:
        float32 of shape b.shape: code value times scale.

    Raises:
        FormatError: block not admitted; the decoder of `quant.i2s` refuses more than 1024.
        ShapeError: `out` of another shape or dtype.
        IsaError: unknown ISA, or one that this host cannot run.
    """
    used = b.block if block is None else block
    return _native.block_dequantize(
        b.data, b.scales, b.codec, used, b.shape, isa or "", threads, out
    )


def matmul_i2s(
    a: ArrayLike,
    b: ArrayLike,
    *,
    isa: str | None = None,
    threads: int = 1,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """a @ b as the crates' kernel providers compute it: one byte a weight, no scale.

    Args:
        a: int8[M, K].
        b: uint8[K, N].
        isa: None is the best of this host.
        threads: 1 or more.
        out: float32[M, N] to write to.

    Returns:
        float32[M, N]; sums are float32 in the order of k, so exact below 2^24 and rounded as the
        crate's scalar level rounds beyond.

    Raises:
        ShapeError: wrong dtype, rank or size.
        IsaError: unknown ISA, or one that this host cannot run.
    """
    return _native.matmul_i2s(a, b, isa or "", threads, out)


def matmul_blocks(
    x: ArrayLike,
    codes: ArrayLike,
    scales: ArrayLike,
    block: int,
    *,
    isa: str | None = None,
    threads: int = 1,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """x times packed ternary weights with a scale per (column, block): `i2s_matmul_f32`.

    Args:
        x: float32[M, K].
        codes: uint8[N, ceil(K / 4)], one row per output column, four codes a byte from the low
            bits on; 0, 1, 2, 3 are 0, 1, 0, -1.
        scales: float32[N, ceil(K / block)].
        block: weights along K that share a scale, >= 1.
        isa: None is the best of this host.
        threads: 1 or more.
        out: float32[M, N] to write to.

    Returns:
        float32[M, N]: per element the float32 sum, in the order of k, of x * (weight * scale).

    Raises:
        FormatError: block < 1.
        ShapeError: wrong dtype, rank or size.
        IsaError: unknown ISA, or one that this host cannot run.
    """
    return _native.matmul_blocks(x, codes, scales, block, isa or "", threads, out)
