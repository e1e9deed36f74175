"""What is known of a CUDA kernel before it is compiled: a row of the catalog."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CudaKernel"]


@dataclass(frozen=True, slots=True)
class CudaKernel:
    """One instance of a `__global__` function.

    Attributes:
        family: what it computes; the contract stands above the function.
        variant: which of its family; `family/variant` names it everywhere.
        file: relative to `cuda/`.
        expression: the template instance, as CUDA C++ writes it.
        architectures: those on which it exists; elsewhere it compiles to nothing.
        threads: of a block, in x.
        weights_per_iteration: that one pass of the innermost loop takes per thread; 0: no such
            loop.
        opcodes: each must occur in its machine code, itself or followed by a dot.
        registers: the most that a thread may use.
        shared: bytes of dynamic shared memory of a block.
        tile: rows of the weights and tokens that a block computes: columns and rows of a result; no
            rows: a block does a token.
        per_operation: instructions of the main loop for each of the first of `opcodes`, at most; 0:
            not counted.
        per_word: instructions of the main loop for 16 weights, at most.
        per_word_turing: the same on sm_75, whose tensor instructions are a quarter as large.
    """

    family: str
    variant: str
    file: str
    expression: str
    architectures: tuple[str, ...]
    threads: int
    weights_per_iteration: int
    opcodes: tuple[str, ...]
    registers: int
    shared: int = 0
    tile: tuple[int, int] = (0, 0)
    per_operation: float = 0.0
    per_word: float = 14.0
    per_word_turing: float = 14.0

    def per_word_on(self, architecture: str) -> float:
        """Instructions of the main loop for 16 weights there, at most."""
        return self.per_word_turing if architecture == "sm_75" else self.per_word

    @property
    def name(self) -> str:
        return f"{self.family}/{self.variant}"
