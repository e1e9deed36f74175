"""Where a finding goes next: one table, the first row that holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from bitnet_perf.analyze.accepted import ACCEPTED
from bitnet_perf.analyze.numbers import EVIDENCE, RAW, REVIEW, Number, count, part
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.peers.bitnet_rs.crates import GPU_MODULE, owner_of

__all__ = ["BUDGETS", "ROUTES", "Baseline", "Decided", "Route", "Situation", "decided", "route",
           "situation_of", "slower_within"]  # fmt: skip

MISSED_NOW = "missed now"  # the status of a target that base met and the candidate misses
ACCURACY = "accuracy"  # in the name of every target of it
OUTPUT = "model output"  # begins the name of a target that a loss of accuracy takes along
BUDGETS = "budgets"  # the target that the rows themselves tell


class Target(Protocol):
    """What routing reads of an assessed target."""

    @property
    def name(self) -> str:
        """What has to be reached."""

    @property
    def status(self) -> str:
        """Whether it is, on both sides; MISSED_NOW gates."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What routing looks at.

    measured_cases: those that tell anything. has_baseline: there is one, and it is not refused.
    over: cases over their budget; quantization: these and the `missed` targets are all of
    quantization, its speed or its accuracy; gpu: all of these cases run on a GPU and no target is
    missed. localized: what holds the change (a crate, module or kernel), and its share. unknown:
    core cases that are inconclusive, and cases of which a side failed. slower: cases within budget,
    slower by more than the guard; `accepted`: those of them that only a declared trade-off allows.
    missed: targets that base met and the candidate misses. why: why nothing was measured, or the
    baseline is refused. numbers: slowdowns and bounds of these cases, by case.
    """

    measured_cases: int
    has_baseline: bool
    over: tuple[str, ...] = ()
    quantization: bool = False
    localized: tuple[str, float] | None = None
    unknown: tuple[str, ...] = ()
    slower: tuple[str, ...] = ()
    gpu: bool = False
    missed: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    why: str = ""
    numbers: tuple[tuple[str, Number], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


Sees = Callable[[Situation], Sequence[Number]]


def _compared(s: Situation) -> list[Number]:
    return [count("cases compared", s.measured_cases, RAW)]


def _of(s: Situation, what: str, cases: Sequence[str]) -> list[Number]:
    """How many cases, and what is known of each."""
    names = set(cases)
    return [
        *_compared(s),
        count(what, len(cases), RAW),
        *(number for case, number in s.numbers if case in names),
    ]


def _over(s: Situation) -> list[Number]:
    found = _of(s, "over budget", s.over)
    if s.missed:
        found.append(count("targets missed now", len(s.missed), EVIDENCE))
    if s.localized:
        found.append(part(f"share of the change in {s.localized[0]}", s.localized[1], RAW))
    return found


def _owned(cases: Iterable[str]) -> str:
    """The crate and the module that all these cases are of, as far as each of them is one."""
    owners = [owner_of(case) for case in cases]
    crates = {owner.crate if owner else "" for owner in owners}
    modules = {owner.module if owner else "" for owner in owners}
    named = (("crate", crates), ("module", modules))
    places = [f"{kind} {min(names)}" for kind, names in named if len(names) == 1 and min(names)]
    return f"all over budget is of {' and '.join(places)}" if places else ""


@dataclass(frozen=True)
class Route:
    """A row of the table: when it holds, the verdict, who acts next, the rule in words, what goes
    with it, and the numbers that it saw."""

    holds: Callable[[Situation], object]
    verdict: str
    agent: str
    rule: str
    brings: str
    sees: Sees


ROUTES = (
    Route(
        lambda s: s.measured_cases == 0 and not s.unknown and not s.missed,
        "skipped",
        "none",
        "nothing was measured",
        "the commands that would measure",
        _compared,
    ),
    Route(
        lambda s: not s.has_baseline,
        "baseline establishment needed",
        "review-summarizer",
        "no baseline stands beside the measurements, or it is refused",
        "the proposed baseline",
        _compared,
    ),
    Route(
        lambda s: s.over and s.gpu,
        "GPU performance issues",
        "gpu-optimizer",
        "over budget in GPU cases alone",
        "the kernels and their suggestions",
        _over,
    ),
    Route(
        lambda s: (s.over or s.missed) and s.quantization,
        "quantization performance issues",
        "quantization-optimizer",
        "over budget in quantization alone, its speed or its accuracy",
        "the formats and their suggestions",
        _over,
    ),
    Route(
        lambda s: s.over and s.localized,
        "significant regression detected",
        "perf-fixer",
        "over budget, and at least 70 % of the change lies in one crate, module or kernel",
        "hotspots and at least one suggestion",
        _over,
    ),
    Route(
        lambda s: s.over,
        "significant regression detected",
        "perf-fixer",
        "over budget, in no one place",
        "suspects and the bisect command",
        _over,
    ),
    Route(
        lambda s: s.missed,
        "significant regression detected",
        "perf-fixer",
        "a target that was met before is missed now",
        "the sentence that decides it",
        lambda s: [*_compared(s), count("targets missed now", len(s.missed), EVIDENCE)],
    ),
    Route(
        lambda s: s.unknown,
        "not known yet",
        "none",
        "inconclusive: a core case, or one of which a side failed",
        "what to run, on which host, for how long",
        lambda s: _of(s, "inconclusive", s.unknown),
    ),
    Route(
        lambda s: s.slower,
        "regression detected within threshold",
        "promotion-validator",
        "slower within the budget, or within a declared trade-off",
        "the cases to watch",
        lambda s: [
            *_of(s, "slower within", s.slower),
            count("accepted trade-offs", len(s.accepted), REVIEW),
        ],
    ),
    Route(
        lambda _: True,
        "performance validation complete",
        "test-finalizer",
        "all budgets and targets are met",
        "the measurements",
        _compared,
    ),
)


@dataclass(frozen=True, slots=True)
class Decided:
    """A route that was taken: the words of its row, why, and the numbers that its rule saw."""

    verdict: str
    agent: str
    rule: str
    brings: str
    why: str
    numbers: tuple[Number, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def route(situation: Situation) -> Route:
    """The first row of ROUTES that holds for `situation`."""
    return next(row for row in ROUTES if row.holds(situation))


def decided(situation: Situation) -> Decided:
    """The first row that holds, with what it saw in this situation."""
    row = route(situation)
    missed = f"missed now: {', '.join(situation.missed)}" if situation.missed else ""
    owned = _owned(situation.over) if row.sees is _over else ""
    why = "; ".join(filter(None, (situation.why, owned, missed)))
    return Decided(row.verdict, row.agent, row.rule, row.brings, why, tuple(row.sees(situation)))


@dataclass(frozen=True, slots=True)
class Baseline:
    """What stands beside the measurements: whether there is one, and why it is refused."""

    there: bool = True
    refused: tuple[str, ...] = ()


def situation_of(
    rows: Iterable[Row],
    localized: tuple[str, float] | None,
    *,
    targets: Iterable[Target] = (),
    baseline: Baseline | None = None,
    why: str = "",
    rules: Rules | None = None,
) -> Situation:
    """The situation after a comparison of two sides.

    rows: declared trade-offs accepted. targets: as assessed. why: why nothing was measured, where
    that is known beside the rows' own reasons. rules: by which the rows were judged
    (default: those used everywhere).
    """
    judged = [row for row in rows if row.verdict not in ("new", "gone")]
    base = baseline or Baseline()
    over = [row for row in judged if row.gate == "fail"]
    unknown = [row for row in judged if row.gate == "closed"]
    slower = [row for row in judged if slower_within(row, rules or Rules())]
    missed = tuple(t.name for t in targets if t.status == MISSED_NOW and t.name != BUDGETS)
    measured = sum(row.tells for row in judged)
    reasons = dict.fromkeys(row.reason for row in judged)
    return Situation(
        measured_cases=measured,
        has_baseline=base.there and not base.refused,
        over=tuple(row.case for row in over),
        quantization=bool(over or missed)
        and all(_is_quantization(row.case) for row in over)
        and _are_accuracy(missed),
        localized=localized,
        unknown=tuple(row.case for row in unknown),
        slower=tuple(row.case for row in slower),
        gpu=bool(over) and not missed and all(_is_gpu(row.case) for row in over),
        missed=missed,
        accepted=tuple(row.case for row in judged if row.verdict == ACCEPTED),
        why="; ".join(base.refused) or why or ("" if measured else "; ".join([*reasons][:3])),
        numbers=tuple(_numbers((*over, *unknown, *slower))),
    )


def slower_within(row: Row, rules: Rules) -> bool:
    """Whether a case that does not fail is to be watched: it became slower by more than the guard,
    within which the same code placed elsewhere differs, too."""
    passed = "measurably slower" in row.notes and row.low is not None and row.low > rules.guard
    return row.gate == "note" or passed


def _are_accuracy(missed: Sequence[str]) -> bool:
    """Whether all these targets are of accuracy, or follow from one that is."""
    lost = any(ACCURACY in name for name in missed)
    return all(ACCURACY in name or (lost and name.startswith(OUTPUT)) for name in missed)


def _is_quantization(case: str) -> bool:
    found = owner_of(case)
    return found is not None and found.stage == "quantization"


def _is_gpu(case: str) -> bool:
    found = owner_of(case)
    return found is not None and found.module == GPU_MODULE


def _numbers(rows: Iterable[Row]) -> Iterable[tuple[str, Number]]:
    for row in rows:
        for name, value in (("", row.slowdown), (" at least", row.low), (" at most", row.high)):
            if value is not None:
                yield row.case, part(f"slowdown of {row.case}{name}", value, RAW, row.case)
