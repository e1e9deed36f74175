"""What runs a model, whatever the device."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Engine"]


class Engine(Protocol):
    """Weights, the caches of sequences, and the forward pass: `_native.Engine` on the CPU,
    `GpuEngine` on a GPU. Errors are those of `Model` and `TokenSequence`."""

    def set_norm(self, layer: int, name: str, values: ArrayLike) -> None:
        """A norm of a layer, or "output_norm"."""

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
        """A matrix of a layer, in the bytes of a format."""

    def set_dense(self, name: str, data: ArrayLike, format: str, N: int, K: int) -> None:
        """The embedding, "token_embd", or the head, "output"."""

    def add_sequence(self) -> int:
        """The number of an empty sequence."""

    def drop_sequence(self, sequence: int) -> None:
        """The end of a sequence."""

    def length(self, sequence: int) -> int:
        """Tokens of it so far."""

    def cache_bytes(self, sequence: int) -> int:
        """Of its keys and values, room for growth included."""

    def reserve(self, sequence: int, positions: int) -> None:
        """Room for so many tokens in all."""

    def forward(
        self,
        tokens: ArrayLike,
        sequences: ArrayLike,
        rows: ArrayLike,
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Append tokens to their sequences; logits of the tokens `rows`."""

    def isa(self) -> str:
        """The instruction set that was forced; "" where none was."""

    def threads(self) -> int:
        """Of the CPU, of a pass over one token and of sampling."""

    def kernels(self) -> list[str]:
        """Every kernel that runs, as family/format/isa."""
