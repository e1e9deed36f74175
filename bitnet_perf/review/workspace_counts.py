"""Instruction counts beside the benchmarks of a Cargo workspace: exact, by crate and function."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bitnet_perf.analyze.counts import (
    Difference,
    annotate,
    compare_places,
    crate_of,
    lines,
)
from bitnet_perf.analyze.located import Located, locate
from bitnet_perf.analyze.paired.comparison import decide_records
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.paired.words import percent
from bitnet_perf.bench.counters import Unavailable
from bitnet_perf.bench.paired.driver import CTRL_C, Recording
from bitnet_perf.bench.paired.schema import printable
from bitnet_perf.peers.cargo.build import Builder
from bitnet_perf.peers.cargo.instructions import Counter
from bitnet_perf.peers.cargo.metadata import Workspace
from bitnet_perf.peers.cargo.runs import Runner

__all__ = ["Counting"]

STORED = 40  # functions that differ, kept for a case
_FIRST = ("action", "concern", "inconclusive")  # where time is short


@dataclass(frozen=True)
class Counting:
    """What is needed to count. programs: the two runners by crate and bench. end: when the time
    budget is spent; what is not counted then says so."""

    programs: Mapping[tuple[str, str], tuple[Runner, Runner]]
    builder: Builder
    workspace: Workspace
    rules: Rules
    say: Callable[[float, str], None]
    end: float | None

    def count_cases(self, recording: Recording) -> Located | None:
        """Put `counts` (lines of text) and `instructions` (the numbers) into every timed case, the
        ones that do not pass by time first; where instructions were added, if anywhere.

        Ctrl-C ends the counting; what was counted stays.
        """
        source = self.builder.slot / "source"
        counters = {
            place: tuple(Counter(each, self.workspace, source) for each in runners)
            for place, runners in self.programs.items()
        }
        verdicts = {n: _verdict(recording, n, self.rules) for n in _timed(recording)}
        order = sorted(verdicts, key=lambda number: verdicts[number] not in _FIRST)
        counted: list[Difference] = []
        try:
            for done, number in enumerate(order):
                case = recording.cases[number]
                self.say(done / len(order), f"instructions: {case['name']}")
                found: Difference | Unavailable = Unavailable("the time budget is spent")
                if self.end is None or time.monotonic() < self.end:
                    base, candidate = counters[case["crate"], case["bench"]]
                    found = compare_places(base.count(case["id"]), candidate.count(case["id"]))
                case |= _told(found, verdicts[number])
                counted += [found] if isinstance(found, Difference) else []
        except KeyboardInterrupt:
            recording.stopped = CTRL_C
        return locate(counted, [member.crate for member in self.workspace.members])


def _timed(recording: Recording) -> list[int]:
    """The cases with pairs that can be counted."""
    numbers = sorted({pair.case for pair in recording.pairs if pair.look >= 0})
    cases = recording.cases
    return [n for n in numbers if "error" not in cases[n] and "id" in cases[n]]


def _verdict(recording: Recording, number: int, rules: Rules) -> str:
    looks = sorted({pair.look for pair in recording.pairs_of(number)})
    records = [recording.pairs_of(number, look) for look in looks]
    class_ = recording.cases[number]["class"]
    return decide_records(records, rules, class_, clock="wall", last=True).verdict


def _told(found: Difference | Unavailable, verdict: str) -> dict[str, Any]:
    text = [printable(line) for line in lines(found, annotate(found, verdict))]
    if isinstance(found, Unavailable):
        return {"counts": text, "instructions": found.to_dict()}
    located = crate_of(found)
    if located is not None:
        text.insert(1, f"  {located[0]} holds {percent(located[1], '')} of the added instructions")
    numbers = found.to_dict()
    numbers["functions"] = numbers["functions"][:STORED]
    return {"counts": text, "instructions": numbers}
