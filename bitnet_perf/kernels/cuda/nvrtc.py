"""NVRTC, the CUDA compiler in the form of a library: found, asked what it is, run.

It needs neither a driver nor a GPU. What it is given and what becomes of its result is the matter
of `toolchain`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitnet_perf.errors import ConfigError, EnvironmentRefused, IsaError

__all__ = ["Compiled", "Nvrtc", "compile_source", "header_folder", "nvrtc", "why_not"]

BRING = "pip install 'bitnet_perf[cuda]'"
SHOWN = 3  # errors of a source in a message


@dataclass(frozen=True, slots=True)
class Nvrtc:
    """`version` as its machine code states it, such as 13.0.88; `architectures` that it compiles
    for, oldest first, sm_90a right after sm_90."""

    version: str
    architectures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """Machine code, the name in it of every expression, and all that the compiler said."""

    cubin: bytes
    names: dict[str, str]
    log: str


def why_not() -> str:
    """Why nothing can be compiled here; empty where it can."""
    try:
        nvrtc()
    except EnvironmentRefused as error:
        return str(error)
    return ""


@functools.cache
def nvrtc() -> Nvrtc:
    """The NVRTC of this environment. Raises EnvironmentRefused where there is none."""
    api = _api()
    numbers = _called(api, api.nvrtcGetSupportedArchs())
    names = [f"sm_{number}" for number in sorted(numbers)]
    if "sm_90" in names:  # wgmma is there under this name alone
        names.insert(names.index("sm_90") + 1, "sm_90a")
    # Of its own version NVRTC tells two numbers, of what it makes the heading of PTX tells three.
    text = _run(api, b"", "version.cu", [f"--gpu-architecture={names[0]}"], [])[1]
    found = re.search(rb"release [\d.]+, V([\d.]+)", text)
    if found is None:
        raise EnvironmentRefused("NVRTC: its PTX states no version; accepted is NVRTC 12 or 13")
    return Nvrtc(found[1].decode(), tuple(names))


@functools.cache
def header_folder() -> Path | None:
    """The folder of cuda_fp16.h and its like, for sources that include them; None: not here."""
    from cuda.pathfinder import find_nvidia_header_directory

    found = find_nvidia_header_directory("cudart")
    return Path(found) if found else None


def compile_source(
    source: bytes, name: str, architecture: str, options: Sequence[str], expressions: Sequence[str]
) -> Compiled:
    """Machine code of `source` for one architecture; `name` stands for it in messages.

    `expressions` name the kernels that are wanted, as C++ writes them: "saxpy<128>". Raises
    IsaError for an architecture that NVRTC does not know, ConfigError with its log where the source
    does not compile or has no such kernel, EnvironmentRefused where NVRTC is missing.
    """
    known = nvrtc()
    if architecture not in known.architectures:
        raise IsaError(
            f"architecture: found {architecture!r}, NVRTC {known.version} accepts "
            f"{', '.join(known.architectures)}"
        )
    api = _api()
    try:
        cubin, _, names, log = _run(
            api, source, name, [f"--gpu-architecture={architecture}", *options], expressions
        )
    except _Failed as failed:
        raise ConfigError(_failure(failed, name, architecture)) from None
    return Compiled(cubin, names, log)


class _Failed(Exception):
    """The compiler ended with `status` and said `log`."""

    def __init__(self, status: str, log: str) -> None:
        super().__init__(status)
        self.status = status
        self.log = log


def _api() -> Any:
    """The binding, once the library itself is loaded."""
    try:
        from cuda.bindings import nvrtc as api
        from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib
    except ImportError as error:
        raise EnvironmentRefused(f"cuda-bindings is missing ({error}): {BRING}") from error
    try:
        load_nvidia_dynamic_lib("nvrtc")
    except DynamicLibNotFoundError as error:
        raise EnvironmentRefused(f"NVRTC is missing (no libnvrtc was found): {BRING}") from error
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise EnvironmentRefused(f"NVRTC cannot be loaded ({reason}): {BRING}") from error
    return api


def _called(api: Any, answer: tuple[Any, ...]) -> Any:
    """The value of a call of the binding, which answers (status, value)."""
    status, *values = answer
    if status != api.nvrtcResult.NVRTC_SUCCESS:
        raise EnvironmentRefused(f"NVRTC: {status.name}")
    return values[0] if values else None


def _run(
    api: Any, source: bytes, name: str, options: Sequence[str], expressions: Sequence[str]
) -> tuple[bytes, bytes, dict[str, str], str]:
    """(cubin, PTX, lowered names, log) of one program."""
    program = _called(api, api.nvrtcCreateProgram(source, name.encode(), 0, None, None))
    try:
        for expression in expressions:
            _called(api, api.nvrtcAddNameExpression(program, expression.encode()))
        words = [option.encode() for option in options]
        (status,) = api.nvrtcCompileProgram(program, len(words), words)
        said = _content(api, program, api.nvrtcGetProgramLogSize, api.nvrtcGetProgramLog)
        log = said.replace(b"\0", b"").decode(errors="replace").strip()
        if status != api.nvrtcResult.NVRTC_SUCCESS:
            raise _Failed(status.name, log)
        names = {
            expression: _called(api, api.nvrtcGetLoweredName(program, expression.encode())).decode()
            for expression in expressions
        }
        cubin = _content(api, program, api.nvrtcGetCUBINSize, api.nvrtcGetCUBIN)
        ptx = _content(api, program, api.nvrtcGetPTXSize, api.nvrtcGetPTX)
        return cubin, ptx, names, log
    finally:
        api.nvrtcDestroyProgram(program)


def _content(api: Any, program: Any, size: Any, read: Any) -> bytes:
    content = bytearray(_called(api, size(program)))
    _called(api, read(program, content))
    return bytes(content)


def _failure(failed: _Failed, name: str, architecture: str) -> str:
    """The first errors of a log, each with its place and the line it marks."""
    lines = [line for line in failed.log.splitlines() if not line.startswith("ptxas info")]
    starts = [n for n, line in enumerate(lines) if re.search(r"\b(error|fatal)\b\s*[:#]", line)]
    absent = re.findall(r'Input name expression was: " *(.*?)"$', failed.log, re.MULTILINE)
    if absent and all(lines[at].startswith("__nv_name_map(") for at in starts):
        more = f" and {len(absent) - SHOWN} more" if len(absent) > SHOWN else ""
        wanted = ", ".join(re.sub(r"\s+", "", each) for each in absent[:SHOWN]) + more
        return (
            f"{name}: no kernel {wanted} for {architecture}: there is none of this name, or it is "
            "guarded out for this architecture"
        )
    shown: list[str] = []
    for at in starts[:SHOWN]:
        end = next((n for n in range(at + 1, len(lines)) if not lines[n].strip()), at + 3)
        shown += lines[at : min(end, at + 3)]
    if len(starts) > SHOWN:
        shown.append(f"... and {len(starts) - SHOWN} more errors")
    said = "\n".join(f"  {line}" for line in shown or lines[-10:] or [failed.status])
    return f"{name} does not compile for {architecture}:\n{said}"
