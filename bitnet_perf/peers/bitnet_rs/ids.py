"""Criterion ids of BitNet.rs's `quantization` bench, joined to our case names: one table.

Source: `crates/bitnet-quantization/benches/quantization.rs` of EffortlessMetrics/BitNet-rs at
f2ae3ad. Each of its timed calls (`quantize_tensor`, `dequantize_tensor`, or both) also allocates
its result and, for I2_S, checks its input; dequantization codes the ramp before the clock starts.
The crates' loops are parallel (rayon): the cases are `t1` because they are run with
RAYON_NUM_THREADS=1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CASES",
    "LEVELS",
    "NO_CASE",
    "RAMP",
    "TL2_BLOCK",
    "CrateCase",
    "cases_at",
    "crate_data",
    "explain",
    "host_level",
]

LEVELS = ("scalar", "avx2", "avx512")
TL2_BLOCK = {"scalar": 64, "avx2": 128, "avx512": 256}  # TL2Quantizer::new(), by CPU level
RAMP = "x[i] = (i - n/2) / (n/4) in float32, i over the flat tensor of n values"

_BLOCK = {"quant.i2s": 32, "quant.tl1": 64, "quant.tl2": TL2_BLOCK["scalar"]}
_LABEL = {"quant.i2s": "I2S", "quant.tl1": "TL1", "quant.tl2": "TL2"}


@dataclass(frozen=True, slots=True)
class CrateCase:
    """One benchmark of the crates and the case of ours that does the same work.

    `case` is `stage/family/format/shape/threads`; `block` the number of values under one scale;
    `shape` that of the float32 tensor; `data` is "ramp" (see RAMP). `by_level` tells that the
    crate picks the block from the CPU's level: `cases_at` gives the row of one level.
    """

    criterion_id: str
    case: str
    family: str
    codec: str
    block: int
    shape: tuple[int, ...]
    data: str = "ramp"
    by_level: bool = False

    @property
    def group(self) -> str:
        """Criterion's group: the first segment of the id."""
        return self.criterion_id.partition("/")[0]

    @property
    def count(self) -> int:
        """Number of values in the tensor."""
        return prod(self.shape)

    def to_dict(self) -> dict[str, Any]:
        """The case as plain JSON values."""
        return {**asdict(self), "shape": list(self.shape)}


def _case(
    group: str,
    function: str,
    family: str,
    codec: str,
    shape: tuple[int, ...],
    *,
    block: int | None = None,
) -> CrateCase:
    """`block` given: the benchmark's own parameter, its last segment; else the codec's default."""
    size = "x".join(map(str, shape))
    suffix = "" if block is None else f".b{block}"
    return CrateCase(
        criterion_id=f"{group}/{_LABEL[codec]}_{function}/{size if block is None else block}",
        case=f"quantization/{family}/{codec}{suffix}/{size}/t1",
        family=family,
        codec=codec,
        block=block or _BLOCK[codec],
        shape=shape,
        by_level=codec == "quant.tl2" and block is None,
    )


_SIZES = (1024, 4096, 16384, 65536, 262144)
_ROUND_TRIP_SIZES = (4096, 16384, 65536)
_I2S_BLOCKS = (16, 32, 64, 128, 256)
_SIDES = (256, 512, 1024)

CASES: tuple[CrateCase, ...] = (
    *(
        _case("quantization_sizes", "quantize", "block_quantize", codec, (n,))
        for n in _SIZES
        for codec in _LABEL
    ),
    *(
        _case("dequantization_sizes", "dequantize", "block_dequantize", codec, (n,))
        for n in _SIZES
        for codec in _LABEL
    ),
    *(
        _case("round_trip", "round_trip", "block_round_trip", codec, (n,))
        for n in _ROUND_TRIP_SIZES
        for codec in _LABEL
    ),
    *(
        _case("block_sizes", "block_size", "block_quantize", "quant.i2s", (65536,), block=block)
        for block in _I2S_BLOCKS
    ),
    *(
        _case("2d_tensors", "2d", "block_quantize", codec, (side, side))
        for side in _SIDES
        for codec in ("quant.i2s", "quant.tl2")
    ),
)

# Groups of the same bench that have no case of ours, and why.
NO_CASE: dict[str, str] = {
    "trait_quantization": "measures Rust's dynamic dispatch over work that quantization_sizes has",
    "compression_ratios": "times three codecs in one loop, for a ratio that is a constant",
    "simd_vs_scalar": "measures one side only: the bench cannot switch SIMD off",
}


def cases_at(level: str) -> tuple[CrateCase, ...]:
    """CASES as the crates run them on a CPU of `level`: scalar, avx2 or avx512.

    Where the crate's block is not the codec's default there, `block` and the case name say so:
    `quant.tl2` becomes `quant.tl2.b128`, so that one case name always means the same work.
    """
    block = TL2_BLOCK[level]
    if block == _BLOCK["quant.tl2"]:
        return CASES
    return tuple(
        replace(row, block=block, case=row.case.replace(row.codec, f"{row.codec}.b{block}"))
        if row.by_level
        else row
        for row in CASES
    )


def explain(criterion_id: str) -> str | None:
    """Why a Criterion id has no case of ours; None when it has one."""
    if any(row.criterion_id == criterion_id for row in CASES):
        return None
    group = criterion_id.partition("/")[0]
    return NO_CASE.get(group, "is no benchmark of bitnet-quantization's bench `quantization`")


def crate_data(case: CrateCase) -> NDArray[np.float32]:
    """The float32 input of the crate's benchmark, of shape `case.shape`: RAMP, bit for bit."""
    n = np.float32(case.count)
    flat = (np.arange(case.count, dtype=np.float32) - n / np.float32(2)) / (n / np.float32(4))
    return flat.reshape(case.shape)


def host_level(cpuinfo: str | Path = "/proc/cpuinfo") -> str:
    """The CPU level that the crates' run-time detection sees on this host (`TL2Quantizer::new`)."""
    try:
        text = Path(cpuinfo).read_text(encoding="ascii", errors="replace")
    except OSError:
        return "scalar"
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    if {"avx512f", "avx512bw", "avx512vl"}.issubset(flags):
        return "avx512"
    return "avx2" if "avx2" in flags else "scalar"
