"""GPU cases of weights and activations on their way into formats and out of them.

Results are compared with the CPU's kernels, which the tests hold against oracles of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from bitnet_perf import _native, formats
from bitnet_perf.bench.gpu_case import Arrays, Expected, GpuCase, planned
from bitnet_perf.formats.blocks import codecs as block_codecs
from bitnet_perf.kernels.activations import quantize_activations
from bitnet_perf.kernels.cuda import frag16x32
from bitnet_perf.kernels.cuda.catalog import KERNELS
from bitnet_perf.kernels.cuda.launch import host_dtype
from bitnet_perf.kernels.cuda.plans import codecs, w2a8
from bitnet_perf.kernels.cuda.plans.plan import DTYPES, Array

__all__ = ["FAMILIES", "unpacked_case"]

GPU = "frag16x32"
SCALE = 0.75
BEHIND = 32  # bytes of the scale behind all codes, of formats with one scale


def _shape(small: bool) -> tuple[int, int]:
    return (64, 768) if small else (2560, 6912)


def _ternary(shape: tuple[int, int]) -> Any:
    return np.random.default_rng(shape).integers(-1, 2, shape, np.int8)


def _floats(shape: tuple[int, ...], x: str) -> Any:
    values = np.random.default_rng(shape).standard_normal(shape, np.float32)
    return values.astype(host_dtype(DTYPES[x]))


def _one(name: str, shape: tuple[int, ...], x: str) -> Arrays:
    return {name: _floats(shape, x)}


def _packed(format: str, shape: tuple[int, int]) -> formats.Packed:
    """Weights of the shape by the CPU."""
    return formats.pack(_ternary(shape), format, scale=SCALE)


def _codes(format: str, shape: tuple[int, int]) -> tuple[int, tuple[int, int, int]]:
    """Bytes of codes alone, and the tile; of tq2_0 the scales in between count."""
    like = formats.pack(np.zeros(shape, np.int8), format)
    if format == "tl2":  # K is a multiple of 96: 5 bits for 3 weights, then zeros and the scale
        return shape[0] * shape[1] * 5 // 24, like.tile
    return like.nbytes - (0 if format.startswith("tq") else BEHIND), like.tile


def _variants(family: str) -> Iterable[str]:
    return (kernel.variant for kernel in KERNELS if kernel.family == family)


def _repack(small: bool) -> Iterable[GpuCase]:
    shape = _shape(small)
    words = 4 * int(np.prod(frag16x32.shape_of(*shape)))
    for variant in _variants("repack"):
        into = variant.endswith(GPU)
        other = variant.removesuffix(f"_{GPU}").removeprefix(f"{GPU}_")
        count, tile = _codes(other, shape)
        yield GpuCase(
            f"forward/cuda_repack/{variant}/{shape[0]}x{shape[1]}/t1",
            planned(codecs.repack, *((other, GPU) if into else (GPU, other)), *shape, tile),
            _source(other if into else GPU, shape),
            {"to": Array((words if into else count,), "uint8")},
            _repacked(GPU if into else other, shape, count), words + count, packed=words,
        )  # fmt: skip


def _source(format: str, shape: tuple[int, int]) -> Callable[[], Arrays]:
    def inputs() -> Arrays:
        if format == GPU:
            return {"source": frag16x32.pack(_ternary(shape))}
        return {"source": np.array(_packed(format, shape).data)}

    return inputs


def _repacked(
    to: str, shape: tuple[int, int], count: int
) -> Callable[[Arrays], tuple[Expected, ...]]:
    def expected(_: Arrays) -> tuple[Expected, ...]:
        if to == GPU:
            words = frag16x32.pack(_ternary(shape))
            return (Expected.whole("to", words.reshape(-1).view(np.uint8)),)
        right = np.array(_packed(to, shape).data[:count])
        if not to.startswith("tq"):
            return (Expected.whole("to", right),)
        blocks = right.reshape(-1, 66)  # 64 bytes of codes, 2 of a scale that is not written
        rows = np.arange(right.size).reshape(blocks.shape)[:, :64].reshape(-1)
        return (Expected("to", rows, right[rows]),)

    return expected


def unpacked_case(shape: tuple[int, int]) -> GpuCase:
    """Weights of frag16x32 as int8, rows padded with zeros."""
    N, K = shape
    columns, words = w2a8.padded(K), 4 * int(np.prod(frag16x32.shape_of(N, K)))

    def expected(_: Arrays) -> tuple[Expected, ...]:
        right = np.pad(_ternary(shape), ((0, 0), (0, columns - K)))
        return (Expected.whole("unpacked", right),)

    return GpuCase(
        f"forward/cuda_unpack/frag16x32.int8/{N}x{K}/t1", planned(codecs.unpack, N, K),
        lambda: {"weights": frag16x32.pack(_ternary(shape))},
        {"unpacked": Array((N, columns), "int8")}, expected, words + N * columns, packed=words,
    )  # fmt: skip


def _unpack_weights(small: bool) -> Iterable[GpuCase]:
    yield unpacked_case(_shape(small))


def _quantize_weights(small: bool) -> Iterable[GpuCase]:
    N, K = shape = _shape(small)
    for variant in _variants("quantize_weights"):
        x, _, format = variant.partition("_")
        count, tile = _codes(format, shape)

        def expected(given: Arrays, format: str = format, count: int = count) -> Any:
            made = formats.quantize(given["w"], format, "given", SCALE)
            return (Expected.whole("to", made.data[:count]),)

        def inputs(x: str) -> Arrays:
            return {"w": _floats(shape, x), "bound": np.full(1, SCALE, np.float32)}

        yield GpuCase(
            f"forward/cuda_quantize_weights/{format}.{x}/{N}x{K}/t1",
            planned(codecs.quantize, x, format, N, K, tile),
            partial(inputs, x),
            {"to": Array((count,), "uint8")}, expected,
            N * K * host_dtype(DTYPES[x]).itemsize + count, packed=count,
        )  # fmt: skip


def _dequantize_weights(small: bool) -> Iterable[GpuCase]:
    N, K = shape = _shape(small)
    for variant in _variants("dequantize_weights"):
        format, _, y = variant.rpartition("_")
        count, tile = _codes(format, shape)
        dtype = host_dtype(DTYPES[y])

        def expected(_: Arrays, dtype: Any = dtype) -> tuple[Expected, ...]:
            right = (_ternary(shape) * np.float32(SCALE)).astype(dtype)
            return (Expected.whole("y", right.astype(np.float32)),)

        def inputs(format: str = format) -> Arrays:
            return {**_source(format, shape)(), "scale": np.full(1, SCALE, np.float32)}

        yield GpuCase(
            f"forward/cuda_dequantize_weights/{format}.{y}/{N}x{K}/t1",
            planned(codecs.dequantize, format, y, N, K, tile), inputs,
            {"y": Array(shape, DTYPES[y])}, expected, N * K * dtype.itemsize + count, packed=count,
        )  # fmt: skip


def _weight_scale(small: bool) -> Iterable[GpuCase]:
    N, K = shape = _shape(small)
    for variant in _variants("weight_scale"):
        if not variant.startswith("rows_"):
            continue  # the second launch of the same plan
        x = variant.removeprefix("rows_")

        def expected(given: Arrays) -> tuple[Expected, ...]:
            return (Expected.whole("scale", [formats.quantize(given["w"], "i2_s").scale]),)

        yield GpuCase(
            f"forward/cuda_weight_scale/absmean.{x}/{N}x{K}/t1",
            planned(codecs.find_scale, x, "absmean", N, K),
            partial(_one, "w", shape, x),
            {name: Array((1,), "float32") for name in ("scale", "bound")}, expected,
            N * K * host_dtype(DTYPES[x]).itemsize,
        )  # fmt: skip


def _blocks(codec: str, small: bool) -> tuple[int, int, int]:
    """Values, values of a block, bytes of the data."""
    row = next(row for row in block_codecs() if row.codec == codec)
    count = 4096 if small else 1 << 24
    return count, row.block, count if row.bits == 8 else count // 4


def _encoded(x: Any, codec: str, block: int) -> tuple[Any, Any]:
    data, scales, _ = _native.block_quantize(x, codec, block)
    return np.asarray(data), np.asarray(scales)


def _block_quantize(small: bool) -> Iterable[GpuCase]:
    for variant in _variants("block_quantize"):
        codec = variant.replace("_", ".")
        count, block, size = _blocks(codec, small)

        def inputs(count: int = count, size: int = size) -> Arrays:
            # Some codecs add to what the data hold.
            return {"x": _floats((count,), "f32"), "data": np.zeros(size, np.uint8)}

        def expected(given: Arrays, codec: str = codec, block: int = block) -> Any:
            data, scales = _encoded(given["x"], codec, block)
            size = len(given["data"])
            return Expected.whole("data", data[:size]), Expected.whole("scales", scales)

        yield GpuCase(
            f"forward/cuda_block_quantize/{codec}/{count}/t1",
            planned(codecs.block_quantize, codec, count, block, size),
            inputs,
            {"scales": Array((-(-count // block),), "float32")}, expected,
            4 * count + size + 4 * -(-count // block),
        )  # fmt: skip


def _block_dequantize(small: bool) -> Iterable[GpuCase]:
    for variant in _variants("block_dequantize"):
        codec = variant.replace("_", ".")
        count, block, size = _blocks(codec, small)
        scales = -(-count // block)

        def inputs(codec: str = codec, block: int = block, count: int = count) -> Arrays:
            data, scales = _encoded(_floats((count,), "f32"), codec, block)
            return {"data": data, "scales": scales}

        def expected(given: Arrays, codec: str = codec, block: int = block, n: int = count) -> Any:
            right = _native.block_dequantize(given["data"], given["scales"], codec, block, (n,))
            return (Expected.whole("x", right),)

        yield GpuCase(
            f"forward/cuda_block_dequantize/{codec}/{count}/t1",
            planned(codecs.block_dequantize, codec, count, block, scales), inputs,
            {"x": Array((count,), "float32")}, expected, 4 * count + size + 4 * scales,
        )  # fmt: skip


def _quantize_activations(small: bool) -> Iterable[GpuCase]:
    M, K = (3, 300) if small else (2048, 2560)

    def expected(given: Arrays) -> tuple[Expected, ...]:
        q = quantize_activations(given["x"].astype(np.float32))
        values = np.zeros((M, w2a8.padded(K)), np.int8)
        values[:, :K] = q.values
        parts = zip(("values", "x_scales", "x_sums"), (values, q.scale, q.sum), strict=True)
        return tuple(Expected.whole(*part) for part in parts)

    for x in DTYPES:
        yield GpuCase(
            f"forward/cuda_quantize_activations/q8_act.{x}/{M}x{K}/t1",
            planned(w2a8.quantize, M, K, x), partial(_one, "x", (M, K), x),
            w2a8.quantized(M, K), expected,
            M * (K * host_dtype(DTYPES[x]).itemsize + w2a8.padded(K) + 8),
        )  # fmt: skip


# Family of the catalog -> its cases, on the emulator or not.
FAMILIES: Mapping[str, Callable[[bool], Iterable[GpuCase]]] = {
    "repack": _repack,
    "unpack_weights": _unpack_weights,
    "quantize_weights": _quantize_weights,
    "dequantize_weights": _dequantize_weights,
    "weight_scale": _weight_scale,
    "block_quantize": _block_quantize,
    "block_dequantize": _block_dequantize,
    "quantize_activations": _quantize_activations,
}
