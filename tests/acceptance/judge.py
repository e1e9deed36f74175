"""What a review found, beside what it must find."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from acceptance.seeds import Expected, Seed

from bitnet_perf.analyze.attribution import Attribution
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.review.assemble import assemble
from bitnet_perf.review.records import Records

__all__ = ["Found", "found_in", "wrong"]


@dataclass(frozen=True)
class Found:
    """A judged run. `verdicts`: of each case. `stage`, `functions`: of the place with most of what
    became slower: its operation, its kernel and the functions counted in it. `files`: the changed
    files that may have made it, the likeliest first. `slowdown`: of the seeded case. `missed`:
    targets that base met and the candidate misses. `leaks`: cases that keep memory. `unsettled`:
    cases that are inconclusive where the recording ends, before the last look."""

    verdicts: dict[str, str]
    reasons: dict[str, str]
    stage: str
    functions: tuple[str, ...]
    files: tuple[str, ...]
    flow: str
    agent: str
    slowdown: float | None
    missed: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def found_in(records: Records, seed: Seed) -> Found:
    """The judgement that follows from the records of a run of `seed`."""
    judged = assemble(records)
    where = judged.attribution
    stage, functions = _place(where, seed)
    rows = {row.case: row for row in judged.rows}
    return Found(
        {name: row.verdict for name, row in rows.items()},
        {name: row.reason for name, row in rows.items()},
        stage,
        functions,
        tuple(suspect.file for suspect in where.suspects),
        judged.decided.verdict,
        judged.decided.agent,
        rows[seed.cases[0]].slowdown,
        tuple(target.name for target in judged.targets if target.gates),
        tuple(dict.fromkeys(growth.case for growth in where.growths if growth.leaks)),
        tuple(_unsettled(records.raw, rows)),
    )


def _unsettled(raw: Raw, rows: Mapping[str, Row]) -> Iterator[str]:
    """Inconclusive cases that would be looked at once more, where the recording ends."""
    for number, case in enumerate(raw.cases()):
        row = rows.get(case["name"])
        ended = len(raw.looks(number)) < len(Rules().looks)
        if row is not None and row.verdict == "inconclusive" and ended:
            yield row.case


def _place(where: Attribution, seed: Seed) -> tuple[str, tuple[str, ...]]:
    """The stage and the names of the place with most of the time that was added; of a seed that
    costs none, those of the first suspect."""
    if seed.cost is None:
        _, stage, *told = where.suspects[0].path if where.suspects else ("", "")
        return stage, tuple(told)
    most = max(where.portions, key=lambda portion: portion.seconds, default=None)
    if most is None:
        return "", ()
    functions = sorted(most.functions, key=lambda node: -abs(node.change))
    names = (*most.path[1:], *(node.name for node in functions))
    return most.path[0], tuple(dict.fromkeys(filter(None, names)))


def wrong(found: Found, seed: Seed) -> tuple[str, ...]:
    """What is not as expected, in words; nothing where all is."""
    want, case = seed.expected, seed.cases[0]
    said = []
    if found.verdicts[case] not in want.verdicts:
        said.append(f"verdict {found.verdicts[case]} ({found.reasons[case]})")
    said += [
        f"{name}: {verdict} ({found.reasons[name]})"
        for name, verdict in found.verdicts.items()
        if name != case and verdict not in ("pass", "identical", "improved")
    ]
    said += _places(found, want)
    if (found.flow, found.agent) != (want.flow, want.agent):
        said.append(f"route {found.agent} ({found.flow})")
    return tuple(said)


def _places(found: Found, want: Expected) -> list[str]:
    said = []
    if want.stage and found.stage != want.stage:
        said.append(f"stage {found.stage or 'none'}")
    missing = [each for each in want.functions if not _has(found.functions, each)]
    if missing:
        said.append(f"function {', '.join(found.functions[:4]) or 'none'}")
    if not set(want.files) <= set(found.files[: len(want.files)]):
        said.append(f"files {', '.join(found.files[:3]) or 'none'}")
    if want.target and not _has(found.missed, want.target):
        said.append(f"targets missed: {', '.join(found.missed) or 'none'}")
    if want.leaks and want.leaks not in found.leaks:
        said.append(f"leaks: {', '.join(found.leaks) or 'none'}")
    return said


def _has(names: Sequence[str], pattern: str) -> bool:
    return any(re.search(pattern, name) for name in names)
