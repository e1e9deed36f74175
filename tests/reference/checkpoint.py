"""Checkpoints of Hugging Face, packed as transformers does. Imports nothing that reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

HEADS, KV_HEADS, WIDTH, FFN, VOCAB = 4, 2, 128, 256, 40
SHAPES = {
    "self_attn.q_proj": (WIDTH, WIDTH), "self_attn.k_proj": (WIDTH // 2, WIDTH),
    "self_attn.v_proj": (WIDTH // 2, WIDTH), "self_attn.o_proj": (WIDTH, WIDTH),
    "mlp.gate_proj": (FFN, WIDTH), "mlp.up_proj": (FFN, WIDTH), "mlp.down_proj": (WIDTH, FFN),
}  # fmt: skip
NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}  # fmt: skip
NORMS = {
    "input_layernorm": ("attn_norm", WIDTH),
    "post_attention_layernorm": ("ffn_norm", WIDTH),
    "self_attn.attn_sub_norm": ("attn_sub_norm", WIDTH),
    "mlp.ffn_sub_norm": ("ffn_sub_norm", FFN),
}
OFFLINE = {
    "quant_method": "bitnet",
    "linear_class": "autobitlinear",
    "quantization_mode": "offline",
}
CONFIG = {
    "architectures": ["BitNetForCausalLM"],
    "hidden_act": "relu2",
    "hidden_size": WIDTH,
    "intermediate_size": FFN,
    "max_position_embeddings": 64,
    "num_attention_heads": HEADS,
    "num_hidden_layers": 2,
    "num_key_value_heads": KV_HEADS,
    "quantization_config": OFFLINE,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
    "tie_word_embeddings": True,
    "vocab_size": VOCAB,
}


def bf16(values: Any) -> Any:
    return np.asarray(values, np.float32).astype(ml_dtypes.bfloat16)


def packed(ternary: np.ndarray) -> np.ndarray:
    """As pack_weights of transformers: row i * (N / 4) + p goes to bits 2i, 2i + 1 of row p."""
    rows = ternary.shape[0] // 4
    out = np.zeros((rows, ternary.shape[1]), np.uint8)
    for i in range(4):
        for p in range(rows):
            out[p] |= (ternary[i * rows + p] + 1).astype(np.uint8) << 2 * i
    return out


def tensors(master: bool = False) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(what a checkpoint holds, the ternary weights in it)."""
    random = np.random.default_rng(5)
    found: dict[str, Any] = {
        "model.embed_tokens.weight": bf16(random.standard_normal((VOCAB, WIDTH))),
        "model.norm.weight": bf16(random.standard_normal(WIDTH)),
    }
    wanted = {}
    for layer in range(2):
        begin = f"model.layers.{layer}."
        for name, (_, size) in NORMS.items():
            found[f"{begin}{name}.weight"] = bf16(random.standard_normal(size))
        for name, shape in SHAPES.items():
            ternary = random.integers(-1, 2, shape).astype(np.int8)
            wanted[f"blk.{layer}.{NAMES[name]}.weight"] = ternary
            if master:
                found[f"{begin}{name}.weight"] = bf16(ternary * 0.75)
            else:
                found[f"{begin}{name}.weight"] = packed(ternary)
                found[f"{begin}{name}.weight_scale"] = bf16([1.25])
    return found, wanted


def write(folder: Path, config: dict[str, Any], content: dict[str, Any]) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    save_file(content, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def without(config: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in names}
