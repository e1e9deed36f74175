"""Tensors encoded by the block-scaled codecs of the BitNet.rs crates, and the table of the codecs.

A block of consecutive values of the flat tensor shares one float32 scale. The codes stand four a
byte, value i in byte i // 4 at bits 2 * (i % 4), or one a byte (`device.tl1`); they belong to no
packed format of the engines, and are never converted to one by guessing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf import _native
from bitnet_perf.errors import FormatError, ShapeError

__all__ = ["Blocks", "Codec", "codecs"]


@dataclass(frozen=True)
class Codec:
    """One row of `codecs()`.

    Attributes:
        codec: the id, as `quantize_blocks` takes it.
        block: values that share a scale, unless `quantize_blocks` is told otherwise.
        fixed: True where no other block is accepted.
        bits: width of a code in `Blocks.data`, 2 or 8.
        scale_rule: the scale of a block.
        code_map: value of each code, in units of the scale, and how a code is chosen.
        by_level: what the crate computes differently where its CPU detection finds more than the
            scalar level; this package's results are those of the scalar level on every ISA.
    """

    codec: str
    block: int
    fixed: bool
    bits: int
    scale_rule: str
    code_map: str
    by_level: str


_QUANT_SCALE = "largest finite |x|; 1 where it is below 1e-30, 1e30 where it is above 1e30"
_DEVICE_SCALE = "largest |x|, infinity included; 0 where all are 0 or NaN"
_KERNEL_SCALE = "largest |x| / 1.5, infinity included; 1 where the largest is at most 1e-8"

# scale rule, code map, by level
_WORDS = {
    "quant.i2s": (
        _QUANT_SCALE,
        "0..3 are -2..1: x / s rounded half away from zero, clamped; NaN and infinity are 2",
        "avx2: rounds half to even, maps NaN and +Inf to 1, -Inf to -2, and gives elements 4-7 of "
        "every 8 the codes of elements 0-3; avx512: as scalar",
    ),
    "quant.tl1": (
        _QUANT_SCALE,
        "0..3 are -2..1: round(x / t + 128) through a table, t the largest |x|, so 1, 2 or 3; NaN "
        "is 0; every code is 2 where t is infinite",
        "no difference on x86",
    ),
    "quant.tl2": (
        _QUANT_SCALE,
        "0..3 are -2..1: index round(128 x / s + 128), up to 64 is 1, from 192 on 3; NaN is 1",
        "block 64, 128 (avx2) or 256 (avx512) by default; avx2 and avx512 round the index half to "
        "even and map NaN, infinity and overflow to index 0",
    ),
    "device.i2s": (_DEVICE_SCALE, "0, 1, 2, 3 are 0, 1, 0, -1: x / s > 0.5, < -0.5", "none"),
    "device.tl1": (
        _DEVICE_SCALE,
        "0..15 are 16 steps from -1 to 1, four digits each: trunc((x / s + 1) * 7.5)",
        "none",
    ),
    "device.tl2": (
        _DEVICE_SCALE,
        "0..3 are -1, -0.33, 0.33, 1: trunc((x / s + 1) * 1.5); 0 decodes to -0.33 s",
        "none",
    ),
    "kernel.i2s": (
        _KERNEL_SCALE,
        "0, 1, 2, 3 are 0, 1, 0, -1: x / s > 0.5, < -0.5; ORed into the output",
        "none",
    ),
    "kernel.tl1": (
        _KERNEL_SCALE,
        "0..3 are -1, -0.33, 0.33, 1: the nearest, the first of equals; ORed into the output",
        "none",
    ),
    "kernel.tl2": (
        _KERNEL_SCALE,
        "0..3 are -1.2, -0.4, 0.4, 1.2: the nearest, the first of equals; ORed into the output",
        "avx2 and avx512 clear the output first and let NaN reset the running maximum of a lane; "
        "avx512 has the thresholds -0.8, 0, 0.8, so that 0 is 0.4 s instead of -0.4 s",
    ),
}


def codecs() -> list[Codec]:
    """The block-scaled codecs that `quantize_blocks` accepts."""
    return [
        Codec(codec, block, fixed, bits, *_WORDS[codec])
        for codec, _, block, fixed, bits in _native.block_codecs()
    ]


def _find(codec: str) -> tuple[int, bool, int]:
    for known, _, block, fixed, bits in _native.block_codecs():
        if codec == known:
            return block, fixed, bits
    choices = ", ".join(row[0] for row in _native.block_codecs())
    raise FormatError(
        f"codec: found {codec!r}, accepted is one of {choices} (without the prefix 'bitnet_rs.')"
    )


@dataclass(frozen=True, eq=False)
class Blocks:
    """A tensor encoded by a block-scaled codec.

    Attributes:
        codec: id of the codec, one of `codecs()`.
        data: uint8[ceil(n / 4)] codes (uint8[n] for `device.tl1`), n the number of values.
        scales: float32[ceil(n / block)], one scale a block.
        block: values that share a scale.
        shape: shape of the tensor; every dimension >= 1.

    Raises:
        FormatError: unknown codec, or a block it does not admit.
        ShapeError: data, scales or shape that do not fit together.
    """

    codec: str
    data: NDArray[np.uint8]
    scales: NDArray[np.float32]
    block: int
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        usual, fixed, bits = _find(self.codec)
        if self.block < 1 or (fixed and self.block != usual):
            accepted = str(usual) if fixed else ">= 1"
            raise FormatError(f"block: found {self.block}, accepted for {self.codec} is {accepted}")
        shape = tuple(int(n) for n in self.shape)
        if not shape or min(shape) < 1:
            raise ShapeError(f"shape: found {shape}, accepted is one or more dimensions >= 1")
        n = math.prod(shape)
        self._settle("data", np.uint8, n if bits == 8 else -(-n // 4), shape)
        self._settle("scales", np.float32, -(-n // self.block), shape)
        object.__setattr__(self, "shape", shape)

    def _settle(self, name: str, dtype: Any, size: int, shape: tuple[int, ...]) -> None:
        array = np.asarray(getattr(self, name))
        if array.dtype.newbyteorder("=") != dtype or array.shape != (size,):
            found = f"{array.dtype}{list(array.shape)}"
            raise ShapeError(
                f"{name}: found {found}, accepted for shape {shape} in {self.codec} with block "
                f"{self.block} is {np.dtype(dtype)}[{size}]"
            )
        object.__setattr__(self, name, np.ascontiguousarray(array, dtype))

    @property
    def nbytes(self) -> int:
        """Bytes of codes and scales together."""
        return self.data.nbytes + self.scales.nbytes
