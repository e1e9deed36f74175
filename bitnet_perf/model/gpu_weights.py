"""The weights of a model in the memory of a GPU, in the layouts of its kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitnet_perf import _native
from bitnet_perf.errors import ConfigError, EnvironmentRefused, ModelError
from bitnet_perf.kernels.cuda import frag16x32
from bitnet_perf.kernels.cuda.catalog import family
from bitnet_perf.kernels.cuda.launch import Runner, bind, host_dtype
from bitnet_perf.kernels.cuda.plans import codecs, layer
from bitnet_perf.kernels.cuda.plans.plan import DTYPES, Array
from bitnet_perf.kernels.cuda.plans.step import (
    JOINED,
    Joined,
    Sizes,
    body,
    joined_rows,
    weight_arrays,
    workspace,
)
from bitnet_perf.model.config import ModelConfig

__all__ = ["GpuWeights", "bytes_of", "refused", "sizes_of"]

EMBEDDED = ("f32", "f16", "bf16")  # kept as they are; every other embedding becomes f32, exactly
PIECE = 1 << 26  # values of a head that stand on the GPU as floats at once
ALIGNED_WIDTH = 4  # floats of 16 bytes


def sizes_of(config: ModelConfig, embedding: str) -> Sizes:
    """The model as launches see it, before its sub norms are known. embedding: type in the file.

    Raises ConfigError for an option, ModelError for sizes that no kernel takes.
    """
    accepted = {"act_quant": "q8_act", "kv": "f16", "parity": None}
    for name, value in accepted.items():
        if getattr(config, name) != value:
            raise ConfigError(
                f"{name}: found {getattr(config, name)!r}, accepted on a GPU is {value!r}"
            )
    dims = sorted({kernel.tile[0] for kernel in family("attention_decode")})
    if config.head_dim not in dims:
        raise ModelError(
            f"key {config.architecture}.attention.head_count: found heads {config.head_dim} wide, "
            f"accepted on a GPU are {' and '.join(map(str, dims))}"
        )
    if config.width % ALIGNED_WIDTH or config.width > layer.HEAD_COLUMNS:
        raise ModelError(
            f"key {config.architecture}.embedding_length: found {config.width}, accepted on a GPU "
            f"are multiples of {ALIGNED_WIDTH} up to {layer.HEAD_COLUMNS}"
        )
    return Sizes(
        layers=config.layers, width=config.width, ffn=config.ffn, heads=config.heads,
        kv_heads=config.kv_heads, head_dim=config.head_dim, vocab=config.vocab,
        rope_dim=config.rope_dim, neighbours=config.rope_interleaved,
        activation=config.activation, eps=config.eps,
        scale=float(np.float32(1) / np.sqrt(np.float32(config.head_dim))),
        positions=config.context, table=embedding if embedding in EMBEDDED else "f32",
    )  # fmt: skip


def bytes_of(arrays: Mapping[str, Array]) -> int:
    """Of all of them."""
    return sum(math.prod(a.shape) * host_dtype(a.dtype).itemsize for a in arrays.values())


def refused(parts: Mapping[str, int], free: int) -> None:
    """Raises EnvironmentRefused where `parts`, bytes by what they are for, exceed what is free."""
    wanted = sum(parts.values())
    if wanted > free:
        each = ", ".join(f"{name} {nbytes / 1e6:.1f}" for name, nbytes in parts.items())
        raise EnvironmentRefused(
            f"memory of the GPU: asked are {wanted / 1e6:.1f} MB ({each}), free are "
            f"{free / 1e6:.1f} MB; free some, or take device='cpu'"
        )


class GpuWeights:
    """Weights by the names of `plans.step`, filled by `set_ternary`, `set_norm` and `set_dense`.

    `arrays` holds them, `sizes` what launches have to know.
    """

    _tables = ("table", "all_cos", "all_sin")

    def __init__(self, config: ModelConfig, runner: Runner, embedding: str, tokens: int) -> None:
        """Makes the arrays; EnvironmentRefused where they, and a workspace for so many tokens, do
        not fit into the memory that is free."""
        self.runner = runner
        self.sizes = sizes_of(config, embedding)
        self.arrays: dict[str, Any] = {}
        self._embedding: Any = None  # the bytes that `table` was made of, until the head is there
        wanted = weight_arrays(self.sizes)
        table = Array((config.vocab, config.width), DTYPES[self.sizes.table])
        scratch = body(self.sizes, tokens, config.context, runner.machine).plan.scratch
        parts = {
            "layers": {name: a for name, a in wanted.items() if name.startswith("blk.")},
            "head": {name: a for name, a in wanted.items() if not name.startswith("blk.")},
            "embedding": {"table": table},
            "workspace": workspace(self.sizes, tokens) | dict(scratch),
        }
        refused({name: bytes_of(each) for name, each in parts.items()}, runner.free())
        self.arrays = {name: runner.make(array) for name, array in wanted.items()}
        self._rotate(config)

    def _rotate(self, config: ModelConfig) -> None:
        """cos and sin of every position, each rounded once from float64."""
        pairs = np.arange(config.rope_dim // 2, dtype=np.float64)
        frequency = config.rope_base ** (-2 * pairs / config.rope_dim)
        angle = np.arange(config.context, dtype=np.float64)[:, None] * frequency
        self.runner.write(self.arrays["all_cos"], np.cos(angle).astype(np.float32))
        self.runner.write(self.arrays["all_sin"], np.sin(angle).astype(np.float32))

    def set_norm(self, number: int, name: str, values: ArrayLike) -> None:
        """As `Engine` has it."""
        given = np.ascontiguousarray(values, np.float32)
        s = self.sizes
        width = {"attn_sub_norm": s.q_width, "ffn_sub_norm": s.ffn}.get(name, s.width)
        _check_shape(name, given.shape, (width,))
        full = name if number < 0 else f"blk.{number}.{name}"
        self.arrays[full] = self.runner.put(given)
        if name.endswith("_sub_norm"):
            self.sizes = replace(s, sub_norms=s.sub_norms | {(number, name)})

    def set_ternary(
        self, place: tuple[int, str], data: NDArray[np.uint8], scale: float | None,
        *, format: str, shape: tuple[int, int], tile: tuple[int, int, int],
    ) -> None:  # fmt: skip
        """The matrix `place` (layer, name), repacked on the GPU. Raises ModelError where its blocks
        have scales of their own (`scale` is None), and for another shape."""
        number, name = place
        joined, begin = self._joined(name)
        _check_shape(name, shape, (self.sizes.rows(name), self.sizes.columns(joined.name)))
        if scale is None:
            raise ModelError(
                "found a scale for each block, accepted on a GPU is one for the whole matrix; "
                "device='cpu' takes it"
            )
        tiles = slice(begin // frag16x32.ROWS, -(-(begin + shape[0]) // frag16x32.ROWS))
        own = f"blk.{number}.{joined.name}"
        words = self.arrays[f"{own}.weights"][tiles]
        source = self.runner.put(data)
        plan = codecs.repack(format, "frag16x32", *shape, tile)
        bind(plan, {"source": source, "to": words}, self.runner).launch()
        scales = self.arrays[f"{own}.scales"][tiles]
        self.runner.write(scales, np.full(scales.shape, scale, np.float32))

    def _joined(self, name: str) -> tuple[Joined, int]:
        """The product that a matrix of the file is part of, and its first row there."""
        joined = next(each for each in JOINED if name in each.parts)
        return joined, joined_rows(self.sizes, joined)[name]

    def set_dense(self, name: str, data: ArrayLike, format: str, N: int, K: int) -> None:
        """The embedding as it is, or in float32, exactly; the head in int8 with a scale a row."""
        _check_shape(name, (N, K), (self.sizes.vocab, self.sizes.width))
        if name == "token_embd":
            self.sizes = replace(self.sizes, table=format if format in EMBEDDED else "f32")
            self.arrays["table"] = self.runner.put(_floats(data, format, (N, K), slice(0, N)))
            self._embedding = data
            return
        tied, self._embedding = data is self._embedding, None
        rows = N if tied else max(1, PIECE // K)
        for begin in range(0, N, rows):
            of = slice(begin, min(begin + rows, N))
            if tied:
                w, kind = self.arrays["table"], self.sizes.table
            else:
                kind = format if format in EMBEDDED else "f32"
                w = self.runner.put(_floats(data, format, (N, K), of))
            arrays = {part: self.arrays[f"head.{part}"][of] for part in ("weights", "scales")}
            plan = layer.quantize_head(of.stop - of.start, K, kind)
            bind(plan, {"w": w, **arrays}, self.runner).launch()

    @property
    def nbytes(self) -> int:
        """Of all weights on the GPU."""
        return sum(int(array.nbytes) for array in self.arrays.values())

    @property
    def step_bytes(self) -> int:
        """Of those that a token reads; of the embedding and the rotations it is a row each."""
        rows = sum(int(self.arrays[name][0].nbytes) for name in self._tables)
        return self.nbytes - sum(int(self.arrays[name].nbytes) for name in self._tables) + rows


def _check_shape(name: str, found: tuple[int, ...], accepted: tuple[int, ...]) -> None:
    if found != accepted:
        raise ModelError(f"{name}: found shape {list(found)}, accepted is {list(accepted)}")


def _floats(data: ArrayLike, format: str, shape: tuple[int, int], rows: slice) -> NDArray[Any]:
    """Rows of an embedding or head: floats as they are, block formats as float32."""
    N, K = shape
    held = np.asarray(data, np.uint8)
    if format in EMBEDDED:
        floats: NDArray[Any] = held.view(host_dtype(DTYPES[format])).reshape(N, K)
        return floats[rows]
    ids = np.arange(rows.start, rows.stop, dtype=np.int32)
    return _native.embed(held, format, N, K, ids)
