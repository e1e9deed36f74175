"""Which crate of the BitNet.rs workspace owns a piece of work, and which module of ours does.

One table, made from EffortlessMetrics/BitNet-rs at f2ae3ad. Reports and routing name both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from bitnet_perf.errors import FormatError

__all__ = ["GPU_MODULE", "OWNERS", "Owner", "bench_stages", "crate_of", "owner", "owner_of",
           "stage_of_crate"]  # fmt: skip

Kind = Literal["stage", "case", "codec", "group", "file"]


@dataclass(frozen=True, slots=True)
class Owner:
    """`key` of one `kind`, the `crate` that owns it, the `file` that does the work below that
    crate's folder, our own `module` ("" where none does that work), and the pipeline's `stage` (""
    where it is in none).

    Keys: a stage; `stage/family` of a case; a codec; a Criterion group, or what all its names begin
    with and `*`; the beginning of a path of this repository.
    """

    kind: Kind
    key: str
    crate: str
    file: str
    module: str
    stage: str = ""

    def to_dict(self) -> dict[str, str]:
        """The row as plain JSON values."""
        return asdict(self)


GPU_MODULE = "cuda"  # what runs on a GPU, and nothing else
_QUANTIZATION = "bitnet-quantization"
_KERNELS = "bitnet-kernels"
_INFERENCE = "bitnet-inference"
_MODELS = "bitnet-models"
_TOKENIZERS = "bitnet-tokenizers"
_TEMPLATES = "bitnet-prompt-templates"
_CROSSVAL = "bitnet-crossval"  # its folder is crossval/
_BLOCKS = "csrc/kernels/block_quantize, block_dequantize"
_PRODUCTS = "csrc/kernels/block_matmul"
_ORACLE = "bitnet_perf/peers/bitnet_rs"
_GEMV = "csrc/kernels/gemv, gemm"
_DENSE = "csrc/kernels/gemv_dense, gemm_dense"

# (stage, crate, file, module)
_STAGES = (
    ("load", _MODELS, "src/loader.rs", "bitnet_perf/model"),
    ("quantization", _QUANTIZATION, "src/lib.rs", "bitnet_perf/formats"),
    ("forward", _INFERENCE, "src/simple_forward.rs", "csrc/engine"),
    ("tokenization", _TOKENIZERS, "src/universal.rs", "bitnet_perf/model/tokenizer.py"),
    ("generation", _INFERENCE, "src/engine.rs", "bitnet_perf/model/generation.py"),
)
# (stage/family, crate, file, module)
_CASES = (
    ("load/gguf", _MODELS, "src/formats/gguf/loader.rs", "bitnet_perf/model/gguf.py"),
    ("tokenization/tokenize", _TOKENIZERS, "src/universal.rs", "bitnet_perf/model/tokenizer.py"),
    ("tokenization/detokenize", _TOKENIZERS, "src/universal.rs", "bitnet_perf/model/tokenizer.py"),
    ("forward/gemv", _KERNELS, "src/cpu/simd_matmul.rs", _GEMV),
    ("forward/gemm", _KERNELS, "src/cpu/simd_matmul.rs", _GEMV),
    ("forward/gemv_dense", _KERNELS, "src/cpu/simd_matmul.rs", _DENSE),
    ("forward/gemm_dense", _KERNELS, "src/cpu/simd_matmul.rs", _DENSE),
    ("forward/embed", _KERNELS, "src/cpu/embedding.rs", "csrc/kernels/embed"),
    ("forward/rms_norm", _INFERENCE, "src/cpu_opt.rs", "csrc/kernels/rms_norm"),
    ("forward/rope", "bitnet-rope", "src/lib.rs", "csrc/kernels/rope"),
    ("forward/attention", _KERNELS, "src/cpu/attention.rs", "csrc/kernels/attention"),
    ("forward/relu2_mul", _INFERENCE, "src/cpu_opt.rs", "csrc/kernels/relu2_mul"),
    ("forward/silu_mul", _INFERENCE, "src/cpu_opt.rs", "csrc/kernels/silu_mul"),
    ("forward/add", _KERNELS, "src/cpu/simd_math.rs", "csrc/kernels/add"),
    ("forward/block_matmul", _KERNELS, "src/cpu/fallback.rs", _PRODUCTS),
    ("forward/prefill", _INFERENCE, "src/simple_forward.rs", "csrc/engine"),
    ("forward/mixed_matmul", _KERNELS, "src/gpu/mixed_precision.rs", GPU_MODULE),
    ("forward/mixed_convert", _KERNELS, "src/gpu/mixed_precision.rs", GPU_MODULE),
    ("generation/decode", _INFERENCE, "src/engine.rs", "csrc/engine"),
    ("generation/argmax", "bitnet-logits", "src/lib.rs", "csrc/kernels/argmax"),
    ("generation/softmax", "bitnet-logits", "src/lib.rs", "csrc/kernels/softmax"),
    ("generation/sample", "bitnet-sampling", "src/lib.rs", "csrc/engine/sample.cpp"),
    ("quantization/pack", _QUANTIZATION, "src/utils.rs", "csrc/kernels/pack"),
    ("quantization/unpack", _QUANTIZATION, "src/utils.rs", "csrc/kernels/unpack"),
    ("quantization/quantize_weights", _QUANTIZATION, "src/utils.rs", "csrc/kernels/pack"),
    (
        "quantization/quantize_activations",
        _INFERENCE,
        "src/layers/quantized_linear.rs",
        "csrc/kernels/quantize_activations",
    ),
    ("quantization/block_quantize", _QUANTIZATION, "src/lib.rs", _BLOCKS),
    ("quantization/block_dequantize", _QUANTIZATION, "src/lib.rs", _BLOCKS),
    ("quantization/block_round_trip", _QUANTIZATION, "src/lib.rs", _BLOCKS),
)
# (codec, crate, file, module, stage)
_CODECS = (
    ("quant.i2s", _QUANTIZATION, "src/i2s.rs", _BLOCKS, "quantization"),
    ("quant.tl1", _QUANTIZATION, "src/tl1.rs", _BLOCKS, "quantization"),
    ("quant.tl2", _QUANTIZATION, "src/tl2.rs", _BLOCKS, "quantization"),
    ("device.i2s", _QUANTIZATION, "src/device_aware_quantizer.rs", _BLOCKS, "quantization"),
    ("device.tl1", _QUANTIZATION, "src/device_aware_quantizer.rs", _BLOCKS, "quantization"),
    ("device.tl2", _QUANTIZATION, "src/device_aware_quantizer.rs", _BLOCKS, "quantization"),
    ("kernel.i2s", _KERNELS, "src/cpu/fallback.rs", _BLOCKS, "quantization"),
    ("kernel.tl1", _KERNELS, "src/cpu/fallback.rs", _BLOCKS, "quantization"),
    ("kernel.tl2", _KERNELS, "src/cpu/fallback.rs", _BLOCKS, "quantization"),
    ("matmul_i2s", _KERNELS, "src/cpu/fallback.rs", _PRODUCTS, "forward"),
    ("matmul", _KERNELS, "src/cpu/quantized_matmul.rs", _PRODUCTS, "forward"),
    ("qk256", _QUANTIZATION, "src/i2s_qk256.rs", _ORACLE, "forward"),
    ("inline10", _MODELS, "src/quant/i2s.rs", _ORACLE, "load"),
    ("iq2_s", _MODELS, "src/quant/backend.rs", _ORACLE, "load"),
)
# (bench file, crate, {stage: groups}, module). Names of groups end before their first slash.
_BENCHES = (
    (
        "benches/quantization.rs",
        _QUANTIZATION,
        {
            "quantization": "quantization_sizes dequantization_sizes round_trip block_sizes "
            "2d_tensors trait_quantization compression_ratios simd_vs_scalar"
        },
        _BLOCKS,
    ),
    (
        "benches/simd_comparison.rs",
        _QUANTIZATION,
        {
            "quantization": "alignment_scenarios arm_neon_improvements block_size_throughput "
            "data_pattern_throughput improvement_comparison memory_access_patterns scalar_fallback "
            "x86_intrinsics_improvements"
        },
        _BLOCKS,
    ),
    ("benches/i2s_dequant.rs", _QUANTIZATION, {"quantization": "i2s_dequant_8k_blocks"}, _BLOCKS),
    (
        "benches/qk256_gemv.rs",
        _QUANTIZATION,
        {
            "forward": "qk256_dispatch_overhead qk256_gemv_avx2_vs_scalar qk256_gemv_scalar "
            "qk256_memory_access"
        },
        _ORACLE,
    ),
    (
        "benches/kernel_benchmarks.rs",
        _KERNELS,
        {
            "forward": "matmul memory_bandwidth kernel_comparison cache_performance",
            "quantization": "quantization quantization_accuracy",
        },
        _PRODUCTS,
    ),
    ("benches/kernel_benchmarks.rs", _KERNELS, {"forward": "kernel_selection"}, "csrc/core"),
    ("benches/kernel_benchmarks.rs", _KERNELS, {"quantization": "qk256_dequant"}, _ORACLE),
    (
        "benches/mixed_precision_bench.rs",
        _KERNELS,
        {
            "forward": "matmul_64x64 matmul_128x128 matmul_256x256 precision_conversion_* "
            "precision_detection"
        },
        GPU_MODULE,
    ),
    (
        "benches/dense_ops.rs",
        _INFERENCE,
        {"forward": "attention_cpu_opt matmul_cpu_opt rmsnorm_cpu_opt silu silu_rmsnorm_pipeline"},
        "csrc/kernels",
    ),
    (
        "benches/template_ops.rs",
        _TEMPLATES,
        {"tokenization": "template_detect template_apply template_render_chat suggest_for_arch"},
        "",
    ),
    ("benches/performance.rs", _CROSSVAL, {"load": "model_loading memory_usage"}, ""),
    (
        "benches/performance.rs",
        _CROSSVAL,
        {"generation": "rust_inference cpp_inference comparison"},
        "",
    ),
    (
        "benches/gpu_offloading_bench.rs",
        _CROSSVAL,
        {"generation": "gpu_offloading gpu_memory_scaling gpu_config_overhead"},
        GPU_MODULE,
    ),
    (
        "benches/srp_ops.rs",
        "bitnet",
        {"generation": "logits_pipeline repetition_penalty top_k"},
        "csrc/engine/sample.cpp",
    ),
    (
        "benches/kernel_ops.rs",
        "bitnet",
        {
            "forward": "attention_scores matmul_i2s_sizes rmsnorm",
            "quantization": "kernel_quantize_i2s",
        },
        "csrc/kernels",
    ),
    (
        "benches/quantization_ops.rs",
        "bitnet",
        {
            "quantization": "i2s_roundtrip qk256_unpack tl1_lookup tl2_lookup",
            "forward": "qk256_gemv",
        },
        _ORACLE,
    ),
    (
        "benches/neon_simd.rs",
        "bitnet",
        {"forward": "neon_*"},
        "csrc/kernels",
    ),
)
# (beginning of a path of this repository, crate, file, stage). Kernels have the row of their case.
_FILES = (
    ("csrc/formats", _QUANTIZATION, "src/lib.rs", "quantization"),
    ("csrc/gguf", _MODELS, "src/formats/gguf/reader.rs", "load"),
    ("csrc/engine/load", _MODELS, "src/loader.rs", "load"),
    ("csrc/engine/weights", _MODELS, "src/weight_mapper.rs", "load"),
    ("csrc/engine/sample", "bitnet-sampling", "src/lib.rs", "generation"),
    ("csrc/engine/kv_cache", _INFERENCE, "src/cache.rs", "generation"),
    ("csrc/engine", _INFERENCE, "src/engine.rs", "forward"),
    ("csrc/core", _KERNELS, "src/device_features.rs", ""),
    ("csrc/kernels", _KERNELS, "src/cpu/mod.rs", ""),
    ("csrc/bind", "bitnet-py", "src/lib.rs", ""),
    ("cmake", _KERNELS, "Cargo.toml", ""),
    ("CMakeLists.txt", _KERNELS, "Cargo.toml", ""),
    ("cuda", _KERNELS, "src/gpu", "forward"),
    ("bitnet_perf/formats", _QUANTIZATION, "src/lib.rs", "quantization"),
    ("bitnet_perf/kernels", _KERNELS, "src/kernels.rs", ""),
    ("bitnet_perf/model/tokenizer", _TOKENIZERS, "src/universal.rs", "tokenization"),
    ("bitnet_perf/model/vocabulary", _TOKENIZERS, "src/vocabulary.rs", "tokenization"),
    ("bitnet_perf/model/sentencepiece", _TOKENIZERS, "src/sp_tokenizer.rs", "tokenization"),
    ("bitnet_perf/model/generation", _INFERENCE, "src/generation/mod.rs", "generation"),
    ("bitnet_perf/model/sampling", "bitnet-sampling", "src/lib.rs", "generation"),
    ("bitnet_perf/model", _MODELS, "src/loader.rs", "load"),
)


def _rows() -> Iterator[Owner]:
    for key, crate, file, module in _STAGES:
        yield Owner("stage", key, crate, file, module, key)
    for key, crate, file, module in _CASES:
        yield Owner("case", key, crate, file, module, key.partition("/")[0])
    for codec in _CODECS:
        yield Owner("codec", *codec)
    for file, crate, stages, module in _BENCHES:
        for stage, groups in stages.items():
            for group in groups.split():
                yield Owner("group", group, crate, file, module, stage)
    for key, crate, file, stage in _FILES:
        yield Owner("file", key, crate, file, key, stage)


OWNERS = tuple(_rows())
_BY_KEY: dict[tuple[str, str], Owner] = {(row.kind, row.key): row for row in OWNERS}
_BY_FAMILY = {row.key.partition("/")[2]: row for row in OWNERS if row.kind == "case"}
_CRATES = {row.crate for row in OWNERS} | {"xtask"}
_FOLDERS = {"xtask": "xtask", "crossval": _CROSSVAL}  # of crates beside crates/
_OURS = {row.key for row in OWNERS if row.kind == "stage"}
_BLOCK = re.compile(r"\.b\d+$")
_KERNEL_FILE = re.compile(r"csrc/kernels/(\w+)/(?:(\w+)/)?")


def owner(kind: Kind, name: str) -> Owner:
    """The owner of a case name, codec, stage, Criterion id (or group), or path of this repository.

    A case is looked up by its codec, then by `stage/family`, then by its stage. A codec may carry a
    block (`quant.i2s.b64`). A path of a kernel is that of its codec or family, another the longest
    that it begins with. Raises FormatError when nothing in the table matches.
    """
    for key in _keys(kind, name):
        if key in _BY_KEY:
            return _BY_KEY[key]
    found = _beginning(kind, name.partition("/")[0] if kind == "group" else name)
    if found is not None:
        return found
    known = ", ".join(sorted(row.key for row in OWNERS if row.kind == kind))
    raise FormatError(f"{kind}: {name!r} is not in the table of crates; accepted: {known}")


def _keys(kind: Kind, name: str) -> list[tuple[str, str]]:
    """What a name is looked up by, the nearest first."""
    parts = name.split("/")
    if kind == "codec":
        return [(kind, _BLOCK.sub("", name.removeprefix("bitnet_rs.")))]
    if kind == "case":
        codec = _BLOCK.sub("", parts[2]) if len(parts) > 2 else ""
        return [("codec", codec), ("case", "/".join(parts[:2])), ("stage", parts[0])]
    if kind == "file" and (found := _KERNEL_FILE.match(name)) and found[1] in _BY_FAMILY:
        return [
            ("codec", (found[2] or "").replace("_", ".", 1)),
            ("case", _BY_FAMILY[found[1]].key),
        ]
    return [(kind, parts[0] if kind == "group" else name)]


def _beginning(kind: Kind, name: str) -> Owner | None:
    """The row of the longest key that the name begins with."""
    rows = [
        row
        for row in OWNERS
        if row.kind == kind
        and (
            (kind == "file" and name.startswith(row.key))
            or (row.key.endswith("*") and name.startswith(row.key[:-1]))
        )
    ]
    return max(rows, key=lambda row: len(row.key), default=None)


def owner_of(case: str) -> Owner | None:
    """The owner of a case of ours, of one of a Cargo workspace (`STAGE/CRATE/BENCH/ID`), or of a
    Criterion id; None for work that nobody here knows."""
    stage, crate, *rest = (*case.split("/"), "")
    if rest and (crate in _CRATES or "-" in crate):
        return _of_bench(stage, crate, rest[0], "/".join(rest[1:]))
    for kind in ("case", "group"):
        try:
            return owner(kind, case)
        except FormatError:
            continue
    return None


def _of_bench(stage: str, crate: str, bench: str, criterion_id: str) -> Owner:
    """The owner of a bench: what the table knows of its group, else of its file."""
    group = criterion_id.partition("/")[0]
    rows = _rows_of(crate, bench, group) or _rows_of(crate, bench)
    modules = {row.module for row in rows}
    module = modules.pop() if len(modules) == 1 else ""
    file = f"benches/{bench}.rs"
    return Owner("group", group or bench, crate, file, module, stage if stage in _OURS else "")


def _rows_of(crate: str, bench: str, group: str | None = None) -> list[Owner]:
    """The rows of a bench, or those of one group of it."""
    place = crate, f"benches/{bench}.rs"
    rows = [row for row in OWNERS if row.kind == "group" and (row.crate, row.file) == place]
    if group is None:
        return rows
    exact = [row for row in rows if row.key == group]
    begun = (r for r in rows if r.key.endswith("*") and group.startswith(r.key[:-1]))
    return exact or list(begun)


def bench_stages(crate: str, bench: str, criterion_id: str | None = None) -> tuple[str, ...]:
    """The stages of a bench of a Cargo workspace, each once, or those of one id of it; none where
    the table has no row of it."""
    group = None if criterion_id is None else criterion_id.partition("/")[0]
    return tuple(dict.fromkeys(row.stage for row in _rows_of(crate, bench, group)))


def stage_of_crate(crate: str) -> str | None:
    """The stage that a crate's work belongs to; None where the table has no row of it."""
    found = (row for row in OWNERS if row.crate == crate and row.kind in ("stage", "case"))
    return next((row.key.partition("/")[0] for row in found), None)


def crate_of(path: str) -> str | None:
    """The crate of a file: of this repository by the table, of a Cargo workspace by its folder."""
    parts = path.split("/")
    if parts[0] == "crates" and len(parts) > 2:
        return parts[1]
    if parts[0] in _FOLDERS and len(parts) > 1:
        return _FOLDERS[parts[0]]
    if parts[0] in ("src", "benches") and len(parts) > 1 and path.endswith(".rs"):
        return "bitnet"  # the package at the top of the workspace
    try:
        return owner("file", path).crate
    except FormatError:
        return None
