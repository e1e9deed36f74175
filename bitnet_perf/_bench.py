"""The versioned entry that times native cases: the worker of a comparison imports this and no more.

Importing this module loads no NumPy. A case is named `stage/family/format/shape/threads`; a shape
that ends in `-512mb` runs over distinct copies of its inputs that fill at least 512 MiB, so that
each iteration reads them from memory.
"""

from __future__ import annotations

from collections import namedtuple  # that of typing is slow to load, and every worker does

from bitnet_perf import _native

__all__ = ["VERSION", "Times", "Work", "check", "families", "load_candidate", "loop",
           "set_tunables", "work"]  # fmt: skip

VERSION = 1


class Times(namedtuple("Times", ("wall_ns", "cpu_ns", "switches"))):
    """What a whole loop took: wall and CPU time in nanoseconds, involuntary context switches."""

    __slots__ = ()

    wall_ns: int
    cpu_ns: int
    switches: int


class Work(namedtuple("Work", ("bytes", "ops", "footprint", "written", "isa"))):
    """What one iteration does: bytes of input plus output, operations (a multiply-add is two).

    `footprint` is the number of bytes a long loop walks through, `written` the size of the checked
    result, `isa` what runs.
    """

    __slots__ = ()

    bytes: int
    ops: int
    footprint: int
    written: int
    isa: str


def loop(case: str, iterations: int, isa: str = "", extra: float = 0.0) -> Times:
    """Run `case` `iterations` times in native code, with the GIL released.

    Wall time is CLOCK_MONOTONIC_RAW; CPU time and switches are those of the thread, or of the
    process where the case uses several threads. The first call for a case makes its inputs and
    checks its result; a wrong result raises MeasurementError, so that it never gets a time. An
    unknown case raises ConfigError, an instruction set that cannot run here IsaError.

    `extra` adds work on purpose (0.05: 1.05 times the work of `iterations`), so that a comparison
    can be tried on a slowdown of known size; gemv of i2_s alone admits parts of an iteration.
    """
    return Times(*_native.bench_loop(case, iterations, isa, extra))


def work(case: str, isa: str = "") -> Work:
    """Work of one iteration of `case`, as its kernels state it, and the variant that runs."""
    return Work(*_native.bench_work(case, isa))


def check(case: str, isa: str = "", flip: int = -1) -> None:
    """Run `case` once and check its result, with byte `flip` of it inverted where `flip` >= 0."""
    _native.bench_check(case, isa, flip)


def families() -> dict[str, str]:
    """Families that can be timed, each with its stage; `host` for limits of the host."""
    return dict(_native.bench_families())


def set_tunables(values: str) -> None:
    """Set tunables of this process, written as `name=value,name=value`.

    Raises ConfigError (unknown name, value out of bounds), IsaError; then none is set.
    """
    _native.set_tunables([word.partition("=")[::2] for word in values.split(",") if word])


def load_candidate(path: str) -> tuple[str, ...]:
    """Load a shared object that implements candidate.h: its functions run as `isa="candidate"`.

    Gives what it defines, such as "gemv_i2_s". A process holds one candidate; the same path again
    changes nothing. Raises ConfigError where it cannot be loaded, was compiled for another version
    of the header, defines nothing of it, or another candidate is loaded. Its code runs in this
    process, unguarded: check it first (`bitnet_perf.bench.candidates.check`).
    """
    return tuple(_native.load_candidate(path))
