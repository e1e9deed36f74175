"""The verdict: inside the budget, outside it, or not known.

Derivation of the error rates. Each look has its own fresh pairs and bounds of error alpha / 3, so
with a true slowdown at the margin T or beyond, `high < T` happens at a look with probability
alpha / 3 at most; over three looks, whichever of them are taken, a pass is wrong with probability
alpha at most (union bound; the looks need not be independent). At the last look the bound is
compared with the budget itself instead of T, which a true slowdown at the budget passes with
probability alpha / 3. An alarm needs `low > T`: unchanged code would have to be off by nearly the
whole budget on fresh pairs. The first look raises no alarm: eight pairs never fail a change, unless
the time ended there and their interval is narrow. Where it is the only one and has as many pairs as
the second would (`alarm_pairs`), it raises alarms as that one does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bitnet_perf.analyze.paired.estimate import Estimate, slowdown_of
from bitnet_perf.analyze.paired.rules import Class, Rules

__all__ = [
    "ALARMS",
    "FAILED",
    "IDENTICAL",
    "ONE_SIDED",
    "Decision",
    "Gate",
    "Verdict",
    "decide",
    "failed_case",
    "percent",
    "skipped_case",
]

Verdict = Literal[
    "identical", "improved", "pass", "action", "concern", "inconclusive", "new", "gone", "skipped"
]
Gate = Literal["pass", "note", "fail", "closed", "neutral"]
ALARMS = ("concern", "action")
FAILED = "error"  # the note of a case of which a side died, hung or was wrong


@dataclass(frozen=True, slots=True)
class Decision:
    """What the looks taken so far say.

    gate: pass; note (a concern of another class); fail; closed (a core case that is not known, and
    any that failed, fails closed); neutral. look: the look that decided, -1 where none was taken.
    settled: no further look is taken; always so at the last one. reason: one sentence, never empty.
    """

    verdict: Verdict
    gate: Gate
    look: int
    notes: tuple[str, ...]
    reason: str
    settled: bool
    estimate: Estimate | None


IDENTICAL = Decision("identical", "pass", -1, (), "same code and data on both sides", True, None)
ONE_SIDED = {
    "candidate": Decision("new", "neutral", -1, (), "the base does not know it", True, None),
    "base": Decision("gone", "neutral", -1, (), "the candidate does not know it", True, None),
}


def skipped_case(reason: str) -> Decision:
    """A case that measures nothing on the base's side: nothing is known of the candidate by it."""
    return Decision("skipped", "neutral", -1, (), reason, True, None)


def failed_case(reason: str) -> Decision:
    """A case of which a side failed in some process: the times of the others say nothing."""
    return Decision("inconclusive", "closed", -1, (FAILED,), reason, True, None)


def percent(log_ratio: float) -> str:
    """A log ratio as a slowdown in percent with its sign."""
    return f"{100 * slowdown_of(log_ratio):+.1f} %"


def decide(
    looks: Sequence[Estimate],
    rules: Rules,
    class_: Class,
    *,
    last: bool,
    sound: bool = True,
    contested: bool = False,
) -> Decision:
    """Judge the looks in the order they were taken; the first that settles the case decides.

    looks: estimates of fresh pairs each, one per look taken so far. last: no further look can be
    taken (the plan or the time is spent). sound: the canaries of the case's bound are sound.
    contested: instruction counts speak against an alarm, which the last look alone then settles.
    The driver asks this after every look and a replay asks it of the whole file, so both find the
    same.
    """
    decision = _unknown(-1, None, class_, last, "nothing was measured")
    for index, estimate in enumerate(looks):
        final = last and index == len(looks) - 1
        decision = _at_look(index, estimate, rules, class_, final=final, sound=sound)
        if decision.settled and (final or not contested or decision.verdict not in ALARMS):
            return decision
    return replace(decision, settled=last)


def _at_look(
    look: int, estimate: Estimate, rules: Rules, class_: Class, *, final: bool, sound: bool
) -> Decision:
    """The table, first rule that holds, for one look's fresh pairs."""
    budget = rules.budget(class_)
    concern = math.log1p(budget.concern)
    margin = math.log1p(budget.concern - rules.guard)
    obstacle = _obstacle(estimate, rules, class_)
    inside = f"{percent(estimate.high)} at most, budget {percent(concern)}"
    if obstacle is None and estimate.high < -concern:
        reason = f"faster: {inside}; consider a higher target"
        return Decision("improved", "pass", look, (), reason, True, estimate)
    if obstacle is None and (estimate.high < margin or (final and estimate.high < concern)):
        notes = _pass_notes(estimate, margin)
        return Decision("pass", "pass", look, notes, f"inside: {inside}", True, estimate)
    above = estimate.low > margin
    clear = above and (look >= 1 or (final and estimate.pairs >= rules.alarm_pairs))
    narrow = final and estimate.m >= margin and _half(estimate) <= rules.precise
    if not (clear or narrow):
        reason = obstacle or _not_known(estimate, margin, above)
        return _unknown(look, estimate, class_, final, reason)
    verdict: Verdict = (
        "action" if estimate.m >= math.log1p(budget.action - rules.guard) else "concern"
    )
    if not sound:
        reason = f"environment: {verdict} ({percent(estimate.m)}), but the canary is not sound"
        return _unknown(look, estimate, class_, final, reason)
    notes = () if clear else ("at the budget",)
    reason = (
        f"outside: {percent(estimate.m)}, {percent(estimate.low)} at least, budget "
        f"{percent(concern)}"
    )
    gate: Gate = "fail" if class_ == "core" or verdict == "action" else "note"
    return Decision(verdict, gate, look, notes, reason, True, estimate)


def _half(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2


def _obstacle(estimate: Estimate, rules: Rules, class_: Class) -> str | None:
    """Why these pairs cannot pass, whatever their bounds: the gate never opens for such a case."""
    action = math.log1p(rules.budget(class_).action)
    slow = sum(value > action for value in estimate.values)
    if slow > rules.slow_part * estimate.pairs and estimate.m < action:
        return (
            f"bimodal: {slow} of {estimate.pairs} pairs are slower by more than {percent(action)}, "
            f"the trimmed mean is {percent(estimate.m)}"
        )
    if class_ == "core" and estimate.pairs < rules.least_pairs:
        return f"too few pairs: {estimate.pairs}, a core case passes with {rules.least_pairs}"
    return None


def _pass_notes(estimate: Estimate, margin: float) -> tuple[str, ...]:
    notes = []
    if estimate.high >= margin:
        notes.append("at the budget")
    if estimate.low > 0:
        notes.append("measurably slower")
    if estimate.high < 0:
        notes.append("faster")
    return tuple(notes)


def _not_known(estimate: Estimate, margin: float, above: bool) -> str:
    what = "is above the margin" if above else "holds the margin"
    end = ", but so few pairs raise no alarm" if above else ""
    return (
        f"{percent(estimate.low)} to {percent(estimate.high)} after {estimate.pairs} fresh pairs "
        f"{what} {percent(margin)}{end}; {percent(estimate.mde)} is detectable"
    )


def _unknown(
    look: int, estimate: Estimate | None, class_: Class, final: bool, reason: str
) -> Decision:
    notes = tuple(word for word in ("bimodal", "environment") if reason.startswith(f"{word}:"))
    gate: Gate = "closed" if class_ == "core" else "neutral"
    return Decision("inconclusive", gate, look, notes, reason, final, estimate)
