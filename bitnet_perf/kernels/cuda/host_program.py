"""`.cu` files compiled for this CPU, together with the emulator that runs them."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bitnet_perf.cache import cache_folder, keep_newest
from bitnet_perf.compiler import compiler
from bitnet_perf.errors import ConfigError, EnvironmentRefused
from bitnet_perf.files import write_atomic
from bitnet_perf.kernels.cuda.catalog import CudaKernel, family
from bitnet_perf.kernels.cuda.toolchain import sources as own_sources

__all__ = ["Entry", "Parameter", "Program", "program", "program_of", "with_lines"]

KEPT = 64  # compiled programs in the cache
COMPILE_SECONDS = 600.0

_COMMON = ("-std=c++20", "-O1", "-fPIC", "-g1", "-fno-exceptions", "-fno-rtti",
           "-ffp-contract=off", "-fvisibility=hidden")  # fmt: skip
# Loads and stores call the emulator where the sanitizer's runtime would be called.
_CUDA = ("-fsanitize=thread", "-fno-strict-aliasing", "-Wno-unknown-pragmas",
           "-x", "c++")  # fmt: skip


class Parameter(ctypes.Structure):
    """As interface.hpp has it."""

    _fields_ = (("kind", ctypes.c_char), ("bytes", ctypes.c_int))


class Entry(ctypes.Structure):
    """A compiled kernel, as interface.hpp has it."""

    _fields_ = (("invoke", ctypes.c_void_p), ("function", ctypes.c_void_p),
                ("parameters", ctypes.POINTER(Parameter)))  # fmt: skip


@dataclass(frozen=True)
class Program:
    """Kernels of one file, compiled: `path` is a shared object."""

    path: Path
    kernels: tuple[CudaKernel, ...]

    def entry(self, kernel: CudaKernel) -> tuple[ctypes.CDLL, Entry]:
        """The loaded library, and the kernel in it."""
        library = ctypes.CDLL(str(self.path))
        return library, Entry.in_dll(library, f"bp_kernel_{self.kernels.index(kernel)}")


def program(kernels: Sequence[CudaKernel], sources: Path | None = None) -> Program:
    """Compile `kernels`, all of one file, for this CPU; unchanged input is not compiled again.

    `sources` is the folder `cuda/`, the package's own where it is None. Raises EnvironmentRefused
    where there is no compiler, ConfigError with its first errors where the file does not compile.
    """
    kernels = tuple(kernels)
    files = {kernel.file for kernel in kernels}
    if len(files) != 1:
        raise ConfigError(
            f"kernels: found those of {sorted(files)}, accepted are those of one file"
        )
    root = own_sources() if sources is None else sources
    words = compiler()
    text = "".join(
        [f'#include "{files.pop()}"\n']
        + [f"BP_EMU_KERNEL(bp_kernel_{i}, {k.expression})\n" for i, k in enumerate(kernels)]
    )
    key = _key(root, _version(*words), [*words, *_COMMON, *_CUDA, text, *_outside(kernels[0])])
    folder = cache_folder("cuda-cpu")
    made = folder / f"{key}.so"
    if _used(made):
        return Program(made, kernels)
    _build(root, words, text, made)
    keep_newest(folder, KEPT)
    return Program(made, kernels)


def program_of(kernel: CudaKernel) -> Program:
    """The kernel's family, as far as it is in the same file."""
    return program([each for each in family(kernel.family) if each.file == kernel.file])


def _kept(path: Path, content: bytes) -> None:
    """Into the cache, its digest behind it: linker and loader read only what headers name."""
    write_atomic(path, content + hashlib.sha256(content).digest())


def _used(path: Path) -> bool:
    """Whether a file is there as `_kept` wrote it; then it is the newest."""
    try:
        found = path.stat()
        if not _whole(path, found.st_ino, found.st_size):
            return False
        os.utime(path)
    except OSError:
        return False
    return True


@functools.lru_cache(maxsize=1024)
def _whole(path: Path, inode: int, size: int) -> bool:  # noqa: ARG001
    content = path.read_bytes()
    return hashlib.sha256(content[:-32]).digest() == content[-32:]


def _key(root: Path, version: str, parts: Sequence[str]) -> str:
    """Of everything that the result depends on: sources, options, the compiler."""
    digest = hashlib.sha256("\0".join([version, *parts]).encode())
    for path in sorted(root.rglob("*")):
        if path.is_file():
            digest.update(f"\0{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:24]


def _outside(kernel: CudaKernel) -> list[str]:
    """The content of a file that is not one of this package's, and of the headers beside it."""
    file = Path(kernel.file)
    if not file.is_absolute():
        return []
    try:
        return [path.read_text() for path in (file, *sorted(file.parent.glob("*.cuh")))]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read ({error}), accepted is a .cu file") from error


def _build(root: Path, words: Sequence[str], text: str, made: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="bitnet_perf.") as place:
        folder = Path(place)
        unit, library = folder / "kernels.cu", folder / "kernels.so"
        unit.write_text(text)
        common = [*words, *_COMMON, f"-I{root}"]
        compiled = folder / "kernels.o"
        header = root / "emulator" / "emulate.hpp"
        _run([*common, *_CUDA, "-include", str(header), "-c", str(unit), "-o", str(compiled)])
        runtime = _runtime(root, common, words)
        _run([*words, "-shared", str(compiled), str(runtime), "-ldl", "-o", str(library)])
        _kept(made, library.read_bytes())


def _runtime(root: Path, common: Sequence[str], words: Sequence[str]) -> Path:
    """The emulator's own object file, which programs share."""
    folder = root / "emulator"
    key = _key(folder, _version(*words), [*common[: -len(_COMMON)], *_COMMON])
    made = cache_folder("cuda-cpu") / f"{key}.o"
    if _used(made):
        return made
    with tempfile.TemporaryDirectory(prefix="bitnet_perf.") as place:
        unit, compiled = Path(place) / "emulator.cpp", Path(place) / "emulator.o"
        files = sorted(path.name for path in folder.glob("*.cpp"))
        unit.write_text("".join(f'#include "emulator/{name}"\n' for name in files))
        _run([*common, "-c", str(unit), "-o", str(compiled)])
        _kept(made, compiled.read_bytes())
    return made


@functools.cache
def _version(*words: str) -> str:
    return _run([*words, "--version"])


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=COMPILE_SECONDS, check=False, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentRefused(f"{command[0]} does not run: {error}") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error" in line]
        shown = lines[:3] or done.stderr.splitlines()[-5:]
        raise ConfigError("a CUDA file does not compile for the CPU:\n  " + "\n  ".join(shown))
    return done.stdout


def with_lines(message: str, library: ctypes.CDLL, path: Path) -> str:
    """`message` with the places in machine code that it names as lines of the source, where
    addr2line is there to tell them."""
    tool = shutil.which("addr2line")
    base = _base(library)

    def line(match: re.Match[str]) -> str:
        if tool is None:
            return ""
        # Of the call; the address is the one it returns to.
        command = [tool, "-e", str(path), hex(int(match[1], 16) - base - 1)]
        text = _run(command).strip().split(" ")[0]
        return f" (in {Path(text).name})" if not text.startswith("?") else ""

    return re.sub(r" \[at (0x[0-9a-f]+)\]", line, message)


def _base(library: ctypes.CDLL) -> int:
    find = library.bp_emu_base
    find.restype = ctypes.c_uint64
    return int(find())
