"""From a raw file to rows: one judged row per case, and one verdict of them all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bitnet_perf.analyze.paired.bootstrap import bootstrap, contradicts
from bitnet_perf.analyze.paired.canary import Canary, judge_canary, unsound
from bitnet_perf.analyze.paired.estimate import Estimate, pair_values, record_values, yuen
from bitnet_perf.analyze.paired.processes import PROCESSES, of_processes
from bitnet_perf.analyze.paired.rules import Class, Rules
from bitnet_perf.analyze.paired.verdict import (
    FAILED,
    IDENTICAL,
    ONE_SIDED,
    Decision,
    decide,
    failed_case,
    skipped_case,
)
from bitnet_perf.bench.paired.raw import CANARY, PairRecord, Raw, Samples, clock_of
from bitnet_perf.bench.paired.schema import printable

__all__ = ["Row", "canaries", "decide_records", "judge", "overall"]


@dataclass(frozen=True, slots=True)
class Row:
    """One case, judged. Slowdowns are parts of the base's time (0.05 = 5 % slower).

    slowdown, low, high, mde: of the primary `clock`, None where there is none (no pairs; no bounds
    below two); low and high are one-sided bounds. pairs: fresh pairs of the look that decided.
    wall, cpu: slowdown by each clock; `clocks` is "differ" where they are more than two combined
    standard errors apart, "agree", or None where one has no value. canaries: the kinds whose
    failure or absence takes this case's alarms back.
    """

    case: str
    verdict: str
    slowdown: float | None
    low: float | None
    high: float | None
    mde: float | None
    pairs: int
    reason: str
    look: int
    gate: str
    notes: tuple[str, ...]
    class_: Class
    bound: str
    clock: str
    wall: float | None
    cpu: float | None
    clocks: str | None
    canaries: tuple[str, ...]

    @property
    def tells(self) -> bool:
        """Whether it says anything: timed or found identical, and not left open by whole
        processes."""
        left_open = self.verdict == "inconclusive" and PROCESSES in self.notes
        return self.verdict == "identical" or (self.pairs > 0 and not left_open)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `class_` becomes `class`."""
        plain = asdict(self)
        plain["class"] = plain.pop("class_")
        return {key: list(v) if isinstance(v, tuple) else v for key, v in plain.items()}


def decide_records(
    looks: Sequence[Sequence[PairRecord]],
    rules: Rules,
    class_: Class,
    *,
    clock: str,
    last: bool,
    sound: bool = True,
    contested: bool = False,
) -> Decision:
    """The driver's stop rule: `decide` on the records of the looks taken so far of one case."""
    estimates = [yuen(record_values(records, clock), rules.alpha_look) for records in looks]
    return decide(estimates, rules, class_, last=last, sound=sound, contested=contested)


def canaries(raw: Raw, rules: Rules) -> tuple[Canary, ...]:
    """Every canary of the file that has pairs, judged; one that failed has no run that passes."""
    found = []
    for index, case in enumerate(raw.cases()):
        samples = raw.samples(index, CANARY)
        if case.get("canary") and case.get("error"):
            found.append(Canary(case["name"], case["canary"], ()))
        elif case.get("canary") and samples.pairs:
            clock = clock_of(raw.meta, case, raw.meta["threads"][index])
            values = pair_values(samples, clock)
            found.append(judge_canary(case["name"], case["canary"], values, rules))
    return tuple(found)


def judge(raw: Raw, rules: Rules | None = None) -> tuple[Row, ...]:
    """One row per case of the file in its order, canaries left out.

    rules: None takes those of the file, and the defaults where it names none. A case with an
    `error` is inconclusive for that reason whatever its pairs say, and fails closed in every class;
    a case without pairs is inconclusive; a case that is `identical`, or that `only` one side knows,
    was not timed. Where a bootstrap of the look that decided contradicts the verdict, the row notes
    "bootstrap differs". Raises FormatError where the file's rules make none.
    """
    rules = rules or Rules.from_dict(raw.meta.get("rules", {}))
    watched = canaries(raw, rules)
    return tuple(
        _row(raw, index, case, rules, watched)
        for index, case in enumerate(raw.cases())
        if not case.get("canary")
    )


def _row(
    raw: Raw, index: int, case: Mapping[str, Any], rules: Rules, watched: Sequence[Canary]
) -> Row:
    clock = clock_of(raw.meta, case, raw.meta["threads"][index])
    bound = case.get("bound") or "unknown"
    failed = unsound(bound, watched)
    looks = [raw.samples(index, look) for look in raw.looks(index)]
    decision = _decision(
        case, [_estimate(samples, clock, rules) for samples in looks], rules, failed
    )
    decided = looks[decision.look] if decision.look >= 0 else None
    wall, cpu = (_estimate(decided, name, rules) if decided else None for name in ("wall", "cpu"))
    seed = raw.meta["seed"] % 2**32  # so that a replay finds the same
    check = bootstrap(decided, clock, rules.alpha_look, seed=seed) if decided else None
    differs = check and contradicts(decision.verdict, check, rules.budget(case["class"]).concern)
    known = decision.estimate if decision.estimate and decision.estimate.pairs else None
    return Row(
        case=case["name"],
        verdict=decision.verdict,
        slowdown=_finite(known.slowdown) if known else None,
        low=_finite(known.low_slowdown) if known and known.df else None,
        high=_finite(known.high_slowdown) if known else None,
        mde=_finite(known.mde_slowdown) if known else None,
        pairs=known.pairs if known else 0,
        reason=decision.reason,
        look=decision.look,
        gate=decision.gate,
        notes=(*decision.notes, "bootstrap differs") if differs else decision.notes,
        class_=case["class"],
        bound=bound,
        clock=clock,
        wall=_finite(wall.slowdown) if wall and wall.pairs else None,
        cpu=_finite(cpu.slowdown) if cpu and cpu.pairs else None,
        clocks=_clocks(wall, cpu),
        canaries=failed,
    )


def _decision(
    case: Mapping[str, Any], estimates: Sequence[Estimate], rules: Rules, failed: tuple[str, ...]
) -> Decision:
    """Without timing where nothing is to be timed or a side failed, else by the table."""
    if case.get("error"):
        return failed_case(printable(str(case["error"])))
    if case.get("skipped"):
        return skipped_case(printable(str(case["skipped"])))
    if case.get("only"):
        return ONE_SIDED[case["only"]]
    if case.get("identical"):
        return IDENTICAL
    decision = decide(
        estimates,
        rules,
        case["class"],
        last=True,
        sound=not failed,
        contested=bool(case.get("contested")),
    )
    if "environment" in decision.notes:
        decision = replace(decision, reason=f"{decision.reason} ({', '.join(failed)})")
    return of_processes(decision, case, rules) if case.get("evidence") == PROCESSES else decision


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _estimate(samples: Samples, clock: str, rules: Rules) -> Estimate:
    return yuen(pair_values(samples, clock), rules.alpha_look)


def _clocks(wall: Estimate | None, cpu: Estimate | None) -> str | None:
    if not (wall and cpu and wall.pairs and cpu.pairs):
        return None
    return "differ" if abs(wall.m - cpu.m) > 2 * math.hypot(wall.se, cpu.se) else "agree"


def overall(rows: Iterable[Row]) -> tuple[str, int]:
    """The verdict of all rows and its exit code, the first that any row asks for.

    action 1 (of any class), concern of a core case 3, inconclusive core case 4 and any case that
    failed (whole processes aside, whose inconclusive rows are neutral), pass 0 (concerns of other
    cases included); skipped 6 where no case stands on both sides or none was timed.
    """
    judged = [row for row in rows if row.verdict not in {"new", "gone", "skipped"}]
    if not judged:
        return "skipped", 6
    if any(row.verdict == "action" for row in judged):
        return "action", 1
    core = {row.verdict for row in judged if row.class_ == "core" and row.gate != "neutral"}
    if "concern" in core:
        return "concern", 3
    if "inconclusive" in core or any(FAILED in row.notes for row in judged):
        return "inconclusive", 4
    if not any(row.tells for row in judged):
        return "skipped", 6
    return "pass", 0
