"""How well kernels use the host, of both sides: vector variants against scalar, threads against
one, and each timed case under the limits that were measured in the same run."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bitnet_perf.analyze.evidence import (
    Evidence,
    KernelTime,
    Misses,
    SideEvidence,
    StageMemory,
    Timed,
    WorkOf,
)
from bitnet_perf.analyze.levels import level_of
from bitnet_perf.analyze.roofline import Place, place
from bitnet_perf.bench.ceilings import Ceilings
from bitnet_perf.bench.paired.raw import Raw

__all__ = [
    "CacheRow",
    "Gain",
    "Placed",
    "Ratio",
    "StageRow",
    "cache_rows",
    "kernel_places",
    "places",
    "scaling_of_threads",
    "stage_rows",
    "vector_gains",
]

SCALAR = "scalar"


@dataclass(frozen=True, slots=True)
class Ratio:
    """Times faster: the median over the rounds and its quartiles."""

    value: float
    low: float
    high: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Gain:
    """How many times faster a case is than its plain form: than scalar, or than one thread.

    isa: what ran; of both sides where they differ. threads: of the case. base, candidate: None
    where a side has none. place: of the candidate under the limits of the host.
    """

    case: str
    isa: str
    threads: int
    base: Ratio | None
    candidate: Ratio | None
    place: Place | None = None

    @property
    def efficiency(self) -> float | None:
        """Of the candidate, the gain of each thread: 1 where every thread adds a whole one."""
        return None if self.candidate is None else self.candidate.value / self.threads

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"place": self.place.to_dict() if self.place else None}


@dataclass(frozen=True, slots=True)
class Placed:
    """A case under the limits of the host, on both sides; None where it was not timed."""

    case: str
    base: Place | None
    candidate: Place | None


@dataclass(frozen=True, slots=True)
class StageRow:
    """Native allocations and peak memory of a stage on both sides; None where it was not run."""

    stage: str
    base: StageMemory | None
    candidate: StageMemory | None


@dataclass(frozen=True, slots=True)
class CacheRow:
    """Accesses and misses of one iteration on both sides; None where they were not counted."""

    case: str
    base: Misses | None
    candidate: Misses | None


def vector_gains(evidence: Evidence) -> tuple[Gain, ...]:
    """Every case that was timed by its best variant and by scalar, on one thread."""
    found = []
    for case in _cases(evidence):
        ratios, ran = [], []
        for side in evidence.sides:
            best, plain = _one(side, case, ""), _one(side, case, SCALAR)
            vector = best if best is not None and best.ran != SCALAR else None
            ratios.append(_ratio(plain, vector))
            ran += [vector.ran] if vector else []
        if any(ratios):
            place = _place_timed(evidence, _one(evidence.candidate, case, ""))
            isa = " and ".join(dict.fromkeys(ran))
            found.append(Gain(case, isa, 1, ratios[0], ratios[1], place))
    return tuple(found)


def scaling_of_threads(evidence: Evidence) -> tuple[Gain, ...]:
    """Every case of several threads against the same case on one, by the clock of the wall."""
    found = []
    for case in _cases(evidence):
        name, _, team = case.rpartition("/t")
        threads, single = int(team), f"{name}/t1"
        if threads == 1:
            continue
        ran = [each for side in evidence.sides if (each := _one(side, case, ""))]
        ratios = [_ratio(_one(side, single, ""), _one(side, case, "")) for side in evidence.sides]
        if any(ratios):
            isa = " and ".join(dict.fromkeys(each.ran for each in ran))
            found.append(Gain(case, isa, threads, ratios[0], ratios[1]))
    return tuple(found)


def _cases(evidence: Evidence) -> Iterable[str]:
    return dict.fromkeys(each.case for side in reversed(evidence.sides) for each in side.timed)


def _one(side: SideEvidence, case: str, asked: str) -> Timed | None:
    return next((each for each in side.timed if (each.case, each.asked) == (case, asked)), None)


def _ratio(plain: Timed | None, fast: Timed | None) -> Ratio | None:
    """Over the rounds that both took part in."""
    if plain is None or fast is None:
        return None
    ratios = [a / b for a, b in zip(plain.seconds, fast.seconds, strict=False)]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else 3 * ratios
    return Ratio(middle, low, high, len(ratios))


def _place_timed(evidence: Evidence, timed: Timed | None) -> Place | None:
    work = _works(evidence).get(timed.case) if timed else None
    if timed is None or work is None or evidence.ceilings is None:
        return None
    return _placed(work, timed.ran, statistics.median(timed.seconds), evidence.ceilings)


def places(evidence: Evidence, raw: Raw | None) -> tuple[Placed, ...]:
    """Every case of the comparison whose work is known, under the limits of one run.

    Times and limits were measured minutes apart: on a shared host a place above its limit shows how
    much the host changed in between.
    """
    if raw is None or evidence.ceilings is None:
        return ()
    works = _works(evidence)
    found = []
    for number, case in enumerate(raw.cases()):
        work = works.get(case["name"])
        if work is None or case.get("canary"):
            continue
        isas = case.get("isas", (work.isa, work.isa))
        sides = []
        for side in (0, 1):
            level = level_of(raw, number, side)
            sides.append(
                None if level is None else _placed(work, isas[side], level.value, evidence.ceilings)
            )
        if any(sides):
            found.append(Placed(case["name"], *sides))
    return tuple(found)


def kernel_places(evidence: Evidence) -> tuple[Placed, ...]:
    """Every kernel of a profiled prefill and decode under the limits of the same run, the one that
    takes most time first."""
    if evidence.ceilings is None:
        return ()
    found: list[dict[str, Place]] = []
    for side in evidence.sides:
        found.append({each.kernel: _place_kernel(each, evidence.ceilings) for each in side.kernels})
    names = dict.fromkeys(each.kernel for side in evidence.sides[::-1] for each in side.kernels)
    return tuple(Placed(name, found[0].get(name), found[1].get(name)) for name in names)


def _place_kernel(kernel: KernelTime, ceilings: Ceilings) -> Place:
    isa = kernel.kernel.rpartition("/")[2]
    read = ceilings.read_limit(kernel.footprint, kernel.threads)
    mac = ceilings.mac_limit(isa, kernel.threads)
    return place(
        kernel.kernel,
        isa,
        kernel.seconds,
        (kernel.bytes, kernel.ops),
        read=(read.level, read.gb_per_s) if read else None,
        mac=mac.gop_per_s if mac else None,
    )


def _works(evidence: Evidence) -> Mapping[str, WorkOf]:
    return {each.case: each for each in evidence.works}


def _placed(work: WorkOf, isa: str, seconds: float, ceilings: Ceilings) -> Place:
    threads = int(work.case.rpartition("/t")[2])
    read = ceilings.read_limit(work.footprint, threads)
    write = ceilings.read_limit(work.footprint, threads, writes=True)
    mac = ceilings.mac_limit(isa, threads)
    return place(
        work.case,
        isa,
        seconds,
        (work.bytes, work.ops),
        read=(read.level, read.gb_per_s) if read else None,
        mac=mac.gop_per_s if mac else None,
        write=(work.written, write.gb_per_s) if write else None,
    )


def stage_rows(evidence: Evidence) -> tuple[StageRow, ...]:
    """Memory by stage, both sides beside each other, in the order of a run."""
    known = [{each.stage: each for each in side.stages} for side in evidence.sides]
    names = dict.fromkeys([*known[1], *known[0]])
    return tuple(StageRow(name, known[0].get(name), known[1].get(name)) for name in names)


def cache_rows(evidence: Evidence) -> tuple[CacheRow, ...]:
    """Counted cases, both sides beside each other; none where the part is missing."""
    counted = [{each.case: each for each in side.misses} for side in evidence.sides]
    names = dict.fromkeys([*counted[1], *counted[0]])
    return tuple(CacheRow(name, counted[0].get(name), counted[1].get(name)) for name in names)
