"""A `.cu` file in place of a kernel of the catalog: its cases, its check on the CPU, its machine
code.

It defines the kernel that it replaces, of the same name and parameters, and runs with the grid, the
block and the shared memory of that one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bitnet_perf.bench.candidate_check import Checked
from bitnet_perf.bench.gpu_cases import OWN, GpuCase, dense_case, ternary_case
from bitnet_perf.bench.gpu_measure import check_case
from bitnet_perf.errors import ConfigError, MeasurementError
from bitnet_perf.kernels.cuda import sass
from bitnet_perf.kernels.cuda.catalog import CudaKernel
from bitnet_perf.kernels.cuda.emulate import SCHEDULES
from bitnet_perf.kernels.cuda.inspection import Inspection, inspect
from bitnet_perf.kernels.cuda.launch import Emulated
from bitnet_perf.kernels.cuda.plans import dense, w2a8
from bitnet_perf.kernels.cuda.plans.plan import H200, Launch, Machine, Plan, Shape
from bitnet_perf.kernels.cuda.toolchain import compile_file, sources

__all__ = ["CUDA_FAMILIES", "Replaced", "check_on_cpu", "inspected", "replaced"]

DENSE = (*dense.FAMILIES.values(), *(f + dense.HOPPER for f in dense.FAMILIES.values()))
CUDA_FAMILIES = ("gemv_w2a8", "gemm_w2a8", *DENSE)
TYPE = {name: "f16" for name in DENSE if "fp16" in name}  # of x; bf16 for the others
# N, K of checks: less than a tile, ragged, more columns than are loaded ahead.
SHAPES = ((16, 128), (37, 296), (24, 2568))
ROWS = 64  # of the weights, at most, in the check of the asked columns


@dataclass(frozen=True)
class Replaced:
    """A kernel of the catalog, the candidate for it, and the case that was asked for."""

    family: str
    shape: Shape
    base: CudaKernel
    candidate: CudaKernel

    def case(self, shape: Shape, kernel: CudaKernel) -> GpuCase:
        """The case of the family with that kernel."""
        x = TYPE.get(self.family, "bf16")
        case = dense_case(OWN, shape, x) if self.family in DENSE else ternary_case(*shape, x)
        return replace(case, plan=_plan(self.family, shape, x, kernel))


def replaced(source: Path, family: str, shape: Shape, machine: Machine = H200) -> Replaced:
    """The kernel that `family` runs for this shape, and `source` in its place.

    Raises ConfigError for another family, a shape that the family does not take, or no such file.
    """
    if family not in CUDA_FAMILIES:
        raise ConfigError(
            f"family: found {family!r}, accepted for a .cu file are {', '.join(CUDA_FAMILIES)}"
        )
    if not source.is_file():
        raise ConfigError(f"candidate: {source}: there is no such file")
    x = TYPE.get(family, "bf16")
    if family in DENSE:
        plan = dense.matmul(shape, x, "f32", machine)
    else:
        plan = w2a8.matmul(shape, x, x, machine)
    base = plan.launches[-1].kernel
    if base.family != family:
        raise ConfigError(f"shape: {family} does not run for {'x'.join(map(str, shape))}, there "
                          f"{base.family} does")  # fmt: skip
    candidate = replace(
        base, variant=f"{base.variant} of {source.name}", file=str(source.absolute())
    )
    return Replaced(family, shape, base, candidate)


def _plan(family: str, shape: Shape, x: str, kernel: CudaKernel) -> Callable[[Machine], Plan]:
    def plan(machine: Machine) -> Plan:
        if family in DENSE:
            return dense.product_with(kernel, shape, (shape[2], shape[2]), "f32")
        if family == "gemm_w2a8":
            parts = w2a8.choose_tile(shape, machine)[1]
            return w2a8.quantized_then(shape, x, w2a8.product_with(kernel, shape, x, parts))
        (only,) = w2a8.matmul(shape, x, x, machine).launches
        launch = Launch(kernel, only.geometry, only.arguments)
        return Plan((launch,), ("weights", "x", "scales"), ("y",))

    return plan


def check_on_cpu(found: Replaced) -> Checked:
    """Run the candidate on the CPU over small, ragged and the asked columns, under all schedules,
    against independent results; the first fault ends it.

    Raises ConfigError where it does not compile or has no such kernel, EnvironmentRefused where
    there is no compiler.
    """
    checks = 0
    for shape, schedule in _checks(found):
        case = found.case(shape, found.candidate)
        try:
            check_case(case, Emulated(H200, schedule))
        except MeasurementError as error:
            where = f"{'x'.join(map(str, shape))}, {schedule}"
            return Checked(False, f"{str(error).splitlines()[0]} ({where})", checks + 1, 0.0)
        checks += 1
    return Checked(True, "", checks, 0.0)


def _checks(found: Replaced) -> Iterator[tuple[Shape, str]]:
    M, N, K = found.shape
    tokens = min(M, found.base.tile[1] + 1) if found.family != "gemv_w2a8" else M
    for n, k in SHAPES:
        yield (tokens, n, k), SCHEDULES[0]
    for schedule in SCHEDULES[1:]:
        yield (tokens, *SHAPES[1]), schedule
    yield (min(tokens, 16), min(N, ROWS), K), SCHEDULES[0]


def inspected(kernel: CudaKernel, architecture: str) -> Inspection:
    """The machine code of a kernel of the catalog, or of a candidate."""
    cubin = compile_file(sources() / kernel.file, [kernel.expression], architecture)
    return inspect(kernel, cubin, sass.disassemble(cubin.path))
