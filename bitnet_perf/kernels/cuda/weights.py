"""Ternary weights and block codecs on a GPU: made, converted, read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitnet_perf.errors import FormatError, ShapeError
from bitnet_perf.formats.blocks import codecs as known_codecs
from bitnet_perf.formats.convert import pack as pack_on_host
from bitnet_perf.formats.convert import unpack as unpack_on_host
from bitnet_perf.formats.packed import NO_TILE, Packed, checked_scale
from bitnet_perf.formats.tiling import Tiling
from bitnet_perf.kernels.cuda import device, frag16x32
from bitnet_perf.kernels.cuda.arrays import taken
from bitnet_perf.kernels.cuda.catalog import KERNELS
from bitnet_perf.kernels.cuda.copies import repeated
from bitnet_perf.kernels.cuda.launch import OnDevice, bind, on_device
from bitnet_perf.kernels.cuda.packed import GpuPacked, unscaled
from bitnet_perf.kernels.cuda.plans import codecs
from bitnet_perf.kernels.cuda.plans.plan import Array, short

__all__ = ["GpuBlocks", "GpuPacked", "Weights", "checked", "dequantize", "dequantize_blocks",
           "pack", "prepare", "quantize", "quantize_blocks", "repack", "unpack"]  # fmt: skip

FORMAT, BETWEEN = "frag16x32", "i2_s"  # floats become weights by way of i2_s
WHOLE = ("i2_s", "tl1", "tl2")  # formats that hold one scale
RULES = (*codecs.RULES, "given")


@dataclass(frozen=True, eq=False)
class Weights:
    """Ternary weights W[N, K] on a GPU, made by `pack`, `prepare` and `quantize`.

    data: uint32[ceil(N / 16), ceil(K / 128), 32, 4], the layout frag16x32.
    scales: float32[ceil(N / 16)]: W is scale * ternary, a scale for each 16 rows.
    shape: (N, K).
    """

    data: Any
    scales: Any
    shape: tuple[int, int]
    format: str = FORMAT

    @property
    def nbytes(self) -> int:
        """Bytes of `data`."""
        return int(self.data.nbytes)


@dataclass(frozen=True, eq=False)
class GpuBlocks:
    """A tensor encoded by a block codec on a GPU, as `bp.Blocks` is on the host: `data` uint8 and
    `scales` float32, a scale for each `block` values of the flat tensor of `shape`."""

    codec: str
    data: Any
    scales: Any
    block: int
    shape: tuple[int, ...]


def checked(w: Any) -> Weights:
    """FormatError where w is no Weights."""
    if not isinstance(w, Weights):
        raise FormatError(
            f"w: found {type(w).__name__}, accepted are Weights of bp.gpu.pack or bp.gpu.prepare"
        )
    return w


def pack(
    ternary: Any, format: str = FORMAT, scale: float = 1.0,
    tiling: Tiling | Mapping[str, int] | None = None,
) -> Weights | GpuPacked:  # fmt: skip
    """int8[N, K] of -1, 0, 1 in host memory to the current GPU; W is scale * ternary.

    format: frag16x32 makes Weights, any format of `bp.pack` GpuPacked, with its tiling.
    Raises FormatError for other values, with their place, and for a scale that is not finite.
    """
    if format == FORMAT:
        return prepare(pack_on_host(ternary, BETWEEN, scale=scale))
    return GpuPacked.of(pack_on_host(ternary, format, scale=scale, tiling=tiling))


def prepare(w: Packed | GpuPacked) -> Weights:
    """Packed weights, of any format, as Weights on the current GPU, lossless: repacked there,
    layouts of our own on the host. What lies on the GPU already stays there.

    Raises FormatError where the blocks of `w` have scales of their own.
    """
    if isinstance(w, GpuPacked):
        return _prepared(w, on_device())
    if not isinstance(w, Packed):
        raise FormatError(f"w: found {type(w).__name__}, accepted is a Packed or a GpuPacked")
    if w.scale is None:
        raise FormatError(
            f"w: found {w.format} whose blocks have scales of their own, accepted are weights of "
            "one scale"
        )
    runner = on_device()
    scales = np.full(-(-w.shape[0] // frag16x32.ROWS), w.scale, np.float32)
    with device.guarded("prepare"):
        if not any(kernel.name == f"repack/{w.format}_{FORMAT}" for kernel in KERNELS):
            data = runner.cupy.asarray(frag16x32.pack(unpack_on_host(w)))
        else:
            data = _repacked(w.format, runner.cupy.asarray(w.data), w.shape, w.tile, runner)
        return Weights(data, runner.cupy.asarray(scales), w.shape)


def _prepared(w: GpuPacked, runner: OnDevice) -> Weights:
    held = taken("w.data", w.data, runner, ("uint8",), (1,))
    data = _repacked(w.format, held, w.shape, w.tile, runner)
    return Weights(data, _scales(w.scale, w.shape[0], runner), w.shape)


def _scales(scale: Any, N: int, runner: OnDevice) -> Any:
    """float32[1] on the device for each 16 rows."""
    return repeated(runner.cupy, scale, -(-N // frag16x32.ROWS))


def repack(
    w: Weights | GpuPacked, format: str, tiling: Tiling | Mapping[str, int] | None = None
) -> GpuPacked:
    """The same weights in another format, on the GPU: the bytes that `bp.pack` makes of them.

    format: i2_s, tl1, tl2 or tq2_0, which keeps the scale as float16. tiling: as in `bp.pack`. The
    scale is that of the first 16 rows for all.
    Raises FormatError (format, tiling) or ShapeError (a shape that the format does not take).
    """
    known = [k.variant.removeprefix(f"{FORMAT}_") for k in KERNELS
             if k.family == "repack" and k.variant.startswith(FORMAT)]  # fmt: skip
    if format not in known:
        raise FormatError(f"format: found {format!r}, accepted are {', '.join(known)}")
    runner = on_device()
    held = _prepared(w, runner) if isinstance(w, GpuPacked) else checked(w)
    to = unscaled(format, held.shape, tiling, runner)
    words = taken("w.data", held.data, runner, ("uint32",), (4,))
    plan = codecs.repack(FORMAT, format, *held.shape, to.tile)
    bind(plan, {"source": words, "to": to.data}, runner).launch()
    return to.scaled(held.scales[:1])


def unpack(w: Weights | GpuPacked) -> Any:
    """int8[N, K] of -1, 0, 1, in host memory; waits for the device."""
    runner = on_device()
    held = _prepared(w, runner) if isinstance(w, GpuPacked) else checked(w)
    with device.guarded("unpack"):
        return frag16x32.unpack(runner.cupy.asnumpy(held.data), held.shape)


def quantize(
    weights: Any, format: str = FORMAT, rule: str = "absmean", scale: float | None = None,
    tiling: Tiling | Mapping[str, int] | None = None,
) -> Weights | GpuPacked:  # fmt: skip
    """float32 or float16 [N, K] on the GPU to ternary weights there, as `bp.quantize` makes them:
    the same codes and scale. A weight that is not finite makes the scale NaN.

    format: frag16x32 makes Weights, i2_s, tl1 and tl2 GpuPacked. rule: absmean, absmax_sign, or
    given, with `scale` > 0. tiling: of tl1 and tl2.
    """
    runner = on_device()
    w = taken("weights", weights, runner, ("float32", "float16"), (2,))
    N, K = map(int, w.shape)
    known = (FORMAT, *WHOLE)
    if format not in known:
        raise FormatError(f"format: found {format!r}, accepted are {', '.join(known)}")
    if rule not in RULES or (rule == "given") != (scale is not None):
        raise FormatError(
            f"rule: found {rule!r} with scale {scale}, accepted are {', '.join(RULES)}; a scale "
            "belongs to given"
        )
    if scale is None:
        of_rule = {name: runner.make(Array((1,), "float32")) for name in ("scale", "bound")}
        bind(codecs.find_scale(short(w.dtype), rule, N, K), {"w": w, **of_rule}, runner).launch()
    else:
        given = checked_scale(scale)
        if not 0 < given < np.inf:
            raise FormatError(f"scale: found {given}, accepted is a finite number above 0")
        one = runner.put(np.full(1, given, np.float32))
        of_rule = {"scale": one, "bound": one}
    stored = BETWEEN if format == FORMAT else format
    to = unscaled(stored, (N, K), tiling, runner)
    plan = codecs.quantize(short(w.dtype), stored, N, K, to.tile)
    bind(plan, {"w": w, "to": to.data, "bound": of_rule["bound"]}, runner).launch()
    if format != FORMAT:
        return to.scaled(of_rule["scale"])
    data = _repacked(BETWEEN, to.data, (N, K), NO_TILE, runner)
    return Weights(data, _scales(of_rule["scale"], N, runner), (N, K))


def dequantize(w: Weights | GpuPacked, dtype: str = "float32") -> Any:
    """[N, K] of float32, float16 or bfloat16: codes times their scale; of Weights that of the first
    16 rows for all."""
    runner = on_device()
    if not isinstance(w, GpuPacked) or w.format not in WHOLE:
        w = repack(w, BETWEEN)
    source = taken("w.data", w.data, runner, ("uint8",), (1,))
    y = runner.make(Array(w.shape, dtype))
    plan = codecs.dequantize(w.format, short(dtype), *w.shape, w.tile)
    bind(plan, {"source": source, "scale": w.scale, "y": y}, runner).launch()
    return y


def quantize_blocks(x: Any, codec: str, block: int | None = None) -> GpuBlocks:
    """Encodes float32 of any shape on the GPU as `bp.quantize_blocks` does, to the same bits."""
    runner = on_device()
    array = taken("x", x, runner, ("float32",), tuple(range(1, 33)))
    rows = {row.codec: row for row in known_codecs()}
    if codec not in rows:
        raise FormatError(f"codec: found {codec!r}, accepted are {', '.join(rows)}")
    own, fixed = rows[codec].block, rows[codec].fixed
    used = own if block is None else int(block)
    if used < 1 or (fixed and used != own):
        raise FormatError(f"block: found {used}, accepted for {codec} is {own}"
                          + ("" if fixed else ", or another above 0"))  # fmt: skip
    used = max(used, 4) if codec == "quant.i2s" else used  # as the crate does
    count = int(array.size)
    with device.guarded("quantize_blocks"):
        size = count if rows[codec].bits == 8 else -(-count // 4)
        data = runner.cupy.zeros(size, np.uint8)
    scales = runner.make(Array((-(-count // used),), "float32"))
    plan = codecs.block_quantize(codec, count, used, size)
    bind(plan, {"x": array, "data": data, "scales": scales}, runner).launch()
    return GpuBlocks(codec, data, scales, used, tuple(map(int, array.shape)))


def dequantize_blocks(b: GpuBlocks) -> Any:
    """float32 of b.shape: code value times scale, as `bp.dequantize_blocks` gives it."""
    if not isinstance(b, GpuBlocks):
        raise FormatError(f"b: found {type(b).__name__}, accepted is what quantize_blocks returned")
    runner = on_device()
    data = taken("b.data", b.data, runner, ("uint8",), (1,))
    scales = taken("b.scales", b.scales, runner, ("float32",), (1,))
    count = int(np.prod(b.shape))
    if -(-count // b.block) != int(scales.size):
        raise ShapeError(f"b: found {int(scales.size)} scales, accepted are {-(-count // b.block)}")
    x = runner.make(Array(b.shape, "float32"))
    plan = codecs.block_dequantize(b.codec, count, b.block, int(scales.size))
    bind(plan, {"data": data, "scales": scales, "x": x}, runner).launch()
    return x


def _repacked(
    source: str, data: Any, shape: tuple[int, int], tile: tuple[int, int, int], runner: OnDevice
) -> Any:
    """frag16x32 of the bytes of another format, on the device."""
    words = runner.make(Array(frag16x32.shape_of(*shape), "uint32"))
    bind(
        codecs.repack(source, FORMAT, *shape, tile), {"source": data, "to": words}, runner
    ).launch()
    return words
