"""From the records of a gate to its judgement: a pure function, so that a report can be verified.

The same records give the same judgement at any time: what depends on the day is judged as of the
day that the records name, and nothing is asked of the host.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from bitnet_perf.analyze.accepted import accept_rows
from bitnet_perf.analyze.assessed import Assessed, assess_review
from bitnet_perf.analyze.attribution import (
    Attribution,
    FileSuspect,
    attribute,
    attribute_profiles,
    attribute_workspace,
    is_of_workspace,
    localized,
    parts_of,
    rank_by_stage,
)
from bitnet_perf.analyze.crosscheck import CrossCheck, cross_check, cross_check_benches
from bitnet_perf.analyze.facts import Facts as Known
from bitnet_perf.analyze.facts import (
    Instructions,
    Scaling,
    allocations_of,
    flags_of,
    medians_of,
    overheads_of,
    ran_of,
    repacks_of,
    shares_of,
)
from bitnet_perf.analyze.paired.comparison import Row, overall
from bitnet_perf.analyze.routing import Baseline, decided, situation_of
from bitnet_perf.analyze.steps import steps
from bitnet_perf.analyze.suggestions import suggestions, watches
from bitnet_perf.analyze.targets import Goals, Target
from bitnet_perf.bench.paired.profiles import Profiles
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.peers.bitnet_rs.crates import crate_of
from bitnet_perf.report.judged import Judged, facts_of
from bitnet_perf.report.traces import StackTime
from bitnet_perf.review.compare import Comparison
from bitnet_perf.review.past import trend_lines
from bitnet_perf.review.records import Facts, Records

__all__ = ["assemble"]


def assemble(records: Records) -> Judged:
    """Judge the rows, accept declared trade-offs, place the change, assess, route, suggest."""
    facts, raw, evidence = records.facts, records.raw, records.evidence
    found = Comparison(raw, facts.settings.budgets.rules()).replay()
    rows, trade_offs = accept_rows(found.rows(), facts.settings.accept, facts.date)
    over = [row.case for row in rows if row.gate == "fail"]
    parts = parts_of(raw, rows)
    attribution = _attribution(records, rows, over)
    where = _where(attribution, raw, localized(parts, over)) if over else None
    assessed = assess_review(evidence, raw, rows, _goals(facts))
    attribution = _with_untimed(attribution, assessed.targets, facts, over)
    targets, rules = assessed.targets, found.rules
    situation = situation_of(
        rows, where, targets=targets, baseline=_baseline(assessed), rules=rules
    )
    verdict, code = _verdict(rows, assessed)
    judged = Judged(
        run=facts.run,
        date=facts.date.isoformat(),
        sides=facts.sides,
        base=facts.base[:12],
        candidate=_candidate(facts),
        host=facts_of(raw.meta["fingerprint"]),
        rows=rows,
        rules=rules,
        exit_code=code,
        verdict=verdict,
        stages=attribute(parts, "stage"),
        kernels=attribute(parts, "kernel"),
        attribution=attribution,
        evidence=evidence,
        targets=(*targets, assessed.budgets),
        situation=situation,
        decided=decided(situation),
        watches=watches(rows, rules, facts.settings.accept),
        crosschecks=_cross_checks(raw, rows, attribution),
        notes=(*facts.notes, *trade_offs, *assessed.notes),
        annotations=found.annotations,
        commands=found.commands,
    )
    judged = _with_facts(_with_assessed(judged, assessed), records)
    known = _known(records, judged)
    return replace(
        judged,
        suggestions=suggestions(known),
        steps=steps(situation, known, judged.seconds, str(raw.meta["fingerprint"]["cpu"])),
    )


def _attribution(records: Records, rows: Sequence[Row], over: Sequence[str]) -> Attribution:
    """Where the change lies: of the cases over budget, else of those that are noted, else of all
    that are surely slower."""
    facts, raw = records.facts, records.raw
    asked = list(over) or [row.case for row in rows if row.gate == "note"] or None
    if is_of_workspace(raw):
        return attribute_workspace(
            raw, rows, over=asked, changed=facts.changed, commits=facts.commits, crate_of=crate_of
        )
    return attribute_profiles(
        records.profile,
        raw,
        rows,
        over=asked,
        changed=facts.changed,
        commits=facts.commits,
        places=facts.places,
        crate_of=crate_of,
    )


def _where(
    attribution: Attribution, raw: Raw, told: tuple[str, float] | None
) -> tuple[str, float] | None:
    """What holds the change, by profiles or counts where there are some. Seconds of benches of a
    Cargo workspace do not add up to anything."""
    held = attribution.localized
    if held is None:
        return None if is_of_workspace(raw) else told
    return held.name, held.share


def _with_assessed(judged: Judged, assessed: Assessed) -> Judged:
    """With how the host is used, and the baseline that was named."""
    return replace(
        judged,
        places=(*assessed.places, *assessed.kernels),
        gains=assessed.vectors,
        scaling=assessed.threads,
        cache=assessed.caches,
        memory=assessed.stages,
        baseline=assessed.baseline,
    )


def _cross_checks(
    raw: Raw, rows: Sequence[Row], attribution: Attribution
) -> tuple[CrossCheck, ...]:
    """Runs end to end against what was timed by itself."""
    if is_of_workspace(raw):
        return cross_check_benches(rows)
    return cross_check(rows, shares_of(attribution.cases))


def _with_facts(judged: Judged, records: Records) -> Judged:
    """With what the records state, and no judgement changes."""
    facts = records.facts
    return replace(
        judged,
        changed=facts.changed,
        commits=facts.commits,
        seconds={case["name"]: case.get("seconds", 0.0) for case in records.raw.cases()},
        stacks=_stacks(records.profile),
        trends=trend_lines(records.past),
        digests=records.digests,
        absent=facts.absent,
        gpu=facts.gpu,
        mixed=facts.mixed,
        command=facts.command,
    )


def _with_untimed(
    found: Attribution, targets: Iterable[Target], facts: Facts, over: Sequence[str]
) -> Attribution:
    """Also the suspects of what shows in no time: of memory that is kept, and of missed targets.
    They come first where no case is over its budget."""
    whys = {f"memory kept by {g.case}": g.case.partition("/")[0] for g in found.growths if g.leaks}
    whys |= {target.name: target.stage for target in targets if target.gates and target.stage}
    ranks = [rank_by_stage(stage, why, facts.changed, facts.commits) for why, stage in whys.items()]
    ranks.insert(0 if over else len(ranks), found.suspects)
    suspects: dict[str, FileSuspect] = {}
    for each in (suspect for rank in ranks for suspect in rank):
        suspects.setdefault(each.file, each)
    return replace(found, suspects=tuple(suspects.values()))


def _goals(facts: Facts) -> Goals:
    targets = facts.settings.targets
    return Goals(tokens_per_second=targets.tokens_per_second, accuracy_loss=targets.accuracy_loss)


def _baseline(assessed: Assessed) -> Baseline:
    """Both sides were measured, so that there is one, unless the file that was named is refused."""
    return Baseline(refused=(assessed.refused,) if assessed.refused else ())


def _verdict(rows: Sequence[Row], assessed: Assessed) -> tuple[str, int]:
    """Of the rows; a target that is missed now asks for action, whatever they say."""
    verdict, code = overall(rows)
    return "action" if assessed.missed else verdict, assessed.exit_code(code)


def _candidate(facts: Facts) -> str:
    """The candidate as commands name it."""
    return "tree" if facts.head is None else facts.head[:12]


def _known(records: Records, judged: Judged) -> Known:
    """What suggestions are made from."""
    facts, raw = records.facts, records.raw
    host = raw.meta["fingerprint"]
    return Known(
        rows=judged.rows,
        base=judged.base,
        candidate=judged.candidate,
        cpus=int(host["allowed"]),
        localized=judged.situation.localized,
        model=facts.model,
        commands=judged.commands,
        seconds=medians_of(raw),
        places=tuple(each.candidate for each in judged.places if each.candidate is not None),
        scaling=tuple(
            Scaling(gain.case, gain.threads, gain.candidate.value)
            for gain in judged.scaling
            if gain.candidate is not None
        ),
        ran=ran_of(raw, facts.kernels, host["isas"]),
        flags=flags_of(raw, host["isas"]),
        overheads=overheads_of(judged.attribution.cases),
        allocations=allocations_of(judged.attribution.memory),
        repacks=repacks_of(judged.attribution.cases),
        instructions=tuple(_instructions(raw)),
    )


def _instructions(raw: Raw) -> Iterable[Instructions]:
    """The change of instructions of every case that was counted, and where most of it is."""
    for case in raw.cases():
        told = case.get("instructions")
        if not isinstance(told, dict) or not told.get("base") or case.get("canary"):
            continue
        change = float(told["candidate"]) / float(told["base"]) - 1
        yield Instructions(case["name"], change, _largest(told.get("functions", ())))


def _largest(functions: Sequence[Any]) -> str:
    """The function with the largest change, "" where none was told."""
    most = max(functions, key=lambda row: abs(row["candidate"] - row["base"]), default=None)
    return "" if most is None else str(most["name"])


def _stacks(profiles: Profiles | None) -> tuple[StackTime, ...]:
    """The time of one iteration by stack on both sides, as mean over the samples of all pairs."""
    found = []
    for case in profiles.cases if profiles is not None else ():
        sides: tuple[list[int], list[int]] = ([0] * len(case.stacks), [0] * len(case.stacks))
        count = [0, 0]
        for pair in case.pairs:
            for letter, taken in zip(pair.pattern, pair.self_ns, strict=True):
                side = int(letter == "B")
                count[side] += case.iterations
                for place, ns in enumerate(taken):
                    sides[side][place] += ns
        if all(count):
            found += [
                StackTime(case.case, stack, (a / count[0] / 1e9, b / count[1] / 1e9))
                for stack, a, b in zip(case.stacks, *sides, strict=True)
            ]
    return tuple(found)
