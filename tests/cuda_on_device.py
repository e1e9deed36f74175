"""Every kernel of the catalog on the GPU of this host, beside the emulator; for the lane `gpu`.

python -m cuda_on_device               runs them, says what was compared
python -m cuda_on_device --why-not     why this host cannot; nothing where it can
python -m cuda_on_device --sanitizer   where compute-sanitizer is
"""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager

import cuda_launches
import cuda_matmul_launches
import numpy as np
from cuda_traffic import trace_of

from bitnet_perf.bench.gpu_cases import small_cases
from bitnet_perf.bench.gpu_measure import check_case
from bitnet_perf.errors import EnvironmentRefused, MeasurementError
from bitnet_perf.kernels.cuda import device, emulate
from bitnet_perf.kernels.cuda.catalog import KERNELS
from bitnet_perf.kernels.cuda.host_program import program_of
from bitnet_perf.kernels.cuda.launch import on_device
from bitnet_perf.kernels.cuda.plans.plan import Launch

NUMBERS = {"f": np.float32, "i": np.int32, "u": np.uint32, "f8": np.float64, "i8": np.int64,
           "u8": np.uint64}  # fmt: skip
RELATIVE, ABSOLUTE = 1e-3, 1e-6  # of floats: sums in another order


def on_both(runner):
    """In the place of `emulate.launch`: there and on the device, with the same arrays."""

    def launch(kernel, geometry, arguments, **_):
        parameters = program_of(kernel).entry(kernel)[1].parameters
        there, names = {}, []
        for i, argument in enumerate(arguments):
            if isinstance(argument, np.ndarray):
                there[f"argument {i}"] = runner.put(argument)
                names.append(f"argument {i}")
            elif argument is None:
                names.append(None)
            else:
                kind = parameters[i].kind.decode() + ("8" if parameters[i].bytes == 8 else "")
                names.append(NUMBERS[kind](argument))
        runner.launch(Launch(kernel, geometry, tuple(names)), there)
        emulate.launch(kernel, geometry, arguments)
        for name, array in there.items():
            compare(f"{kernel.name}: {name}", runner.get(array), arguments[names.index(name)])

    return launch


def compare(what, found, expected):
    """Raises MeasurementError where they differ: integers at all, floats by more than a sum may."""
    if expected.dtype.kind in "iu":
        right = found == expected
    else:
        right = np.isclose(found.astype(np.float64), expected.astype(np.float64), RELATIVE,
                           ABSOLUTE, equal_nan=True)  # fmt: skip
    if not right.all():
        raise MeasurementError(f"{what}: {int((~right).sum())} of {right.size} values are wrong")


@contextmanager
def launched_by(launch):
    modules = cuda_launches, cuda_matmul_launches
    before = [module.launch for module in modules]
    for module in modules:
        module.launch = launch
    try:
        yield
    finally:
        for module, own in zip(modules, before, strict=True):
            module.launch = own


def run_kernels(runner, kernels=KERNELS):
    """Those that this GPU can run, on it and on the emulator; their names."""
    machine = runner.machine
    fitting = [
        k for k in kernels if machine.architecture in k.architectures and k.shared <= machine.shared
    ]
    with launched_by(on_both(runner)):
        for kernel in fitting:
            trace_of(kernel)
    return [kernel.name for kernel in fitting]


def sanitizer():
    """The path of compute-sanitizer: on PATH, else where CUDA's packages and its toolkit have it.
    Raises EnvironmentRefused."""
    found = shutil.which("compute-sanitizer")
    if found is None:
        from cuda.pathfinder import find_nvidia_binary_utility

        found = find_nvidia_binary_utility("compute-sanitizer")
    if found is None:
        raise EnvironmentRefused(
            "compute-sanitizer is missing: 'apt-get install cuda-sanitizer-13-0' (NVIDIA's "
            "repository), then PATH or CUDA_HOME"
        )
    return found


def main(words):
    if words == ["--why-not"]:
        print(device.available()[1])
        return
    if words == ["--sanitizer"]:
        print(sanitizer())
        return
    runner = on_device()
    runner.cupy.cuda.set_allocator(None)  # each array is an allocation: what lies beyond is seen
    names = run_kernels(runner)
    values = sum(check_case(case, runner) for case in small_cases())
    print(f"{runner.name}: {len(names)} of {len(KERNELS)} kernels, {values} values of cases")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except EnvironmentRefused as error:
        sys.exit(str(error))
