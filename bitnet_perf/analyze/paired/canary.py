"""The A/A canaries: fixed cases run base against base, which tell whether alarms can be believed.

A canary whose verdict is not `pass` (`improved` is none either) is repeated once on fresh pairs.
Where the repeat is no `pass` too, or there is none, the canary is not sound: alarms of the cases
that listen to it become `inconclusive (environment)`. Passes stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.analyze.paired.estimate import yuen
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.paired.verdict import Decision, decide

__all__ = ["Canary", "judge_canary", "listens", "unsound"]

KINDS = ("compute", "streaming")


@dataclass(frozen=True, slots=True)
class Canary:
    """One canary case: its name, its kind, and the decision of its run and of its repeat."""

    name: str
    kind: str
    runs: tuple[Decision, ...]

    @property
    def sound(self) -> bool:
        """Its run or its repeat is a `pass`."""
        return any(run.verdict == "pass" for run in self.runs)


def judge_canary(name: str, kind: str, values: NDArray[np.float64], rules: Rules) -> Canary:
    """Judge a canary by v_k of its pairs in the order they ran.

    The first `rules.canary_pairs` are its run, the next as many its repeat; each is decided as a
    core case of one look.
    """
    size = rules.canary_pairs
    parts = [values[start : start + size] for start in (0, size)]
    runs = tuple(
        decide([yuen(part, rules.alpha_look)], rules, "core", last=True)
        for part in parts
        if len(part)
    )
    return Canary(name, kind, runs)


def listens(bound: str) -> tuple[str, ...]:
    """The kinds of canary that a case of this bound listens to; unknown listens to both."""
    return (bound,) if bound in KINDS else KINDS


def unsound(bound: str, canaries: Sequence[Canary]) -> tuple[str, ...]:
    """The kinds that a case of this bound listens to and that are missing or not sound."""
    by_kind: Mapping[str, list[Canary]] = {
        kind: [canary for canary in canaries if canary.kind == kind] for kind in KINDS
    }
    return tuple(
        kind
        for kind in listens(bound)
        if not by_kind[kind] or not all(canary.sound for canary in by_kind[kind])
    )
