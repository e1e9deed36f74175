"""The gate of a Cargo workspace: benches chosen by the change, built at both revisions, in turns.

Criterion's benchmarks become cases `STAGE/CRATE/BENCH/ID`; a bench as a whole that measures nothing
is one too, `STAGE/CRATE/BENCH`. Their evidence is that of whole processes, beside exact counts.
"""

from __future__ import annotations

import datetime
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from bitnet_perf.analyze.paired.comparison import decide_records
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.bench import revisions
from bitnet_perf.bench.builds import tree_objects
from bitnet_perf.bench.fingerprint import fingerprint
from bitnet_perf.bench.paired.driver import CTRL_C, Recording, Settings
from bitnet_perf.bench.paired.raw import Raw, clock_of
from bitnet_perf.bench.paired.schema import printable
from bitnet_perf.errors import ConfigError
from bitnet_perf.peers.cargo.build import Builder, open_builder
from bitnet_perf.peers.cargo.driver import TurnDriver
from bitnet_perf.peers.cargo.metadata import Bench, Workspace
from bitnet_perf.peers.cargo.runs import is_name
from bitnet_perf.review.compare import Comparison, stepper
from bitnet_perf.review.plan import Plan
from bitnet_perf.review.workspace_cases import (
    XTASK,
    BothSides,
    build_all,
    case_of,
    cases_of,
    is_wanted,
    named_by,
    place_of,
    runner_of,
)
from bitnet_perf.review.workspace_counts import Counting

__all__ = ["WorkspacePlan", "plan_workspace"]

OnProgress = Callable[[float, str], None]
NO_MODEL = "no model given"
UNTOUCHED = "none of the changed files is built into it"
NO_BENCH = "none of the changed files is built into a bench; --suite full runs all benches"
FIRST_BUILD, NEXT_BUILD = 240.0, 30.0  # seconds on two cores, about
RUN_SECONDS, COUNT_SECONDS = 0.3, 3.0  # of one run of a benchmark, and under callgrind, about
TIMING = 0.7  # of the time budget; the rest is for counting
LIKELY = 20  # benchmarks of a bench that was never built


@dataclass(frozen=True)
class WorkspacePlan(Plan):
    """What a gate of a Cargo workspace will do. `trees` are those of base and head; `cases` names
    single benchmarks where a bench is built already, else `STAGE/CRATE/BENCH/*`; `wanted` are globs
    that narrow them (none: all); `no_model` is why the workspace's `xtask` runs no model."""

    trees: tuple[str, str] = ("", "")
    benches: tuple[BothSides, ...] = ()
    wanted: tuple[str, ...] = ()
    no_model: str = ""
    seconds: float = 0.0

    @property
    def minutes(self) -> float:
        """About how long it takes at most where every case passes."""
        return self.seconds / 60

    @property
    def unsurveyed(self) -> str:
        """A Cargo workspace is no Python package."""
        return "a Cargo workspace is no package of this toolkit"

    def compare(self, time_budget: float | None, on_progress: OnProgress) -> Comparison:
        """Both sides built, then measured case by case.

        `time_budget` in seconds bounds what comes after the builds, counting included. A bench that
        does not build, lists nothing or measures nothing is a row that says so. Ctrl-C while
        measuring gives what was measured until then.
        """
        say = on_progress
        model = None if self.model is None or self.no_model else Path(self.model).absolute()
        budgets = self.settings.budgets.rules()
        rules = replace(budgets, looks=budgets.long_looks)
        seed = secrets.randbits(32)
        with open_builder(self.repository, lambda what: say(0.0, what)) as builder:
            workspace = builder.workspace(self.trees[1])
            built = build_all(builder, workspace, self.trees, self.benches, model)
            end = None if time_budget is None else time.monotonic() + time_budget
            timing = None if time_budget is None else TIMING * time_budget
            settings = Settings(rules.looks, rules.looks, rules.canary_pairs, timing, seed)
            driver = TurnDriver(settings, stepper(say))
            for each in built:
                built_of = {"built_of": sorted(workspace.built_of(each.bench.crate))}
                for case, subject in cases_of(each, self.wanted, model):
                    driver.add(
                        case | built_of,
                        (each.runners, subject) if each.runners and subject else None,
                    )
            if self.wanted and self.benches and not driver.recording.cases:
                raise ConfigError(
                    f"suite: {self.suite!r} names {', '.join(self.wanted)}, which matches none of "
                    f"{', '.join(place_of(each.bench) for each in built)}"
                )
            _measure(driver, rules)
            recording, located = driver.recording, None
            if recording.stopped != CTRL_C:
                programs = {
                    (each.bench.crate, each.bench.name): each.runners
                    for each in built
                    if each.runners
                }
                counting = Counting(programs, builder, workspace, rules, say, end)
                located = counting.count_cases(recording)
        meta = _meta(self, recording, rules, seed)
        if located is not None:
            meta["code"] = printable(located.text)
        elif not self.benches:
            meta["code"] = NO_BENCH
        return Comparison(Raw.build(meta, recording.pairs), rules)


def plan_workspace(plan: Plan) -> WorkspacePlan:
    """The plan of a Cargo workspace from what both kinds have in common.

    Suite `quick` takes the benches of the crates that the changed files reach, `full` all, a suite
    of the settings its globs over all; with `only_changed` each only those that they reach. Raises
    ConfigError for another suite; EnvironmentRefused and MeasurementError where cargo is missing or
    refuses the workspace.
    """
    suites = plan.settings.suites
    if plan.suite not in ("quick", "full", *suites):
        accepted = ", ".join(dict.fromkeys(["quick", "full", *suites]))
        raise ConfigError(f"suite: found {plan.suite!r}, accepted is {accepted}")
    wanted = suites.get(plan.suite, ())
    root = plan.repository
    trees = _trees(plan)
    with open_builder(root, lambda _: None) as builder:
        before, workspace = (builder.workspace(tree) for tree in trees)
        chosen = [_chosen(each, plan, wanted) for each in (before, workspace)]
        cases, seconds = [], 0.0
        for bench in chosen[1]:
            names, more = _foreseen(builder, workspace, trees, bench)
            known = [name for name in names if is_wanted(name, wanted)]
            names = names if names[-1].endswith("/*") else known
            cases += names
            seconds += more * bool(names)
    common = {field.name: getattr(plan, field.name) for field in fields(Plan)}
    common["cases"] = tuple(cases)
    return WorkspacePlan(
        **common, trees=trees, benches=_joined(*chosen), wanted=tuple(wanted),
        no_model=_no_model(plan, workspace), seconds=seconds + (FIRST_BUILD if seconds else 0.0),
    )  # fmt: skip


def _chosen(workspace: Workspace, plan: Plan, wanted: Sequence[str]) -> tuple[Bench, ...]:
    """The benches of one side that the suite and the change leave."""
    benches = named_by(workspace.benches, wanted) if wanted else workspace.benches
    if not plan.only_changed and (wanted or plan.suite != "quick"):
        return benches
    reached = workspace.benches_of(plan.changed)
    return tuple(bench for bench in benches if bench in reached)


def _no_model(plan: Plan, workspace: Workspace) -> str:
    """Why no model is run by a workspace that could; "" where one is, or it has no `xtask`."""
    if workspace.member(XTASK) is None:
        return ""
    if plan.model is None:
        return NO_MODEL
    reached = not plan.only_changed or XTASK in workspace.affected(plan.changed)
    return "" if reached else UNTOUCHED


def _joined(base: Sequence[Bench], head: Sequence[Bench]) -> tuple[BothSides, ...]:
    """The benches of both sides, each once."""
    sides = [{place_of(bench): bench for bench in benches} for benches in (base, head)]
    return tuple((sides[0].get(place), sides[1].get(place)) for place in {**sides[0], **sides[1]})


def _trees(plan: Plan) -> tuple[str, str]:
    root = plan.repository
    if plan.head is None:
        head = revisions.working_tree(root, tree_objects(root)).tree
    else:
        head = revisions.tree_of(root, plan.head)
    return revisions.tree_of(root, plan.base), head


def _foreseen(
    builder: Builder, workspace: Workspace, trees: tuple[str, str], bench: Bench
) -> tuple[list[str], float]:
    """The cases of a bench as far as they are known before it is built, and seconds they take."""
    known = [builder.known(tree, bench) for tree in trees]
    ids: tuple[str, ...] = ()
    if known[1] is not None and known[1].path is not None:
        runner = runner_of(builder, workspace, trees[1], 1, known[1])
        ids = runner.listed()[0]
    count = len(ids) or LIKELY
    looks = Rules().long_looks[0]
    seconds = count * (4 * looks * RUN_SECONDS + 2 * COUNT_SECONDS)
    seconds += NEXT_BUILD * sum(each is None for each in known)
    names = [f"{place_of(bench, each)}/{each}" for each in ids if is_name(each)]
    names = names or [f"{place_of(bench)}/*"]
    return names, seconds


def _measure(driver: TurnDriver, rules: Rules) -> None:
    driver.try_out()
    if driver.measurable:
        driver.run_canaries(_canary_rule(driver.recording, rules))
        driver.run_cases(_stop_rule(driver.recording, rules))


def _stop_rule(recording: Recording, rules: Rules) -> Callable[[int, bool], bool]:
    """What settles a case by time: the decision that a replay of the raw file takes."""

    def settled(number: int, last: bool) -> bool:
        case = recording.cases[number]
        looks = sorted({pair.look for pair in recording.pairs_of(number)})
        records = [recording.pairs_of(number, look) for look in looks]
        clock = clock_of({}, case, 1)
        return decide_records(records, rules, case["class"], clock=clock, last=last).settled

    return settled


def _canary_rule(recording: Recording, rules: Rules) -> Callable[[int, bool], bool]:
    """A canary that does not pass runs once more."""

    def passes(number: int, last: bool) -> bool:
        pairs = recording.pairs_of(number)
        decision = decide_records([pairs], rules, "core", clock="wall", last=True)
        return last or decision.verdict == "pass"

    return passes


def _meta(plan: WorkspacePlan, recording: Recording, rules: Rules, seed: int) -> dict[str, Any]:
    """The `meta` object of the raw file."""
    cases: list[Mapping[str, Any]] = []
    cases += [{"class": "core", **case} for case in recording.cases]
    if plan.no_model:
        program = Bench(XTASK, "")
        cases.append(case_of(place_of(program), program) | {"skipped": plan.no_model})
    head = "working tree" if plan.head is None else f"revision {plan.head[:12]}"
    meta: dict[str, Any] = {
        "sides": [
            {"kind": "cargo", "label": label, "tree": tree}
            for label, tree in zip((f"revision {plan.base[:12]}", head), plan.trees, strict=True)
        ],
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "cases": cases,
        "iterations": [1] * len(cases),
        "threads": [1] * len(cases),
        "code_hashes": [["", ""]] * len(cases),
        "fingerprint": fingerprint().to_dict(),
        "rules": rules.to_dict(),
    }
    if recording.stopped:
        meta["stopped"] = recording.stopped
    return meta
