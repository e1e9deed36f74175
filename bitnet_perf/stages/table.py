"""The one table from what a span is called to its stage.

Kernels are called `family/format/isa`; the stage of a family stands in the list of families that
can be timed. Everything else is one of the operations below.
"""

from __future__ import annotations

from bitnet_perf import _bench

__all__ = ["NO_MODEL", "ONCE_A_ROUND", "OPERATIONS", "STAGES", "stage_of"]

# Stage -> title, in the order of a run.
STAGES = {
    "load": "Model Load",
    "quantization": "Quantization",
    "forward": "Forward Pass",
    "tokenization": "Tokenization",
    "generation": "Generation",
}

# Stages that only a model runs.
NO_MODEL = frozenset({"load", "tokenization", "generation"})

# Stage -> its operations, in the order of a run.
_OPERATIONS = {
    "load": ("model_load", "open", "parse_header", "tensor_table", "weight_repack", "page_in"),
    "quantization": ("quantize", "pack", "dequantize"),
    "forward": (
        "embed", "attn_norm", "qkv", "rope", "attention", "attn_sub_norm", "o_proj", "ffn_norm",
        "gate_up", "act", "ffn_sub_norm", "down", "output_norm", "lm_head",
    ),
    "tokenization": ("tokenizer", "encode", "decode"),
    "generation": (
        "generation_loop", "prefill_loop", "decode_loop", "sampling", "stop_test",
        "kv_cache_growth",
    ),
}  # fmt: skip

# Operation -> stage.
OPERATIONS = {name: stage for stage, names in _OPERATIONS.items() for name in names}

# Families that only a GPU has -> stage.
_ON_GPU = dict.fromkeys(
    (
        "gemv_w2a8",
        "gemv_w2a8_q8",
        "gemm_w2a8",
        "norm_q8",
        "act_q8",
        "rope_store",
        "attention_decode",
        "lm_head_int8",
    ),
    "forward",
) | {"advance": "generation"}

# Families of kernels whose main input (weights, keys and values) comes back only after everything
# else of a pass over the model; others work on what the kernel before them wrote.
ONCE_A_ROUND = frozenset({"gemv", "gemm", "gemv_dense", "gemm_dense", "embed", "attention"})


def stage_of(name: str) -> str | None:
    """The stage of the span `name`; None for what belongs to none, such as probes of the host."""
    family = name.partition("/")[0]
    stage = OPERATIONS.get(name) or _bench.families().get(family) or _ON_GPU.get(family)
    return stage if stage in STAGES else None
