"""The forward pass on a GPU: the engine of the CPU in another place.

A token alone is one graph of launches, captured at the first one; more tokens go through the same
launches for up to CHUNK of them at once. Everything is on one stream, in one runner, which in tests
is the emulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitnet_perf import _native
from bitnet_perf.errors import EnvironmentRefused, ModelError, ShapeError
from bitnet_perf.kernels.cuda import device
from bitnet_perf.kernels.cuda.launch import Bound, Replay, Runner, bind, on_device
from bitnet_perf.kernels.cuda.plans import step
from bitnet_perf.kernels.cuda.plans.plan import Array
from bitnet_perf.kernels.cuda.plans.step import Place, Step
from bitnet_perf.model.config import ModelConfig
from bitnet_perf.model.gpu_spans import run_recorded
from bitnet_perf.model.gpu_weights import GpuWeights, bytes_of, refused
from bitnet_perf.spans import span

__all__ = ["CHUNK", "GpuEngine", "on_gpu"]

CHUNK = 128  # most tokens of one pass over the weights
LEAST_CAPACITY = 64  # positions of a cache, as the CPU's has them


def on_gpu(config: ModelConfig, embedding: str, threads: int) -> GpuEngine:
    """An engine on CuPy's current GPU. Raises EnvironmentRefused where there is none."""
    there, reason = device.available()
    if not there:
        raise EnvironmentRefused(f"device 'cuda': skipped ({device.NONE}): {reason}")
    return GpuEngine(config, on_device(), embedding, threads=threads)


@dataclass(eq=False)
class _Cache:
    """Keys and values of a sequence, [layers, kv_heads, capacity, head_dim], and its decode step.

    `made` is bound for them; `replay` its graph, once its kernels have run."""

    keys: Any = None
    values: Any = None
    length: int = 0
    capacity: int = 0
    made: tuple[Bound, Step] | None = None
    replay: Replay | None = None


class GpuEngine:
    """What `Engine` asks for. Weights come first, through `set_*`. `stream` is where all of it
    runs."""

    def __init__(
        self,
        config: ModelConfig,
        runner: Runner,
        embedding: str,
        *,
        threads: int = 1,
        chunk: int = CHUNK,
    ) -> None:
        """embedding: its type in the file. Raises ConfigError, ModelError (what no kernel takes)
        and EnvironmentRefused (memory)."""
        self.config = config
        self.chunk = chunk
        self._runner = runner
        self._threads = threads
        self.stream = runner.stream()
        with self.stream:
            self.weights = GpuWeights(config, runner, embedding, chunk)
            made = step.workspace(self.weights.sizes, chunk)
            self._work = {name: runner.make(array).reshape(-1) for name, array in made.items()}
        self._caches: list[_Cache | None] = []
        self._spare: _Cache | None = None
        # What ids and lengths on the device say: the cache, the token, its length then.
        self._next: tuple[_Cache, int, int] | None = None

    def set_norm(self, layer: int, name: str, values: ArrayLike) -> None:
        """As `Engine` has it."""
        with self.stream:
            self.weights.set_norm(layer, name, values)

    def set_ternary(  # noqa: PLR0917 - as the native one
        self,
        layer: int,
        name: str,
        data: ArrayLike,
        format: str,
        N: int,
        K: int,
        tile: tuple[int, int, int],
        scale: float | None,
        block_scales: ArrayLike | None = None,
    ) -> None:
        """As `Engine` has it."""
        whole = scale if block_scales is None else None
        with self.stream:
            self.weights.set_ternary((layer, name), np.asarray(data, np.uint8), whole,
                                     format=format, shape=(N, K), tile=tile)  # fmt: skip

    def set_dense(self, name: str, data: ArrayLike, format: str, N: int, K: int) -> None:
        """As `Engine` has it."""
        with self.stream:
            self.weights.set_dense(name, data, format, N, K)

    @property
    def name(self) -> str:
        """Of the GPU."""
        return self._runner.name

    def isa(self) -> str:
        """None is forced."""
        return ""

    def threads(self) -> int:
        """Of the CPU, for sampling."""
        return self._threads

    def kernels(self) -> list[str]:
        """Those of a decode step and of a prompt, as family/variant/architecture."""
        sizes, machine = self.weights.sizes, self._runner.machine
        steps = (
            step.decode(sizes, LEAST_CAPACITY, machine),
            step.body(sizes, self.chunk, LEAST_CAPACITY, machine),
        )
        launches = [launch for each in steps for launch in each.plan.launches]
        return list(dict.fromkeys(f"{x.kernel.name}/{machine.architecture}" for x in launches))

    def add_sequence(self) -> int:
        """As `Engine` has it; takes the memory of the last one dropped."""
        made, self._spare = self._spare or _Cache(), None
        if None in self._caches:
            index = self._caches.index(None)
            self._caches[index] = made
            return index
        self._caches.append(made)
        return len(self._caches) - 1

    def drop_sequence(self, sequence: int) -> None:
        """As `Engine` has it."""
        self._spare = self._cache(sequence)
        self._spare.length = 0
        self._caches[sequence] = None
        self._next = None

    def length(self, sequence: int) -> int:
        """As `Engine` has it."""
        return self._cache(sequence).length

    def cache_bytes(self, sequence: int) -> int:
        """As `Engine` has it."""
        s = self.config
        held = self._cache(sequence).capacity * s.layers * s.kv_heads * s.head_dim
        return 2 * 2 * held  # keys and values, two bytes each

    def reserve(self, sequence: int, positions: int) -> None:
        """As `Engine` has it: grows in steps that double. ModelError beyond the context,
        EnvironmentRefused where the memory is full."""
        cache, context = self._cache(sequence), self.config.context
        if positions > context:
            raise ModelError(
                f"tokens: found {positions} positions, the context of the model holds {context}"
            )
        if positions > cache.capacity:
            with self.stream:
                self._grow(cache, min(context, max(positions, 2 * cache.capacity, LEAST_CAPACITY)))

    def decode_step(self, sequence: int) -> tuple[Bound, tuple[Place, ...]]:
        """The launches of a token alone and their places, for whoever measures them on `stream`:
        `arrays` has id and length. `forward` does not rely on what they leave."""
        self._next = None
        made, wanted = self._decode_step(self._cache(sequence))
        return made, wanted.places

    def _grow(self, cache: _Cache, capacity: int) -> None:
        s, runner = self.config, self._runner
        shape = Array((s.layers, s.kv_heads, capacity, s.head_dim), "float16")
        asked = 2 * bytes_of({"one": shape})
        refused({f"keys and values of {capacity} positions": asked}, runner.free())
        with span("kv_cache_growth"):
            grown = runner.make(shape), runner.make(shape)
            for new, old in zip(grown, (cache.keys, cache.values), strict=True):
                if cache.length:
                    with device.guarded("the cache of keys and values"):
                        new[:, :, : cache.length] = old[:, :, : cache.length]
        cache.keys, cache.values = grown
        cache.capacity, cache.made, cache.replay = capacity, None, None

    def forward(
        self,
        tokens: ArrayLike,
        sequences: ArrayLike,
        rows: ArrayLike,
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """As `Engine` has it. Sequences are run one after another. Where an error ends it, they
        have their old lengths."""
        ids, owners = np.asarray(tokens, np.int32), np.asarray(sequences, np.int32)
        wanted = [int(row) for row in np.asarray(rows, np.int64)]
        self._check(ids, owners, wanted)
        logits = self._result(out, len(wanted))
        before = [(each, each.length) for each in self._caches if each is not None]
        try:
            for owner in np.unique(owners):
                self.reserve(int(owner), self.length(int(owner)) + int((owners == owner).sum()))
            with self.stream:
                targets = {place: row for row, place in enumerate(wanted)}
                for owner, places in groupby(range(len(ids)), lambda i: int(owners[i])):
                    self._append(self._cache(owner), ids, list(places), (targets, logits))
        except BaseException:
            self._next = None
            for each, length in before:
                each.length = length
            raise
        return logits

    def _check(self, ids: NDArray[np.int32], owners: NDArray[np.int32], rows: list[int]) -> None:
        if len(ids) == 0:
            raise ModelError("tokens: found none, accepted is 1 or more")
        if owners.shape != ids.shape:
            raise ShapeError(f"sequences: found {owners.shape}, accepted is {ids.shape}")
        for i, (token, owner) in enumerate(zip(ids, owners, strict=True)):
            if not 0 <= token < self.config.vocab:
                raise ModelError(
                    f"tokens[{i}]: found {token}, accepted are ids 0 to {self.config.vocab - 1}"
                )
            self._cache(int(owner))
        for before, row in zip([-1, *rows], rows, strict=False):
            if not before < row < len(ids):
                raise ShapeError(f"rows: found {row}, accepted are indices of tokens, ascending")

    def _result(self, out: NDArray[np.float32] | None, rows: int) -> NDArray[np.float32]:
        shape = (rows, self.config.vocab)
        if out is None:
            return np.empty(shape, np.float32)
        if out.shape != shape or out.dtype != np.float32 or not out.flags.writeable:
            raise ShapeError(
                f"out: found {out.dtype}{list(out.shape)}, accepted is writable "
                f"float32{list(shape)}"
            )
        return out

    def _cache(self, sequence: int) -> _Cache:
        found = self._caches[sequence] if 0 <= sequence < len(self._caches) else None
        if found is None:
            raise ModelError(f"sequence: found {sequence}, accepted is one that was added")
        return found

    def _append(
        self, cache: _Cache, ids: NDArray[np.int32], places: Sequence[int],
        wanted: tuple[dict[int, int], NDArray[np.float32]],
    ) -> None:  # fmt: skip
        """The tokens ids[places] to their sequence; the logits of those that are wanted, by place,
        to the row that stands there."""
        rows, logits = wanted
        for begin in range(0, len(places), self.chunk):
            part = places[begin : begin + self.chunk]
            if len(part) == 1:
                self._one(cache, int(ids[part[0]]))
            else:
                self._several(cache, ids[part[0] : part[-1] + 1])
            for row, place in enumerate(part):
                if place in rows:
                    if len(part) > 1:
                        self._head(row)
                    logits[rows[place]] = self._runner.get(self._work["logits"])
            cache.length += len(part)

    def _one(self, cache: _Cache, token: int) -> None:
        """A step; afterwards the device holds the token that argmax chose as the next."""
        length = cache.length + 1
        made, wanted = self._decode_step(cache)
        if self._next != (cache, token, length):
            self._runner.write(self._work["ids"][:1], np.array([token], np.int32))
            self._runner.write(self._work["length"][:1], np.array([length], np.int32))
        self._next = None
        if cache.replay is not None and not _native.spans_on():
            cache.replay()
        else:  # loads the kernels, which a capture could not
            run_recorded(made, wanted.places)
            cache.replay = cache.replay or self._runner.captured(made)
        self._next = (cache, self._chosen(), length + 1)

    def _decode_step(self, cache: _Cache) -> tuple[Bound, Step]:
        if cache.made is None:
            wanted = step.decode(self.weights.sizes, cache.capacity, self._runner.machine)
            cache.made = self._bound(cache, 1, wanted), wanted
        return cache.made

    def _several(self, cache: _Cache, ids: NDArray[np.int32]) -> None:
        """A part of a prompt through all layers."""
        M = len(ids)
        self._next = None
        lengths = np.arange(cache.length + 1, cache.length + M + 1, dtype=np.int32)
        self._runner.write(self._work["ids"][:M], np.ascontiguousarray(ids))
        self._runner.write(self._work["length"][:M], lengths)
        wanted = step.body(self.weights.sizes, M, cache.capacity, self._runner.machine)
        run_recorded(self._bound(cache, M, wanted), wanted.places)

    def _head(self, row: int) -> None:
        """Logits of one row of the part before; x and branch of it are used up."""
        width = self.config.width
        of_row = slice(row * width, (row + 1) * width)
        arrays = {**self._work, "x": self._work["x"][of_row],
                  "branch": self._work["branch"][of_row]}  # fmt: skip
        made = step.head(self.weights.sizes, self._runner.machine)
        bound = bind(made.plan, {**self.weights.arrays, **arrays}, self._runner)
        run_recorded(bound, made.places)
        self._chosen()

    def _chosen(self) -> int:
        """What argmax chose; ModelError where a logit is no number."""
        token, bad = (int(each) for each in self._runner.get(self._work["result"]))
        if bad >= 0:
            raise ModelError(
                f"the logit of token {bad} is NaN or infinite: a weight or scale of the model is "
                "not usable; device='cpu' says where"
            )
        return token

    def _bound(self, cache: _Cache, M: int, wanted: Step) -> Bound:
        """The launches of M tokens with all of their arrays."""
        made = step.workspace(self.weights.sizes, M)
        arrays = {name: self._work[name][: int(np.prod(a.shape))] for name, a in made.items()}
        for name, (of, begin) in step.views(self.weights.sizes).items():
            arrays[name] = arrays[of][begin:]
        for layer in range(self.config.layers):
            arrays[f"blk.{layer}.keys"] = cache.keys[layer]
            arrays[f"blk.{layer}.values"] = cache.values[layer]
        return bind(wanted.plan, {**self.weights.arrays, **arrays}, self._runner)
