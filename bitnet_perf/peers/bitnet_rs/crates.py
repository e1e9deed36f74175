"""Which crate of the BitNet.rs workspace owns a piece of work, and which module of ours does.

One table, made from EffortlessMetrics/BitNet-rs at f2ae3ad. Reports and routing name both.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Literal

from bitnet_perf.errors import FormatError

__all__ = ["OWNERS", "Owner", "owner"]

Kind = Literal["stage", "case", "codec", "group"]


@dataclass(frozen=True, slots=True)
class Owner:
    """`key` of one `kind` (a stage, `stage/family`, a codec or a Criterion group), the `crate` that
    owns it, the `file` that does the work below that crate's folder, and our own `module`."""

    kind: Kind
    key: str
    crate: str
    file: str
    module: str

    def to_dict(self) -> dict[str, str]:
        """The row as plain JSON values."""
        return asdict(self)


_QUANTIZATION = "bitnet-quantization"
_KERNELS = "bitnet-kernels"
_INFERENCE = "bitnet-inference"
_BLOCKS = "csrc/kernels/block_quantize, block_dequantize"
_PRODUCTS = "csrc/kernels/block_matmul"
_ORACLE = "bitnet_perf/peers/bitnet_rs"
_GEMV = "csrc/kernels/gemv, gemm"

OWNERS: tuple[Owner, ...] = (
    Owner("stage", "load", "bitnet-models", "src/loader.rs", "bitnet_perf/model"),
    Owner("stage", "quantization", _QUANTIZATION, "src/lib.rs", "bitnet_perf/formats"),
    Owner("stage", "forward", _INFERENCE, "src/simple_forward.rs", "bitnet_perf/model"),
    Owner("stage", "tokenization", "bitnet-tokenizers", "src/universal.rs", "bitnet_perf/model"),
    Owner("stage", "generation", _INFERENCE, "src/engine.rs", "bitnet_perf/model"),
    Owner("case", "forward/gemv", _KERNELS, "src/cpu/simd_matmul.rs", _GEMV),
    Owner("case", "forward/gemm", _KERNELS, "src/cpu/simd_matmul.rs", _GEMV),
    Owner("case", "quantization/pack", _QUANTIZATION, "src/utils.rs", "csrc/kernels/pack"),
    Owner("case", "quantization/unpack", _QUANTIZATION, "src/utils.rs", "csrc/kernels/unpack"),
    Owner(
        "case",
        "quantization/quantize_activations",
        _INFERENCE,
        "src/layers/quantized_linear.rs",
        "csrc/kernels/quantize_activations",
    ),
    Owner("codec", "quant.i2s", _QUANTIZATION, "src/i2s.rs", _BLOCKS),
    Owner("codec", "quant.tl1", _QUANTIZATION, "src/tl1.rs", _BLOCKS),
    Owner("codec", "quant.tl2", _QUANTIZATION, "src/tl2.rs", _BLOCKS),
    Owner("codec", "device.i2s", _QUANTIZATION, "src/device_aware_quantizer.rs", _BLOCKS),
    Owner("codec", "device.tl1", _QUANTIZATION, "src/device_aware_quantizer.rs", _ORACLE),
    Owner("codec", "device.tl2", _QUANTIZATION, "src/device_aware_quantizer.rs", _ORACLE),
    Owner("codec", "kernel.i2s", _KERNELS, "src/cpu/fallback.rs", _BLOCKS),
    Owner("codec", "kernel.tl1", _KERNELS, "src/cpu/fallback.rs", _BLOCKS),
    Owner("codec", "kernel.tl2", _KERNELS, "src/cpu/fallback.rs", _BLOCKS),
    Owner("codec", "matmul_i2s", _KERNELS, "src/cpu/fallback.rs", _PRODUCTS),
    Owner("codec", "matmul", _KERNELS, "src/cpu/quantized_matmul.rs", _PRODUCTS),
    Owner("codec", "qk256", _QUANTIZATION, "src/i2s_qk256.rs", _ORACLE),
    Owner("codec", "inline10", "bitnet-models", "src/quant/i2s.rs", _ORACLE),
    Owner("codec", "iq2_s", "bitnet-models", "src/quant/backend.rs", _ORACLE),
    Owner("group", "quantization_sizes", _QUANTIZATION, "benches/quantization.rs", _BLOCKS),
    Owner("group", "dequantization_sizes", _QUANTIZATION, "benches/quantization.rs", _BLOCKS),
    Owner("group", "round_trip", _QUANTIZATION, "benches/quantization.rs", _BLOCKS),
    Owner("group", "block_sizes", _QUANTIZATION, "benches/quantization.rs", _BLOCKS),
    Owner("group", "2d_tensors", _QUANTIZATION, "benches/quantization.rs", _BLOCKS),
    Owner("group", "trait_quantization", _QUANTIZATION, "benches/quantization.rs", _BLOCKS),
    Owner("group", "compression_ratios", _QUANTIZATION, "benches/quantization.rs", _BLOCKS),
    Owner("group", "simd_vs_scalar", _QUANTIZATION, "benches/quantization.rs", _BLOCKS),
    Owner("group", "matmul", _KERNELS, "benches/kernel_benchmarks.rs", _PRODUCTS),
    Owner("group", "quantization", _KERNELS, "benches/kernel_benchmarks.rs", _BLOCKS),
    Owner("group", "kernel_selection", _KERNELS, "benches/kernel_benchmarks.rs", "csrc/core"),
    Owner("group", "memory_bandwidth", _KERNELS, "benches/kernel_benchmarks.rs", _PRODUCTS),
    Owner("group", "kernel_comparison", _KERNELS, "benches/kernel_benchmarks.rs", _PRODUCTS),
    Owner("group", "quantization_accuracy", _KERNELS, "benches/kernel_benchmarks.rs", _BLOCKS),
    Owner("group", "cache_performance", _KERNELS, "benches/kernel_benchmarks.rs", _PRODUCTS),
    Owner("group", "qk256_dequant", _KERNELS, "benches/kernel_benchmarks.rs", _ORACLE),
    Owner("group", "template_detect", "bitnet-prompt-templates", "benches/template_ops.rs", ""),
    Owner("group", "template_apply", "bitnet-prompt-templates", "benches/template_ops.rs", ""),
    Owner(
        "group", "template_render_chat", "bitnet-prompt-templates", "benches/template_ops.rs", ""
    ),
    Owner("group", "suggest_for_arch", "bitnet-prompt-templates", "benches/template_ops.rs", ""),
)
_BY_KEY: dict[tuple[str, str], Owner] = {(row.kind, row.key): row for row in OWNERS}
_BLOCK = re.compile(r"\.b\d+$")


def owner(kind: Kind, name: str) -> Owner:
    """The owner of a case name, codec, stage or Criterion id (or group).

    A case is looked up by its codec, then by `stage/family`, then by its stage. A codec may carry a
    block (`quant.i2s.b64`). Raises FormatError when nothing in the table matches.
    """
    parts = name.split("/")
    keys: list[tuple[str, str]] = [(kind, parts[0] if kind == "group" else name)]
    if kind == "codec":
        keys = [(kind, _BLOCK.sub("", name.removeprefix("bitnet_rs.")))]
    elif kind == "case":
        codec = _BLOCK.sub("", parts[2]) if len(parts) > 2 else ""
        keys = [("codec", codec), ("case", "/".join(parts[:2])), ("stage", parts[0])]
    for key in keys:
        if key in _BY_KEY:
            return _BY_KEY[key]
    known = ", ".join(sorted(row.key for row in OWNERS if row.kind == kind))
    raise FormatError(f"{kind}: {name!r} is not in the table of crates; accepted: {known}")
