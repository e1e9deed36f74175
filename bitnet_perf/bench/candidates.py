"""Candidate kernels: one C or C++ file against candidate.h, or Python functions; how to run them.

A C or C++ candidate is compiled into a shared object whose functions `_bench.load_candidate` makes
the variants of the instruction set "candidate". A Python candidate is a function marked by
`candidate`, for example one that numba compiles.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import bitnet_perf
from bitnet_perf.bench.process import run_program
from bitnet_perf.cache import cache_folder, keep_newest
from bitnet_perf.compiler import compiler
from bitnet_perf.errors import BitnetPerfError, ConfigError, EnvironmentRefused
from bitnet_perf.files import write_atomic

__all__ = [
    "FAMILIES",
    "FLAGS",
    "PYTHON_FAMILIES",
    "PythonCandidate",
    "candidate",
    "case_name",
    "compile_candidate",
    "include_folder",
    "load_functions",
    "split_family",
]

FORMATS = ("i2_s", "native_i2_r4", "native_i2_r16", "tl1", "tl2", "tq1_0", "tq2_0")
FAMILIES: dict[str, tuple[str, str]] = {  # name in candidate.h -> family, format
    f"{family}_{format}": (family, format)
    for family, formats in (
        ("gemv", FORMATS),
        ("gemm", FORMATS),
        ("quantize_activations", ("q8_act",)),
        ("pack", tuple(f for f in FORMATS if not f.startswith("native_"))),
        ("unpack", tuple(f for f in FORMATS if not f.startswith("native_"))),
    )
    for format in formats
}
PYTHON_FAMILIES = tuple(n for n, (family, _) in FAMILIES.items() if not family.endswith("pack"))
SUFFIXES = {".c": "c", ".cc": "c++", ".cpp": "c++", ".cxx": "c++"}

# As the package itself is built, but for this CPU alone.
FLAGS = (
    "-O3",
    "-DNDEBUG",
    "-march=native",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-falign-functions=64",
    "-falign-loops=32",
    "-Wall",
    "-Wextra",
)
_FIXED = ("-fPIC", "-shared", "-fvisibility=hidden")
KEPT = 64  # compiled candidates in the cache
COMPILE_SECONDS = 300.0

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)
_marked: list[tuple[str, Function]] = []


@dataclass(frozen=True, slots=True)
class PythonCandidate:
    """A marked function: `family` as in FAMILIES."""

    family: str
    function: Function


def include_folder() -> Path:
    """The folder to search for `#include <bitnet_perf/candidate.h>`."""
    return Path(bitnet_perf.__file__).resolve().parent / "include"


def split_family(name: str) -> tuple[str, str]:
    """(family, format) of a name such as "gemv_i2_s"; ConfigError lists the names."""
    if name not in FAMILIES:
        raise ConfigError(f"family: found {name!r}, accepted are {', '.join(FAMILIES)}")
    return FAMILIES[name]


def case_name(family: str, shape: str, threads: int = 1) -> str:
    """The case that times `family` (as in FAMILIES): NxK, or MxNxK for gemm, MxK for activations.

    Raises ConfigError for an unknown family; the shape is checked where the case is made.
    """
    kind, format = split_family(family)
    stage = "forward" if kind in {"gemv", "gemm"} else "quantization"
    return f"{stage}/{kind}/{format}/{shape}/t{threads}"


def candidate(family: str) -> Callable[[F], F]:
    """Mark a Python function as a candidate kernel; the function itself is not changed.

    K below is padded to the group of the format (activations there are zero), `w` is uint8[bytes],
    all packed bytes; the products of tl1 and tl2 get their tiling (BM, BK, bm) as a last argument.

        gemv_<format>                f(w, q int8[K], N, K) -> int32[N]
        gemm_<format>                f(w, q int8[M, K], N, K) -> int32[M, N]
        quantize_activations_q8_act  f(x float32[M, K])
                                       -> values int8[M, K], scale float32[M], sum int32[M]

    Raises ConfigError for another family.
    """
    if family not in PYTHON_FAMILIES:
        raise ConfigError(
            f"family: found {family!r}, accepted for a Python function are "
            f"{', '.join(PYTHON_FAMILIES)}"
        )

    def mark(function: F) -> F:
        _marked.append((family, function))
        return function

    return mark


def load_functions(path: Path) -> tuple[PythonCandidate, ...]:
    """The marked functions of a Python file, which is run for that.

    Raises ConfigError where it does not run or marks nothing.
    """
    before = len(_marked)
    spec = importlib.util.spec_from_file_location("bitnet_perf_candidate", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"candidate: {path}: accepted is a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        found = tuple(PythonCandidate(*each) for each in _marked[before:])
    except BitnetPerfError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"candidate: {path}: it cannot be run ({type(error).__name__}: {error})"
        ) from error
    finally:
        del _marked[before:]
    if not found:
        raise ConfigError(
            f'candidate: {path}: no function is marked; mark one with @bp.candidate("gemv_i2_s")'
        )
    return found


def compile_candidate(source: Path, flags: Sequence[str] | None = None) -> Path:
    """Compile one C or C++ file into a shared object in the cache; unchanged input is not compiled
    again. A shared object (.so) is taken as it is.

    The compiler is $CXX, else c++, else g++ or clang++; `flags` replace FLAGS. Raises ConfigError
    with the compiler's first errors where the file does not compile, and EnvironmentRefused where
    there is no compiler.
    """
    source = source.absolute()
    if source.suffix == ".so":
        return source
    if source.suffix == ".cu":
        raise EnvironmentRefused(
            f"candidate: {source}: a CUDA kernel is tried by itself, with `bitnet-perf try FILE "
            f"--family gemv_w2a8`; accepted here are {', '.join(SUFFIXES)} and .py"
        )
    if source.suffix not in SUFFIXES:
        raise ConfigError(
            f"candidate: found {str(source)!r}, accepted is a file that ends in "
            f"{', '.join(SUFFIXES)}, .so or .py"
        )
    if not source.is_file():
        raise ConfigError(f"candidate: {source}: there is no such file")
    words = compiler()
    language = SUFFIXES[source.suffix]
    options = [
        *(["-std=c++20"] if language == "c++" else []),
        *(FLAGS if flags is None else flags),
        f"-I{include_folder()}",
        "-x",
        language,
    ]
    # Everything that the result depends on: headers, macros of the CPU, options, the compiler.
    seen = _preprocessed([*words, *options, "-E", "-dD", str(source)], source)
    version = _run([*words, "--version"], source)
    key = hashlib.sha256("\0".join([seen, version, *words, *options]).encode()).hexdigest()[:24]
    library = cache_folder("candidates") / f"{key}.so"
    if library.exists():
        os.utime(library)
        return library
    made = library.with_name(f".{key}.{os.getpid()}.so")
    try:
        _run([*words, *options, *_FIXED, str(source), "-o", str(made)], source)
        write_atomic(library, made.read_bytes())
    finally:
        made.unlink(missing_ok=True)
    keep_newest(library.parent, KEPT)
    return library


def _preprocessed(command: Sequence[str], source: Path) -> str:
    """What `command` writes to a file of its own: errors stay apart from it."""
    with tempfile.TemporaryDirectory(prefix="bitnet_perf.") as folder:
        text = Path(folder) / "text"
        _run([*command, "-o", str(text)], source)
        return text.read_text(errors="replace")


def _run(command: Sequence[str], source: Path) -> str:
    done = run_program(
        command,
        source.parent,
        {**os.environ, "LC_ALL": "C"},
        COMPILE_SECONDS,
    )
    if done.timed_out:
        raise ConfigError(f"candidate: {source}: the compiler ran longer than {COMPILE_SECONDS} s")
    if done.status != 0:
        raise ConfigError(f"candidate: {source} does not compile:\n{_errors(done.text)}")
    return done.text


def _errors(text: str, most: int = 3) -> str:
    """The first errors of a compiler, each with its place; without any, the last lines."""
    lines = text.splitlines()
    starts = [at for at, line in enumerate(lines) if re.search(r"\berror:|undefined ref", line)]
    shown: list[str] = []
    for at in starts[:most]:
        shown += lines[at : at + 3]  # the message, the line, the mark below it
    if len(starts) > most:
        shown.append(f"... and {len(starts) - most} more errors")
    return "\n".join(f"  {line}" for line in shown or lines[-10:])
