"""Cases whose samples are whole processes: weaker evidence by time, beside exact counts.

Two programs that run one after the other differ by what happened between them: 15 to 26 % from one
process to the next on a loaded host, where alternating within processes leaves 0.7 to 2.8 %. So a
row that is not known by time is neutral here, and where the candidate needs more instructions for
the same work than the budget allows, that raises `concern` by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.paired.verdict import Decision
from bitnet_perf.bench.paired.schema import PROCESSES

__all__ = ["PROCESSES", "more_instructions", "of_processes"]


def of_processes(decision: Decision, case: Mapping[str, Any], rules: Rules) -> Decision:
    """A decision by time as this evidence allows it; its note names the evidence."""
    found = replace(decision, notes=(*decision.notes, PROCESSES))
    if decision.verdict != "inconclusive":
        return found
    more, budget = more_instructions(case), rules.budget(case["class"]).concern
    if more is None or more <= budget:
        return replace(found, gate="neutral")
    return replace(
        found,
        verdict="concern",
        gate="fail" if case["class"] == "core" else "note",
        notes=(*found.notes, "by instructions"),
        reason=f"{more:+.1%} instructions for the same work, budget {budget:+.1%}; "
        f"not known by time: {decision.reason}",
    )


def more_instructions(case: Mapping[str, Any]) -> float | None:
    """The relative change of the instructions of a case; None where they were not counted."""
    counted = case.get("instructions")
    change = counted.get("change") if isinstance(counted, Mapping) else None
    return change if isinstance(change, float) and math.isfinite(change) else None
