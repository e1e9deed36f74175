"""All cases together: from the records of a run to what changed where, and who may have done it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bitnet_perf import _native
from bitnet_perf.analyze.attribution.cases import Part, parts_of
from bitnet_perf.analyze.attribution.functions import (
    Counted,
    Places,
    native_functions,
    python_functions,
    read_counts,
)
from bitnet_perf.analyze.attribution.memory import Growth, MemoryRow, growths, memory_rows
from bitnet_perf.analyze.attribution.ranking import (
    Commit,
    FileSuspect,
    Localized,
    Portion,
    localize,
    rank_files,
)
from bitnet_perf.analyze.attribution.tree import (
    OUTSIDE,
    TreeNode,
    case_nodes,
    operation_of_case,
    ordered,
)
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.words import percent
from bitnet_perf.bench.paired.profiles import CaseProfile, Profiles
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.stages.table import STAGES

__all__ = ["Attribution", "CaseAttribution", "attribute_profiles"]


@dataclass(frozen=True)
class CaseAttribution:
    """One case: its tree, the functions below it, and whether its total is that of the comparison.

    `nodes`: the total first, see `case_nodes`. `agrees`: None where the comparison has no such
    number; `check` says it in words, with both. `missing`: why the case was not recorded.
    """

    case: str
    nodes: tuple[TreeNode, ...] = ()
    functions: tuple[TreeNode, ...] = ()
    agrees: bool | None = None
    check: str = ""
    missing: str = ""
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> TreeNode | None:
        """The whole case, None where it was not recorded."""
        return self.nodes[0] if self.nodes else None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "case": self.case,
            "nodes": [node.to_dict() for node in self.nodes],
            "functions": [node.to_dict() for node in self.functions],
            "agrees": self.agrees,
            "check": self.check,
            "missing": self.missing,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Attribution:
    """Where the change of a run lies. `nodes` sums the trees of all cases that were recorded, the
    bounds in quadrature because pairs of different cases are independent; `suspects` and
    `localized` are about the cases that became slower (or those that were asked about),
    `leak_suspects` about those that leak, each with the same weight."""

    cases: tuple[CaseAttribution, ...] = ()
    nodes: tuple[TreeNode, ...] = ()
    memory: tuple[MemoryRow, ...] = ()
    growths: tuple[Growth, ...] = ()
    portions: tuple[Portion, ...] = field(default=(), repr=False)
    suspects: tuple[FileSuspect, ...] = ()
    leak_suspects: tuple[FileSuspect, ...] = ()
    localized: Localized | None = None

    def case(self, name: str) -> CaseAttribution | None:
        """The case of that name, None where there is none."""
        return next((each for each in self.cases if each.case == name), None)

    def level(self, level: str) -> tuple[TreeNode, ...]:
        """The summed nodes of one level, the largest change first."""
        return tuple(node for node in self.nodes if node.level == level)

    @property
    def functions(self) -> tuple[TreeNode, ...]:
        """The functions of all cases, those of each from its largest change on."""
        return tuple(node for case in self.cases for node in case.functions)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "cases": [case.to_dict() for case in self.cases],
            "nodes": [node.to_dict() for node in self.nodes],
            "memory": [row.to_dict() for row in self.memory],
            "growths": [row.to_dict() for row in self.growths],
            "suspects": [suspect.to_dict() for suspect in self.suspects],
            "leak_suspects": [suspect.to_dict() for suspect in self.leak_suspects],
            "localized": self.localized.to_dict() if self.localized else None,
        }


def attribute_profiles(
    profiles: Profiles | None,
    raw: Raw,
    rows: Sequence[Row],
    *,
    over: Iterable[str] | None = None,
    changed: Iterable[str] = (),
    commits: Sequence[Commit] = (),
    places: Places | None = None,
    crate_of: Callable[[str], str | None] | None = None,
) -> Attribution:
    """Place the change between two sides.

    profiles: of the stage cases, None where none were recorded; raw, rows: the comparison, whose
    cases stand for themselves where there is no profile of them, and bring instruction counts by
    function. over: the cases that suspects are sought for (None: all that are surely slower).
    changed: paths that differ between the sides; commits: those of the branch, oldest first.
    places: where native functions are defined. crate_of: the crate of a file.
    """
    judged = {row.case: row for row in rows}
    native = _Native.of(raw, places)
    recorded = profiles.cases if profiles is not None else ()
    cases = tuple(_case(each, judged.get(each.case), native) for each in recorded)
    wanted = None if over is None else set(over)
    portions = _portions(cases, parts_of(raw, rows), wanted, native)
    grown = growths(recorded)
    leaks = {row.case: Portion(row.path, 1.0) for row in grown if row.leaks}
    files = tuple(changed)
    return Attribution(
        cases=cases,
        nodes=_summed([case for case in cases if case.nodes]),
        memory=memory_rows(recorded),
        growths=grown,
        portions=portions,
        suspects=rank_files(portions, files, commits),
        leak_suspects=rank_files(tuple(leaks.values()), files, commits),
        localized=localize(portions, crate_of),
    )


NOWHERE = "in no one place"  # what is too small in each to be sure of
_FAMILIES = frozenset(row[0] for row in _native.kernels())


@dataclass(frozen=True)
class _Native:
    """Instructions by function of the cases that were counted, the first case of each kernel, and
    where functions are defined."""

    counts: Mapping[str, Counted]
    case_of: Mapping[str, str]
    places: Places

    @classmethod
    def of(cls, raw: Raw, places: Places | None) -> _Native:
        counts: dict[str, Counted] = {}
        case_of: dict[str, str] = {}
        for number, case in enumerate(raw.cases()):
            counted = None if "canary" in case else read_counts(Counted, number, case)
            if counted is None:
                continue
            counts[case["name"]] = counted
            family, codec = (*case["name"].split("/"), "", "")[1:3]
            kernel = f"{family}/{codec.replace('.', '_')}/{case.get('isas', [''])[-1]}"
            case_of.setdefault(kernel, case["name"])
        return cls(counts, case_of, places or {})


def _case(profile: CaseProfile, row: Row | None, native: _Native) -> CaseAttribution:
    nodes = case_nodes(profile)
    if not nodes:
        return CaseAttribution(profile.case, missing=profile.missing, notes=profile.notes)
    functions = list(python_functions(profile, nodes))
    kernels = [n.path[0] for n in nodes if n.level == "kernel" and len(n.path) == 1]
    for kernel in kernels:
        if kernel in native.case_of:
            told = native.counts[native.case_of[kernel]]
            functions += native_functions(told, kernel, nodes, native.places)
    agrees, check = _check(nodes[0], row)
    lost = sum(pair.lost for pair in profile.pairs)
    elsewhere = sum(pair.elsewhere for pair in profile.pairs)
    notes = list(profile.notes)
    notes += [f"{lost} spans were lost: what they took is told one level above"] if lost else []
    notes += [f"{elsewhere} spans of other threads are not in it"] if elsewhere else []
    return CaseAttribution(profile.case, nodes, tuple(functions), agrees, check, "", tuple(notes))


def _check(total: TreeNode, row: Row | None) -> tuple[bool | None, str]:
    """Whether profile and comparison agree: the intervals of the change have a value in common."""
    mine = [value / total.base for value in (total.change, total.low, total.high)]
    told = f"the profile says {percent(mine[0])} ({percent(mine[1])} to {percent(mine[2])})"
    if row is None or row.slowdown is None or row.low is None or row.high is None:
        return None, f"{told}; the comparison has no number of this case"
    agrees = max(mine[1], row.low) <= min(mine[2], row.high)
    other = f"{percent(row.slowdown)} ({percent(row.low)} to {percent(row.high)})"
    if agrees:
        return True, f"{told}, the comparison {other}: they agree"
    return False, f"{told}, the comparison {other}: they differ, take its shares with care"


def _summed(cases: Sequence[CaseAttribution]) -> tuple[TreeNode, ...]:
    """The trees of all cases added up."""
    if not cases:
        return ()
    whole = sum(case.nodes[0].base for case in cases)
    groups: dict[tuple[str, tuple[str, ...]], list[TreeNode]] = {}
    for case in cases:
        for node in case.nodes:
            groups.setdefault((node.level, node.path), []).append(node)
    nodes = []
    for mine in groups.values():
        change = math.fsum(node.change for node in mine)
        half = math.sqrt(math.fsum((node.high - node.change) ** 2 for node in mine))
        base = math.fsum(node.base for node in mine)
        nodes.append(
            replace(
                mine[0],
                base=base,
                change=change,
                low=change - half,
                high=change + half,
                share=base / whole,
                calls=None,
                cases=len(mine),
            )
        )
    total = next(node for node in nodes if node.level == "total")
    return ordered([total, *(node for node in nodes if node is not total)])


def _portions(
    cases: Sequence[CaseAttribution], parts: Sequence[Part], over: set[str] | None, native: _Native
) -> tuple[Portion, ...]:
    """What became slower in the cases that count: by their profiles, and of a case without one by
    the comparison, where the case itself names its kernel. Seconds are of one iteration."""
    found: list[Portion] = []
    recorded = set()
    for case in cases:
        total = case.total
        if total is None or not (total.slower if over is None else case.case in over):
            continue
        leaves = _slower_leaves(total, case.nodes)
        if not leaves:
            continue
        recorded.add(case.case)
        for leaf in leaves:
            path = (leaf.path[0], leaf.path[1], leaf.path[2])
            mine = tuple(f for f in case.functions if _below(f, path))
            found.append(Portion(path, leaf.change, mine))
        rest = total.change - sum(leaf.change for leaf in leaves)
        if rest > 0:
            found.append(Portion((leaves[0].path[0], "", NOWHERE), rest))
    for part in parts:
        wanted = part.low > 0 if over is None else part.case in over and part.change > 0
        if wanted and part.case not in recorded:
            found.append(_portion(part, native))
    return tuple(found)


def _slower_leaves(total: TreeNode, nodes: Sequence[TreeNode]) -> list[TreeNode]:
    """The kernels, each below its operation, that surely became slower; and one whose interval is
    as wide as that of the total, where all others together cannot have made half of the change."""
    leaves = [node for node in nodes if node.level == "kernel" and len(node.path) == 3]
    most = sum(max(leaf.high, 0.0) for leaf in leaves)
    return [
        leaf for leaf in leaves if leaf.slower or 0 <= most - max(leaf.high, 0.0) < total.change / 2
    ]


def _portion(part: Part, native: _Native) -> Portion:
    """A case that was not recorded, or whose profile shows no one place."""
    kernel = part.kernel.replace(".", "_")
    own = kernel.partition("/")[0] in _FAMILIES
    path = (
        STAGES.get(part.stage, part.stage),
        operation_of_case(part.case),
        kernel if own else OUTSIDE,
    )
    told = native.counts.get(part.case)
    functions = native_functions(told, kernel, (), native.places) if told and own else ()
    return Portion(path, part.change, functions)


def _below(function: TreeNode, path: tuple[str, str, str]) -> bool:
    """Whether a function belongs to that leaf: named below it, or below an operation whose own
    time the leaf is."""
    if len(function.path) == 4:
        return function.path[:3] == path
    return function.path[:2] == path[:2] and "/" not in path[2]
