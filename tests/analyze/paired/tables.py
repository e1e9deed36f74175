"""The verdict table as cases: what a module of the rules must answer. Shared by the tests and by
the mutants that these answers must kill.

Each function takes the module under test and raises AssertionError where it answers otherwise.
"""

from __future__ import annotations

import math
from dataclasses import replace
from types import ModuleType
from typing import Any

from analyze.paired.synthetic import estimate

from bitnet_perf.analyze.paired.canary import Canary
from bitnet_perf.analyze.paired.estimate import yuen
from bitnet_perf.analyze.paired.rules import Budget, Rules
from bitnet_perf.analyze.paired.verdict import Decision

RULES = Rules(precise=2**-7)  # half widths that floats hold exactly
T = math.log1p(0.05 - 0.005)
C = math.log1p(0.05)
A = math.log1p(0.10 - 0.005)
W = 2**-7
BELOW, ABOVE = -1e-9, 1e-9

OPEN = estimate(-0.01, 0.09)  # neither inside nor outside
LATE = estimate(T + 0.01, T + 0.02)  # an alarm, once it may be raised


# looks; class; last; sound; verdict; gate; notes; look that decides; settled
VERDICTS: dict[str, tuple[Any, ...]] = {
    # pass at any look, its edge, and the classes
    "inside": ([estimate(-0.02, 0.02)], "core", False, True, "pass", "pass", (), 0, True),
    "edge": ([estimate(-1, T)], "core", False, True, "inconclusive", "closed", (), 0, False),
    "just inside": ([estimate(-1, T + BELOW)], "core", False, True, "pass", "pass", (), 0, True),
    "look 1": ([OPEN, estimate(-1, 0.03)], "core", False, True, "pass", "pass", (), 1, True),
    "look 2": ([OPEN, OPEN, estimate(-1, 0.03)], "core", True, True, "pass", "pass", (), 2, True),
    "first settles": ([estimate(-1, 0.01), LATE], "core", True, True, "pass", "pass", (), 0, True),
    "other": ([estimate(-1, 0.02)], "other", False, True, "pass", "pass", (), 0, True),
    "unsound passes": ([estimate(-1, 0.01)], "core", True, False, "pass", "pass", (), 0, True),
    # notes of a pass
    "slower": ([estimate(ABOVE, 0.01)], "core", False, True, "pass", "pass",
               ("measurably slower",), 0, True),
    "at zero": ([estimate(0.0, 0.01)], "core", False, True, "pass", "pass", (), 0, True),
    "faster": ([estimate(-0.02, BELOW)], "core", False, True, "pass", "pass", ("faster",), 0, True),
    "up to zero": ([estimate(-0.02, 0.0)], "core", False, True, "pass", "pass", (), 0, True),
    # at the budget: at the last look alone
    "budget": ([estimate(-1, C + BELOW)], "core", True, True, "pass", "pass",
               ("at the budget",), 0, True),
    "budget from T": ([estimate(-1, T)], "core", True, True, "pass", "pass",
                      ("at the budget",), 0, True),
    "budget's edge": ([estimate(-1, C)], "core", True, True, "inconclusive", "closed", (), 0, True),
    "budget early": ([estimate(-1, C + BELOW)], "core", False, True, "inconclusive", "closed", (),
                     0, False),
    "budget before the last": ([estimate(-1, C + BELOW), OPEN], "core", True, True, "inconclusive",
                               "closed", (), 1, True),
    # improved
    "improved": ([estimate(-0.2, -C + BELOW)], "core", False, True, "improved", "pass", (), 0,
                 True),
    "improved's edge": ([estimate(-0.2, -C)], "core", False, True, "pass", "pass", ("faster",), 0,
                        True),
    "improved unsound": ([estimate(-0.2, -0.1)], "core", True, False, "improved", "pass", (), 0,
                         True),
    # alarms
    "look 0 raises none": ([LATE], "core", False, True, "inconclusive", "closed", (), 0, False),
    "nor when last, of few": ([estimate(T + 0.01, T + 0.05, pairs=19)], "core", True, True,
                              "inconclusive", "closed", (), 0, True),
    "the only look": ([estimate(T + 0.01, T + 0.05, pairs=20)], "core", True, True, "concern",
                      "fail", (), 0, True),
    "not yet the only one": ([estimate(T + 0.01, T + 0.05, pairs=20)], "core", False, True,
                             "inconclusive", "closed", (), 0, False),
    "the only look, at T": ([estimate(T, T + 0.05, pairs=20)], "core", True, True, "inconclusive",
                            "closed", (), 0, True),
    "concern": ([OPEN, LATE], "core", False, True, "concern", "fail", (), 1, True),
    "concern at look 2": ([OPEN, OPEN, LATE], "core", True, True, "concern", "fail", (), 2, True),
    "concern, other": ([OPEN, LATE], "other", False, True, "concern", "note", (), 1, True),
    "low at T": ([OPEN, estimate(T, 0.08)], "core", False, True, "inconclusive", "closed", (), 1,
                 False),
    "low above T": ([OPEN, estimate(T + ABOVE, 0.09)], "core", False, True, "concern", "fail", (),
                    1, True),
    "action": ([OPEN, estimate(T + 0.01, 0.5, m=A)], "core", False, True, "action", "fail", (), 1,
               True),
    "below action": ([OPEN, estimate(T + 0.01, 0.5, m=A + BELOW)], "core", False, True, "concern",
                     "fail", (), 1, True),
    "action, other": ([OPEN, estimate(0.2, 0.3)], "other", False, True, "action", "fail", (), 1,
                      True),
    # narrow at the last look: at the budget
    "narrow alarm": ([estimate(T + BELOW, C + 0.005, m=T)], "core", True, True, "concern", "fail",
                     ("at the budget",), 0, True),
    "narrow's edge": ([estimate(0.0625 - 2 * W, 0.0625, pairs=19)], "core", True, True, "concern",
                      "fail", ("at the budget",), 0, True),
    "too wide": ([estimate(0.0625 - 2 * W - ABOVE, 0.0625, pairs=19)], "core", True, True,
                 "inconclusive", "closed", (), 0, True),
    "narrow below T": ([estimate(0.0425, 0.0495, m=T + BELOW)], "core", True, True, "inconclusive",
                       "closed", (), 0, True),
    "narrow, not last": ([estimate(T + BELOW, C + 0.005, m=T)], "core", False, True, "inconclusive",
                         "closed", (), 0, False),
    # canaries take alarms back
    "unsound": ([OPEN, LATE], "core", True, False, "inconclusive", "closed", ("environment",), 1,
                True),
    "unsound, not last": ([OPEN, LATE], "core", False, False, "inconclusive", "closed",
                          ("environment",), 1, False),
    "unsound, other": ([OPEN, LATE], "other", True, False, "inconclusive", "neutral",
                       ("environment",), 1, True),
    "unsound, then passes": ([OPEN, LATE, estimate(-1, 0.01)], "core", True, False, "pass", "pass",
                             (), 2, True),
    # bimodal
    "bimodal": ([estimate(-0.01, 0.01, pairs=10, slow=2)], "core", True, True, "inconclusive",
                "closed", ("bimodal",), 0, True),
    "one in ten": ([estimate(-0.01, 0.01, pairs=10, slow=1)], "core", True, True, "pass", "pass",
                   (), 0, True),
    "bimodal, faster": ([estimate(-0.3, -0.2, pairs=10, slow=2)], "core", True, True,
                        "inconclusive", "closed", ("bimodal",), 0, True),
    "bimodal concern": ([OPEN, estimate(0.06, 0.07, pairs=10, slow=2)], "core", False, True,
                        "concern", "fail", (), 1, True),
    "bimodal, other": ([estimate(-0.01, 0.01, pairs=10, slow=2)], "other", True, True,
                       "inconclusive", "neutral", ("bimodal",), 0, True),
    "m at action": ([replace(estimate(0.0, 0.2, slow=15), m=math.log1p(0.10))], "core", True, True,
                    "inconclusive", "closed", (), 0, True),
    "pairs at action": ([replace(estimate(-0.01, 0.01), values=(math.log1p(0.10),) * 20)], "core",
                        True, True, "pass", "pass", (), 0, True),
    # too few pairs
    "seven": ([estimate(-0.01, 0.01, pairs=7)], "core", True, True, "inconclusive", "closed", (), 0,
              True),
    "eight": ([estimate(-0.01, 0.01, pairs=8)], "core", True, True, "pass", "pass", (), 0, True),
    "seven, faster": ([estimate(-0.3, -0.2, pairs=7)], "core", True, True, "inconclusive", "closed",
                      (), 0, True),
    "seven, other": ([estimate(-0.01, 0.01, pairs=7)], "other", True, True, "pass", "pass", (), 0,
                     True),
    # nothing
    "nothing": ([], "core", True, True, "inconclusive", "closed", (), -1, True),
    "nothing yet": ([], "core", False, True, "inconclusive", "closed", (), -1, False),
    "no pair": ([yuen([], 0.01)], "core", True, True, "inconclusive", "closed", (), 0, True),
    "no pair, other": ([yuen([], 0.01)], "other", True, True, "inconclusive", "neutral", (), 0,
                       True),
}  # fmt: skip


def check_verdict(module: ModuleType, name: str) -> None:
    looks, class_, last, sound, verdict, gate, notes, look, settled = VERDICTS[name]
    found: Decision = module.decide(looks, RULES, class_, last=last, sound=sound)
    shown = (found.verdict, found.gate, found.notes, found.look, found.settled)
    assert shown == (verdict, gate, notes, look, settled), (name, found)
    assert found.reason
    assert found.estimate is (looks[look] if looks else None)


# looks, last; verdict, look that decides, settled: where counts contest alarms
EARLY = estimate(-1, 0.01)
CONTESTED: dict[str, tuple[Any, ...]] = {
    "an alarm waits": ([OPEN, LATE], False, "concern", 1, False),
    "an action waits": ([OPEN, estimate(0.2, 0.3)], False, "action", 1, False),
    "the last look settles": ([OPEN, LATE, LATE], True, "concern", 2, True),
    "also where it is an early one": ([OPEN, LATE], True, "concern", 1, True),
    "a pass takes it back": ([OPEN, LATE, EARLY], True, "pass", 2, True),
    "what is open then closes": ([OPEN, LATE, OPEN], True, "inconclusive", 2, True),
    "a pass settles at once": ([EARLY, LATE], True, "pass", 0, True),
    "and is not contested": ([EARLY], False, "pass", 0, True),
}


def check_contested(module: ModuleType) -> None:
    """An alarm that counts speak against has to show on the last look."""
    for name, (looks, last, *expected) in CONTESTED.items():
        found = module.decide(looks, RULES, "core", last=last, contested=True)
        assert [found.verdict, found.look, found.settled] == expected, (name, found)


def check_reasons(module: ModuleType) -> None:
    """What is not known is said as it is."""
    above = module.decide([estimate(T + 0.01, T + 0.05, pairs=8)], RULES, "core", last=True)
    assert "is above the margin +4.5 %, but so few pairs raise no alarm" in above.reason
    for low in (T, -0.01):
        within = module.decide([estimate(low, 0.09)], RULES, "core", last=True)
        assert "holds the margin +4.5 %; " in within.reason


def check_budgets(module: ModuleType) -> None:
    """The classes have their own budgets."""
    rules = Rules(core=Budget(0.2, 0.3), other=Budget(0.05, 0.1))
    looks = [OPEN, LATE]
    assert module.decide(looks, rules, "core", last=True).verdict == "pass"
    assert module.decide(looks, rules, "other", last=True).verdict == "concern"


def check_untimed(module: ModuleType) -> None:
    """What is decided without timing."""
    same = module.IDENTICAL
    assert (same.verdict, same.gate, same.settled) == ("identical", "pass", True)
    assert {side: (d.verdict, d.gate, d.settled) for side, d in module.ONE_SIDED.items()} == {
        "base": ("gone", "neutral", True),
        "candidate": ("new", "neutral", True),
    }
    assert module.skipped_case("no tests").settled is True
    failed = module.failed_case("it crashed")
    shown = (failed.verdict, failed.gate, failed.notes, failed.settled)
    assert shown == ("inconclusive", "closed", ("error",), True)


def verdict_table(module: ModuleType) -> None:
    for name in VERDICTS:
        check_verdict(module, name)
    check_budgets(module)
    check_contested(module)
    check_reasons(module)
    check_untimed(module)


def decision(verdict: Any) -> Decision:
    return Decision(verdict, "pass", 0, (), "given", True, None)


def canary_table(module: ModuleType) -> None:
    """Soundness, repeats, and who listens to whom."""
    kinds = {
        word: module.Canary(word, "compute", (decision(word),))
        for word in ("pass", "improved", "concern", "inconclusive")
    }
    assert [word for word, canary in kinds.items() if canary.sound] == ["pass"]
    assert not module.Canary("none", "compute", ()).sound
    assert module.Canary("again", "compute", (decision("concern"), decision("pass"))).sound
    quiet, fast, slow = [0.001, -0.001] * 8, [-0.1, -0.11] * 8, [0.2, 0.21] * 8
    for values, sound in (
        (quiet, True),
        (slow, False),
        (fast, False),
        (slow + quiet, True),
        (slow + slow, False),
        (slow + slow + quiet, False),  # repeated once, not until it is quiet
        (quiet + slow, True),
        (quiet[:7], False),
        ([], False),
    ):
        assert module.judge_canary("c", "compute", values, Rules()).sound is sound, values
    assert len(module.judge_canary("c", "compute", quiet, Rules()).runs) == 1
    edge = [T + 0.02] * 8 + [T + 0.03] * 8
    assert module.judge_canary("c", "compute", edge, Rules()).runs[0].settled
    assert module.listens("compute") == ("compute",)
    assert module.listens("streaming") == ("streaming",)
    assert module.listens("unknown") == ("compute", "streaming")
    good = {kind: Canary(kind, kind, (decision("pass"),)) for kind in ("compute", "streaming")}
    bad = {kind: Canary(kind, kind, (decision("concern"),)) for kind in ("compute", "streaming")}
    mixed = [good["compute"], bad["streaming"]]
    assert module.unsound("compute", mixed) == ()
    assert module.unsound("streaming", mixed) == ("streaming",)
    assert module.unsound("unknown", mixed) == ("streaming",)
    assert module.unsound("unknown", list(good.values())) == ()
    assert module.unsound("unknown", list(bad.values())) == ("compute", "streaming")
    assert module.unsound("compute", [good["streaming"]]) == ("compute",)
    assert module.unsound("compute", []) == ("compute",)
    assert module.unsound("compute", [good["compute"], bad["compute"]]) == ("compute",)
