"""The GPU of this host: whether there is one, what it is, and kernels loaded onto it.

Asked once per process and without an error: a host without a GPU is as good as any other until a
kernel is to be launched.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from bitnet_perf.errors import BitnetPerfError, EnvironmentRefused, IsaError, MeasurementError
from bitnet_perf.kernels.cuda import nvrtc
from bitnet_perf.kernels.cuda.catalog import CudaKernel
from bitnet_perf.kernels.cuda.toolchain import Cubin, choose_architecture

__all__ = ["BRING", "ContextLost", "Device", "Gpu", "available", "current", "gpu",
           "guarded", "load",
           "why_no_gpu", "why_not"]  # fmt: skip

BRING = "pip install 'bitnet_perf[gpu]'"
NONE = "no-gpu-available"  # the word of evidence lines
UNMEASURED = "a gate compares no GPU cases, bitnet-perf gpu-report measures them"

_NO_DRIVER, _NO_DEVICE = 35, 100  # status of the CUDA runtime
# Status after which the context of the process answers every call with the same error.
_FATAL: Mapping[int, str] = {
    700: "a kernel accessed an illegal address",
    702: "a kernel ran longer than this host permits",
    709: "the context was destroyed",
    710: "an assertion of a kernel failed",
    714: "a stack of the hardware is corrupt",
    715: "a kernel met an illegal instruction",
    716: "a kernel accessed a misaligned address",
    717: "a kernel accessed memory of another kind",
    718: "a kernel jumped outside its code",
    719: "a kernel failed",
}
# Status of loading a cubin -> what is wrong with it.
_UNLOADED: Mapping[int, str] = {
    200: "it is no cubin, or it is damaged",
    209: "it has no code for this GPU",
    218: "it cannot be linked",
    222: "the driver is too old for it",
    301: "there is no such file",
    500: "it has no kernel of this name",
}


class ContextLost(EnvironmentRefused):
    """The CUDA context of this process is lost for good: only another process has a GPU again."""


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU. `capability` is its compute capability, `memory` in bytes."""

    number: int
    name: str
    capability: tuple[int, int]
    memory: int


@dataclass(frozen=True, slots=True)
class Gpu:
    """What CuPy found: `devices`, the CUDA version of the `driver` ("" where there is none) and the
    `reason` why no kernel can run, "" where one can."""

    devices: tuple[Device, ...]
    driver: str
    reason: str


@functools.cache
def gpu() -> Gpu:
    """The GPUs of this host and whether they can be used. Never raises."""
    try:
        import cupy
    except Exception as error:  # a broken CuPy raises anything
        if isinstance(error, ModuleNotFoundError) and error.name == "cupy":
            return Gpu((), "", f"CuPy is not installed: {BRING}")
        return Gpu((), "", f"CuPy cannot be imported: {_line(error)}")
    driver = ""
    try:
        runtime = cupy.cuda.runtime
        driver = _version(runtime.driverGetVersion())
        devices = tuple(_device(runtime, n) for n in range(runtime.getDeviceCount()))
        needed = max(runtime.runtimeGetVersion(), _compiler())
    except Exception as error:
        return Gpu((), driver, _refusal(error, driver))
    reason = "" if devices else "the driver finds no GPU"
    return Gpu(devices, driver, reason or _too_old(driver, needed))


def available() -> tuple[bool, str]:
    """(whether kernels can be compiled and run on a GPU here, why not). Never raises."""
    reason = gpu().reason or nvrtc.why_not() or _capability(current())
    return not reason, reason


def current() -> Device:
    """The GPU that calls of this thread go to, the first where CuPy cannot say; there is one."""
    number = 0
    with contextlib.suppress(Exception):
        import cupy

        number = int(cupy.cuda.runtime.getDevice())
    return gpu().devices[number]


def why_no_gpu() -> str:
    """Why nothing is measured on a GPU, in the words of an evidence line."""
    return UNMEASURED if available()[0] else NONE


def why_not(kernel: CudaKernel) -> str:
    """Why `kernel` would not run on the current GPU of this host; empty where it would."""
    there, reason = available()
    if not there:
        return reason
    made = [name for name in nvrtc.nvrtc().architectures if name in kernel.architectures]
    try:
        choose_architecture(current().capability, made)
    except IsaError as error:
        return str(error)
    return ""


def load(cubin: Cubin, expression: str) -> Any:
    """The kernel `expression` of `cubin` as a `cupy.RawKernel` on the current device.

    Raises EnvironmentRefused saying what is wrong with the cubin, the driver or the device;
    ContextLost where an earlier kernel made an end of CUDA in this process.
    """
    there, reason = available()
    if not there:
        raise EnvironmentRefused(f"{expression}: no GPU to run it: {reason}")
    if expression not in cubin.names:
        raise IsaError(
            f"expression: found {expression!r}, {cubin.path.name} has {', '.join(cubin.names)}"
        )
    import cupy

    with guarded(expression):
        try:
            return cupy.RawModule(path=str(cubin.path)).get_function(cubin.names[expression])
        except cupy.cuda.driver.CUDADriverError as error:
            if error.status not in _UNLOADED:
                raise
            raise EnvironmentRefused(
                f"{cubin.path} for {cubin.architecture} cannot be loaded: "
                f"{_UNLOADED[error.status]} ({_line(error)}; driver for CUDA {gpu().driver})"
            ) from error


@contextlib.contextmanager
def guarded(what: str) -> Iterator[None]:
    """Run CUDA calls; their errors become errors of this package that name `what`.

    A launch reports what an earlier one did, so a lost context is said to be lost whoever meets it,
    and from then on `guarded` refuses at once. Raises ContextLost, EnvironmentRefused (out of
    memory, a part of CuPy that is missing), MeasurementError (anything else that CUDA or CuPy
    say); errors of others pass as they are.
    """
    if _lost:
        raise ContextLost(f"{what}: {_lost[0]}")
    try:
        yield
    except BitnetPerfError:
        raise
    except MemoryError as error:  # cupy.cuda.memory.OutOfMemoryError is one
        raise EnvironmentRefused(
            f"{what}: the GPU is out of memory ({_line(error)}); free arrays or take a smaller case"
        ) from error
    except Exception as error:
        _explain(error, what)


_lost: list[str] = []  # what happened to the context of this process, once it has


def _explain(error: Exception, what: str) -> NoReturn:
    status = getattr(error, "status", None)
    if isinstance(error, ImportError):  # libraries that CuPy loads when they are first called
        raise EnvironmentRefused(f"{what}: CuPy lacks a part: {_line(error)}; {BRING}") from error
    if type(error).__module__.partition(".")[0] in ("cupy", "cupy_backends") and status is None:
        raise MeasurementError(
            f"{what}: CuPy fails: {type(error).__name__}: {_line(error)}"
        ) from error
    if not isinstance(error, RuntimeError) or not isinstance(status, int):
        raise error
    if status in _FATAL:
        _lost.append(
            f"the CUDA context of this process is lost for good: {_FATAL[status]} in {what} or in "
            f"a kernel launched before it ({_line(error)}); start a new process"
        )
        raise ContextLost(f"{what}: {_lost[0]}") from error
    raise MeasurementError(f"{what}: CUDA says: {_line(error)}") from error


def _device(runtime: Any, number: int) -> Device:
    found = runtime.getDeviceProperties(number)
    name = found["name"]
    return Device(
        number,
        name.decode() if isinstance(name, bytes) else str(name),
        (int(found["major"]), int(found["minor"])),
        int(found["totalGlobalMem"]),
    )


def _refusal(error: Exception, driver: str) -> str:
    """Why CUDA did not start, from its status."""
    status = getattr(error, "status", None)
    if status == _NO_DRIVER and not driver:
        return "no NVIDIA driver"
    if status == _NO_DRIVER:
        return f"the NVIDIA driver is too old: it serves CUDA {driver} ({_line(error)})"
    if status == _NO_DEVICE:
        return "no NVIDIA GPU, or none that this process may use"
    return f"CUDA does not start: {_line(error)}"


def _compiler() -> int:
    """The version of NVRTC as CUDA writes its own, 13000 for 13.0; 0 where there is none."""
    try:
        major, minor, *_ = map(int, nvrtc.nvrtc().version.split("."))
    except EnvironmentRefused:
        return 0
    return 1000 * major + 10 * minor


def _too_old(driver: str, needed: int) -> str:
    """Machine code runs under every driver of the same major version and under newer ones."""
    if int(driver.partition(".")[0] or 0) >= needed // 1000:
        return ""
    return f"the NVIDIA driver is too old: it serves CUDA {driver}, needed is {_version(needed)}"


def _capability(device: Device) -> str:
    """Why NVRTC has nothing for this device; empty where it has, and where there is no NVRTC."""
    try:
        choose_architecture(device.capability, nvrtc.nvrtc().architectures)
    except IsaError as error:
        return f"{device.name}: {error}"
    except EnvironmentRefused:
        return ""
    return ""


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}" if number else ""


def _line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
