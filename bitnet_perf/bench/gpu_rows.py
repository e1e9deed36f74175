"""What is known of a GPU case once it was measured."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["FP32", "GpuCeilings", "GpuModelRow", "GpuRow"]

FP32 = "cublas.f32"  # the peer that mixed precision is compared with


class GpuCeilings(BaseModel):
    """Limits of the device in this run: bytes copied (read and written) in GB/s, and products of
    bf16 by cuBLAS in TFLOP/s (None and why, where it is missing); `launch`: seconds of an empty
    kernel as a node of a graph."""

    model_config = ConfigDict(frozen=True)

    copy_gb_per_s: float
    bf16_tflop_per_s: float | None
    why: str = ""
    launch: float = 0.0


class GpuRow(BaseModel):
    """One case of one run; times in seconds of one launch (all kernels of the case).

    `low`, `high`: quartiles. `flushed`: a single launch behind a flush of the L2; `host`: a call
    from Python until it is done. `checked`: results compared before anything was timed. `peers`:
    seconds by name; `absent`: why a peer is not there.
    """

    model_config = ConfigDict(frozen=True)

    case: str
    kernels: tuple[str, ...]
    seconds: float
    low: float
    high: float
    samples: int
    launches: int
    cold: bool
    flushed: float
    host: float
    clock: int
    default: int
    discarded: int
    checked: int
    bytes: int
    packed: int
    ops: int
    peers: dict[str, float]
    absent: dict[str, str]

    @property
    def packed_gb_per_s(self) -> float:
        """Packed weights, GB a second."""
        return self.packed / self.seconds / 1e9

    @property
    def gb_per_s(self) -> float:
        """All bytes, GB a second."""
        return self.bytes / self.seconds / 1e9

    @property
    def top_per_s(self) -> float:
        """10^12 operations a second."""
        return self.ops / self.seconds / 1e12

    def of_floor(self, limits: GpuCeilings) -> float:
        """What its bytes at the rate of copies and its launches at the cost of empty ones take, of
        what it takes."""
        floor = self.bytes / (1e9 * limits.copy_gb_per_s) + limits.launch * len(self.kernels)
        return floor / self.seconds

    def speedup(self, peer: str) -> float:
        """How many times as long the peer takes."""
        return self.peers[peer] / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the rates included."""
        rates = ("packed_gb_per_s", "gb_per_s", "top_per_s")
        return {**self.model_dump(mode="json"), **{name: getattr(self, name) for name in rates}}


class GpuModelRow(BaseModel):
    """Decoding of one model: `seconds` of a step of `launches` as one graph, `low` and `high` its
    quartiles, and of the launches of each operation as a graph of their own.

    `checked` rows of logits were compared with the CPU's engine first, `median` and `worst` are
    their NMSE. `bytes`: of the weights that a step reads.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    checked: int
    median: float
    worst: float
    launches: int
    seconds: float
    low: float
    high: float
    samples: int
    host_tokens_per_second: float
    prefill_tokens_per_second: float
    operations: dict[str, float]
    bytes: int
    clock: int
    default: int
    discarded: int

    @property
    def tokens_per_second(self) -> float:
        """On the device alone."""
        return 1 / self.seconds
