"""What a gate measures, as records: nothing is judged here."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from bitnet_perf import _native
from bitnet_perf.analyze.attribution import Places
from bitnet_perf.analyze.counts import short_name
from bitnet_perf.analyze.evidence import BaselineFile
from bitnet_perf.bench.gpu_session import mixed_precision
from bitnet_perf.bench.inputs import named_file
from bitnet_perf.bench.paired.driver import CTRL_C
from bitnet_perf.bench.paired.profiled import profile_cases, record_profiles
from bitnet_perf.bench.paired.profiles import Profiles
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.bench.paired.sides import Ready, prepare_sides
from bitnet_perf.config.settings import Settings
from bitnet_perf.review.attribution import commits_of, places_of
from bitnet_perf.review.compare import Comparison
from bitnet_perf.review.evidence import Scope, survey_sides, unsurveyed
from bitnet_perf.review.past import past_of
from bitnet_perf.review.plan import PROFILE_SECONDS, Plan
from bitnet_perf.review.records import PAST, PROFILE, Facts, Records
from bitnet_perf.review.workspace_evidence import add_runs

__all__ = ["Extra", "measure"]

OnProgress = Callable[[float, str], None]
PROFILE_PART = 0.2  # of a time budget
PROFILE_FIRST = 0.6  # of the time of profiles, for cases that became slower
INTERRUPTED = "interrupted before it was measured"
SAME = "both sides hold the same code and data"


@dataclass(frozen=True, slots=True)
class Extra:
    """What a gate does beside: judge a stored `baseline`, too; simulate the cache (`cachegrind`)
    where the host counts no misses."""

    baseline: BaselineFile | None = None
    cachegrind: bool = False


def measure(
    plan: Plan,
    time_budget: float | None,
    on_progress: OnProgress | None,
    extra: Extra | None = None,
) -> Records:
    """Compare the sides of a plan, profile their stages in pairs, and survey both.

    `time_budget` in seconds bounds comparison and profiles. Ctrl-C gives what was measured until
    then; what is then missing says so.
    """
    say = on_progress or (lambda _share, _what: None)
    asked = extra or Extra()
    apart = PROFILE_SECONDS if time_budget is None else PROFILE_PART * time_budget
    apart = 0.0 if plan.unsurveyed else apart
    found = plan.compare(None if time_budget is None else time_budget - apart, say)
    why = INTERRUPTED if found.interrupted else plan.unsurveyed
    absent = {PROFILE: why or SAME}
    profile, evidence = None, unsurveyed(plan.sides, why or INTERRUPTED)
    interrupted = found.interrupted
    if not why:
        ready, _ = prepare_sides(plan.built)
        sides = (ready[0], ready[1])
        profile = _profile(sides, found, min(PROFILE_SECONDS, apart), say)
        interrupted = profile is not None and profile.stopped == CTRL_C
        if not interrupted:
            try:
                full = plan.suite == "full"
                scope = Scope(named_file(plan.model), full, asked.cachegrind, _slower(found))
                evidence = survey_sides(*sides, plan.cases, scope, say)
            except KeyboardInterrupt:
                interrupted = True
    evidence = add_runs(evidence, found.raw, plan.model)
    evidence = evidence.model_copy(update={"baseline": asked.baseline})
    if profile is not None:
        del absent[PROFILE]
    past, no_past = past_of(plan.settings.history.url, plan.cases, plan.repository)
    if past is None:
        absent[PAST] = no_past
    facts = _facts(plan, found, absent).model_copy(update={"interrupted": interrupted})
    return Records(facts, found.raw, evidence, profile, past).sealed()


def _slower(found: Comparison) -> tuple[str, ...]:
    """The cases that became slower for sure, the most first."""
    rows = [row for row in found.rows() if row.low is not None and row.low > 0]
    return tuple(row.case for row in sorted(rows, key=lambda row: -(row.slowdown or 0.0)))


def _profile(
    sides: tuple[Ready, Ready], found: Comparison, seconds: float, say: OnProgress
) -> Profiles | None:
    """Nothing where both sides are the same. Cases that became slower come first and may take
    PROFILE_FIRST of the time, because few pairs on a busy host place nothing."""
    rows = found.rows()
    if all(row.verdict == "identical" for row in rows):
        return None
    seed, known = found.raw.meta["seed"], profile_cases()
    slower = [row.case for row in rows if row.case in known and row.low is not None and row.low > 0]
    rest = [name for name in known if name not in slower]
    if not slower or not rest:
        return record_profiles(*sides, known, time_budget=seconds, seed=seed, on_case=say)
    first = record_profiles(
        *sides, slower, time_budget=PROFILE_FIRST * seconds, seed=seed, on_case=say
    )
    if first.stopped == CTRL_C:
        return first
    left = seconds - first.seconds
    then = record_profiles(*sides, rest, time_budget=left, seed=seed, on_case=say)
    together = {"cases": first.cases + then.cases, "seconds": first.seconds + then.seconds}
    return then.model_copy(update={**together, "stopped": then.stopped or first.stopped})


def _facts(plan: Plan, found: Comparison, absent: dict[str, str]) -> Facts:
    """The facts of a run that has just been measured."""
    settings = plan.settings
    uncommitted = plan.changed if plan.dirty else ()
    mixed = mixed_precision()
    return Facts(
        tool=_native.__version__,
        run=uuid.uuid4().hex[:12],
        date=datetime.datetime.now(datetime.UTC).date(),
        sides=plan.sides,
        base=plan.base,
        head=plan.head,
        dirty=plan.dirty,
        changed=plan.changed,
        commits=commits_of(plan.repository, plan.base, plan.head or "HEAD", uncommitted),
        places=dict(_places(plan, found.raw)),
        suite=plan.suite,
        cases=plan.cases,
        model=plan.model,
        kernels=tuple((f, format, isa) for f, format, isa, why in _native.kernels() if not why),
        settings=Settings(
            budgets=settings.budgets,
            targets=settings.targets,
            suites=settings.suites,
            accept=settings.accept,
        ),
        notes=_notes(plan, found),
        command=plan.command,
        gpu=mixed.why,
        mixed=mixed.row,
        absent=absent,
    )


def _places(plan: Plan, raw: Raw) -> Places:
    """Where the native functions that were counted stand."""
    counted = [case.get("instructions") for case in raw.cases()]
    rows = [row for each in counted if isinstance(each, dict) for row in each.get("functions", ())]
    names = dict.fromkeys(short_name(str(row["name"])) for row in rows)
    return places_of(plan.repository, names, plan.changed) if names else {}


def _notes(plan: Plan, found: Comparison) -> tuple[str, ...]:
    notes = []
    if plan.dirty:
        notes.append("The working tree has changes that are not committed; it was taken as it is.")
    count = len(plan.changed)
    shown = ", ".join(plan.changed[:10]) + (f" and {count - 10} more" if count > 10 else "")
    notes.append(f"Changed files: {shown or 'none'}.")
    notes += plan.notes
    if "code" in found.raw.meta:
        notes.append(f"Code: {found.raw.meta['code']}.")
    if "tuned" in found.raw.meta:
        notes.append(f"Tuned, the same on both sides: {found.raw.meta['tuned']}.")
    if "stopped" in found.raw.meta:
        notes.append(f"Stopped by {found.raw.meta['stopped']}: what was open is inconclusive.")
    return tuple(notes)
