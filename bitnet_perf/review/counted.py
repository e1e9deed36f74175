"""Instruction counts beside the times of a comparison: where they are taken, and what they do.

Counts never decide a verdict. Where an alarm has no more instructions than before, its case is
contested: the alarm has to show once more on fresh pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from bitnet_perf.analyze.counts import Difference, annotate, compare_counts, lines
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.verdict import ALARMS
from bitnet_perf.bench.counters import Subject, Unavailable, count_both
from bitnet_perf.bench.paired.sides import Ready
from bitnet_perf.errors import ConfigError

__all__ = ["Counting", "Mode"]

Mode = Literal["alarms", "all", "off"]
TIMEOUT = 60.0  # seconds that one side of a case may be counted


@dataclass
class Counting:
    """Counts cases of two sides, each at most once: those with an alarm, all, or none."""

    sides: Sequence[Ready]
    mode: Mode
    say: Callable[[float, str], None]
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

    def told(self, cases: Sequence[Mapping[str, Any]], rows: Sequence[Row]) -> list[dict[str, Any]]:
        """The case objects with `counts` (lines of text) and `instructions` (the numbers)."""
        verdicts = {row.case: row.verdict for row in rows}
        return [{**case, **self._told(case, verdicts.get(case["name"], ""))} for case in cases]

    def _told(self, case: Mapping[str, Any], verdict: str) -> dict[str, Any]:
        wanted = verdict in ALARMS or (self.mode == "all" and "isas" in case)
        if self.mode == "off" or "canary" in case or not wanted:
            return {}
        difference = self._count(case)
        text = lines(difference, annotate(difference, verdict))
        return {"counts": list(text), "instructions": difference.to_dict()}

    def _count(self, case: Mapping[str, Any]) -> Difference | Unavailable:
        name = case["name"]
        if name not in self.found:
            self.say(1.0, f"instructions: {name}")
            self.found[name] = self._both(case)
        return self.found[name]

    def _both(self, case: Mapping[str, Any]) -> Difference | Unavailable:
        subjects = []
        for side, isa in zip(self.sides, case.get("isas", ("", "")), strict=True):
            if side.environment is None or side.options["kind"] != "native":
                return Unavailable(f"{side.side.label} runs no native loop")
            if side.side.extra:
                return Unavailable(f"{side.side.label} has work added")
            library = side.options.get("library")
            subjects.append(Subject(side.environment, isa, Path(library) if library else None))
        base, candidate = subjects
        return compare_counts(*count_both(base, candidate, case["name"], timeout=TIMEOUT))
