"""Instruction counts beside the times of a comparison: where they are taken, and what they do.

Counts never decide a verdict. Where an alarm has no more instructions than before, its case is
contested: the alarm has to show once more on fresh pairs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from bitnet_perf.analyze.counts import Difference, annotate, compare_counts, lines
from bitnet_perf.analyze.paired.comparison import judge
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.paired.verdict import ALARMS
from bitnet_perf.bench.counters import Subject, Unavailable, count_both
from bitnet_perf.bench.paired.calls import calls_python
from bitnet_perf.bench.paired.driver import CTRL_C
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.bench.paired.sides import Ready
from bitnet_perf.errors import ConfigError

__all__ = ["Counting", "Mode"]

Mode = Literal["alarms", "changed", "all", "off"]
TIMEOUT = 60.0  # seconds that one side of a case may be counted


@dataclass
class Counting:
    """Counts cases of two sides, each at most once: those with an alarm, those and the ones whose
    kernel has other machine code ("changed"), all, or none. `end` is when the time budget ends."""

    sides: Sequence[Ready]
    mode: Mode
    say: Callable[[float, str], None]
    end: float | None = None
    found: dict[str, Difference | Unavailable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise ConfigError(
                f"counts: found {self.mode!r}, accepted is {', '.join(get_args(Mode))}"
            )

    def contests(self, case: Mapping[str, Any], verdict: str) -> bool:
        """Whether counts speak against an alarm, so that one more look is worth its time."""
        if self.mode == "off" or verdict not in ALARMS:
            return False
        return annotate(self._count(case), verdict).next_look

    def told(self, raw: Raw, rules: Rules) -> Raw:
        """The file with `counts` (lines of text) and `instructions` (the numbers) in its cases.

        Ctrl-C ends the counting; what was measured and counted stays.
        """
        verdicts = {row.case: row.verdict for row in judge(raw, rules)}
        cases = [dict(case) for case in raw.cases()]
        stopped = {}
        try:
            for case, hashes in zip(cases, raw.meta["code_hashes"], strict=True):
                verdict = verdicts.get(case["name"], "")
                if "isas" in case and "canary" not in case and self._wanted(verdict, hashes):
                    difference = self._count(case)
                    text = lines(difference, annotate(difference, verdict))
                    case |= {"counts": list(text), "instructions": difference.to_dict()}
        except KeyboardInterrupt:
            stopped = {"stopped": CTRL_C}
        return replace(raw, meta={**raw.meta, "cases": cases, **stopped})

    def _wanted(self, verdict: str, hashes: Sequence[str]) -> bool:
        if self.mode in ("all", "off"):
            return self.mode == "all"
        return verdict in ALARMS or (self.mode == "changed" and hashes[0] != hashes[1])

    def _count(self, case: Mapping[str, Any]) -> Difference | Unavailable:
        name = case["name"]
        if name not in self.found:
            self.say(1.0, f"instructions: {name}")
            self.found[name] = self._both(case)
        return self.found[name]

    def _both(self, case: Mapping[str, Any]) -> Difference | Unavailable:
        left = TIMEOUT if self.end is None else min(TIMEOUT, self.end - time.monotonic())
        if left <= 0:
            return Unavailable("the time budget is spent")
        if calls_python(case["name"]):
            return Unavailable("it calls Python, no native loop")
        subjects = []
        for side, isa in zip(self.sides, case["isas"], strict=True):
            if side.environment is None or side.options["kind"] != "native":
                return Unavailable(f"{side.side.label} runs no native loop")
            if side.side.extra:
                return Unavailable(f"{side.side.label} has work added")
            library = side.options.get("library")
            path = Path(library) if library else None
            subjects.append(Subject(side.environment, isa, path, side.options.get("tuned", "")))
        base, candidate = subjects
        return compare_counts(*count_both(base, candidate, case["name"], timeout=left))
