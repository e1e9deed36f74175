"""What can be done with the CUDA kernels on this host: compiled, inspected, run, and why not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bitnet_perf.kernels.cuda import device, nvrtc, sass
from bitnet_perf.kernels.cuda.catalog import KERNELS

__all__ = ["CudaStatus", "KernelStatus", "cuda_status"]


@dataclass(frozen=True, slots=True)
class KernelStatus:
    """One line of the catalog. `architectures` are those for which it can be compiled here;
    `reason`: why it would not run on the first GPU of this host, empty where it would."""

    family: str
    variant: str
    architectures: tuple[str, ...]
    runnable: bool
    reason: str


@dataclass(frozen=True, slots=True)
class CudaStatus:
    """The compiler (`nvrtc` "" where it is missing), what it and the disassembler `lack`, the GPU
    and the kernels."""

    nvrtc: str
    architectures: tuple[str, ...]
    lacks: str
    gpu: device.Gpu
    kernels: tuple[KernelStatus, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def cuda_status() -> CudaStatus:
    """What this host can do with the CUDA kernels. Never raises."""
    missing = nvrtc.why_not()
    version = "" if missing else nvrtc.nvrtc().version
    covered = () if missing else nvrtc.nvrtc().architectures
    rows = []
    for kernel in KERNELS:
        reason = device.why_not(kernel)
        names = tuple(name for name in covered if name in kernel.architectures)
        rows.append(KernelStatus(kernel.family, kernel.variant, names, not reason, reason))
    return CudaStatus(version, covered, missing or sass.why_not(), device.gpu(), tuple(rows))
