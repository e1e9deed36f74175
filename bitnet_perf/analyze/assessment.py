"""The targets of a review, each decided with the figures of both sides.

A target gates only where the base met it and the candidate misses it. One that both miss is shown,
and one that was not measured says why: a small host must not fail every change, and nothing that is
unknown counts as met. A target against the base is met by the base itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bitnet_perf.analyze.accuracy import Accuracy
from bitnet_perf.analyze.crosscheck import XTASK
from bitnet_perf.analyze.evidence import Evidence, RoundTrip
from bitnet_perf.analyze.kept import kernels_target, memory_targets, outputs_target, repeats_target
from bitnet_perf.analyze.levels import level_of
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.targets import Goals, Status, Target, decided, unmeasured
from bitnet_perf.bench.paired.raw import Raw

__all__ = ["QUANTIZERS", "accuracy_against_base", "assess", "budgets_target", "codec_accuracy"]

THROUGHPUT = "inference throughput"
ACCURACY = "quantization accuracy"
DECODE = "generation/decode/"

# As the evidence line names them -> the codec.
QUANTIZERS = {"I2S": "quant.i2s", "TL1": "quant.tl1", "TL2": "quant.tl2"}


def assess(
    evidence: Evidence, raw: Raw | None, rows: Sequence[Row], goals: Goals | None = None
) -> tuple[Target, ...]:
    """Every target but the budgets, which rows decide by themselves (`budgets_target`), in the
    order of a report.

    raw, rows: the comparison and its judged rows, which give the speed of decoding; None and none
    where nothing was compared.
    """
    wanted = goals or Goals()
    return (
        *_throughput(evidence, raw, rows, wanted),
        *_accuracy(evidence, wanted),
        accuracy_against_base(evidence, wanted),
        outputs_target(evidence, wanted),
        *memory_targets(evidence, wanted),
        repeats_target(evidence),
        kernels_target(evidence),
    )


def codec_accuracy(evidence: Evidence) -> dict[str, Accuracy]:
    """The candidate's three quantizers of the BitNet.rs crates, by the name of the evidence line:
    on the model's own weights where one was named, else on the last data, which are Gaussian."""
    found = {}
    for name, codec in QUANTIZERS.items():
        trips = [each for each in evidence.candidate.round_trips if each.format == codec]
        if trips:
            trip = trips[0] if evidence.model else trips[-1]
            found[name] = Accuracy(trip.accuracy, trip.cosine, trip.error, trip.values, trip.data)
    return found


def _throughput(
    evidence: Evidence, raw: Raw | None, rows: Sequence[Row], goals: Goals
) -> tuple[Target, ...]:
    """A target for each model whose decode steps were compared: named files before random weights,
    most threads first."""
    judged = {row.case: row for row in rows}
    found = [
        _rate_target(evidence, raw, number, judged.get(case["name"]), goals)
        for number, case in sorted(enumerate(raw.cases() if raw else ()), key=_speaks_for)
        if case["name"].startswith((DECODE, XTASK)) and not case.get("canary")
        if raw is not None
    ]
    if found:
        return tuple(found)
    why = "no case of generation/decode was compared (`bitnet-perf gate --suite full` has them)"
    if raw is not None and any(case.get("crate") for case in raw.cases()):
        why = "no model was run (`bitnet-perf gate --model FILE` has `xtask benchmark` run it)"
    return (unmeasured(THROUGHPUT, why),)


def _speaks_for(numbered: tuple[int, Mapping[str, Any]]) -> tuple[bool, int]:
    """The place in order of a case, by how well it tells the speed of a model in use."""
    parts = numbered[1]["name"].split("/")
    shape, threads = parts[3] if len(parts) > 3 else "", parts[-1][1:]
    return "." not in shape, -int(threads) if threads.isdecimal() else 0


def _title(evidence: Evidence, name: str) -> str:
    """The throughput that a case gives, with its model and threads in words."""
    if name.startswith(XTASK):
        return f"{THROUGHPUT}, {name.removeprefix(XTASK)}, xtask benchmark, 1 thread"
    shape, threads = name.split("/")[3:5]
    random = "." not in shape or evidence.synthetic
    team = "1 thread" if threads == "t1" else f"{threads[1:]} threads"
    return f"{THROUGHPUT}, {shape}, {team}{', synthetic weights' if random else ''}"


def _tokens(name: str) -> int:
    """Tokens of one iteration of a decode case: the step that makes the text so long, or, of a
    named file, every step from the first token on."""
    shape = "" if name.startswith(XTASK) else name.split("/")[3]
    named, _, length = shape.rpartition("-n")
    return max(1, int(length) - 1) if "." in named and length.isdecimal() else 1


def _rate_target(
    evidence: Evidence, raw: Raw, number: int, row: Row | None, goals: Goals
) -> Target:
    name = raw.cases()[number]["name"]
    title = _title(evidence, name)
    levels = level_of(raw, number, 0), level_of(raw, number, 1)
    base, candidate = (
        None if level is None or not level.high else _tokens(name) / level.high for level in levels
    )
    goal = goals.tokens_per_second
    if candidate is None:
        why = row.reason if row else "the comparison has no row of it"
        return unmeasured(title, why)
    status = decided(None if base is None else base >= goal, candidate >= goal)
    words = f"{candidate:.1f} tokens/s at least, base {_number(base)} at least; asked are {goal:g}"
    slower = row is not None and row.low is not None and row.low > 0
    if status == "missed now" and not slower:
        status = "not measured"
        words = f"Not known: {words}, and no change between the sides was seen"
    elif status == "not met before or after":
        words = f"Not met before or after ({candidate:.1f} of {goal:g}): base {_number(base)}"
    known = raw.meta.get("fingerprint")
    host = f" on {known['cpu']}" if isinstance(known, Mapping) and known.get("cpu") else ""
    source = (f"raw.npz: {name}",)
    return Target(title, status, f"{words}{host}.", base, candidate, goal, "tokens/s", source)


def _number(value: float | None, digits: int = 1) -> str:
    return "not measured" if value is None else f"{value:.{digits}f}"


def _accuracy(evidence: Evidence, goals: Goals) -> tuple[Target, ...]:
    """A target for each set of data: every format loses less than is asked."""
    trips = evidence.candidate.round_trips
    if not trips:
        return (unmeasured(ACCURACY, evidence.why("formats")),)
    return tuple(
        _on_data(evidence, data, goals) for data in dict.fromkeys(each.data for each in trips)
    )


def _on_data(evidence: Evidence, data: str, goals: Goals) -> Target:
    least = 100 * (1 - goals.accuracy_loss)
    before = {each.format: each for each in evidence.base.round_trips if each.data == data}
    after = {each.format: each for each in evidence.candidate.round_trips if each.data == data}
    reached: dict[Status, list[str]] = {}
    deciding: dict[Status, list[RoundTrip]] = {}
    for name, trip in after.items():
        one = before.get(name)
        status = decided(None if one is None else one.accuracy > least, trip.accuracy > least)
        was = _number(one.accuracy if one else None, 2)
        now = f"{trip.accuracy:.2f}"
        text = f"{name} {now} %" + ("" if was == now else f" (base {was})")
        reached.setdefault(status, []).append(text)
        deciding.setdefault(status, []).append(trip)
    order: tuple[Status, ...] = (
        "missed now", "not met before or after", "not measured", "met"
    )  # fmt: skip
    words = (f"{each}: {', '.join(reached[each])}" for each in order if each in reached)
    status = next(each for each in order if each in reached)
    worst = min(deciding[status], key=lambda trip: trip.accuracy)
    one = before.get(worst.format)
    return Target(
        f"{ACCURACY} on {data}",
        status,
        f"More than {least:g} % is asked; {'; '.join(words)}.",
        None if one is None else one.accuracy,
        worst.accuracy,
        least,
        "%",
        ("evidence.json: round_trips",),
    )


def accuracy_against_base(evidence: Evidence, goals: Goals) -> Target:
    """No format restores its data worse than the base does, nor less of its codes.

    Round trips are deterministic, so that there is no noise: a drop above `goals.accuracy_drop`
    points is one.
    """
    title = "quantization accuracy against the base"
    before = {(each.format, each.data): each for each in evidence.base.round_trips}
    pairs = [
        (before[each.format, each.data], each)
        for each in evidence.candidate.round_trips
        if (each.format, each.data) in before
    ]
    if not pairs:
        return unmeasured(title, evidence.why("formats"))
    drops = [(_drop(one, other), one, other) for one, other in pairs]
    drop, one, other = max(drops, key=lambda each: each[0])
    lost = [each for each in drops if each[0] > goals.accuracy_drop]
    equal = [each.equal for each in evidence.agreements]
    same = f"; {100 * min(equal):.2f} % of the restored values or more are equal" if equal else ""
    count = f"{len(pairs)} round trips of {len({one.format for one, _ in pairs})} formats"
    text = f"the largest drop is {drop:.2f} points ({_both(one, other)})"
    if lost:
        formats = ", ".join(dict.fromkeys(each[1].format for each in lost))
        text = f"{len(lost)} lose more than {goals.accuracy_drop:g} points ({formats}); {text}"
    elif drop <= 0:
        text = "none is worse"
    return Target(
        title,
        decided(True, not lost),
        f"{count}: {text}{same}.",
        one.accuracy,
        other.accuracy,
        goals.accuracy_drop,
        "%",
        ("evidence.json: round_trips, agreements",),
    )


def _drop(base: RoundTrip, candidate: RoundTrip) -> float:
    """Points lost: of accuracy, or of the codes where that is more."""
    lost = base.accuracy - candidate.accuracy
    if base.codes is not None and candidate.codes is not None:
        lost = max(lost, 100 * (base.codes - candidate.codes))
    return lost


def _both(base: RoundTrip, candidate: RoundTrip) -> str:
    return (
        f"{base.format} on {base.data}: {base.accuracy:.2f} % before, {candidate.accuracy:.2f} now"
    )


def budgets_target(rows: Sequence[Row]) -> Target:
    """All cases within their budget, in one line for core and one for other paths."""
    title = "budgets"
    judged = [row for row in rows if row.verdict not in ("new", "gone")]
    if not judged:
        return unmeasured(title, "no case was compared")
    parts = []
    for class_ in ("core", "other"):
        mine = [row for row in judged if row.class_ == class_]
        over = [row for row in mine if row.gate == "fail"]
        noted = [row for row in mine if row.gate == "note"]
        open_ = [row for row in mine if row.verdict == "inconclusive"]
        words = f"{class_}: {len(mine) - len(over) - len(open_)} of {len(mine)} cases within"
        if over:
            worst = max(over, key=lambda row: row.slowdown or 0.0)
            words += f", {len(over)} over ({worst.case} {100 * (worst.slowdown or 0.0):+.1f} %)"
        words += f", {len(noted)} noted" if noted else ""
        words += f", {len(open_)} inconclusive" if open_ else ""
        parts.append(words)
    gates = {row.gate for row in judged}
    met = False if "fail" in gates else None if "closed" in gates else True
    return Target(title, decided(True, met), f"{'; '.join(parts)}.", sources=("raw.npz",))
