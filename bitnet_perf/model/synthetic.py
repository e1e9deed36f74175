"""Models of random weights in the shape of real ones: real weights cannot be shipped, and speed
does not depend on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf import _native
from bitnet_perf.errors import ConfigError
from bitnet_perf.formats import Packed, pack, unpack
from bitnet_perf.formats.dense import DenseFormat, dense_formats
from bitnet_perf.model.gguf_write import TensorSource, write_gguf
from bitnet_perf.model.synthetic_vocab import synthetic_metadata

__all__ = ["HEADS", "SHAPES", "SYNTHETIC_KEY", "TYPES", "ModelShape", "make_model"]

SYNTHETIC_KEY = "bitnet_perf.synthetic"
EMBEDDING_DEVIATION = 0.02
_PIECE_WEIGHTS = 1 << 20  # stays in the caches while it is made


@dataclass(frozen=True)
class ModelShape:
    """Sizes of an architecture; `like` names the model that has them."""

    layers: int
    width: int
    ffn: int
    heads: int
    kv_heads: int
    vocab: int
    context: int
    rope_base: float
    like: str


SHAPES = {row[0]: ModelShape(*row[1:]) for row in _native.model_shapes()}

# Type of the ternary matrices -> (architecture of the file, general.file_type); bitnet.cpp's types
# make a file that bitnet.cpp loads, llama.cpp's one that llama.cpp loads.
TYPES = {
    "i2_s": ("bitnet-b1.58", 40),
    "tl1": ("bitnet-b1.58", 38),
    "tl2": ("bitnet-b1.58", 39),
    "tq1_0": ("bitnet", 36),
    "tq2_0": ("bitnet", 37),
}
HEADS = tuple(each.name for each in dense_formats())


def make_model(
    path: str | os.PathLike[str],
    shape: str = "tiny",
    type: str = "i2_s",
    head: str = "f16",
    seed: int = 0,
    *,
    vocab: int | None = None,
    layers: int | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a GGUF file of random ternary weights.

    shape: one of SHAPES. type: of the ternary matrices, one of TYPES. head: of the embedding, which
    is the head too, one of HEADS. vocab, layers: another size of the vocabulary, another number of
    layers. The same arguments give the same file. progress: called with bytes written and in all.
    Raises ConfigError for an unknown name; FormatError or ShapeError where the type does not admit
    the shape; EnvironmentRefused where the file cannot be written.
    """
    named = _named("shape", shape, SHAPES)
    sizes = named if layers is None else replace(named, layers=layers)
    _named("type", type, TYPES)
    format = _named("head", head, {each.name: each for each in dense_formats()})
    rows = sizes.vocab if vocab is None else vocab
    team = _native.default_threads() if threads is None else threads
    metadata = _metadata(sizes, rows, type, name=f"synthetic-{shape}", seed=seed)
    tensors = list(_tensors(sizes, rows, type, format, seed=seed, threads=team))
    total = sum(tensor.nbytes for tensor in tensors)
    done = 0

    def report(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        if progress is not None:
            progress(done, total)

    return write_gguf(path, metadata, tensors, report)


def _named(what: str, name: str, known: dict[str, Any]) -> Any:
    if name not in known:
        raise ConfigError(f"{what}: found {name!r}, accepted are {', '.join(known)}")
    return known[name]


def _metadata(s: ModelShape, vocab: int, type: str, *, name: str, seed: int) -> dict[str, Any]:
    architecture, file_type = TYPES[type]
    sizes = {
        "vocab_size": vocab,
        "context_length": s.context,
        "embedding_length": s.width,
        "block_count": s.layers,
        "feed_forward_length": s.ffn,
        "rope.dimension_count": s.width // s.heads,
        "attention.head_count": s.heads,
        "attention.head_count_kv": s.kv_heads,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.freq_base": s.rope_base,
    }
    return {
        "general.architecture": architecture,
        "general.name": name,
        "general.file_type": file_type,
        SYNTHETIC_KEY: True,
        **{f"{architecture}.{key}": value for key, value in sizes.items()},
        **synthetic_metadata(vocab, seed),
    }


def _tensors(
    s: ModelShape, vocab: int, type: str, head: DenseFormat, *, seed: int, threads: int
) -> Iterator[TensorSource]:
    q, kv = s.width, s.width // s.heads * s.kv_heads
    matrices = {
        "attn_q": (q, s.width), "attn_k": (kv, s.width), "attn_v": (kv, s.width),
        "attn_output": (s.width, q), "ffn_gate": (s.ffn, s.width), "ffn_up": (s.ffn, s.width),
        "ffn_down": (s.width, s.ffn),
    }  # fmt: skip
    norms = {
        "attn_norm": s.width, "attn_sub_norm": q, "ffn_norm": s.width, "ffn_sub_norm": s.ffn,
    }  # fmt: skip
    seeds = iter(np.random.SeedSequence(seed).spawn(2 + s.layers * 11))

    def norm(name: str, width: int) -> TensorSource:
        return TensorSource(name, (width,), 0, 4 * width, partial(_norm, next(seeds), width))

    nbytes = head.nbytes(vocab, s.width)
    yield TensorSource(
        "token_embd.weight", (vocab, s.width), head.ggml_type, nbytes,
        partial(_dense, next(seeds), head, vocab * s.width),
    )  # fmt: skip
    types = {row[0]: row[1] for row in _native.formats()}
    for layer in range(s.layers):
        for name, width in norms.items():
            yield norm(f"blk.{layer}.{name}.weight", width)
        for name, (N, K) in matrices.items():
            padded, _, _, _, nbytes = _native.layout(type, N, K)
            if padded != K:
                raise ConfigError(
                    f"type: found {type!r}, this shape has rows of {K} weights, which are no whole "
                    "blocks of it; tl1 and tl2 admit more shapes"
                )
            pieces = partial(_ternary, next(seeds), type, N, K, threads)
            yield TensorSource(f"blk.{layer}.{name}.weight", (N, K), types[type], nbytes, pieces)
    yield norm("output_norm.weight", s.width)


def _norm(seed: np.random.SeedSequence, width: int) -> Iterator[NDArray[np.float32]]:
    yield (1 + 0.1 * np.random.default_rng(seed).standard_normal(width)).astype(np.float32)


# Byte -> byte of four i2_s codes 0, 1, 2, close to equally often: the digits of byte * 81 / 256.
_FOUR_CODES = bytes(
    sum(byte * 81 // 256 // 3**i % 3 << 2 * i for i in range(4)) for byte in range(256)
)


def _ternary(
    seed: np.random.SeedSequence, type: str, N: int, K: int, threads: int
) -> Iterator[NDArray[np.uint8]]:
    codes = np.random.default_rng(seed).bytes(N * K // 4).translate(_FOUR_CODES)
    # Ternary values have a variance of 2 / 3: outputs are as large as inputs.
    scale = float(np.sqrt(1.5 / K))
    if type == "i2_s":
        yield Packed.from_bytes(codes, type, (N, K), scale=scale).data
        return
    rows = Packed.from_bytes(codes, "i2_s", (N * K // 128, 128), scale=scale)  # K may not fit it
    ternary = unpack(rows, threads=threads).reshape(N, K)
    yield pack(ternary, type, scale=scale, threads=threads).data


def _dense(
    seed: np.random.SeedSequence, format: DenseFormat, weights: int
) -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    for begin in range(0, weights, _PIECE_WEIGHTS):
        count = min(_PIECE_WEIGHTS, weights - begin)
        if format.block == 1:
            yield _floats(rng, format.name, count)
        else:
            blocks = count // format.block
            data = np.frombuffer(rng.bytes(blocks * format.block_bytes), np.uint8).copy()
            _set_scales(format.name, data.reshape(blocks, -1))
            yield data


@cache
def _normal_values(name: str) -> NDArray[Any]:
    table = EMBEDDING_DEVIATION * np.random.default_rng(1).standard_normal(1 << 16)
    values = table.astype(np.float32)
    if name == "f16":
        return values.astype(np.float16)
    return (values.view(np.uint32) >> 16).astype(np.uint16) if name == "bf16" else values


def _floats(rng: np.random.Generator, name: str, count: int) -> NDArray[np.uint8]:
    which = np.frombuffer(rng.bytes(2 * count), np.uint16)
    return np.take(_normal_values(name), which).view(np.uint8)


def _half(value: float) -> NDArray[np.uint8]:
    return np.array([value], np.float16).view(np.uint8)


def _set_scales(name: str, blocks: NDArray[np.uint8]) -> None:
    """Random bytes to blocks whose weights have about EMBEDDING_DEVIATION; see ggml-common.h."""
    unit = EMBEDDING_DEVIATION
    if name == "q8_0":  # d, 32 int8
        blocks[:, :2] = _half(unit / 74)
    elif name == "q4_0":  # d, 16 bytes of two codes less 8
        blocks[:, :2] = _half(unit / 4.6)
    elif name == "q6_k":  # 128 low nibbles, 64 high pairs, 16 int8 scales, d
        blocks[:, 192:208] = 32
        blocks[:, 208:] = _half(unit / 18.5 / 32)
    else:  # q4_k: d, least, 12 bytes of 6-bit scales (here all 32), 128 bytes of two codes
        blocks[:, :2] = _half(unit / 4.6 / 32)
        blocks[:, 2:4] = _half(7.5 * unit / 4.6 / 32)
        blocks[:, 4:12] = 32 | 2 << 6
        blocks[:, 12:16] = 0
