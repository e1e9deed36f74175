"""config.json of a BitNet checkpoint: hyper-parameters, and how its weights are stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitnet_perf.errors import ModelError

__all__ = ["CheckpointConfig", "read_checkpoint_config"]

# Class of the model -> architecture in GGUF's words: the 2B4T family, the 1bitLLM family, and
# ternary models of llama's architecture.
_ARCHITECTURES = {
    "BitNetForCausalLM": "bitnet-b1.58",
    "BitnetForCausalLM": "bitnet",
    "LlamaForCausalLM": "llama",
}

# Field -> key below `<arch>.`, and the type of its value.
_REQUIRED: dict[str, tuple[str, type]] = {
    "hidden_size": ("embedding_length", int),
    "num_hidden_layers": ("block_count", int),
    "intermediate_size": ("feed_forward_length", int),
    "num_attention_heads": ("attention.head_count", int),
    "max_position_embeddings": ("context_length", int),
    "rms_norm_eps": ("attention.layer_norm_rms_epsilon", float),
    "vocab_size": ("vocab_size", int),
    "hidden_act": ("hidden_activation", str),
}
_OPTIONAL: dict[str, tuple[str, type]] = {
    "num_key_value_heads": ("attention.head_count_kv", int),
    "head_dim": ("attention.key_length", int),
    "rope_theta": ("rope.freq_base", float),
}


@dataclass(frozen=True)
class CheckpointConfig:
    """metadata: under GGUF's keys. packed: matrices are uint8, four weights a byte. scale_divides:
    the ternary weights are divided by their scale (`BitLinear`), not multiplied
    (`AutoBitLinear`). tied: the head is the embedding."""

    architecture: str
    metadata: Mapping[str, Any]
    heads: int
    kv_heads: int
    packed: bool
    scale_divides: bool
    tied: bool


def read_checkpoint_config(path: Path) -> CheckpointConfig:
    """The configuration in a config.json.

    Raises ModelError naming the field: missing, of another type, unknown, or contradictory.
    """
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read ({error})") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path}: found {type(config).__name__}, accepted is an object")
    architecture = _architecture(path, config)
    values = {key: _field(path, config, name, kind) for name, (key, kind) in _REQUIRED.items()}
    rope = _object(path, config, "rope_parameters")
    for name, (key, kind) in _OPTIONAL.items():
        source = config if config.get(name) is not None else rope
        if source.get(name) is not None:
            values[key] = _field(path, source, name, kind)
    scaling = _object(path, config, "rope_scaling") or rope
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind != "default":
        values["rope.scaling.type"] = kind
    packed, divides = _storage(path, config, architecture)
    metadata = {"general.architecture": architecture}
    metadata |= {f"{architecture}.{key}": value for key, value in values.items()}
    heads = values["attention.head_count"]
    kv_heads = values.get("attention.head_count_kv", heads)
    tied = config.get("tie_word_embeddings", False)
    if not isinstance(tied, bool):
        raise _wrong(path, "tie_word_embeddings", tied, "true or false")
    return CheckpointConfig(architecture, metadata, heads, kv_heads, packed, divides, tied)


def _wrong(path: Path, field: str, found: object, accepted: str) -> ModelError:
    return ModelError(f"{path}: field {field!r}: found {found!r:.120}, accepted is {accepted}")


def _object(path: Path, config: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = config.get(name)
    if found is not None and not isinstance(found, dict):
        raise _wrong(path, name, found, "an object")
    return found or {}


def _field(path: Path, config: Mapping[str, Any], name: str, kind: type) -> Any:
    found = config.get(name)
    if kind is float and isinstance(found, int) and not isinstance(found, bool):
        found = float(found) if abs(found) < 2**53 else found
    if type(found) is not kind or (isinstance(found, int) and not 1 <= found < 2**31):
        accepted = {int: "an integer from 1 on", float: "a number", str: "a text"}[kind]
        raise _wrong(path, name, found, accepted)
    return found


def _architecture(path: Path, config: Mapping[str, Any]) -> str:
    found = config.get("architectures")
    known = [
        _ARCHITECTURES[name]
        for name in (found if isinstance(found, list) else [])
        if isinstance(name, str) and name in _ARCHITECTURES
    ]
    if len(known) != 1:
        raise _wrong(path, "architectures", found, f"one of {', '.join(_ARCHITECTURES)}")
    return known[0]


def _storage(path: Path, config: Mapping[str, Any], architecture: str) -> tuple[bool, bool]:
    """(weights are packed, scales divide), as transformers reads `quantization_config`.

    Its class `bitlinear`, meant where none is named, holds packed weights and divides by their
    scale; `autobitlinear` multiplies, and with `quantization_mode` `online` holds master weights.
    """
    quantization = _object(path, config, "quantization_config")
    if not quantization:
        if architecture == "llama":
            raise _wrong(path, "quantization_config", None, "that of a BitNet model")
        return False, False  # master weights of the first BitNet models
    choices: dict[str, tuple[object, tuple[object, ...]]] = {
        "quant_method": (None, ("bitnet",)),
        "linear_class": ("bitlinear", ("bitlinear", "autobitlinear")),
        "quantization_mode": ("offline", ("offline", "online")),
        "use_rms_norm": (False, (False,)),  # norms of their own in front of every matrix
    }
    found = {}
    for name, (default, accepted) in choices.items():
        found[name] = quantization.get(name, default)
        if found[name] not in accepted:
            words = " or ".join(map(repr, accepted))
            raise _wrong(path, f"quantization_config.{name}", found[name], words)
    divides = found["linear_class"] == "bitlinear"
    return divides or found["quantization_mode"] == "offline", divides
