"""What this host lacks for each command, and the line that brings it: one list of checks."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bitnet_perf import _native
from bitnet_perf.bench.counters import available
from bitnet_perf.bench.paired.host import allowed_cpus
from bitnet_perf.bench.process import run_program
from bitnet_perf.bench.toolchain import BUILD_TOOLS, has_pip
from bitnet_perf.cache import cache_folder
from bitnet_perf.compiler import build_path, compiler
from bitnet_perf.errors import BitnetPerfError, EnvironmentRefused
from bitnet_perf.kernels.cuda import device, nvrtc, sass

__all__ = ["CHECKS", "Check", "Finding", "doctor"]

SECONDS = 60.0  # for a compiler to make an empty program
FREE_BYTES = 2 << 30  # what builds of a few revisions take


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that commands need: `lacks` is "" where it is there, else what is the matter.

    `needed` tells that those commands cannot do without it; `bring` is the line that brings it.
    """

    name: str
    commands: str
    needed: bool
    lacks: Callable[[], str]
    bring: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A check, carried out."""

    name: str
    commands: str
    needed: bool
    lacks: str
    bring: str

    @property
    def fine(self) -> bool:
        """Whether nothing is lacking."""
        return not self.lacks

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def _program(*names: str) -> Callable[[], str]:
    def lacks() -> str:
        return "" if any(map(shutil.which, names)) else f"{' and '.join(names)} not found"

    return lacks


def _package(*names: str) -> Callable[[], str]:
    def lacks() -> str:
        missing = [name for name in names if importlib.util.find_spec(name) is None]
        return f"not installed: {', '.join(missing)}" if missing else ""

    return lacks


def _compiler() -> str:
    """Builds and candidates take the same compiler: whether it makes a program of C++20."""
    try:
        with tempfile.TemporaryDirectory(prefix="bitnet_perf.") as folder:
            source = Path(folder) / "main.cpp"
            source.write_text("int main() {}\n")
            command = [*compiler(), "-std=c++20", str(source), "-o", str(source.with_suffix(""))]
            done = run_program(command, Path(folder), {**os.environ, "LC_ALL": "C"}, SECONDS)
    except EnvironmentRefused as error:
        return str(error)
    if done.timed_out:
        return f"{command[0]} takes longer than {SECONDS:.0f} s for an empty program"
    said = next((line for line in done.text.splitlines() if "error" in line), f"{done.status}")
    return "" if done.status == 0 else f"{command[0]} makes no program of C++20: {said.strip()}"


def _pip() -> str:
    return "" if has_pip() else f"not installed for {sys.executable}"


def _build_tool(name: str) -> Callable[[], str]:
    """A program that a build runs, where a build looks for it. Where the build backend is not
    installed either, pip brings both."""

    def lacks() -> str:
        programs = BUILD_TOOLS[name]
        path = build_path()
        if any(shutil.which(program, path=path) for program in programs):
            return ""
        brought = importlib.util.find_spec("scikit_build_core") is None
        return "" if brought else f"{' and '.join(programs)} not found"

    return lacks


def _vector_isa() -> str:
    runs = [name for name, _, _, built, here in _native.isas() if built and here]
    return "" if len(runs) > 1 else "only the scalar kernels run on this CPU"


def _cpus() -> str:
    count = len(allowed_cpus())
    return "" if count > 1 else "one CPU: what else runs disturbs every sample"


def _pinning() -> str:
    try:
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, before)
    except (AttributeError, OSError) as error:
        return f"processes cannot be bound to a CPU ({error})"
    return ""


def _huge_pages() -> str:
    try:
        text = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    except OSError:
        return "the kernel has no transparent huge pages"
    return "switched off" if "[never]" in text else ""


def _counters() -> str:
    there, why = available()
    return "" if there else why


def _cache() -> str:
    try:
        folder = cache_folder("doctor")
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        folder.rmdir()
    except (OSError, BitnetPerfError) as error:
        return f"the cache folder cannot be used ({error})"
    return "" if free >= FREE_BYTES else f"{free >> 20} MiB free in {folder.parent}"


def _cuda() -> str:
    return (nvrtc.why_not() or sass.why_not()).removesuffix(f": {nvrtc.BRING}")


PAIRED = "compare, gate, bisect, selftest, try"
BUILDS = "gate, bisect, compare of revisions"
TRIES = f"{BUILDS}, try"
CHECKS = (
    Check("C++20 compiler", TRIES, True, _compiler, "apt-get install g++"),
    Check("git", BUILDS, True, _program("git"), "apt-get install git"),
    Check("pip", BUILDS, True, _pip, "python -m ensurepip"),
    Check("cmake", BUILDS, True, _build_tool("cmake"), "pip install cmake"),
    Check("ninja or make", BUILDS, True, _build_tool("ninja"), "pip install ninja"),
    Check("cache folder", TRIES, True, _cache, "export BITNET_PERF_CACHE=FOLDER with 2 GiB free"),
    Check(
        "binding to a CPU", PAIRED, False, _pinning, "permit sched_setaffinity to this container"
    ),
    Check("two CPUs", PAIRED, False, _cpus, "give this machine a second CPU"),
    Check("vector kernels", "bench, roofline", False, _vector_isa, "a CPU with AVX2 or NEON"),
    Check(
        "huge pages",
        "bench, roofline",
        False,
        _huge_pages,
        "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
    ),
    Check(
        "hardware counters",
        "gate (instructions)",
        False,
        _counters,
        "a host that gives them; else callgrind counts",
    ),
    Check(
        "valgrind", "gate (instructions)", False, _program("valgrind"), "apt-get install valgrind"
    ),
    Check("cargo", "rust --workspace", False, _program("cargo"), "https://rustup.rs"),
    Check(
        "matplotlib, pandas",
        "compare --plot, roofline --plot, to_frame",
        False,
        _package("matplotlib", "pandas"),
        "pip install 'bitnet_perf[report]'",
    ),
    Check(
        "psycopg",
        "import, history (PostgreSQL)",
        False,
        _package("psycopg"),
        "pip install 'bitnet_perf[postgresql]'",
    ),
    Check(
        "httpx",
        "gate --publish, publish",
        False,
        _package("httpx"),
        "pip install 'bitnet_perf[github]'",
    ),
    Check("numba", "isa 'numba'", False, _package("numba"), "pip install 'bitnet_perf[numba]'"),
    Check("CUDA compiler", "CUDA kernels (compile, inspect)", False, _cuda, nvrtc.BRING),
    Check(
        "GPU",
        "CUDA kernels (run), --device cuda",
        False,
        lambda: device.available()[1],
        f"{device.BRING} on a host with one and its driver",
    ),
)


def doctor(checks: tuple[Check, ...] = CHECKS) -> tuple[Finding, ...]:
    """Carry out the checks, in their order."""
    return tuple(Finding(c.name, c.commands, c.needed, c.lacks(), c.bring) for c in checks)
