"""A target: what has to be reached, whether each side does, and the sentence that decides it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Goals", "Status", "Target", "decided", "unmeasured"]

Status = Literal["met", "missed now", "not met before or after", "not measured"]


# What the name of a target begins with -> its stage.
_STAGES = {
    "quantization accuracy": "quantization",
    "model output": "forward",
    "integer kernels": "forward",
    "inference throughput": "generation",
    "memory held": "generation",
    "linear memory": "load",
    "peak memory": "load",
}


@dataclass(frozen=True, slots=True)
class Goals:
    """What has to be reached.

    tokens_per_second, accuracy_loss: absolute, as the settings have them. accuracy_drop: points of
    accuracy, or of equal codes, that a change may cost. residual: of the line of memory over model
    sizes, as a part of its growth; n log n has 0.044 from 1 to 8. memory: what the peak may grow
    against the base. held: bytes that one repeat may leave behind (up to 7,000 were seen where
    nothing leaks: tables that fill). error: normalized mean square error of logits against those of
    the base; another weight matrix gives 1e-2 at least.
    """

    tokens_per_second: float = 45.0
    accuracy_loss: float = 0.05
    accuracy_drop: float = 0.5
    residual: float = 0.03
    memory: float = 0.10
    held: float = 16384.0
    error: float = 3e-3


@dataclass(frozen=True, slots=True)
class Target:
    """One target, decided. base, candidate: the deciding figures in `unit`, None where there is
    none; `sources` are the places of evidence.json or raw.npz that hold them."""

    name: str
    status: Status
    sentence: str
    base: float | None = None
    candidate: float | None = None
    goal: float | None = None
    unit: str = ""
    sources: tuple[str, ...] = ()

    @property
    def stage(self) -> str:
        """The pipeline's stage whose work it is about, "" where that is all of them."""
        return next((stage for name, stage in _STAGES.items() if self.name.startswith(name)), "")

    @property
    def gates(self) -> bool:
        """Whether it fails the gate: met by the base, missed by the candidate."""
        return self.status == "missed now"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, `gates` included."""
        return {**asdict(self), "sources": list(self.sources), "gates": self.gates}


def decided(base: bool | None, candidate: bool | None) -> Status:
    """From whether each side reaches it; None is not known.

    A candidate that misses what is unknown of the base does not fail for it.
    """
    if candidate:
        return "met"
    if candidate is None or base is None:
        return "not measured"
    return "missed now" if base else "not met before or after"


def unmeasured(name: str, why: str) -> Target:
    """A target without figures."""
    return Target(name, "not measured", f"Not measured: {why}.")
