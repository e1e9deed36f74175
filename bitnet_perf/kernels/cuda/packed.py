"""Bytes of the formats of this package in memory of a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bitnet_perf import _native
from bitnet_perf.errors import FormatError, ShapeError
from bitnet_perf.formats.packed import NO_TILE, Packed, checked_scale, checked_shape, chosen_tiling
from bitnet_perf.formats.tiling import Tiling
from bitnet_perf.kernels.cuda import device
from bitnet_perf.kernels.cuda.arrays import taken
from bitnet_perf.kernels.cuda.copies import copy_rows, repeated
from bitnet_perf.kernels.cuda.launch import OnDevice, bind, on_device
from bitnet_perf.kernels.cuda.plans import dense
from bitnet_perf.kernels.cuda.plans.plan import DTYPES, Array, short

__all__ = ["GpuPacked", "unscaled"]

FORMATS = ("i2_s", "tl1", "tl2", "tq1_0", "tq2_0")
BLOCK, CODES = 66, 64  # bytes of a block of tq2_0; of its codes, a float16 scale behind them


@dataclass(frozen=True, eq=False)
class GpuPacked:
    """Ternary weights W[N, K] in a packed format on a GPU, as `bp.Packed` is on the host.

    data: uint8[nbytes], the exact bytes of the format. scale: float32[1] on the GPU, W is scale *
    ternary. tiling: of tl1 and tl2. shape: (N, K).
    """

    data: Any
    format: str
    shape: tuple[int, int]
    scale: Any
    tiling: Tiling | None = None

    @classmethod
    def from_bytes(
        cls, buffer: Any, format: str, shape: tuple[int, int], scale: float | None = None,
        tiling: Tiling | Mapping[str, int] | None = None,
    ) -> GpuPacked:  # fmt: skip
        """Weights from uint8[nbytes] on the GPU, not copied and not read: codes are not checked,
        which would wait for the device.

        scale: that of all blocks of tq1_0 and tq2_0; i2_s, tl1 and tl2 hold theirs.
        Raises FormatError (format, tiling, scale) or ShapeError (shape, count of bytes).
        """
        if format not in FORMATS:
            raise FormatError(f"format: found {format!r}, accepted are {', '.join(FORMATS)}")
        runner = on_device()
        N, K = checked_shape(shape)
        tile = _tile(tiling)
        _, _, _, at, count = _native.layout(format, N, K, tile)
        data = taken("buffer", buffer, runner, ("uint8",), (1,))
        if int(data.size) != count:
            raise ShapeError(f"buffer: found {int(data.size)} bytes, accepted are {count}")
        if (at < 0) != (scale is not None):
            raise FormatError(f"scale: found {scale}, accepted is one for tq1_0 and tq2_0, whose "
                              "blocks have it, and none for the others")  # fmt: skip
        if scale is None:
            held = data[at : at + 4].view(np.float32)
        else:
            held = runner.put(np.full(1, checked_scale(scale), np.float32))
        return cls(data, format, (N, K), held, chosen_tiling(format, N, K, tile))

    @classmethod
    def of(cls, w: Packed) -> GpuPacked:
        """A copy of weights of the host on the current GPU; FormatError for layouts of our own and
        where blocks have scales of their own."""
        if w.scale is None or w.format not in FORMATS:
            raise FormatError(f"w: found {w!r}, accepted are {', '.join(FORMATS)} of one scale")
        runner = on_device()
        scale = runner.put(np.full(1, w.scale, np.float32))
        return cls(runner.put(w.data), w.format, w.shape, scale, w.tiling)

    @property
    def tile(self) -> tuple[int, int, int]:
        """(BM, BK, bm), zeros where there is no tiling."""
        return self.tiling.tile if self.tiling else NO_TILE

    @property
    def nbytes(self) -> int:
        """Bytes of `data`."""
        return int(self.data.nbytes)

    def scaled(self, scale: Any) -> GpuPacked:
        """With float32[1] of the GPU written to where the format keeps its scale."""
        at, runner = _native.layout(self.format, *self.shape, self.tile)[3], on_device()
        if at >= 0:
            place = self.data[at : at + 4]
            with device.guarded("a scale"):
                runner.cupy.copyto(place, scale.view(np.uint8))
            return replace(self, scale=place.view(np.float32))
        half = _converted(scale, "f16", runner)
        blocks = self.nbytes // BLOCK
        halves = repeated(runner.cupy, half, blocks)
        copy_rows(runner.cupy, self.data, halves, half.nbytes, blocks, at=CODES)
        return replace(self, scale=_converted(half, "f32", runner))


def unscaled(
    format: str, shape: tuple[int, int], tiling: Tiling | Mapping[str, int] | None,
    runner: OnDevice,
) -> GpuPacked:  # fmt: skip
    """Zeros for weights of this shape, until `scaled` without a scale."""
    count = _native.layout(format, *shape, _tile(tiling))[4]
    with device.guarded(f"{count} bytes of {format}"):
        data = runner.cupy.zeros(count, np.uint8)
    return GpuPacked(data, format, shape, None, chosen_tiling(format, *shape, _tile(tiling)))


def _converted(one: Any, to: str, runner: OnDevice) -> Any:
    """One number on the device as another type, rounded half to even."""
    y = runner.make(Array((1,), DTYPES[to]))
    bind(dense.convert(1, short(one.dtype), to), {"x": one, "y": y}, runner).launch()
    return y


def _tile(tiling: Tiling | Mapping[str, int] | None) -> tuple[int, int, int]:
    wanted = Tiling.of(tiling)
    return wanted.tile if wanted else NO_TILE
