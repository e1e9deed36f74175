"""Where a change of speed lies: by stage and by kernel, and which changed files could cause it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from bitnet_perf.analyze.counts import LOCALIZED
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.bench.paired.schema import PROCESSES
from bitnet_perf.stages.sources import nearness

__all__ = ["Node", "Part", "Suspect", "attribute", "localized", "parts_of", "suspects"]

Level = Literal["stage", "kernel"]


@dataclass(frozen=True, slots=True)
class Part:
    """One timed case: its stage, its kernel (family/format/isa), seconds of one iteration of base,
    and the seconds that the candidate takes more, with bounds. Of whole processes (a Cargo
    workspace) base counts as 1, because nanoseconds of a bench and seconds of a model add up to
    nothing that a run takes."""

    case: str
    stage: str
    kernel: str
    base: float
    change: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Node:
    """Some parts together.

    share: of the base's time. change, low, high: seconds that the candidate takes more in one
    iteration of each case. of_change: share of the whole change, None where that is 0. The bounds
    of a sum are those of its parts in quadrature, because pairs of different cases are independent.
    """

    level: Level
    name: str
    cases: int
    share: float
    change: float
    low: float
    high: float
    of_change: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A kernel whose time changed, and the changed files that it is made of."""

    kernel: str
    change: float
    files: tuple[str, ...]


def parts_of(raw: Raw, rows: Iterable[Row]) -> tuple[Part, ...]:
    """The timed cases of a comparison; those without an interval have no part in a change."""
    numbers = {case["name"]: (n, case) for n, case in enumerate(raw.cases())}
    found = []
    for row in rows:
        if row.slowdown is None or row.low is None or row.high is None:
            continue
        number, case = numbers[row.case]
        relative = case.get("evidence") == PROCESSES
        samples = raw.samples(number, raw.looks(number)[row.look])
        times = samples.wall_ns if row.clock == "wall" else samples.cpu_ns
        base = 1.0 if relative else float(np.median(times[samples.side == 0])) / 1e9
        stage, family, codec = (*row.case.split("/"), "", "")[:3]
        isas = case.get("isas", ["", ""])
        isa = isas[0] if isas[0] == isas[-1] else " and ".join(isas)
        kernel = "/".join(filter(None, (family, codec, isa)))
        changes = (base * value for value in (row.slowdown, row.low, row.high))
        found.append(Part(row.case, stage, kernel, base, *changes))
    return tuple(found)


def attribute(parts: Sequence[Part], level: Level) -> tuple[Node, ...]:
    """The parts summed by stage or kernel: those whose bounds leave out 0 first, and of them the
    largest contribution.

    Changes add up to the whole change, shares of base and of the change to 1.
    """
    total = sum(part.base for part in parts)
    whole = sum(part.change for part in parts)
    groups: dict[str, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.stage if level == "stage" else part.kernel, []).append(part)
    nodes = []
    for name, mine in groups.items():
        change = sum(part.change for part in mine)
        below = math.sqrt(sum((part.change - part.low) ** 2 for part in mine))
        above = math.sqrt(sum((part.high - part.change) ** 2 for part in mine))
        nodes.append(
            Node(
                level,
                name,
                len(mine),
                sum(part.base for part in mine) / total,
                change,
                change - below,
                change + above,
                change / whole if whole else None,
            )
        )
    return tuple(sorted(nodes, key=lambda node: (node.low <= 0 <= node.high, -abs(node.change))))


def localized(parts: Sequence[Part], over: Iterable[str]) -> tuple[str, float] | None:
    """(kernel, its share) where one kernel holds at least LOCALIZED of what became slower in the
    cases `over` their budget; None otherwise."""
    names = set(over)
    slower = [part for part in parts if part.case in names and part.change > 0]
    total = sum(part.change for part in slower)
    if not slower:
        return None
    by_kernel: dict[str, float] = {}
    for part in slower:
        by_kernel[part.kernel] = by_kernel.get(part.kernel, 0.0) + part.change
    kernel = max(by_kernel, key=lambda name: by_kernel[name])
    share = by_kernel[kernel] / total
    return (kernel, share) if share >= LOCALIZED else None


def suspects(nodes: Iterable[Node], changed: Sequence[str]) -> tuple[Suspect, ...]:
    """Kernels that became slower by more than noise, the largest first, with the changed files that
    they are made of, the nearest first."""
    found = []
    for node in nodes:
        if node.level == "kernel" and node.low > 0:
            near = sorted((-nearness(path, "", node.name), path) for path in changed)
            found.append(Suspect(node.name, node.change, tuple(path for far, path in near if far)))
    return tuple(found)
