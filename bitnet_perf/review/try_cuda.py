"""One `.cu` candidate tried: executed on the CPU, its machine code beside that of the kernel it
replaces, and on a GPU the two compared, on time and on cycles.

Both are judged by the rules of every comparison, from the same replays. The verdict is what both
support: the milder of two that are slower, `pass` where one is faster and the other not slower.
Where one is slower and the other is not, the clock of the GPU moved between the sides, or the work
waits for memory at another clock: no verdict. Where one is not known, none is either.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.analyze.paired.estimate import Estimate, block_differences, slowdown_of, yuen
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.paired.verdict import ALARMS, Decision, Verdict, decide
from bitnet_perf.bench.candidate_check import Checked
from bitnet_perf.bench.gpu_candidate import Replaced, check_on_cpu, inspected, replaced
from bitnet_perf.bench.gpu_cycles import Stamps
from bitnet_perf.bench.gpu_measure import bound_sets, check_case
from bitnet_perf.bench.gpu_timing import paired_blocks
from bitnet_perf.errors import BitnetPerfError, MeasurementError
from bitnet_perf.files import atomic_file
from bitnet_perf.kernels.cuda import nvrtc, sass
from bitnet_perf.kernels.cuda.device import NONE, available
from bitnet_perf.kernels.cuda.inspection import Inspection
from bitnet_perf.kernels.cuda.launch import on_device
from bitnet_perf.kernels.cuda.plans.plan import H200

__all__ = ["CudaTrial", "try_cuda"]

ORDER: tuple[Verdict, ...] = ("improved", "pass", "concern", "action")  # from the mildest
EXIT = {"wrong": 1, "action": 1, "concern": 3, "inconclusive": 4, "skipped": 6}


@dataclass(frozen=True)
class CudaTrial:
    """What is known of a `.cu` candidate.

    replaces: the kernel of the catalog. checked: on the CPU. code: machine code of base and
    candidate, or why there is none. decision: None where nothing was timed; `skipped` says why; its
    estimate is that of the time, `cycles` the decision by cycles alone. samples: `look`, `side`,
    `milliseconds` and `cycles`, [blocks, 4], all that was measured.
    """

    source: str
    case: str
    replaces: str
    checked: Checked
    code: tuple[Inspection, Inspection] | str
    decision: Decision | None = None
    cycles: Decision | None = None
    skipped: str = ""
    samples: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    def save(self, path: Path) -> None:
        """`samples` as a NumPy archive. Raises MeasurementError where nothing was timed."""
        if not self.samples:
            raise MeasurementError(f"{path}: nothing was timed, so there is no raw file to keep")
        with atomic_file(path) as file:
            np.savez_compressed(file, allow_pickle=False, **self.samples)

    @property
    def verdict(self) -> str:
        """`wrong`, `skipped` (right, and no GPU), or that of the comparison."""
        if not self.checked.right:
            return "wrong"
        return "skipped" if self.decision is None else self.decision.verdict

    @property
    def exit_code(self) -> int:
        """0 not slower, 1 wrong or slower by 10 %, 3 by 5 %, 4 not decided, 6 not timed."""
        return EXIT.get(self.verdict, 0)

    @property
    def slowdown(self) -> float | None:
        """0.05: 5 % slower."""
        return _slowdown(self.decision)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        decision = self.decision
        return {
            "source": self.source,
            "case": self.case,
            "replaces": self.replaces,
            "verdict": self.verdict,
            "check": self.checked.to_dict(),
            "code": self.code if isinstance(self.code, str) else [c.to_dict() for c in self.code],
            "slowdown": self.slowdown,
            "slowdown_cycles": _slowdown(self.cycles),
            "reason": decision.reason if decision is not None else self.skipped,
            "pairs": decision.estimate.pairs if decision and decision.estimate else 0,
        }

    @property
    def lines(self) -> tuple[str, ...]:
        """What people read."""
        state = "right" if self.checked.right else f"wrong: {self.checked.reason}"
        told = [f"check on the CPU: {state} ({self.checked.checks} launches)"]
        if isinstance(self.code, str):
            told.append(f"machine code: unavailable ({self.code})")
        else:
            told += [_told(name, each) for name, each in zip(("base", "mine"), self.code,
                                                             strict=True)]  # fmt: skip
        if self.decision is not None:
            told.append(f"time and cycles: {self.decision.reason}")
        elif self.checked.right:
            told.append(f"time: skipped ({NONE}): {self.skipped}")
        return (*told, f"verdict: {self.verdict}")


def _slowdown(decision: Decision | None) -> float | None:
    found = decision.estimate if decision is not None else None
    return None if found is None or not found.pairs else slowdown_of(found.m)


def _told(name: str, code: Inspection) -> str:
    usage = code.usage
    words = f"{name}, {code.architecture}: {usage.registers} registers, "
    words += f"{usage.spill_stores} bytes spilled, {sum(code.opcodes.values())} instructions"
    return words + (f", {code.per_word:.1f} for 16 weights" if code.per_word else "")


def try_cuda(
    source: Path, family: str, shape: str, *, pairs: int | None = None,
    time_budget: float | None = None,
    on_progress: Callable[[float, str], None] | None = None,
) -> CudaTrial:  # fmt: skip
    """Try `source` in place of the kernel that `family` runs for `shape`, as `replaced` has them.

    pairs: one look of so many, not three. time_budget: seconds after which no pair begins, and what
    was measured is the last look. Without a GPU it is checked and inspected, not timed.
    Raises ConfigError for a family, shape or file that is none, and where it does not compile.
    """
    say = on_progress or (lambda _share, _what: None)
    there, reason = available()
    machine = on_device().machine if there else H200
    found = replaced(source, family, shape, machine)
    begin = time.monotonic()
    say(0.0, "on the CPU")
    checked = replace(check_on_cpu(found), seconds=time.monotonic() - begin)
    say(0.3, "machine code")
    trial = CudaTrial(
        str(source.absolute()), found.case(found.base).name, found.base.name, checked,
        _code(found, machine.architecture), skipped=reason,
    )  # fmt: skip
    if not checked.right or not there:
        return trial
    try:
        return _compared(trial, found, (pairs, time_budget), say)
    except MeasurementError as error:
        return replace(trial, checked=Checked(False, str(error), checked.checks, checked.seconds))


def _code(found: Replaced, architecture: str) -> tuple[Inspection, Inspection] | str:
    missing = nvrtc.why_not() or sass.why_not()
    if missing:
        return missing
    try:
        return inspected(found.base, architecture), inspected(found.candidate, architecture)
    except BitnetPerfError as error:
        return str(error)


def agreed(by_time: Decision, by_cycles: Decision) -> Decision:
    """What both decisions support, as stated above; settled where both are."""
    settled = by_time.settled and by_cycles.settled
    told = f"time {by_time.verdict}: {by_time.reason}; cycles {by_cycles.verdict}: "
    told += by_cycles.reason
    for each in (by_time, by_cycles):
        if each.verdict not in ORDER:
            return replace(by_time, verdict=each.verdict, gate=each.gate, reason=told,
                           settled=settled)  # fmt: skip
    both = sorted((by_time, by_cycles), key=lambda each: ORDER.index(each.verdict))
    slower = [each.verdict in ALARMS for each in both]
    if slower[0] != slower[1]:
        reason = f"they contradict each other, so the clock of the GPU moved: {told}"
        return replace(by_time, verdict="inconclusive", gate="closed", reason=reason,
                       settled=settled)  # fmt: skip
    verdict = both[0 if slower[0] else 1].verdict
    gate = both[0 if slower[0] else 1].gate
    return replace(by_time, verdict=verdict, gate=gate, reason=told, settled=settled)


class _Pairs:
    """Fresh pairs of base and candidate, each with buffers of its own on both sides."""

    def __init__(self, found: Replaced, seconds: float | None) -> None:
        self.runner = on_device()
        self.cases = [found.case(kernel) for kernel in (found.base, found.candidate)]
        self.inputs = self.cases[0].inputs()
        for case in self.cases:
            check_case(case, self.runner, self.inputs)
        self.end = None if seconds is None else time.monotonic() + seconds
        self.stamps, self.chance = Stamps(self.runner), np.random.default_rng()
        self.raw: dict[str, list[NDArray[Any]]] = {}

    @property
    def spent(self) -> bool:
        """Whether no further pair may begin."""
        return self.end is not None and time.monotonic() >= self.end

    def take(self, look: int) -> tuple[float, float]:
        """One pair: the median differences of its blocks, of time and of cycles."""
        sets = [bound_sets(case, self.runner, self.inputs) for case in self.cases]
        base, mine = ([bound.launch for bound in each] for each in sets)
        seed = int(self.chance.integers(1 << 31))
        side, times, cycles = paired_blocks(base, mine, seed, self.stamps)
        measured = {"look": np.full(len(side), look), "side": side, "milliseconds": times,
                    "cycles": cycles}  # fmt: skip
        for name, array in measured.items():
            self.raw.setdefault(name, []).append(array)
        by_time, by_cycles = (np.median(block_differences(side, c)) for c in (times, cycles))
        return float(by_time), float(by_cycles)


def _compared(
    trial: CudaTrial, found: Replaced, limits: tuple[int | None, float | None],
    say: Callable[[float, str], None],
) -> CudaTrial:  # fmt: skip
    """Looks of fresh pairs, until one decides or the time is spent."""
    rules, (wanted, seconds) = Rules(), limits
    looks = (wanted,) if wanted else rules.looks
    pairs = _Pairs(found, seconds)
    estimates: tuple[list[Estimate], list[Estimate]] = ([], [])
    for number, count in enumerate(looks):
        values: list[tuple[float, float]] = []
        while len(values) < count and not pairs.spent:
            share = (number + len(values) / count) / len(looks)
            say(0.4 + 0.6 * share, f"pair {len(values) + 1} of {count}")
            values.append(pairs.take(number))
        for clock, kept in enumerate(estimates):
            if values or not kept:
                kept.append(yuen([each[clock] for each in values], rules.alpha_look))
        last = number == len(looks) - 1 or pairs.spent
        by_time, by_cycles = (decide(each, rules, "core", last=last) for each in estimates)
        decision = agreed(by_time, by_cycles)
        if decision.settled:
            break
    samples = {name: np.concatenate(parts) for name, parts in pairs.raw.items()}
    return replace(trial, decision=decision, cycles=by_cycles, samples=samples)
