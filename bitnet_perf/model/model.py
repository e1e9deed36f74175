"""A model in memory: its configuration, its tokenizer, and the engine that runs it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitnet_perf import _native
from bitnet_perf.errors import ConfigError, ModelError
from bitnet_perf.formats import Tiling
from bitnet_perf.formats.packed import NATIVE
from bitnet_perf.kernels.tunables import tunables
from bitnet_perf.model.config import ModelConfig, read_config
from bitnet_perf.model.engine import Engine
from bitnet_perf.model.generation import Generation, OnToken, generate
from bitnet_perf.model.gguf import read_gguf
from bitnet_perf.model.sampling import Sampling
from bitnet_perf.model.sequence import TokenSequence
from bitnet_perf.model.synthetic import SYNTHETIC_KEY
from bitnet_perf.model.tokenizer import Tokenizer, from_file, from_metadata
from bitnet_perf.model.weights import AS_STORED, EMBEDDING, load_weights
from bitnet_perf.spans import span

if TYPE_CHECKING:
    from bitnet_perf.model.gpu_engine import GpuEngine

__all__ = ["Model"]

TOKENIZER_FILE = "tokenizer.json"  # of a checkpoint
DEVICES = ("cpu", "cuda")
WIDEST = "f32"  # what the embedding of a checkpoint may become


class Model:
    """A model that was loaded.

    Made by `load`. One model is for one thread at a time: `forward` and `generate` keep no state
    between calls, but share the memory of a step.

    Attributes:
        config: sizes and arithmetic, see ModelConfig.
        path: the file.
        metadata: the keys of the file.
        threads: of a pass over more than one token, and of loading.
        decode_threads: of a pass over one.
        weight_bytes: memory that the weights take, on a GPU that of the GPU.
        device: cpu, or cuda: the GPU that was CuPy's current one.
    """

    def __init__(
        self,
        engine: Engine,
        config: ModelConfig,
        path: Path,
        metadata: Mapping[str, Any],
        *,
        threads: int,
        decode_threads: int,
        weight_bytes: int,
        device: str = "cpu",
    ) -> None:
        self._engine = engine
        self.config = config
        self.path = path
        self.metadata = metadata
        self.threads = threads
        self.decode_threads = decode_threads
        self.weight_bytes = weight_bytes
        self.device = device

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        isa: str | None = None,
        activation: str | None = None,
        act_quant: str | None = None,
        kv: str | None = None,
        parity: str | None = None,
        device: str = "cpu",
        tilings: Mapping[tuple[int, int], Tiling] | None = None,
    ) -> Model:
        """Read a GGUF file, or the folder of a Hugging Face checkpoint, and make its weights ready.

        threads: None is what was tuned (`tunables()`: decode_threads, prefill_threads), else what
            this process may use, which is the most.
        isa: forces an instruction set of `isas()` in every kernel that has it; None is the chosen.
        activation: "relu2" or "silu"; None follows the file.
        act_quant: "q8_act" (one scale a token, BitNet's rule; None) or "q8_k" (one in 256 values,
            llama.cpp's, which also rounds the input of a float16 head to float16).
        kv: type of the KV cache, "f16" or "f32"; None is f32 with q8_k, else f16.
        parity: "bitnet.cpp" rounds where that program does: a single token then differs from the
            same token in a batch. None rounds nowhere but in the KV cache.
        device: "cuda" runs everything but the sampling on CuPy's current GPU. Its head is int8 with
            a scale a row, whatever that of the file; act_quant, kv and parity are the defaults.
        tilings: of tl1 and tl2 tensors by (N, K), where the file was packed with others than ours.
        Raises ModelError (what, in which key or tensor), ConfigError (options), IsaError; with
        "cuda" EnvironmentRefused where there is no GPU or too little memory.
        """
        options = {"activation": activation, "act_quant": act_quant, "kv": kv, "parity": parity}
        made = _Made(_device(device, isa), isa, _Team.of(threads))
        with span("model_load", peak=True):
            if Path(path).is_dir():
                return cls._load_folder(Path(path), made, options)
            return cls._load(path, made, options, tilings)

    @classmethod
    def _load(
        cls,
        path: str | os.PathLike[str],
        made: _Made,
        options: dict[str, str | None],
        tilings: Mapping[tuple[int, int], Tiling] | None,
    ) -> Model:
        with span("open"):
            file = read_gguf(path)
        embedding = file.tensor(EMBEDDING)
        config = _config(file.metadata, embedding.shape, options)
        engine = made.engine(config, embedding.type)
        layout = made.layout(config, str(_tuned("weights_layout")), on_gpu=AS_STORED)
        nbytes = load_weights(
            engine, file, config.layers, tilings, threads=made.team.more, layout=layout
        )
        return cls._of(engine, config, file.path, file.metadata, made, nbytes)

    @classmethod
    def _load_folder(cls, path: Path, made: _Made, options: dict[str, str | None]) -> Model:
        from bitnet_perf.model.checkpoint import load_checkpoint
        from bitnet_perf.model.safetensors import read_checkpoint

        with span("open"):
            checkpoint = read_checkpoint(path)
        config = _config(checkpoint.metadata, checkpoint.stored_shape(EMBEDDING), options)
        engine = made.engine(config, WIDEST)
        layout = made.layout(config, "native", on_gpu="i2_s")
        nbytes = load_checkpoint(engine, checkpoint, config.layers, layout, made.team.more)
        return cls._of(engine, config, path, checkpoint.metadata, made, nbytes)

    @classmethod
    def _of(  # noqa: PLR0917
        cls,
        engine: Engine,
        config: ModelConfig,
        path: Path,
        metadata: Mapping[str, Any],
        made: _Made,
        nbytes: int,
    ) -> Model:
        if made.device != "cpu":
            nbytes = cast("GpuEngine", engine).weights.nbytes
        return cls(
            engine, config, path, metadata,
            threads=made.team.more, decode_threads=made.team.one, weight_bytes=nbytes,
            device=made.device,
        )  # fmt: skip

    @property
    def gpu(self) -> str:
        """The name of the GPU that it runs on, "" on the CPU."""
        return "" if self.device == "cpu" else cast("GpuEngine", self._engine).name

    @property
    def step_bytes(self) -> int:
        """Bytes of weights that one token reads: all, but on a GPU, whose head stands apart, of the
        embedding one row."""
        if self.device == "cpu":
            return self.weight_bytes
        return cast("GpuEngine", self._engine).weights.step_bytes

    @property
    def kernels(self) -> tuple[str, ...]:
        """Every kernel that runs, as family/format/isa."""
        return tuple(self._engine.kernels())

    def forward(self, tokens: ArrayLike) -> NDArray[np.float32]:
        """Logits float32[T, vocab] of T token ids, each seeing itself and those before it.

        Raises ModelError for ids outside the vocabulary, no tokens, more than the context;
        ShapeError for another rank or dtype.
        """
        with self.sequence() as sequence:
            return sequence.extend(tokens)

    def sequence(self) -> TokenSequence:
        """An empty sequence with a KV cache of its own, a context manager."""
        return TokenSequence(self._engine)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the file's own keys, of a checkpoint that of its tokenizer.json.
        ModelError where there is none."""
        with span("tokenizer", peak=True):
            if self.path.is_dir():
                return from_file(self.path / TOKENIZER_FILE)
            return from_metadata(self.metadata)

    def generate(  # noqa: PLR0917 - the interface
        self,
        prompt_or_tokens: str | Sequence[int],
        max_tokens: int = 128,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        on_token: OnToken | None = None,
        *,
        stop: Collection[int] | None = None,
    ) -> Generation:
        """Continue a text or a list of token ids.

        temperature: 0 takes the most likely token; above, tokens are drawn after repetition
            penalty, temperature, top-k (0: off), top-p (1: off) and min-p (0: off).
        seed: the same one gives the same tokens; None draws one, which the result names.
        on_token: called with each id and the text that became readable; False ends it.
        stop: ids that end it; None are the file's end-of-text ids, () is none.
        Raises ModelError (empty prompt, ids out of range, a prompt beyond the context), ConfigError
        (options).
        """
        options = Sampling(
            temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
            repetition_penalty=repetition_penalty, seed=seed,
        )  # fmt: skip
        words = isinstance(prompt_or_tokens, str)
        tokenizer = self.tokenizer if words or self.has_tokenizer else None
        if isinstance(prompt_or_tokens, str):
            with span("encode", peak=True):
                prompt = self.tokenizer.encode(prompt_or_tokens)
        else:
            prompt = [int(token) for token in prompt_or_tokens]
        if stop is None:
            stop = () if tokenizer is None else tokenizer.eos_ids
        with self.sequence() as sequence:
            return generate(
                sequence, tokenizer, prompt, options,
                context=self.config.context, max_tokens=max_tokens, stop=frozenset(stop),
                on_token=on_token,
            )  # fmt: skip

    @property
    def synthetic(self) -> bool:
        """The weights are random: `make_model` wrote the file."""
        return bool(self.metadata.get(SYNTHETIC_KEY, False))

    @property
    def has_tokenizer(self) -> bool:
        """The file holds a vocabulary, or the folder of a checkpoint a tokenizer.json."""
        found = (self.path / TOKENIZER_FILE).is_file()
        return found or "tokenizer.ggml.tokens" in self.metadata


class _Team(NamedTuple):
    """Threads of a pass over more tokens, and over one."""

    more: int
    one: int

    @classmethod
    def of(cls, threads: int | None) -> _Team:
        if threads is not None:
            return cls(threads, threads)
        most = _native.default_threads()
        return cls(
            *(min(int(_tuned(f"{name}_threads")) or most, most) for name in ("prefill", "decode"))
        )


def _tuned(name: str) -> int | str:
    return next(row.value for row in tunables() if row.name == name)


class _Made(NamedTuple):
    """Where a model is to run."""

    device: str
    isa: str | None
    team: _Team

    def engine(self, config: ModelConfig, embedding: str) -> Engine:
        """An engine without weights; embedding: the type in the file."""
        if self.device == "cpu":
            return _native.Engine(_engine_config(config), self.isa or "", *self.team)
        from bitnet_perf.model.gpu_engine import on_gpu

        return on_gpu(config, embedding, self.team.one)

    def layout(self, config: ModelConfig, wanted: str, on_gpu: str) -> str:
        """The layout that holds the weights, "native" for ours; q8_k needs sums a block, which
        stand beside NATIVE alone."""
        if self.device != "cpu":
            return on_gpu
        if config.act_quant == "q8_k":
            return NATIVE
        return _native.native_layout(self.isa or "") if wanted == "native" else wanted


def _device(device: str, isa: str | None) -> str:
    if device not in DEVICES:
        raise ConfigError(f"device: found {device!r}, accepted are {' and '.join(DEVICES)}")
    if device != "cpu" and isa:
        raise ConfigError(f"isa: found {isa!r}, accepted with device='cuda' is None")
    return device


def _config(
    metadata: Mapping[str, Any], shape: tuple[int, ...], options: dict[str, str | None]
) -> ModelConfig:
    """The configuration, which an embedding of that shape must fit."""
    config = read_config(metadata, shape[0], **options)
    if shape != (config.vocab, config.width):
        raise ModelError(
            f"tensor {EMBEDDING}: found shape {shape}, accepted is (vocabulary, {config.width})"
        )
    return config


def _engine_config(config: ModelConfig) -> dict[str, Any]:
    """What the native engine wants to know."""
    half = np.arange(config.rope_dim // 2, dtype=np.float64)
    return asdict(config) | {
        "rope_frequency": list(config.rope_base ** (-2 * half / config.rope_dim)),
        "bitnet_cpp": config.parity == "bitnet.cpp",
        "half_head_input": config.act_quant == "q8_k",
    }
