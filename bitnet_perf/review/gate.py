"""The gate: both revisions built, compared, the change placed, decided, routed, reported."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bitnet_perf.analyze.attribution import Node
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.config.settings import Settings
from bitnet_perf.errors import BitnetPerfError, ConfigError, MeasurementError
from bitnet_perf.report.document import Report
from bitnet_perf.report.forms import FORMS, save_forms
from bitnet_perf.report.judged import Judged
from bitnet_perf.report.verdicts import build_judged_report
from bitnet_perf.review.assemble import assemble
from bitnet_perf.review.compare import Comparison
from bitnet_perf.review.measure import Extra, measure
from bitnet_perf.review.plan import NothingBefore, Plan, plan_gate
from bitnet_perf.review.records import Records

__all__ = ["Extra", "NothingBefore", "Plan", "Review", "gate", "plan_gate", "review"]

OnProgress = Callable[[float, str], None]


@dataclass(frozen=True)
class Review:
    """A completed review. `records` hold every number that it tells, `judged` and `document` follow
    from them alone."""

    plan: Plan
    records: Records
    judged: Judged
    document: Report

    @classmethod
    def of(cls, plan: Plan, records: Records) -> Review:
        """Judge the records, and write the report."""
        judged = assemble(records)
        return cls(plan, records, judged, build_judged_report(judged))

    @cached_property
    def comparison(self) -> Comparison:
        """The comparison, as its raw file has it: without declared trade-offs."""
        return Comparison(self.records.raw, self.judged.rules)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the measuring."""
        return self.records.facts.interrupted

    @property
    def verdict(self) -> str:
        """The verdict of the flow, as the report states it."""
        return self.document.verdict

    @property
    def route(self) -> str:
        """Who acts next."""
        return self.document.route

    @property
    def evidence(self) -> tuple[str, ...]:
        """The evidence lines, the gate's own last."""
        return self.document.lines

    @property
    def exit_code(self) -> int:
        """0 pass, 1 action, 3 concern, 4 inconclusive, 6 nothing measured."""
        return self.judged.exit_code

    @property
    def stages(self) -> tuple[Node, ...]:
        """The change by stage."""
        return self.judged.stages

    @property
    def kernels(self) -> tuple[Node, ...]:
        """The change by kernel."""
        return self.judged.kernels

    def rows(self) -> tuple[Row, ...]:
        """One row per case, alarms within a declared trade-off accepted."""
        return self.judged.rows

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: the report, the comparison and the attribution."""
        return {
            "report": self.document.to_dict(),
            "comparison": self.comparison.to_dict(),
            "stages": [node.to_dict() for node in self.stages],
            "kernels": [node.to_dict() for node in self.kernels],
            "targets": [target.to_dict() for target in self.judged.targets],
            "attribution": self.judged.attribution.to_dict(),
            "changed": list(self.plan.changed),
        }

    def report(self, form: str = "markdown") -> str:
        """The report as "markdown", "html" or "json"; html needs the report extra."""
        if form not in FORMS:
            raise ConfigError(f"form: found {form!r}, accepted is {', '.join(FORMS)}")
        text = FORMS[form].text(self.judged, self.document)
        if text is None:
            raise MeasurementError(f"form: {form!r} needs what was not measured in this run")
        return text

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the records into `folder`, and every form of the report beside them."""
        target = Path(folder)
        self.records.save(target)
        save_forms(self.judged, self.document, target)
        return target

    def to_frame(self) -> Any:
        """The rows as a pandas DataFrame; EnvironmentRefused where pandas is missing."""
        return self.comparison.to_frame()

    def plot(self, axes: Any = None) -> Any:
        """Each case's interval against the budget lines; matplotlib axes."""
        return self.comparison.plot(axes)

    def _repr_html_(self) -> str:
        return self.comparison._repr_html_()


def gate(
    base: str | None = None,
    head: str | None = None,
    suite: str = "quick",
    model: str | None = None,
    *,
    repository: str | os.PathLike[str] = ".",
    settings: Settings | None = None,
    only_changed: bool = False,
    time_budget: float | None = None,
    on_progress: OnProgress | None = None,
) -> Review:
    """Review `head` (None: the working tree as it is) against `base`, and say what to do.

    Budgets, suites and accepted trade-offs are those of `settings` (None: of the repository).

    model: a GGUF file or a shape of random weights (`1b`) whose stages are compared, too. Raises
    NothingBefore where there is no commit to compare with, ConfigError for a model that is neither,
    MeasurementError where a side does not build or no case is left to measure.
    """
    plan = plan_gate(
        base, head, suite, repository, settings, model=model, only_changed=only_changed
    )
    return review(plan, time_budget, on_progress)


def review(
    plan: Plan,
    time_budget: float | None,
    on_progress: OnProgress | None,
    extra: Extra | None = None,
    keep: Path | None = None,
) -> Review:
    """Carry out a plan; a baseline that is refused leaves the change without one.

    The records go into the folder `keep` before anything is judged, so that no error after that
    loses them; a folder that cannot be written is told by `save`.
    """
    records = measure(plan, time_budget, on_progress, extra)
    if keep is not None:
        with suppress(BitnetPerfError, OSError):
            records.save(keep)
    return Review.of(plan, records)
