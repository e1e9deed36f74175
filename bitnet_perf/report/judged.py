"""Everything one review measured or decided, as the report reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bitnet_perf.analyze.attribution import Attribution, Commit, Node
from bitnet_perf.analyze.baselines import Baseline
from bitnet_perf.analyze.crosscheck import CrossCheck
from bitnet_perf.analyze.efficiency import CacheRow, Gain, Placed, StageRow
from bitnet_perf.analyze.evidence import Evidence
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.routing import Decided, Situation
from bitnet_perf.analyze.steps import Step
from bitnet_perf.analyze.suggestions import Suggestion, Watch
from bitnet_perf.analyze.targets import Target
from bitnet_perf.bench.gpu_rows import GpuRow
from bitnet_perf.report.figures import Source
from bitnet_perf.report.plots.trends import TrendLine
from bitnet_perf.report.traces import StackTime

__all__ = ["EVIDENCE", "PROFILE", "RAW", "Judged", "case_source", "facts_of", "gate_status"]

RAW, EVIDENCE, PROFILE = "raw.npz", "evidence.json", "profile.json"
_ORDER = {"fail": 0, "closed": 1, "note": 2}


@dataclass(frozen=True)
class Judged:
    """Everything one review measured or decided. `run` names it; `sides` are base and candidate in
    words, `base` and `candidate` as commands name them.

    rows: declared trade-offs accepted. exit_code, verdict: of rows and targets. stages, kernels:
    the change of the compared cases; `attribution` the same by paired profiles, down to functions
    and files. annotations: lines about instructions and code by case; `commands`:
    what runs a case of a Cargo workspace by itself; `seconds`: what measuring
    each case took. places, gains, scaling, cache: of the kernels on this host; `memory`: of the
    stages of a model's run. baseline: the file that was named, judged. absent: why a
    record is not there, by its name. mixed: FP16 on a GPU, gpu: why it was not measured.
    """

    run: str
    date: str
    sides: tuple[str, str]
    host: Mapping[str, str]
    rows: tuple[Row, ...]
    rules: Rules
    exit_code: int
    verdict: str
    situation: Situation
    decided: Decided
    base: str = "BASE"
    candidate: str = "tree"
    stages: tuple[Node, ...] = ()
    kernels: tuple[Node, ...] = ()
    attribution: Attribution = field(default_factory=Attribution)
    evidence: Evidence | None = None
    targets: tuple[Target, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    watches: tuple[Watch, ...] = ()
    steps: tuple[Step, ...] = ()
    crosschecks: tuple[CrossCheck, ...] = ()
    places: tuple[Placed, ...] = ()
    gains: tuple[Gain, ...] = ()
    scaling: tuple[Gain, ...] = ()
    cache: tuple[CacheRow, ...] = ()
    memory: tuple[StageRow, ...] = ()
    baseline: Baseline | None = None
    changed: tuple[str, ...] = ()
    commits: tuple[Commit, ...] = ()
    notes: tuple[str, ...] = ()
    annotations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    stacks: tuple[StackTime, ...] = ()
    trends: tuple[TrendLine, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    gpu: str = "no-gpu-available"
    mixed: GpuRow | None = None
    command: str = "bitnet-perf gate"

    @property
    def worst_first(self) -> tuple[Row, ...]:
        """The rows, those that fail first, then what is open, noted and passed; each group by its
        slowdown."""
        return tuple(
            sorted(self.rows, key=lambda r: (_ORDER.get(r.gate, 3), -abs(r.slowdown or 0.0)))
        )


def gate_status(exit_code: int) -> Literal["pass", "fail", "skipped"]:
    """The gate's word for an exit code of the verdict: what is not known fails closed."""
    return "pass" if exit_code == 0 else "skipped" if exit_code == 6 else "fail"


def case_source(case: str) -> Source:
    """Where the figures of a case follow from."""
    return Source(RAW, case)


def facts_of(fingerprint: Mapping[str, Any]) -> dict[str, str]:
    """The host of a raw file in words."""
    return {
        "CPU": str(fingerprint["cpu"]),
        "ISAs": ", ".join(fingerprint["isas"]),
        "CPUs": str(fingerprint["allowed"]),
        "compiler": str(fingerprint["compiler"]),
        "kernel": str(fingerprint["kernel"]),
    }
