"""Where a change of a Cargo workspace lies: by instruction counts, else by what benches show.

A benchmark of nanoseconds stands beside a model that runs for seconds: what is added up are changes
relative to the base, each case alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field

from bitnet_perf.analyze.attribution.cases import Part, parts_of
from bitnet_perf.analyze.attribution.functions import read_counts
from bitnet_perf.analyze.attribution.ranking import (
    Commit,
    FileSuspect,
    Localized,
    Place,
    largest,
    touched,
)
from bitnet_perf.analyze.attribution.tree import TreeNode, of_change
from bitnet_perf.analyze.attribution.whole import Attribution, CaseAttribution
from bitnet_perf.analyze.counts import MUCH, short_name
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.stages.table import STAGES

__all__ = ["attribute_workspace", "is_of_workspace"]

# How near a changed file is: the one where instructions were added, its crate, and where nothing
# was counted the crate of the bench, then what that is built of.
SAME_FILE, SAME_CRATE, BUILT_OF = 1.0, 0.5, 0.25
Name = Annotated[str, Field(max_length=10_000)]
Count = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Function(BaseModel):
    """A `PlaceDifference` (analyze/counts.py) out of a raw file, read without trust."""

    name: Name
    base: Count
    candidate: Count
    crate: Name = ""
    file: Name = ""
    line: Annotated[int, Field(ge=0)] = 0


class _Counted(BaseModel):
    """The `instructions` of a case, where it was counted."""

    base: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    candidate: Count
    functions: Annotated[tuple[_Function, ...], Field(max_length=100_000)] = ()


@dataclass(frozen=True, slots=True)
class _Share:
    """Some of what became slower: `weight` is relative to the base of its case. `crate`, `file` and
    `function` are those where instructions were added; without counts the crate of the bench.
    `built_of`: the crates that the bench is built of."""

    stage: str
    bench: str
    function: str
    crate: str
    file: str
    weight: float
    counted: bool
    built_of: frozenset[str] = frozenset()

    def nearness(self, path: str, crate: str | None) -> float:
        """How near a changed file of a crate is to it."""
        if self.file and path == self.file:
            return SAME_FILE
        if crate is not None and crate == self.crate:
            return SAME_CRATE
        return BUILT_OF if not self.counted and crate in self.built_of else 0.0


def is_of_workspace(raw: Raw) -> bool:
    """Whether the cases are benches of a Cargo workspace."""
    return any("crate" in case for case in raw.cases())


def attribute_workspace(
    raw: Raw,
    rows: Sequence[Row],
    *,
    over: Iterable[str] | None,
    changed: Iterable[str],
    commits: Sequence[Commit],
    crate_of: Callable[[str], str | None],
) -> Attribution:
    """Place the change between two revisions; the arguments are those of `attribute_profiles`.

    Raises FormatError for counts that cannot be read.
    """
    wanted = None if over is None else set(over)
    parts = [
        part
        for part in parts_of(raw, rows)
        if (part.low > 0 if wanted is None else part.case in wanted and part.change > 0)
    ]
    cases = {case["name"]: (number, case) for number, case in enumerate(raw.cases())}
    counted = {part.case: read_counts(_Counted, *cases[part.case]) for part in parts}
    shares = [
        share for part in parts for share in _shares(part, cases[part.case][1], counted[part.case])
    ]
    nodes = (
        CaseAttribution(part.case, functions=tuple(_functions(part, told)))
        for part in parts
        if (told := counted[part.case]) is not None
    )
    return Attribution(
        cases=tuple(nodes),
        suspects=_suspects(shares, changed, commits, crate_of),
        localized=_localized(shares),
    )


def _shares(part: Part, case: Mapping[str, Any], counted: _Counted | None) -> Iterator[_Share]:
    """A slower case by the places that add instructions; the whole case where none are known."""
    crate, bench = str(case.get("crate", "")), str(case.get("bench", ""))
    stage = STAGES.get(part.stage, part.stage)
    name, weight = f"{crate}/{bench}".rstrip("/"), part.change
    more = [row for row in counted.functions if row.candidate > row.base] if counted else []
    if counted is None or not more or counted.candidate <= (1 + MUCH) * counted.base:
        built_of = frozenset(map(str, case.get("built_of", ())))
        told = str(case.get("id", ""))
        yield _Share(stage, name, told, crate, "", weight, counted=False, built_of=built_of)
        return
    whole = sum(row.candidate - row.base for row in more)
    for row in more:
        mine = weight * (row.candidate - row.base) / whole
        yield _Share(stage, name, short_name(row.name), row.crate, row.file, mine, counted=True)


def _localized(shares: Sequence[_Share]) -> Localized | None:
    """The narrowest place of most of it: a file or a crate where instructions were added, else a
    bench or its crate."""
    whole = sum(share.weight for share in shares)
    ways: tuple[tuple[Place, Callable[[_Share], str]], ...] = (
        ("module", lambda share: share.file),
        ("crate", lambda share: share.crate if share.counted else ""),
        ("bench", lambda share: "" if share.counted else share.bench),
        ("crate", lambda share: share.crate),
    )
    for kind, name_of in ways:
        found = largest(kind, ((name_of(share), share.weight) for share in shares), whole)
        if found is not None:
            return found
    return None


def _suspects(
    shares: Sequence[_Share],
    changed: Iterable[str],
    commits: Sequence[Commit],
    crate_of: Callable[[str], str | None],
) -> tuple[FileSuspect, ...]:
    """The changed files that have a part in it, the largest score first."""
    whole = sum(share.weight for share in shares)
    found = []
    for file in dict.fromkeys(changed):
        crate = crate_of(file)
        near = [(share.nearness(file, crate), share) for share in shares]
        score = sum(distance * share.weight for distance, share in near) / whole if whole else 0.0
        if score > 0:
            distance, most = max(near, key=lambda each: each[0] * each[1].weight)
            path = (most.stage, most.bench, most.function)
            share = most.weight / whole
            found.append(FileSuspect(file, score, share, distance, path, touched(file, commits)))
    return tuple(sorted(found, key=lambda suspect: (-suspect.score, suspect.file)))


def _functions(part: Part, counted: _Counted) -> Iterator[TreeNode]:
    """The functions whose counts differ, the largest change first; counts are exact."""
    more = counted.candidate - counted.base
    total = TreeNode("function", (), counted.base, more, more, more, 1.0)
    for row in counted.functions:
        change = row.candidate - row.base
        path = (STAGES.get(part.stage, part.stage), part.kernel, short_name(row.name))
        node = TreeNode(
            "function", path, row.base, change, change, change, row.base / counted.base,
            source="callgrind", file=row.file, line=row.line,
        )  # fmt: skip
        yield of_change(node, total)
