"""Hyper-parameters of a model, from the keys of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bitnet_perf.errors import ConfigError, ModelError

__all__ = ["ACTIVATIONS", "ActQuant", "Activation", "KvType", "ModelConfig", "read_config"]

Activation = Literal["relu2", "silu"]
ActQuant = Literal["q8_act", "q8_k"]
KvType = Literal["f16", "f32"]

# Architecture -> the activation of its feed-forward blocks. The 2B4T family was trained with
# squared ReLU, whatever the engines that run it apply.
ACTIVATIONS: dict[str, Activation] = {
    "bitnet-b1.58": "relu2",
    "bitnet-25": "relu2",
    "bitnet": "silu",
    "llama": "silu",
}
# Converters of llama-named models permute q and k, so that neighbours are rotated, not halves.
INTERLEAVED = frozenset({"llama"})

_SPELLINGS: dict[str, Activation] = {"relu2": "relu2", "relu_squared": "relu2", "silu": "silu"}


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Sizes and arithmetic of a model.

    width is the hidden size, ffn the inner size of a feed-forward block, context the most positions
    of a sequence. rope_interleaved: pairs (2i, 2i + 1) are rotated, else halves. `activation`,
    `act_quant` and `kv` are what runs; `parity` names the program whose roundings are copied.
    """

    architecture: str
    layers: int
    width: int
    ffn: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    context: int
    eps: float
    rope_base: float
    rope_dim: int
    rope_interleaved: bool
    activation: Activation
    act_quant: ActQuant = "q8_act"
    kv: KvType = "f16"
    parity: str | None = None

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes that one position takes in the KV cache; heads there are multiples of 8 wide."""
        wide = self.kv_heads * (-(-self.head_dim // 8) * 8)
        return 2 * self.layers * wide * (2 if self.kv == "f16" else 4)


def read_config(
    metadata: Mapping[str, Any],
    vocab: int,
    *,
    activation: str | None = None,
    act_quant: str | None = None,
    kv: str | None = None,
    parity: str | None = None,
) -> ModelConfig:
    """The configuration that `metadata` (keys of a GGUF file) describes.

    vocab: rows of the embedding, which `vocab_size` and the vocabulary must agree with.
    activation: None follows the file (`<arch>.hidden_activation`, else the architecture).
    act_quant: None is q8_act; kv: None is f32 where act_quant is q8_k, else f16.
    Raises ModelError for an unknown architecture, a missing or impossible key (with what was
    found); ConfigError for options.
    """
    keys = _Keys(metadata)
    heads = keys.count("attention.head_count")
    width = keys.count("embedding_length")
    head_dim = keys.count("attention.key_length", width // heads)
    quant = _choice("act_quant", act_quant, ("q8_act", "q8_k"), "q8_act")
    config = ModelConfig(
        architecture=keys.architecture,
        layers=keys.count("block_count"),
        width=width,
        ffn=keys.count("feed_forward_length"),
        heads=heads,
        kv_heads=keys.count("attention.head_count_kv", heads),
        head_dim=head_dim,
        vocab=vocab,
        context=keys.count("context_length"),
        eps=keys.number("attention.layer_norm_rms_epsilon"),
        rope_base=keys.number("rope.freq_base", 10000.0),
        rope_dim=keys.count("rope.dimension_count", head_dim),
        rope_interleaved=keys.architecture in INTERLEAVED,
        activation=_activation(keys, activation),
        act_quant=quant,
        kv=_choice("kv", kv, ("f16", "f32"), "f32" if quant == "q8_k" else "f16"),
        parity=None if parity is None else _choice("parity", parity, ("bitnet.cpp",), ""),
    )
    _check(config, keys)
    return config


def _activation(keys: _Keys, wanted: str | None) -> Activation:
    if wanted is not None:
        chosen: Activation = _choice("activation", wanted, ("relu2", "silu"), "")
        return chosen
    found = keys.get("hidden_activation")
    if found is None:
        return ACTIVATIONS[keys.architecture]
    if found not in _SPELLINGS:
        raise ModelError(
            f"key {keys.full('hidden_activation')}: found {found!r}, accepted are "
            f"{', '.join(_SPELLINGS)}; activation= overrides it"
        )
    return _SPELLINGS[found]


def _choice(name: str, found: str | None, accepted: tuple[Any, ...], default: Any) -> Any:
    if found is None:
        return default
    if found not in accepted:
        raise ConfigError(f"{name}: found {found!r}, accepted is {' or '.join(accepted)}")
    return found


def _check(config: ModelConfig, keys: _Keys) -> None:
    def rule(holds: bool, key: str, found: object, accepted: str) -> None:
        if not holds:
            raise ModelError(f"key {keys.full(key)}: found {found}, accepted is {accepted}")

    rule(
        config.heads % config.kv_heads == 0, "attention.head_count_kv", config.kv_heads,
        f"a divisor of the {config.heads} heads",
    )  # fmt: skip
    rule(
        config.head_dim % 2 == 0, "attention.head_count", config.heads,
        f"one that makes heads of an even width ({config.width} wide now: {config.head_dim})",
    )  # fmt: skip
    rule(
        config.rope_dim % 2 == 0 and config.rope_dim <= config.head_dim, "rope.dimension_count",
        config.rope_dim, f"an even number up to {config.head_dim}",
    )  # fmt: skip
    rule(0 < config.eps < 1, "attention.layer_norm_rms_epsilon", config.eps, "in 0 .. 1")
    rule(config.rope_base > 1, "rope.freq_base", config.rope_base, "above 1")
    scaling = keys.get("rope.scaling.type", "none")
    rule(scaling == "none", "rope.scaling.type", repr(scaling), "'none'")
    stated = keys.get("vocab_size", config.vocab)
    rule(
        stated == config.vocab, "vocab_size", stated,
        f"{config.vocab}, the rows of token_embd.weight",
    )  # fmt: skip
    words = keys.metadata.get("tokenizer.ggml.tokens")
    if words is not None and len(words) != config.vocab:
        raise ModelError(
            f"key tokenizer.ggml.tokens: found {len(words)} tokens, accepted are {config.vocab}, "
            "the rows of token_embd.weight"
        )


class _Keys:
    """Typed access to `<arch>.` keys."""

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self.metadata = metadata
        found = metadata.get("general.architecture")
        if not isinstance(found, str) or found not in ACTIVATIONS:
            raise ModelError(
                f"key general.architecture: found {found!r}, accepted are {', '.join(ACTIVATIONS)}"
            )
        self.architecture = found

    def full(self, key: str) -> str:
        return f"{self.architecture}.{key}"

    def get(self, key: str, default: Any = None) -> Any:
        return self.metadata.get(self.full(key), default)

    def _required(self, key: str, default: Any) -> Any:
        value = self.get(key, default)
        if value is None:
            there = [k for k in self.metadata if k.startswith(f"{self.architecture}.")]
            found = ", ".join(there) or "no such keys"
            raise ModelError(f"key {self.full(key)}: not in the file; it has {found}")
        return value

    def count(self, key: str, default: int | None = None) -> int:
        value = self._required(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
            raise ModelError(f"key {self.full(key)}: found {value!r}, accepted is 1 or more")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        value = self._required(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ModelError(f"key {self.full(key)}: found {value!r}, accepted is a number")
        return float(value)
