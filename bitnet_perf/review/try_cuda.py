"""One `.cu` candidate tried: executed on the CPU, its machine code beside that of the kernel it
replaces, and on a GPU the two compared."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bitnet_perf.analyze.paired.estimate import block_differences, slowdown_of, yuen
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.paired.verdict import Decision, decide
from bitnet_perf.bench.candidate_check import Checked, shape_numbers
from bitnet_perf.bench.gpu_candidate import Replaced, check_on_cpu, inspected, replaced
from bitnet_perf.bench.gpu_measure import bound_sets, check_case
from bitnet_perf.bench.gpu_timing import paired_blocks
from bitnet_perf.errors import BitnetPerfError, MeasurementError
from bitnet_perf.kernels.cuda import nvrtc, sass
from bitnet_perf.kernels.cuda.device import NONE, available
from bitnet_perf.kernels.cuda.inspection import Inspection
from bitnet_perf.kernels.cuda.launch import OnDevice, on_device
from bitnet_perf.kernels.cuda.plans.plan import H200

__all__ = ["CudaTrial", "try_cuda"]

EXIT = {"wrong": 1, "action": 1, "concern": 3, "inconclusive": 4, "skipped": 6}


@dataclass(frozen=True)
class CudaTrial:
    """What is known of a `.cu` candidate.

    replaces: the kernel of the catalog. checked: on the CPU. code: machine code of base and
    candidate, or why there is none. decision: None where nothing was timed; `skipped` says why.
    """

    source: str
    case: str
    replaces: str
    checked: Checked
    code: tuple[Inspection, Inspection] | str
    decision: Decision | None = None
    skipped: str = ""

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
        found = self.decision.estimate if self.decision is not None else None
        return None if found is None else slowdown_of(found.m)

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
            told.append(f"time: {self.decision.reason}")
        elif self.checked.right:
            told.append(f"time: skipped ({NONE}): {self.skipped}")
        return (*told, f"verdict: {self.verdict}")


def _told(name: str, code: Inspection) -> str:
    usage = code.usage
    words = f"{name}, {code.architecture}: {usage.registers} registers, "
    words += f"{usage.spill_stores} bytes spilled, {sum(code.opcodes.values())} instructions"
    return words + (f", {code.per_word:.1f} for 16 weights" if code.per_word else "")


def try_cuda(
    source: Path, family: str, shape: str, *, pairs: int | None = None,
    on_progress: Callable[[float, str], None] | None = None,
) -> CudaTrial:  # fmt: skip
    """Try `source` in place of the kernel that `family` runs for `shape`: NxK of gemv_w2a8, MxNxK
    of the others.

    pairs: one look of so many, not three. Without a GPU it is checked and inspected, not timed.
    Raises ConfigError for a family, shape or file that is none, and where it does not compile.
    """
    say = on_progress or (lambda _share, _what: None)
    there, reason = available()
    machine = on_device().machine if there else H200
    numbers = shape_numbers("gemv" if family.startswith("gemv") else "gemm", shape)
    sizes = (1, *numbers) if len(numbers) == 2 else numbers
    found = replaced(source, family, (sizes[0], sizes[1], sizes[2]), machine)
    begin = time.monotonic()
    say(0.0, "on the CPU")
    checked = replace(check_on_cpu(found), seconds=time.monotonic() - begin)
    say(0.3, "machine code")
    trial = CudaTrial(
        str(source.absolute()), found.case(found.shape, found.base).name, found.base.name, checked,
        _code(found, machine.architecture), skipped=reason,
    )  # fmt: skip
    if not checked.right or not there:
        return trial
    try:
        decision = _compared(found, on_device(), pairs, say)
    except MeasurementError as error:
        return replace(trial, checked=Checked(False, str(error), checked.checks, checked.seconds))
    return replace(trial, decision=decision)


def _code(found: Replaced, architecture: str) -> tuple[Inspection, Inspection] | str:
    missing = nvrtc.why_not() or sass.why_not()
    if missing:
        return missing
    try:
        return inspected(found.base, architecture), inspected(found.candidate, architecture)
    except BitnetPerfError as error:
        return str(error)


def _compared(
    found: Replaced, runner: OnDevice, pairs: int | None, say: Callable[[float, str], None]
) -> Decision:
    """Looks of fresh pairs, each with buffers of its own on both sides, until one decides."""
    rules = Rules()
    looks = (pairs,) if pairs else rules.looks
    cases = [found.case(found.shape, kernel) for kernel in (found.base, found.candidate)]
    inputs = cases[0].inputs()
    for case in cases:
        check_case(case, runner, inputs)
    chance = np.random.default_rng()
    estimates = []
    for number, count in enumerate(looks):
        values = []
        for pair in range(count):
            say(0.4 + 0.6 * (number + pair / count) / len(looks), f"pair {pair + 1} of {count}")
            sets = [bound_sets(case, runner, inputs) for case in cases]
            base, mine = ([bound.launch for bound in each] for each in sets)
            blocks = paired_blocks(base, mine, int(chance.integers(1 << 31)), found.candidate.name)
            values.append(float(np.median(block_differences(*blocks))))
        estimates.append(yuen(values, rules.alpha_look))
        decision = decide(estimates, rules, "core", last=number == len(looks) - 1)
        if decision.settled:
            return decision
    return decision
