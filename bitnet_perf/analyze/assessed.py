"""Everything that evidence, comparison and rows say together: what a report and routing take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bitnet_perf.analyze.accuracy import Accuracy
from bitnet_perf.analyze.assessment import assess, budgets_target, codec_accuracy
from bitnet_perf.analyze.baselines import Baseline, judge_baseline
from bitnet_perf.analyze.efficiency import (
    CacheRow,
    Gain,
    Placed,
    StageRow,
    cache_rows,
    kernel_places,
    places,
    scaling_of_threads,
    stage_rows,
    vector_gains,
)
from bitnet_perf.analyze.evidence import Evidence
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.targets import Goals, Target
from bitnet_perf.bench.paired.raw import Raw

__all__ = ["Assessed", "assess_review"]

MISSED = 1  # exit code of a target that the base met and the candidate misses


@dataclass(frozen=True)
class Assessed:
    """What was assessed.

    targets: all but `budgets`, which sums up the rows that gate by themselves. accuracy: of the
    crates' quantizers, by the name of the evidence line. vectors, threads: gains over scalar and
    over one thread. places: compared cases, `kernels` those of a profile, under the limits of the
    host. stages, caches: memory by stage, cache misses. baseline: the file that was named, judged.
    """

    targets: tuple[Target, ...]
    budgets: Target
    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)
    vectors: tuple[Gain, ...] = ()
    threads: tuple[Gain, ...] = ()
    places: tuple[Placed, ...] = ()
    kernels: tuple[Placed, ...] = ()
    stages: tuple[StageRow, ...] = ()
    caches: tuple[CacheRow, ...] = ()
    baseline: Baseline | None = None

    @property
    def missed(self) -> tuple[Target, ...]:
        """Targets that gate."""
        return tuple(target for target in self.targets if target.gates)

    @property
    def refused(self) -> str:
        """Why the baseline that was named is refused; "" where none was, or it is used."""
        return "" if self.baseline is None or self.baseline.used else self.baseline.sentence

    @property
    def notes(self) -> tuple[str, ...]:
        """What a report says of the baseline."""
        return () if self.baseline is None else (self.baseline.sentence,)

    def exit_code(self, code: int) -> int:
        """That of the rows, or MISSED where a target gates."""
        return MISSED if self.missed else code

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values of the targets and the baseline."""
        return {
            "targets": [each.to_dict() for each in (*self.targets, self.budgets)],
            "baseline": None if self.baseline is None else self.baseline.to_dict(),
        }


def assess_review(
    evidence: Evidence, raw: Raw | None, rows: Sequence[Row], goals: Goals | None = None
) -> Assessed:
    """Assess what one run measured: a pure function of its records."""
    baseline = None
    if evidence.baseline is not None:
        known = raw.meta.get("fingerprint") if raw is not None else None
        host = known if isinstance(known, Mapping) else {}
        baseline = judge_baseline(evidence.baseline, raw, host, evidence.ceilings)
    return Assessed(
        targets=assess(evidence, raw, rows, goals),
        budgets=budgets_target(rows),
        accuracy=codec_accuracy(evidence),
        vectors=vector_gains(evidence),
        threads=scaling_of_threads(evidence),
        places=places(evidence, raw),
        kernels=kernel_places(evidence),
        stages=stage_rows(evidence),
        caches=cache_rows(evidence),
        baseline=baseline,
    )
