"""Targets of what a change must keep: memory, the same output every time, and the same logits."""

from __future__ import annotations

from collections.abc import Iterable

from bitnet_perf.analyze.evidence import Answer, Evidence, Loaded, SideEvidence
from bitnet_perf.analyze.scaling import LEAST_SIZES, Line, fit_line, growth
from bitnet_perf.analyze.targets import Goals, Status, Target, decided, unmeasured
from bitnet_perf.errors import MeasurementError

__all__ = ["kernels_target", "memory_targets", "outputs_target", "repeats_target"]

OUTPUT = ("logits", "tokens")  # answers of a model; all others are those of kernels
STEADY = 0.75  # part of the repeats that grow, in memory that is held


def outputs_target(evidence: Evidence, goals: Goals) -> Target:
    """The candidate's logits are those of the base."""
    title = "model output against the base"
    if not evidence.outputs:
        return unmeasured(title, evidence.why("outputs"))
    worst = max(evidence.outputs, key=lambda each: each.error)
    words = []
    for each in evidence.outputs:
        same = "equal to the bit" if each.equal else f"NMSE {each.error:.2g} in the worst row"
        words.append(f"{each.model}: {same}, {100 * each.same_choice:.0f} % the same choice")
    return Target(
        title,
        decided(True, worst.error <= goals.error),
        f"{'; '.join(words)} (up to {goals.error:g} is rounding).",
        0.0,
        worst.error,
        goals.error,
        "NMSE",
        ("evidence.json: outputs",),
    )


def memory_targets(evidence: Evidence, goals: Goals) -> tuple[Target, ...]:
    """Peak memory in a line over model sizes, against the base, and what repeats leave behind."""
    return (_linear(evidence, goals), _peak(evidence, goals), _held(evidence, goals))


def _line(side: SideEvidence) -> Line | None:
    try:
        return fit_line([each.model for each in side.loaded], [each.peak for each in side.loaded])
    except MeasurementError:
        return None


def _linear(evidence: Evidence, goals: Goals) -> Target:
    title = "linear memory scaling"
    base, candidate = (_line(side) for side in evidence.sides)
    if candidate is None:
        count = len(evidence.candidate.loaded)
        why = evidence.why("memory") if not count else f"{count} sizes, {LEAST_SIZES} are needed"
        return unmeasured(title, why)
    before, after = (_is_line(line, goals) for line in (base, candidate))
    sizes = [each.model for each in evidence.candidate.loaded]
    sentence = (
        f"{_line_words(candidate)} over {candidate.points} models of {_mb(min(sizes))} to "
        f"{_mb(max(sizes))}, {'linear' if after else 'not linear'} (base: "
        f"{'not measured' if base is None else _line_words(base)}); up to "
        f"{100 * goals.residual:g} % is a line."
    )
    return Target(
        title,
        decided(before, after),
        sentence,
        None if base is None else 100 * base.residual,
        100 * candidate.residual,
        100 * goals.residual,
        "% residual",
        ("evidence.json: loaded",),
    )


def _is_line(line: Line | None, goals: Goals) -> bool | None:
    return None if line is None else line.slope > 0 and line.residual <= goals.residual


def _line_words(line: Line) -> str:
    return (
        f"peak = {_mb(line.intercept)} + {line.slope:.3f} x model, "
        f"residual {100 * line.residual:.1f} %"
    )


def _mb(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


def _peak(evidence: Evidence, goals: Goals) -> Target:
    """What loading and decoding the largest model took beyond what was resident before."""
    title = "peak memory against the base"
    base, candidate = (_largest(side.loaded) for side in evidence.sides)
    if base is None or candidate is None or base.model != candidate.model:
        return unmeasured(title, evidence.why("memory"))
    before, after = (each.peak - each.before for each in (base, candidate))
    if before <= 0 or after <= 0:
        return unmeasured(title, "the peak is not above what was resident before")
    more = after / before - 1
    return Target(
        title,
        decided(True, more <= goals.memory),
        f"A model of {_mb(candidate.model)} takes {_mb(after)}, of the base {_mb(before)} "
        f"({100 * more:+.1f} %, up to {100 * goals.memory:+g} % is accepted).",
        before / 1e6,
        after / 1e6,
        before * (1 + goals.memory) / 1e6,
        "MB",
        ("evidence.json: loaded",),
    )


def _largest(loaded: Iterable[Loaded]) -> Loaded | None:
    return max(loaded, key=lambda each: each.model, default=None)


def _held(evidence: Evidence, goals: Goals) -> Target:
    title = "memory held by repeats"
    if not evidence.candidate.held:
        return unmeasured(title, evidence.why("held"))
    before = {(each.what, each.kind): growth(each.sizes) for each in evidence.base.held}
    found = []
    for each in evidence.candidate.held:
        now, one = growth(each.sizes), before.get((each.what, each.kind))
        free = None if one is None else not _grows(one, goals)
        status = decided(free, not _grows(now, goals))
        was = "not measured" if one is None else f"{one[0]:.0f}"
        text = f"{each.what} leaves {now[0]:.0f} bytes each time, {each.kind} (base {was})"
        found.append((status, now[0], None if one is None else one[0], text))
    order: tuple[Status, ...] = ("missed now", "not met before or after", "not measured", "met")
    status, step, was_step, text = min(found, key=lambda each: (order.index(each[0]), -each[1]))
    count = f"of {len(found)} measurements of repeats the largest"
    return Target(
        title,
        status,
        f"{text}, {count}; up to {goals.held:g} is accepted.",
        was_step,
        step,
        goals.held,
        "bytes",
        ("evidence.json: held",),
    )


def _grows(found: tuple[float, float], goals: Goals) -> bool:
    step, part = found
    return step > goals.held and part >= STEADY


def repeats_target(evidence: Evidence) -> Target:
    """Tokens and logits are the same bits in every run and for every number of threads."""
    title = "deterministic output"
    mine = [each for each in evidence.candidate.answers if each.what in OUTPUT]
    if len(mine) < 2:
        return unmeasured(title, evidence.why("answers"))
    base, candidate = (_differing(side.answers, OUTPUT) for side in evidence.sides)
    threads = sorted({each.threads for each in mine})
    runs = max(each.run for each in mine) + 1
    note = "" if len(threads) > 1 else " (more threads than one were not measured)"
    what = f"Tokens and logits over {runs} runs on {_numbers(threads)} threads{note}"
    return _sameness(title, what, base, candidate)


def kernels_target(evidence: Evidence) -> Target:
    """Kernels of integers and codecs give the same bits on every instruction set of this host."""
    title = "integer kernels over instruction sets"
    mine = [each for each in evidence.candidate.answers if each.what not in OUTPUT]
    isas = list(dict.fromkeys(each.isa for each in mine))
    if len(isas) < 2:
        why = f"{isas[0]} is all that runs here" if isas else evidence.why("answers")
        return unmeasured(title, why)
    base, candidate = (_differing(side.answers, None) for side in evidence.sides)
    what = f"{len({each.what for each in mine})} kernels on {', '.join(isas)}"
    return _sameness(title, what, base, candidate)


def _sameness(title: str, what: str, base: list[str] | None, candidate: list[str] | None) -> Target:
    status = decided(
        None if base is None else not base, None if candidate is None else not candidate
    )
    now = "not measured" if candidate is None else _differs(candidate)
    was = "not measured" if base is None else _differs(base)
    before, after = (None if each is None else float(len(each)) for each in (base, candidate))
    return Target(
        title,
        status,
        f"{what}: {now} (base: {was}).",
        before,
        after,
        0.0,
        "differences",
        ("evidence.json: answers",),
    )


def _differs(names: list[str]) -> str:
    return f"different bits of {', '.join(names[:5])}" if names else "the same bits"


def _differing(answers: Iterable[Answer], only: tuple[str, ...] | None) -> list[str] | None:
    """What has different digests; None where nothing was computed twice."""
    groups: dict[str, list[Answer]] = {}
    for each in answers:
        if (each.what in only) if only else (each.what not in OUTPUT):
            groups.setdefault(each.what, []).append(each)
    if not any(len(group) > 1 for group in groups.values()):
        return None
    return [name for name, group in groups.items() if len({each.digest for each in group}) > 1]


def _numbers(numbers: list[int]) -> str:
    return " and ".join(map(str, numbers))
