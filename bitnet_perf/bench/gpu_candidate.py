"""A `.cu` file in place of a kernel of the catalog: its cases, its check on the CPU, its machine
code.

It defines the kernel that it replaces, of the same name and parameters, and runs with the grid, the
block and the shared memory of that one. Products take any shape; of every other family, those of
the GPU cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bitnet_perf.bench.candidate_check import Checked, shape_numbers
from bitnet_perf.bench.gpu_cases import (
    OWN,
    GpuCase,
    dense_case,
    float_case,
    gpu_cases,
    small_cases,
    ternary_case,
)
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

__all__ = ["PRODUCTS", "Replaced", "check_on_cpu", "cuda_families", "inspected", "replaced"]

DENSE = (*dense.FAMILIES.values(), *(f + dense.HOPPER for f in dense.FAMILIES.values()))
PRODUCTS = ("gemv_w2a8", "gemm_w2a8", "gemm_w2a16", *DENSE)
TYPE = {name: "f16" for name in DENSE if "fp16" in name}  # of x; bf16 for the others
# N, K of checks: less than a tile, ragged, more columns than are loaded ahead.
SHAPES = ((16, 128), (37, 296), (24, 2568))
ROWS = 64  # of the weights, at most, in the check of the asked columns


@dataclass(frozen=True)
class Replaced:
    """A kernel of the catalog, the candidate for it, the case that was asked for, and smaller ones
    with the same kernel; `case` and `checks` put either kernel into them."""

    base: CudaKernel
    candidate: CudaKernel
    asked: Callable[[CudaKernel], GpuCase]
    small: Callable[[CudaKernel], tuple[GpuCase, ...]]

    def case(self, kernel: CudaKernel) -> GpuCase:
        """The case that was asked for with that kernel."""
        return self.asked(kernel)

    def checks(self) -> Iterator[tuple[GpuCase, str]]:
        """Cases of the candidate for the CPU, each with a schedule: all in order, one in all."""
        cases = self.small(self.candidate)
        for case in cases:
            yield case, SCHEDULES[0]
        for schedule in SCHEDULES[1:]:
            yield cases[min(1, len(cases) - 1)], schedule


def cuda_families(machine: Machine = H200) -> tuple[str, ...]:
    """Families that a candidate can stand for: those that are one launch of a case."""
    found = (k.family for case in _listed() for k in _alone(case, machine))
    return tuple(dict.fromkeys((*PRODUCTS, *sorted(found))))


def replaced(source: Path, family: str, shape: str, machine: Machine = H200) -> Replaced:
    """The kernel that `family` runs for this shape, and `source` in its place.

    family: of the catalog, or family/variant where a shape has several. shape: NxK of gemv_w2a8,
    MxNxK of the other products, else as the name of a GPU case has it.
    Raises ConfigError for another family, a shape that the family does not take, or no such file.
    """
    name = family.partition("/")[0]
    if name not in PRODUCTS and name not in cuda_families(machine):
        raise ConfigError(
            f"family: found {family!r}, accepted for a .cu file are "
            f"{', '.join(cuda_families(machine))}"
        )
    if not source.is_file():
        raise ConfigError(f"candidate: {source}: there is no such file")
    return (_product if family in PRODUCTS else _of_a_case)(source, family, shape, machine)


def _candidate(source: Path, base: CudaKernel) -> CudaKernel:
    return replace(base, variant=f"{base.variant} of {source.name}", file=str(source.absolute()))


def _of_a_case(source: Path, family: str, shape: str, machine: Machine) -> Replaced:
    """A kernel that the GPU cases run."""
    of_family: dict[str, list[tuple[GpuCase, CudaKernel]]] = {}
    for case in _listed():
        for kernel in _alone(case, machine):
            if family in (kernel.family, kernel.name):
                of_family.setdefault(_shape_of(case), []).append((case, kernel))
    found = of_family.get(shape, [])
    kernels = list(dict.fromkeys(kernel for _, kernel in found))
    if not kernels:
        raise ConfigError(f"shape: found {shape!r}, accepted for {family} are "
                          f"{', '.join(of_family) or 'none: no case runs it'}")  # fmt: skip
    if len(kernels) > 1:
        raise ConfigError(
            f"family: found {family!r}, which has several kernels for {shape}, accepted are "
            f"{', '.join(kernel.name for kernel in kernels)}"
        )
    base = kernels[0]
    small = [case for case in small_cases() if base in _alone(case, H200)]
    if not small:
        raise ConfigError(f"shape: found {shape}, for which {base.name} runs, and no case of that "
                          "is small enough for the CPU")  # fmt: skip
    return Replaced(
        base, _candidate(source, base), lambda kernel: _swapped(found[0][0], base, kernel),
        lambda kernel: tuple(_swapped(case, base, kernel) for case in small),
    )  # fmt: skip


def _listed() -> Iterable[GpuCase]:
    yield from small_cases()
    yield from gpu_cases()


def _shape_of(case: GpuCase) -> str:
    return case.name.split("/")[3]


def _alone(case: GpuCase, machine: Machine) -> list[CudaKernel]:
    """The kernels that are one launch of the case, and not several."""
    kernels = [launch.kernel for launch in case.plan(machine).launches]
    return [k for k in kernels if kernels.count(k) == 1 and k.family not in PRODUCTS]


def _swapped(case: GpuCase, base: CudaKernel, kernel: CudaKernel) -> GpuCase:
    """The case with `kernel` where it runs `base`."""

    def plan(machine: Machine) -> Plan:
        known = case.plan(machine)
        launches = (replace(x, kernel=kernel) if x.kernel == base else x for x in known.launches)
        return replace(known, launches=tuple(launches))

    return replace(case, plan=plan)


def _product(source: Path, family: str, shape: str, machine: Machine) -> Replaced:
    """A kernel of a product, which takes any shape."""
    numbers = shape_numbers("gemv" if family == "gemv_w2a8" else "gemm", shape)
    if not numbers:
        raise ConfigError(f"shape: found '', accepted for {family} is MxNxK, NxK for gemv")
    M, N, K = numbers if len(numbers) == 3 else (1, *numbers)
    x = TYPE.get(family, "bf16")
    base = _first_plan(family, (M, N, K), x, machine).launches[-1].kernel
    if base.family != family:
        raise ConfigError(f"shape: {family} does not run for {M}x{N}x{K}, there {base.family} does")

    def small(kernel: CudaKernel) -> tuple[GpuCase, ...]:
        tokens = min(M, base.tile[1] + 1) if family != "gemv_w2a8" else M
        sizes = [(tokens, n, k) for n, k in SHAPES if _takes(base, k)]
        sizes.append((min(tokens, 16), min(N, ROWS), K))
        return tuple(_product_case(family, each, x, kernel) for each in sizes)

    return Replaced(
        base, _candidate(source, base),
        lambda kernel: _product_case(family, (M, N, K), x, kernel), small,
    )  # fmt: skip


def _takes(kernel: CudaKernel, columns: int) -> bool:
    """Whether rows of 16-bit numbers are aligned as the kernel wants them; `_any` takes all."""
    return columns % dense.ALIGNED == 0 or kernel.variant.endswith("_any")


def _first_plan(family: str, shape: Shape, x: str, machine: Machine) -> Plan:
    if family in DENSE:
        return dense.matmul(shape, x, "f32", machine)
    if family == "gemm_w2a16":
        return dense.matmul_ternary(shape, x, "f32", machine)
    return w2a8.matmul(shape, x, x, machine)


def _product_case(family: str, shape: Shape, x: str, kernel: CudaKernel) -> GpuCase:
    """The case of the family with that kernel."""
    M, N, K = shape
    if family in DENSE:
        like = dense_case(OWN, shape, x)
    elif family == "gemm_w2a16":
        like = float_case(M, N, K, x)
    else:
        like = ternary_case(M, N, K, x)

    def plan(machine: Machine) -> Plan:
        if family in DENSE:
            return dense.product_with(kernel, shape, (shape[2], shape[2]), "f32")
        if family == "gemm_w2a16":
            return dense.ternary_with(kernel, shape, "f32")
        if family == "gemm_w2a8":
            parts = w2a8.choose_tile(shape, machine)[1]
            return w2a8.quantized_then(shape, x, w2a8.product_with(kernel, shape, x, parts))
        (only,) = w2a8.matmul(shape, x, x, machine).launches
        launch = Launch(kernel, only.geometry, only.arguments)
        return Plan((launch,), ("weights", "x", "scales"), ("y",))

    return replace(like, plan=plan)


def check_on_cpu(found: Replaced) -> Checked:
    """Run the candidate on the CPU over small cases, one of them under all schedules, against
    independent results; the first fault ends it.

    Raises ConfigError where it does not compile or has no such kernel, EnvironmentRefused where
    there is no compiler.
    """
    checks = 0
    for case, schedule in found.checks():
        try:
            check_case(case, Emulated(H200, schedule))
        except MeasurementError as error:
            where = f"{_shape_of(case)}, {schedule}"
            return Checked(False, f"{str(error).splitlines()[0]} ({where})", checks + 1, 0.0)
        checks += 1
    return Checked(True, "", checks, 0.0)


def inspected(kernel: CudaKernel, architecture: str) -> Inspection:
    """The machine code of a kernel of the catalog, or of a candidate."""
    cubin = compile_file(sources() / kernel.file, [kernel.expression], architecture)
    return inspect(kernel, cubin, sass.disassemble(cubin.path))
