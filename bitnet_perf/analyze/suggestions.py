"""What to try: rules over facts, one table. Each suggestion names its evidence and the command that
would test it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bitnet_perf.analyze import commands
from bitnet_perf.analyze.accepted import ACCEPTED, Accept
from bitnet_perf.analyze.facts import SCALAR, Facts, Ran
from bitnet_perf.analyze.numbers import EVIDENCE, RAW, REVIEW, Number, count, part
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.routing import slower_within
from bitnet_perf.bench.cases import matches
from bitnet_perf.peers.bitnet_rs.crates import GPU_MODULE, owner_of

__all__ = ["RULES", "Rule", "Suggestion", "Watch", "measures", "suggestions", "watches"]

NEAR = 0.80  # of a limit: from here on a kernel is as fast as its limit lets it be
FAR = 0.30  # of its nearer limit: below it neither is what holds a kernel up
SCALES = 0.70  # of a whole thread that each thread adds
OVERHEAD = 0.05  # of the time outside of kernels
MORE = 0.02  # of instructions
FASTER = 0.05  # that another format has to be
WAITING = 0.20  # of a decode step in which a GPU waits for launches
WHOLE_ROWS = 128  # weights: a row of so many is whole blocks of every layout and vector
SHORT_ROW = 512  # weights: below it the ends of a row take as long as its middle
XTASK = "benchmark"  # a case STAGE/CRATE/benchmark runs a model by BitNet.rs's own xtask
PYTHON = "python loop"  # what a side says that has no native entry
PRODUCTS = ("gemv", "gemm")
FORMATS = ("i2_s", "tl1", "tl2", "tq1_0", "tq2_0")  # hold the same ternary weights: equal accuracy


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to try about a case, an operation or a flag: the rule that fired, the numbers that it
    saw, the command that would test it. over: it is about a case over its budget."""

    rule: str
    about: str
    text: str
    numbers: tuple[Number, ...]
    command: str
    over: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


Found = Iterator[Suggestion]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its name, when it fires, in words, and what it finds."""

    name: str
    when: str
    finds: Callable[[Facts], Found]


def _make(rule: str, about: str, text: str, numbers: Iterable[Number], command: str) -> Suggestion:
    return Suggestion(rule, about, text, tuple(numbers), command)


def _memory_bound(facts: Facts) -> Found:
    for place in facts.places:
        if place.bound == "memory" and place.part is not None and FAR <= place.part < NEAR:
            threads = max(2, facts.cpus)
            text = (
                "memory-bound and below its bandwidth: a layout that is read front to back, "
                "prefetch, or more threads"
            )
            seen = part(
                f"share of the bandwidth of {place.level}", place.part, EVIDENCE, place.case
            )
            yield _make("memory", place.case, text, [seen], commands.roofline(place.case, threads))


def _compute_bound(facts: Facts) -> Found:
    for place in facts.places:
        if place.bound != "compute" or place.part is None or place.part < FAR:
            continue
        near = place.part >= NEAR
        text = (
            "compute-bound and near the peak of its instruction set: fewer operations for each "
            "weight (look-up tables against multiply-add), or a wider instruction set"
            if near
            else "compute-bound and below the peak of its instruction set: unroll, more "
            "accumulators, a wider instruction set"
        )
        seen = part(f"share of the peak of {place.isa}", place.part, EVIDENCE, place.case)
        test = commands.try_kernel(place.case) or commands.roofline(place.case)
        yield _make("compute", place.case, text, [seen], test)


def _near_neither(facts: Facts) -> Found:
    """Of what is over its budget alone: elsewhere it is how short loops are."""
    over = {row.case for row in facts.over}
    for place in facts.places:
        if place.case in over and place.part is not None and place.part < FAR:
            text = (
                "near neither its bandwidth nor its peak: serial work, waiting for results, short "
                "loops or calls"
            )
            seen = part("share of its nearer limit", place.part, EVIDENCE, place.case)
            test = commands.try_kernel(place.case) or commands.roofline(place.case)
            yield _make("latency", place.case, text, [seen], test)


def _lower_isa(facts: Facts) -> Found:
    for ran, cases in _kernels(facts, lambda ran: ran.isa != ran.host and not _is_fallback(ran)):
        seen = [count(f"cases on {ran.isa}", len(cases), RAW, cases[0])]
        if ran.isa != ran.built:
            text = f"{ran.isa} ran where this build has {ran.built}: let it choose"
            test = commands.compare_isas(ran.isa, ran.built, cases[0])
        else:
            text = f"this build has nothing better than {ran.isa}, the host {ran.host}: write it"
            test = commands.try_kernel(cases[0], ran.isa) or commands.roofline(cases[0])
        yield _make("instruction set", cases[0], text, seen, test)


def _is_fallback(ran: Ran) -> bool:
    return PYTHON in ran.note or (ran.isa == SCALAR and ran.built != SCALAR)


def _kernels(facts: Facts, wanted: Callable[[Ran], bool]) -> Iterator[tuple[Ran, tuple[str, ...]]]:
    """What ran in the cases of each kernel, those over their budget first."""
    over = {row.case for row in facts.over}
    groups: dict[tuple[str, ...], list[Ran]] = {}
    for ran in filter(wanted, facts.ran):
        groups.setdefault((*ran.case.split("/")[1:3], ran.isa), []).append(ran)
    for group in groups.values():
        group.sort(key=lambda ran: ran.case not in over)
        yield group[0], tuple(ran.case for ran in group)


def _flag_off(facts: Facts) -> Found:
    over = {row.case for row in facts.over}
    for flag in facts.flags:
        case = next((name for name in flag.cases if name in over), flag.cases[0])
        text = f"{flag.name} is off: on this host what was measured may be the scalar fallback"
        seen = [count(f"cases without {flag.name}", len(flag.cases), flag.file, case)]
        yield _make("flag", case, text, seen, flag.command)


def _threads(facts: Facts) -> Found:
    for scaling in facts.scaling:
        if scaling.threads > 1 and scaling.efficiency < SCALES:
            text = (
                "threads add little: larger pieces of work for each, no cache line that two of "
                "them write, or fewer threads"
            )
            seen = [
                part(f"gain of each of {scaling.threads} threads", scaling.efficiency,
                     scaling.file, scaling.case),
            ]  # fmt: skip
            slower = scaling.times <= 1  # fewer are faster: how many is for the host to say
            again = commands.bench(scaling.case, scaling.threads)
            test = commands.tune(facts.model) if slower else again
            yield _make("threads", scaling.case, text, seen, test)


def _rows(facts: Facts) -> Found:
    for row in facts.rows:
        parts = row.case.split("/")
        if len(parts) != 5 or parts[1] not in PRODUCTS:
            continue
        shape = commands.shape_of(row.case)
        width = int(shape.rpartition("x")[2]) if shape.rpartition("x")[2].isdigit() else 0
        if width and (width % WHOLE_ROWS or width < SHORT_ROW):
            whole = max(SHORT_ROW, -(-width // WHOLE_ROWS) * WHOLE_ROWS)
            padded = row.case.replace(shape, f"{shape.rpartition('x')[0]}x{whole}")
            text = f"rows of {width} weights are short or no whole blocks: pad them to {whole}"
            seen = [count("weights in a row", width, RAW, row.case)]
            test = commands.compare(facts.base, facts.candidate, row.case, padded)
            yield _make("rows", row.case, text, seen, test)


def _fell_back(facts: Facts) -> Found:
    for ran, cases in _kernels(facts, _is_fallback):
        what = PYTHON if PYTHON in ran.note else SCALAR
        text = f"the kernel fell back to {what} where this build has {ran.built}"
        seen = [count(f"cases on {what}", len(cases), RAW, cases[0])]
        test = commands.compare_isas(SCALAR, ran.built, cases[0])
        yield _make("fallback", cases[0], text, seen, test)


def _dispatch(facts: Facts) -> Found:
    for overhead in facts.overheads:
        if overhead.share > OVERHEAD:
            text = (
                "time between kernels: join small operations, take more rows in one call, or use "
                "fewer threads for little work"
            )
            seen = [part("share outside of kernels", overhead.share, overhead.file, overhead.case)]
            yield _make("dispatch", overhead.case, text, seen, commands.profile(facts.model))


def _format(facts: Facts) -> Found:
    """Another format of the same shape that is faster here."""
    seconds = facts.seconds or {}
    for case, own in seconds.items():
        parts = case.split("/")
        if len(parts) != 5 or parts[1] not in PRODUCTS or parts[2] not in FORMATS:
            continue
        others = {
            format: seconds[other]
            for format in FORMATS
            if (other := "/".join((*parts[:2], format, *parts[3:]))) in seconds
        }
        best = min(others, key=lambda format: others[format])
        if others[best] < own * (1 - FASTER):
            fastest = "/".join((*parts[:2], best, *parts[3:]))
            text = f"{best} holds the same weights and is faster on this host than {parts[2]}"
            seen = [
                Number(parts[2], own, "s", RAW, case),
                Number(best, others[best], "s", RAW, fastest),
            ]
            glob = "/".join((parts[1], "*", *parts[3:]))
            yield _make("format", case, text, seen, commands.bench(glob))


def _precision(facts: Facts) -> Found:
    for gpu in facts.gpu:
        if len(gpu.seconds) < 2:
            continue
        best = min(gpu.seconds, key=lambda name: gpu.seconds[name])
        slowest = max(gpu.seconds.values())
        if gpu.seconds[best] < slowest * (1 - FASTER):
            text = f"{best} is the fastest precision of this GPU"
            seen = [Number(name, s, "s", gpu.file, gpu.case) for name, s in gpu.seconds.items()]
            test = commands.cargo_bench(*commands.MIXED_PRECISION, "gpu")
            yield _make("precision", gpu.case, text, seen, test)


def _allocation(facts: Facts) -> Found:
    for each in facts.allocations:
        if each.allocations:
            text = f"{each.operation} allocates in every step: make it once, before the loop"
            seen = [
                Number("allocations of a step", each.allocations, "count", each.file, each.case),
                Number("allocated", each.allocated, "bytes", each.file, each.case),
            ]
            test = commands.profile(facts.model, python=True)
            yield _make("allocation", each.case, text, seen, test)
    for packs in facts.repacks:
        text = f"{packs.operation} packs weights in every step: pack them once, before the loop"
        seen = [part("share of a step that packs", packs.share, packs.file, packs.case)]
        yield _make("allocation", packs.case, text, seen, commands.profile(facts.model))


def _l2_resident(facts: Facts) -> Found:
    for gpu in facts.gpu:
        if gpu.bytes is not None and gpu.l2 is not None and gpu.bytes <= gpu.l2:
            text = "its inputs stay in the L2 cache, those of a model do not: time it end to end"
            seen = [
                Number("inputs", gpu.bytes, "bytes", gpu.file, gpu.case),
                Number("L2 cache", gpu.l2, "bytes", gpu.file, gpu.case),
            ]
            yield _make("L2", gpu.case, text, seen, commands.xtask())


def _launches(facts: Facts) -> Found:
    for gpu in facts.gpu:
        if gpu.waiting is not None and gpu.waiting > WAITING:
            text = "the GPU waits for launches: one graph for a whole decode step, or fewer kernels"
            seen = [part("share of a step that waits", gpu.waiting, gpu.file, gpu.case)]
            yield _make("launches", gpu.case, text, seen, commands.xtask())


def _instructions(facts: Facts) -> Found:
    for each in facts.instructions:
        if each.change > MORE:
            where = f" in {each.function}" if each.function else ""
            text = f"more instructions for the same work{where}: what moved into its loop?"
            seen = [part("more instructions", each.change, each.file, each.case)]
            test = commands.counted(facts.base, facts.candidate, each.case)
            yield _make("instructions", each.case, text, seen, test)


def _changed(facts: Facts) -> Found:
    """Of every case over its budget: undo the change there."""
    for row in facts.over:
        if row.slowdown is None:
            continue
        seen = [part("slowdown", row.slowdown, RAW, row.case)]
        place = "what changed"
        if facts.localized is not None:
            place = f"what changed in {facts.localized[0]}"
            seen.append(part("its share of the change", facts.localized[1], RAW))
        test = measures(facts, row.case)
        text = f"undo or rework {place}, and see which part of it costs the time"
        yield _make("change", row.case, text, seen, test)


def measures(facts: Facts, case: str) -> str:
    """What measures a case again, where it can be told with more detail than before."""
    if case in facts.commands:
        return facts.commands[case]
    owner = owner_of(case)
    if owner is not None and owner.module == GPU_MODULE:
        return commands.cargo_bench(*commands.MIXED_PRECISION, "gpu")
    if owner is None or owner.kind != "group":
        return commands.counted(facts.base, facts.candidate, case)
    bench = owner.file.removeprefix("benches/").removesuffix(".rs")
    if bench == XTASK:
        return commands.xtask()
    return commands.cargo_bench(owner.crate, bench, commands.FEATURES.get(owner.crate, "cpu"))


RULES = (
    Rule("instructions", "over 2 % more instructions for the same work", _instructions),
    Rule("fallback", "a kernel fell back", _fell_back),
    Rule("flag", "a feature is off", _flag_off),
    Rule("instruction set", "a lower one ran than the host offers", _lower_isa),
    Rule("memory", "memory-bound under 80 % of bandwidth", _memory_bound),
    Rule("compute", "compute-bound", _compute_bound),
    Rule("latency", "over budget and under 30 % of both limits", _near_neither),
    Rule("threads", "a thread adds less than 70 % of one", _threads),
    Rule("rows", "rows are short or no whole blocks", _rows),
    Rule("dispatch", "over 5 % of the time outside of kernels", _dispatch),
    Rule("format", "another format is faster here at equal accuracy", _format),
    Rule("precision", "precisions of a GPU differ in speed", _precision),
    Rule("allocation", "a loop allocates or packs again", _allocation),
    Rule("L2", "a GPU case stays in the L2 cache", _l2_resident),
    Rule("launches", "a GPU waits for launches over 20 % of a step", _launches),
    Rule("change", "a case is over its budget", _changed),
)


def suggestions(facts: Facts) -> tuple[Suggestion, ...]:
    """What every rule finds, in the order of RULES; those about cases over their budget first, in
    the order of their slowdown. Each of these cases has one at least."""
    order = {row.case: place for place, row in enumerate(facts.over)}
    found = [
        Suggestion(s.rule, s.about, s.text, s.numbers, s.command, s.about in order)
        for rule in RULES
        for s in rule.finds(facts)
    ]
    return tuple(sorted(found, key=lambda s: order.get(s.about, len(order))))


@dataclass(frozen=True, slots=True)
class Watch:
    """A case that is slower and does not fail: the slowdown from which on it would, why that is the
    limit, and the command that shows its history."""

    case: str
    slowdown: Number
    fails_at: Number
    why: str
    command: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def watches(
    rows: Iterable[Row], rules: Rules, accepted: Sequence[Accept] = ()
) -> tuple[Watch, ...]:
    """The cases to watch, of `rows` with declared trade-offs accepted; the slowest first."""
    found = []
    for row in rows:
        if not slower_within(row, rules) or row.slowdown is None:
            continue
        limit, why = _limit(row, rules, accepted)
        name = f"slowdown of {row.case}"
        found.append(
            Watch(
                row.case,
                part(name, row.slowdown, RAW, row.case),
                part("fails from", limit, REVIEW, "settings"),
                why,
                commands.history(row.case),
            )
        )
    return tuple(sorted(found, key=lambda watch: -watch.slowdown.value))


def _limit(row: Row, rules: Rules, accepted: Sequence[Accept]) -> tuple[float, str]:
    """The slowdown from which on a case fails, and what sets it."""
    if row.verdict == ACCEPTED:
        for entry in accepted:
            if matches(row.case, entry.case) and row.high is not None and row.high < entry.limit:
                return entry.limit, f"accepted until {entry.expires}: {entry.reason}"
    budget = rules.budget(row.class_)
    core = row.class_ == "core"
    return (budget.concern if core else budget.action), f"the budget of {row.class_} cases"
