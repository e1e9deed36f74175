"""Weights between formats, from floats and to floats, and BitNet.rs's block codecs.

Formats are named as in the package, and frag16x32 for that of the products. Arrays hold their
bytes: uint8, floats as they are in memory.
"""

from __future__ import annotations

import numpy as np

from bitnet_perf.errors import FormatError, ShapeError
from bitnet_perf.kernels.cuda.catalog import CudaKernel, find
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.plans.plan import Array, Launch, Plan

__all__ = ["block_dequantize", "block_quantize", "dequantize", "find_scale", "quantize", "repack",
           "unpack"]  # fmt: skip

Tile = tuple[int, int, int]
NO_TILE = (0, 0, 0)
RULES = ("absmean", "absmax_sign")  # as scale_rule of weight_scale.cu
LARGEST_COUNT = 1 << 31  # values of a tensor in blocks
# Columns to which a format pads the rows that are written; floats: none.
_PADDED = {"frag16x32": 128, "i2_s": 128, "tl1": 32, "tl2": 32, "tq2_0": 256, "int8_rows": 128}
_BESIDE = (4, 8, 16, 32, 64, 128)  # sizes of blocks of which 128 values are a unit


def repack(source: str, to: str, N: int, K: int, tile: Tile = NO_TILE) -> Plan:
    """Reads `source`, writes all code bytes of `to` and nothing else of it; one of the two formats
    is frag16x32, `tile` is (BM, BK, bm) of the other."""
    launch = _transcode(find(f"repack/{source}_{to}"), (N, K), tile, ("source", "to", None))
    return Plan((launch,), ("source",), ("to",))


def unpack(N: int, K: int) -> Plan:
    """Reads `weights` of frag16x32; writes `unpacked`, int8[N, ceil(K / 128) * 128], zeros beyond
    K."""
    kernel = find("unpack_weights/frag16x32_s8")
    launch = _transcode(kernel, (N, K), NO_TILE, ("weights", "unpacked", None))
    return Plan((launch,), ("weights",), ("unpacked",))


def dequantize(source: str, y: str, N: int, K: int, tile: Tile = NO_TILE) -> Plan:
    """Reads `source` and its scale, float32[1]; writes y [N, K] of f32, f16 or bf16."""
    kernel = find(f"dequantize_weights/{source}_{y}")
    return Plan((_transcode(kernel, (N, K), tile, ("source", "y", "scale")),), ("source", "scale"),
                ("y",))  # fmt: skip


def quantize(w: str, to: str, N: int, K: int, tile: Tile = NO_TILE) -> Plan:
    """Reads w [N, K] of f32 or f16 and `bound`, float32[1], which is the scale where one was given;
    writes all code bytes of `to`."""
    kernel = find(f"quantize_weights/{w}_{to}")
    return Plan((_transcode(kernel, (N, K), tile, ("w", "to", "bound")),), ("w", "bound"), ("to",))


def find_scale(w: str, rule: str, N: int, K: int) -> Plan:
    """Reads w [N, K] of f32 or f16; writes `scale` and `bound`, float32[1], by one of RULES: NaN
    where a weight is not finite."""
    if rule not in RULES:
        raise FormatError(f"rule: found {rule!r}, accepted are {', '.join(RULES)}")
    _at_least_one(N=N, K=K)
    rows, tensor = find(f"weight_scale/rows_{w}"), find("weight_scale/tensor")
    sizes = np.int32(N), np.int32(K)
    return Plan(
        (
            Launch(rows, _blocks_of(rows, N, rows.tile[0]), ("w", "sums", "largest", *sizes)),
            Launch(
                tensor, _blocks_of(tensor, 1, 1),
                ("sums", "largest", "scale", "bound", np.int32(RULES.index(rule)), *sizes),
            ),
        ),
        ("w",), ("scale", "bound"),
        {"sums": Array((N,), "float64"), "largest": Array((N,), "uint32")},
    )  # fmt: skip


def block_quantize(codec: str, count: int, block: int, data_bytes: int) -> Plan:
    """Reads x, float32[count]; writes `data` as far as its data_bytes go and `scales`, float32 of
    each block. `block` is that of the codec but for quant.*; kernel.* add to what `data` holds."""
    kernel = find(f"block_quantize/{codec.replace('.', '_')}")
    _check_blocks(count, block)
    per_block = kernel.tile[0]
    if codec.startswith("quant.") and block not in _BESIDE:
        together = 1 if block % 4 == 0 else 2 if block % 2 == 0 else 4
        per_block = min(LARGEST_COUNT, together * block * (kernel.threads // 32))
    sizes = np.uint32(count), np.uint32(block), np.uint32(data_bytes)
    launch = Launch(kernel, _blocks_of(kernel, count, per_block), ("x", "data", "scales", *sizes))
    return Plan((launch,), ("x", "data"), ("data", "scales"))


def block_dequantize(codec: str, count: int, block: int, scales: int) -> Plan:
    """Reads data and float32[scales]; writes x, float32[count], 0 where there is no scale."""
    kernel = find(f"block_dequantize/{codec.replace('.', '_')}")
    _check_blocks(count, block)
    sizes = np.uint32(count), np.uint32(block), np.uint32(scales)
    how = _blocks_of(kernel, count, kernel.tile[0])
    return Plan((Launch(kernel, how, ("data", "scales", "x", *sizes)),), ("data", "scales"), ("x",))


def _transcode(
    kernel: CudaKernel,
    shape: tuple[int, int],
    tile: Tile,
    arrays: tuple[str | None, ...],
) -> Launch:
    N, K = shape
    _at_least_one(N=N, K=K)
    rows, columns = kernel.tile
    step = _PADDED.get(kernel.expression.partition(", ")[2].rstrip(">"), 1)
    pieces = -(-N // rows) * -(-(-(-K // step) * step) // columns)
    numbers = (np.int32(n) for n in (*tile, N, K))
    how = _blocks_of(kernel, pieces, kernel.threads // 32)
    return Launch(kernel, how, (*arrays, *numbers))


def _blocks_of(kernel: CudaKernel, count: int, each: int) -> Geometry:
    return Geometry((-(-count // each), 1, 1), (kernel.threads, 1, 1), 0)


def _check_blocks(count: int, block: int) -> None:
    if not 1 <= block <= LARGEST_COUNT or not 1 <= count <= LARGEST_COUNT:
        raise ShapeError(f"count, block: found {count}, {block}, accepted are 1 to {LARGEST_COUNT}")


def _at_least_one(**sizes: int) -> None:
    if min(sizes.values()) < 1:
        raise ShapeError(
            f"{', '.join(sizes)}: found {', '.join(map(str, sizes.values()))}, accepted are 1 and "
            "more"
        )
