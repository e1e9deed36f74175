"""Sequences of tokens and their KV caches."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitnet_perf.errors import ModelError, ShapeError
from bitnet_perf.model.engine import Engine

__all__ = ["TokenSequence", "extend_together", "token_ids"]


class TokenSequence:
    """The tokens that an engine has seen of one text, as keys and values of every layer.

    A context manager. At its end the engine keeps its memory for the next sequence, in place of
    what the one before left: at most one is kept, until the model is gone.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._index = engine.add_sequence()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._engine.drop_sequence(self._index)

    @property
    def isa(self) -> str:
        """The instruction set that was forced; "" where none was."""
        return self._engine.isa()

    @property
    def threads(self) -> int:
        """Threads of a pass over one token, and of sampling."""
        return self._engine.threads()

    @property
    def length(self) -> int:
        """Tokens so far."""
        return self._engine.length(self._index)

    @property
    def cache_bytes(self) -> int:
        """Bytes of its KV cache, room for growth included."""
        return self._engine.cache_bytes(self._index)

    def reserve(self, positions: int) -> None:
        """Room for `positions` tokens in all, so that none is made on the way.

        Raises ModelError where the context of the model is smaller.
        """
        self._engine.reserve(self._index, positions)

    def extend(
        self,
        tokens: ArrayLike,
        rows: Sequence[int] | None = None,
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Append token ids; float32[len(rows), vocab], the logits after the tokens `rows`
        (ascending indices into `tokens`; None is all of them).

        out: float32[len(rows), vocab], writable: the logits are written there and returned.

        Raises ModelError for ids out of range, no tokens, more than the context (nothing is
        appended then); ShapeError for rank or dtype.
        """
        ids = token_ids(tokens)
        owners = np.full(ids.size, self._index, np.int32)
        return self._engine.forward(ids, owners, _rows(rows, ids.size), out)


def extend_together(
    sequences: Sequence[TokenSequence], tokens: Sequence[ArrayLike], last_only: bool = False
) -> list[NDArray[np.float32]]:
    """Append to several sequences of one model in one batch: `extend` of each, weights read once.

    tokens: the ids for each sequence. last_only: only the logits after the last token of each.
    """
    if len(sequences) != len(tokens) or not sequences:
        raise ShapeError(
            f"tokens: found {len(tokens)} lists, accepted is one for each of the "
            f"{len(sequences)} sequences (1 or more)"
        )
    parts = [token_ids(each) for each in tokens]
    ends = np.cumsum([part.size for part in parts])
    begins = ends - [part.size for part in parts]
    rows = ends - 1 if last_only else np.arange(ends[-1])
    owners = np.repeat([each._index for each in sequences], [part.size for part in parts])
    logits = sequences[0]._engine.forward(
        np.concatenate(parts), owners.astype(np.int32), rows.astype(np.int64)
    )
    if last_only:
        return list(logits[:, None, :])
    return [logits[begin:end] for begin, end in zip(begins, ends, strict=True)]


def token_ids(tokens: ArrayLike) -> NDArray[np.int32]:
    """`tokens` as int32[T]; the engine checks the ids against the vocabulary."""
    ids = np.asarray(tokens)
    if ids.size == 0:
        raise ModelError("tokens: found none, accepted is 1 or more")
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise ShapeError(
            f"tokens: found {ids.dtype}{list(ids.shape)}, accepted are integers in one dimension"
        )
    limit = np.iinfo(np.int32)
    if int(ids.max()) > limit.max or int(ids.min()) < limit.min:
        raise ModelError(f"tokens: found {ids.max()}, accepted are ids of the vocabulary")
    return ids.astype(np.int32)


def _rows(rows: Sequence[int] | None, count: int) -> NDArray[np.int64]:
    return np.arange(count, dtype=np.int64) if rows is None else np.asarray(rows, np.int64)
