"""The limits of this host: streaming reads by cache level, multiply-adds by instruction set, the
fork-join of a job of several threads."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bitnet_perf import _bench, _native
from bitnet_perf.bench.fingerprint import Fingerprint, fingerprint
from bitnet_perf.errors import MeasurementError
from bitnet_perf.files import write_atomic

__all__ = [
    "Ceilings",
    "JoinLimit",
    "MacLimit",
    "ReadLimit",
    "Sample",
    "measure_ceilings",
    "sampler",
    "stream_probes",
]

MIB = 1 << 20
WINDOW = 16 * MIB  # bytes of one read from memory: about a millisecond
READ_SAMPLE = 0.002  # seconds of one sample
MAC_SAMPLE = 0.001
# Multiply-adds of one call: 8 us of AMX, whose tiles are taken and given back in it.
MACS = 25_165_824
JOBS = 1000  # of one call, so that waking a team that sleeps is no part of it


class ReadLimit(BaseModel):
    """Reading (or writing) at one level: median and interquartile range of the best pattern, GB/s.

    `bytes` were walked through on huge pages; `patterns` holds the median of every pattern.
    """

    model_config = ConfigDict(frozen=True)

    level: str
    bytes: int
    threads: int
    pattern: str
    gb_per_s: float
    spread: float
    patterns: dict[str, float]


class MacLimit(BaseModel):
    """Multiply-adds with all operands in registers: median and interquartile range, in Gop/s."""

    model_config = ConfigDict(frozen=True)

    isa: str
    threads: int
    gop_per_s: float
    spread: float

    @property
    def case(self) -> str:
        """The case that measures it again, on `isa`."""
        return _mac_case(self.threads)


class JoinLimit(BaseModel):
    """Handing a job to the team and waiting for its end: what a job of some microseconds takes
    beyond its share of the time of one thread; median and interquartile range, in seconds."""

    model_config = ConfigDict(frozen=True)

    threads: int
    seconds: float
    spread: float


class Ceilings(BaseModel):
    """What this host can do at most, for 1 and n threads."""

    model_config = ConfigDict(frozen=True)

    host: Fingerprint
    reads: tuple[ReadLimit, ...]
    macs: tuple[MacLimit, ...]
    writes: tuple[ReadLimit, ...] = ()
    joins: tuple[JoinLimit, ...] = ()

    def read_limit(self, footprint: int, threads: int, *, writes: bool = False) -> ReadLimit | None:
        """The limit for a loop over `footprint` bytes: that of the fastest level that holds half.

        `writes` asks for the limit of writing. None where that number of threads was not measured.
        """
        limits = self.writes if writes else self.reads
        levels = [limit for limit in limits if limit.threads == threads]
        for limit in levels[:-1]:
            size = self.host.cache_bytes(int(limit.level[1:]))
            shared = 1 if limit.level == "L3" else threads
            if size is not None and footprint <= 2 * size * shared:
                return limit
        return levels[-1] if levels else None

    def mac_limit(self, isa: str, threads: int) -> MacLimit | None:
        """The limit of one instruction set, or None where it was not measured."""
        return next((m for m in self.macs if (m.isa, m.threads) == (isa, threads)), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return self.model_dump(mode="json")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write as JSON, whole or not at all."""
        return write_atomic(path, json.dumps(self.to_dict(), indent=1) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ceilings:
        """Read what `save` wrote; MeasurementError names the file and the field otherwise."""
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except (OSError, ValidationError) as error:
            raise MeasurementError(
                f"{os.fspath(path)}: not a file of ceilings ({error})"
            ) from error


@dataclass(frozen=True, slots=True)
class Sample:
    """One timing of a case: seconds of an iteration, and its rates."""

    seconds: float
    gb_per_s: float
    gop_per_s: float


def sampler(case: str, length: float, isa: str = "") -> Callable[[], Sample]:
    """A function that times `case` over about `length` seconds.

    The time is CPU time of the thread, which leaves out what other programs took from a shared
    host; wall time where there are several threads.
    """
    work = _bench.work(case, isa)

    def seconds(iterations: int) -> float:
        times = _bench.loop(case, iterations, isa)
        return (times.cpu_ns if case.endswith("/t1") else times.wall_ns) / iterations / 1e9

    once = min(seconds(1), seconds(2))
    iterations = max(1, round(length / max(once, 1e-9)))

    def sample() -> Sample:
        if not case.partition("-")[2]:  # back into the caches, whatever ran in between
            _bench.loop(case, iterations, isa)
        taken = seconds(iterations)
        return Sample(taken, work.bytes / taken / 1e9, work.ops / taken / 1e9)

    return sample


def measure_ceilings(
    threads: int | None = None,
    rounds: int = 25,
    memory: int = 1 << 30,
    on_progress: Callable[[str], None] | None = None,
) -> Ceilings:
    """Measure the limits of this host with 1 and `threads` threads (default: all it may use).

    Patterns take turns, `rounds` times; the best median is the limit. The memory level walks
    `memory` bytes, or a quarter of what is free where that is less; `bytes` says how many.
    """
    host = fingerprint()
    teams = sorted({1, threads or host.allowed})
    reads, writes = [], []
    for team in teams:
        for level, size in _levels(host, team, memory):
            if on_progress is not None:
                on_progress(f"reading and writing {level} with {team} threads")
            reads.append(_measure_stream("probe_read", level, size, team, rounds))
            writes.append(_measure_stream("probe_write", level, size, team, rounds))
    macs = []
    for isa in [row[2] for row in _native.kernels() if row[0] == "probe_mac" and not row[3]]:
        for team in teams:
            if on_progress is not None:
                on_progress(f"multiply-adds of {isa} with {team} threads")
            macs.append(_measure_macs(isa, team, rounds))
    joins = tuple(_measure_joins(team, rounds) for team in teams if team > 1)
    return Ceilings(
        host=host, reads=tuple(reads), macs=tuple(macs), writes=tuple(writes), joins=joins
    )


def _levels(host: Fingerprint, threads: int, memory: int) -> list[tuple[str, int]]:
    """Levels and the bytes to walk through in each: what stays there. A virtual machine shares its
    last level with strangers, so a quarter of that one.
    """
    found = []
    for level in (1, 2, 3):
        size = host.cache_bytes(level)
        if size is not None and (level > 1 or threads == 1):
            part = size // 4 if level == 3 else size // 2 * threads
            found.append((f"L{level}", part // 1024 * 1024))
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found.append(("memory", max(WINDOW, min(memory, free // 4) // WINDOW * WINDOW)))
    return found


def stream_probes(size: int, threads: int, family: str = "probe_read") -> dict[str, str]:
    """The cases that read (or `probe_write`) `size` bytes over and over, one for each pattern."""
    names = dict.fromkeys(row[1] for row in _native.kernels() if row[0] == family)
    piece = (size + 1023) // 1024 * 1024
    shape = f"{WINDOW}-{size // MIB}mb" if size > 4 * WINDOW else str(piece)
    return {name: f"host/{family}/{name}/{shape}/t{threads}" for name in names}


def _mac_case(threads: int) -> str:
    return f"host/probe_mac/chain/{MACS * threads}/t{threads}"


def _spread(values: list[float]) -> float:
    low, _, high = statistics.quantiles(values, n=4)
    return high - low


def _measure_stream(family: str, level: str, size: int, threads: int, rounds: int) -> ReadLimit:
    probes = {
        name: sampler(case, READ_SAMPLE)
        for name, case in stream_probes(size, threads, family).items()
    }
    rates: dict[str, list[float]] = {name: [] for name in probes}
    for _ in range(rounds):
        for name, probe in probes.items():
            rates[name].append(probe().gb_per_s)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    best = max(medians, key=lambda name: medians[name])
    return ReadLimit(
        level=level,
        bytes=size,
        threads=threads,
        pattern=best,
        gb_per_s=medians[best],
        spread=_spread(rates[best]),
        patterns=medians,
    )


def _measure_macs(isa: str, threads: int, rounds: int) -> MacLimit:
    probe = sampler(_mac_case(threads), MAC_SAMPLE, isa)
    rates = [probe().gop_per_s for _ in range(rounds)]
    return MacLimit(
        isa=isa, threads=threads, gop_per_s=statistics.median(rates), spread=_spread(rates)
    )


def _measure_joins(threads: int, rounds: int) -> JoinLimit:
    alone, shared = (
        sampler(f"host/probe_join/chunks/{JOBS}/t{team}", MAC_SAMPLE) for team in (1, threads)
    )
    times = [(shared().seconds - alone().seconds / threads) / JOBS for _ in range(rounds)]
    return JoinLimit(threads=threads, seconds=statistics.median(times), spread=_spread(times))
