"""One GPU made ready to be measured: its runner, clocks and peers; cases measured one by one."""

from __future__ import annotations

from dataclasses import dataclass

from bitnet_perf.bench.gpu_cases import GpuCase, mixed_case
from bitnet_perf.bench.gpu_clocks import Clocks, clocks_of
from bitnet_perf.bench.gpu_cublas import Cublas
from bitnet_perf.bench.gpu_measure import measure_case, measure_gpu_ceilings
from bitnet_perf.bench.gpu_rows import FP32, GpuCeilings, GpuRow
from bitnet_perf.errors import BitnetPerfError
from bitnet_perf.kernels.cuda.device import NONE, available, guarded
from bitnet_perf.kernels.cuda.launch import OnDevice, on_device

__all__ = ["GpuSession", "Mixed", "gpu_session", "mixed_precision"]


@dataclass(frozen=True)
class GpuSession:
    """The current GPU. `cublas`: or why it is missing."""

    runner: OnDevice
    clocks: Clocks
    cublas: Cublas | str

    def ceilings(self) -> GpuCeilings:
        """The limits of the device."""
        return measure_gpu_ceilings(self.runner, self.clocks, self.cublas)

    def measure(self, case: GpuCase) -> GpuRow:
        """One case, checked first."""
        return measure_case(case, self.runner, self.clocks, self.cublas)


def gpu_session() -> GpuSession:
    """The current GPU; EnvironmentRefused where there is none."""
    runner = on_device()
    with guarded("the current device"):
        bus = str(runner.cupy.cuda.Device(runner.number).pci_bus_id)
    try:
        cublas: Cublas | str = Cublas(runner.cupy)
    except BitnetPerfError as error:
        cublas = str(error)
    return GpuSession(runner, clocks_of(bus), cublas)


@dataclass(frozen=True)
class Mixed:
    """FP16 on tensor cores beside FP32 of cuBLAS: the row that shows it, or why there is none."""

    row: GpuRow | None
    why: str = ""


def mixed_precision() -> Mixed:
    """Measured here and now, where there is a GPU. Never raises."""
    if not available()[0]:
        return Mixed(None, NONE)
    case = mixed_case()
    if case is None:
        return Mixed(None, "no FP16 kernel in this build")
    try:
        row = gpu_session().measure(case)
    except Exception as error:  # of CuPy too: a gate goes on without this figure
        return Mixed(None, _without_brackets(str(error)))
    if FP32 not in row.peers:
        return Mixed(None, _without_brackets(row.absent.get(FP32, "FP32 was not measured")))
    return Mixed(row)


def _without_brackets(text: str) -> str:
    return " ".join(text.translate(str.maketrans("()", "  ")).split())
