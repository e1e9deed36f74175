"""What suggestions are made from: facts of one review, each with the record that it stands in."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

from bitnet_perf.analyze import commands
from bitnet_perf.analyze.numbers import EVIDENCE, PROFILE, RAW
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.roofline import Place
from bitnet_perf.bench.paired.raw import Raw

__all__ = ["Allocation", "Facts", "Flag", "Gpu", "Instructions", "Overhead", "Ran", "Repack",
           "Scaling", "allocations_of", "flags_of", "medians_of", "overheads_of", "ran_of",
           "repacks_of", "shares_of"]  # fmt: skip

SCALAR = "scalar"
AVX2 = "avx2"  # the feature that turns vector code on, by itself or behind the name of a crate
REPACK, PACK = "weight_repack", "pack/"  # the operation, and the kernels that pack weights
STEPS = ("generation/decode/", "forward/prefill/")  # cases that repeat, and run kernels alone


@dataclass(frozen=True, slots=True)
class Ran:
    """The instruction set that ran in a case of the candidate, the best that this build has for it
    on this host, and the best that the host has at all. note: what the side said of itself."""

    case: str
    isa: str
    built: str
    host: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Flag:
    """A feature that is off although the host has what it turns on: the cases that were measured
    without it, and the command that runs them with it."""

    name: str
    cases: tuple[str, ...]
    command: str
    file: str = RAW


@dataclass(frozen=True, slots=True)
class Scaling:
    """How many times faster a case is on `threads` threads than on one."""

    case: str
    threads: int
    times: float
    file: str = EVIDENCE

    @property
    def efficiency(self) -> float:
        """The gain of each thread: 1 where each adds a whole one."""
        return self.times / self.threads


@dataclass(frozen=True, slots=True)
class Overhead:
    """The share of a case's time that is in no kernel."""

    case: str
    share: float
    file: str = PROFILE


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a stage or an operation allocates in each iteration of a case that repeats (a decode
    step)."""

    case: str
    operation: str
    allocations: float
    allocated: float
    file: str = PROFILE


@dataclass(frozen=True, slots=True)
class Repack:
    """The share of a case that repeats in which the candidate packs weights again, and where."""

    case: str
    operation: str
    share: float
    file: str = PROFILE


@dataclass(frozen=True, slots=True)
class Instructions:
    """A case's change of instructions, and the function that has most of it ("" where unknown)."""

    case: str
    change: float
    function: str = ""
    file: str = RAW


@dataclass(frozen=True, slots=True)
class Gpu:
    """Times of a GPU case by precision; the bytes that it reads and those that the L2 cache holds;
    the share of a decode step in which the GPU waits for launches. None: not measured."""

    case: str
    seconds: Mapping[str, float]
    bytes: int | None = None
    l2: int | None = None
    waiting: float | None = None
    file: str = EVIDENCE


@dataclass(frozen=True)
class Facts:
    """All that is known. rows: the judged comparison; `seconds`: medians of one iteration of the
    candidate by case. base, candidate: the sides as commands name them. cpus: those allowed.
    localized: what holds the change, and its share. model: the file that was named, if any.
    commands: the line of cargo that runs a case, for the cases of a Cargo workspace."""

    rows: tuple[Row, ...]
    base: str = "BASE"
    candidate: str = "tree"
    cpus: int = 1
    localized: tuple[str, float] | None = None
    model: str | None = None
    commands: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] | None = None
    places: tuple[Place, ...] = ()
    ran: tuple[Ran, ...] = ()
    flags: tuple[Flag, ...] = ()
    scaling: tuple[Scaling, ...] = ()
    overheads: tuple[Overhead, ...] = ()
    allocations: tuple[Allocation, ...] = ()
    repacks: tuple[Repack, ...] = ()
    instructions: tuple[Instructions, ...] = ()
    gpu: tuple[Gpu, ...] = ()

    @property
    def over(self) -> tuple[Row, ...]:
        """The cases over their budget, the slowest first."""
        found = [row for row in self.rows if row.gate == "fail"]
        return tuple(sorted(found, key=lambda row: -(row.slowdown or 0.0)))


def medians_of(raw: Raw) -> dict[str, float]:
    """Seconds of one iteration of the candidate: medians of the CPU times of all looks."""
    found = {}
    for number, case in enumerate(raw.cases()):
        times = [
            float(median(samples.cpu_ns[samples.side == 1]))
            for look in raw.looks(number)
            if (samples := raw.samples(number, look)).pairs
        ]
        if times and not case.get("canary") and not case.get("error"):
            found[case["name"]] = median(times) / 1e9
    return found


def ran_of(
    raw: Raw, kernels: Iterable[tuple[str, str, str]], host: Iterable[str]
) -> tuple[Ran, ...]:
    """What ran in each native case of the candidate.

    kernels: (family, format, isa) of those that this build has and this host runs, best first.
    host: the instruction sets of the host, the best last, as the fingerprint has them.
    """
    best: dict[tuple[str, str], str] = {}
    for family, format, isa in kernels:
        best.setdefault((family, format), isa)
    offered = [SCALAR, *host]
    found = []
    for case in raw.cases():
        isas = case.get("isas")
        if not isas or case.get("canary"):
            continue
        family, format = case["name"].split("/")[1:3]
        built = best.get((family, format.replace(".", "_")))
        if built is not None:
            note = str(case.get("note", ""))
            found.append(Ran(case["name"], isas[-1], built, offered[-1], note))
    return tuple(found)


def flags_of(raw: Raw, host: Iterable[str]) -> tuple[Flag, ...]:
    """The features that cases of a Cargo workspace were measured without on a host that has what
    they turn on, once for each bench; host: its instruction sets."""
    if not any(isa.endswith(AVX2) for isa in host):
        return ()
    missing: dict[tuple[str, str, str], list[str]] = {}
    for case in raw.cases():
        words, crate, bench = case.get("command"), str(case.get("crate", "")), case.get("bench")
        if not isinstance(words, list) or not bench or case.get("skipped") or case.get("error"):
            continue
        on = dict(itertools.pairwise(words)).get("--features", "").split(",")
        for feature in commands.FEATURES.get(crate, "").split(","):
            if feature.endswith(AVX2) and feature not in on and not case.get("canary"):
                missing.setdefault((crate, str(bench), feature), []).append(case["name"])
    return tuple(
        Flag(feature, tuple(cases), commands.cargo_bench(crate, bench, commands.FEATURES[crate]))
        for (crate, bench, feature), cases in missing.items()
    )


class Node(Protocol):
    """A place in an attributed case."""

    @property
    def level(self) -> str:
        """Of the four levels of attribution; "kernel" counts here."""

    @property
    def path(self) -> tuple[str, ...]:
        """Stage, operation, kernel."""

    @property
    def share(self) -> float:
        """Of the time of the base."""

    @property
    def base(self) -> float:
        """Seconds of one iteration of the base."""

    @property
    def change(self) -> float:
        """What the candidate takes more."""


class Attributed(Protocol):
    """A case that was profiled."""

    @property
    def case(self) -> str:
        """Its name."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Its tree."""


class Memory(Protocol):
    """What a stage allocates in one iteration of a case, (base, candidate)."""

    @property
    def case(self) -> str:
        """Its name."""

    @property
    def stage(self) -> str:
        """The stage."""

    @property
    def allocations(self) -> tuple[float, float]:
        """How many."""

    @property
    def allocated(self) -> tuple[float, float]:
        """Their bytes."""


def shares_of(cases: Iterable[Attributed]) -> dict[str, dict[str, float]]:
    """The share of each kernel in the time of every step that was profiled, by case."""
    found: dict[str, dict[str, float]] = {}
    for each in cases:
        if each.case.startswith(STEPS) and each.nodes:
            own = found.setdefault(each.case, {})
            for node in each.nodes:
                if node.level == "kernel":
                    own[node.path[-1]] = own.get(node.path[-1], 0.0) + node.share
    return found


def overheads_of(cases: Iterable[Attributed]) -> tuple[Overhead, ...]:
    """What no kernel takes of the steps that were profiled."""
    return tuple(
        Overhead(case, max(0.0, 1 - sum(own.values()))) for case, own in shares_of(cases).items()
    )


def allocations_of(rows: Iterable[Memory]) -> tuple[Allocation, ...]:
    """What the candidate allocates in each iteration of a step."""
    return tuple(
        Allocation(row.case, row.stage, row.allocations[1], row.allocated[1])
        for row in rows
        if row.case.startswith(STEPS) and row.allocations[1] >= 1
    )


def repacks_of(cases: Iterable[Attributed]) -> tuple[Repack, ...]:
    """Where the candidate packs weights in the steps that were profiled, and how much of a step
    that takes."""
    found = []
    for each in cases:
        total = sum(node.base + node.change for node in each.nodes if node.level == "total")
        if not each.case.startswith(STEPS) or total <= 0:
            continue
        for node in each.nodes:
            inside = node.level == "kernel" and node.path[-1].startswith(PACK)
            packs = node.path[-1:] == (REPACK,) or (inside and REPACK not in node.path)
            if packs and (seconds := node.base + node.change) > 0:
                found.append(Repack(each.case, " > ".join(node.path[1:]), seconds / total))
    return tuple(found)
