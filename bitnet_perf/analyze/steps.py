"""What goes with a route: the steps that whoever acts next can take, as command lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bitnet_perf.analyze import commands
from bitnet_perf.analyze.facts import Facts
from bitnet_perf.analyze.routing import ACCURACY, Situation, route
from bitnet_perf.analyze.suggestions import measures

__all__ = ["Step", "steps"]

SHOWN = 10  # cases that get a line of their own
CARGO_BENCH, CARGO_RUN = "cargo bench ", "cargo run "
SPECIAL = frozenset("*?[],")  # of globs, and between them
LOOKS = 3  # that a case is given at most: the whole of them takes about so often its first


@dataclass(frozen=True, slots=True)
class Step:
    """A step in words, and the command that takes it."""

    text: str
    command: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Seen:
    situation: Situation
    facts: Facts
    seconds: Mapping[str, float]
    host: str


def steps(
    situation: Situation, facts: Facts, seconds: Mapping[str, float], host: str
) -> tuple[Step, ...]:
    """The steps of the route that is taken. seconds: what measuring each case took; host: the CPU
    of this run, in words."""
    row = route(situation)
    seen = _Seen(situation, facts, seconds, host)
    makers: dict[str, Callable[[_Seen], Iterator[Step]]] = {
        "skipped": _measure,
        "baseline establishment needed": _establish,
        "not known yet": _look_again,
        "regression detected within threshold": _watch,
        "performance validation complete": _nothing,
    }
    return tuple(makers.get(row.verdict, _fix)(seen))


def _nothing(_: _Seen) -> Iterator[Step]:
    yield from ()


def _measure(seen: _Seen) -> Iterator[Step]:
    yield Step("Compare the quick suite", commands.gate(seen.facts.base))
    yield Step("Compare every case", commands.gate(seen.facts.base, "full"))


def _establish(_: _Seen) -> Iterator[Step]:
    yield Step("Keep this run as the baseline", commands.keep("results"))


def _fix(seen: _Seen) -> Iterator[Step]:
    """What is over its budget again; the bisection where it is in no one place; what measures a
    target that is missed."""
    situation, facts = seen.situation, seen.facts
    for case in situation.over[:SHOWN]:
        yield Step(f"{case}: again, in more detail", measures(facts, case))
    if situation.over and situation.localized is None:
        tree = facts.candidate == "tree"
        bad, when = ("HEAD", ", once the tree is committed") if tree else (facts.candidate, "")
        for case in situation.over[:SHOWN]:
            if line := _bisects(facts, bad, case):
                yield Step(f"{case}: the first bad commit{when}", line)
    for name in situation.missed:
        yield Step(f"{name}: measure the target again", _measures(facts, name))


def _bisects(facts: Facts, bad: str, case: str) -> str | None:
    """What finds the first bad commit of a case; None where nothing does: a model that cargo runs,
    an id of a bench that would be read as more than itself."""
    own = facts.commands.get(case)
    if own is None:
        return commands.bisect(facts.base, bad, case)
    if not own.startswith(CARGO_BENCH) or not SPECIAL.isdisjoint(case):
        return None
    return commands.bisect_workspace(facts.base, bad, case)


def _measures(facts: Facts, target: str) -> str:
    """What measures a target again."""
    if ACCURACY in target:
        return commands.accuracy(facts.model)
    of_cargo = (line for line in facts.commands.values() if line.startswith(CARGO_RUN))
    own = next(of_cargo, None)
    if own is not None or facts.model is None:
        return own or commands.gate(facts.base)
    return commands.benchmark(facts.model)


def _look_again(seen: _Seen) -> Iterator[Step]:
    """What to run, on which host, for how long."""
    cases = seen.situation.unknown[:SHOWN]
    took = sum(seen.seconds.get(case, 0.0) for case in cases)
    about = f", about {LOOKS * took / 60:.0f} minutes" if took >= 30 else ""
    text = (
        f"Measure the inconclusive cases again{about}, on a host where nothing else runs "
        f"(this one: {seen.host})"
    )
    facts = seen.facts
    if any(case in facts.commands for case in cases):
        yield Step(text, commands.gate(facts.base))
    else:
        yield Step(text, commands.compare(facts.base, facts.candidate, *cases))


def _watch(seen: _Seen) -> Iterator[Step]:
    for case in seen.situation.slower[:SHOWN]:
        yield Step(f"{case}: its trend", commands.history(case))
