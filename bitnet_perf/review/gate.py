"""The gate: both revisions built, compared, the change placed, decided, routed, reported."""

from __future__ import annotations

import datetime
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitnet_perf.analyze.accepted import accept_rows
from bitnet_perf.analyze.attribution import Node, attribute, localized, parts_of, suspects
from bitnet_perf.analyze.paired.comparison import Row, overall
from bitnet_perf.analyze.routing import route, situation_of
from bitnet_perf.bench import revisions
from bitnet_perf.bench.builds import tree_objects
from bitnet_perf.bench.cases import gate_cases
from bitnet_perf.bench.gpu import why_no_gpu
from bitnet_perf.bench.paired.sides import Side, prepare_side
from bitnet_perf.config.load import load_settings
from bitnet_perf.config.settings import Settings
from bitnet_perf.errors import BitnetPerfError, ConfigError, EnvironmentRefused
from bitnet_perf.files import write_atomic
from bitnet_perf.report.document import Report
from bitnet_perf.report.page import html_page
from bitnet_perf.report.verdicts import Judged, build_judged_report, facts_of
from bitnet_perf.review.compare import Comparison, compare
from bitnet_perf.review.evidence import NOT_SURVEYED, survey_of

__all__ = ["NothingBefore", "Plan", "Review", "gate", "plan_gate"]

OnProgress = Callable[[float, str], None]
CASE_SECONDS = 4.0  # about what a case takes that its first look settles
BUILD_SECONDS = 120.0  # about what a tree takes that was never built on two cores


class NothingBefore(EnvironmentRefused):
    """No base is named, and no earlier commit is in reach; `first`: there is none at all."""

    def __init__(self, why: str, *, first: bool = False) -> None:
        super().__init__(why)
        self.first = first


@dataclass(frozen=True)
class Plan:
    """What a gate will do. `base` and `head` are commits; a head of None is the working tree."""

    repository: Path
    base: str
    head: str | None
    dirty: bool
    changed: tuple[str, ...]
    suite: str
    cases: tuple[str, ...]
    settings: Settings = field(default_factory=Settings)

    @property
    def minutes(self) -> float:
        """About how long it takes at most where both trees are new and every case passes."""
        return (2 * BUILD_SECONDS + CASE_SECONDS * len(self.cases)) / 60


@dataclass(frozen=True)
class Review:
    """A completed review. `document` holds every number that it tells, `judged` the rows of the
    comparison with declared trade-offs accepted."""

    plan: Plan
    comparison: Comparison
    judged: tuple[Row, ...]
    stages: tuple[Node, ...]
    kernels: tuple[Node, ...]
    document: Report

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
        return self.document.evidence

    @property
    def exit_code(self) -> int:
        """0 pass, 1 action, 3 concern, 4 inconclusive, 6 nothing measured."""
        return overall(self.judged)[1]

    def rows(self) -> tuple[Row, ...]:
        """One row per case."""
        return self.judged

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: the report, the comparison and the attribution."""
        return {
            "report": self.document.to_dict(),
            "comparison": self.comparison.to_dict(),
            "stages": [node.to_dict() for node in self.stages],
            "kernels": [node.to_dict() for node in self.kernels],
            "changed": list(self.plan.changed),
        }

    def report(self, form: str = "markdown") -> str:
        """The report as "markdown", "html" or "json"; html needs the report extra."""
        if form == "markdown":
            return self.document.markdown()
        if form == "json":
            return json.dumps(self.document.to_dict(), indent=1, ensure_ascii=False) + "\n"
        if form == "html":
            return html_page(self.document, self.comparison.plot)
        raise ConfigError(f"form: found {form!r}, accepted is markdown, html or json")

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write report.md, report.json and raw.npz into `folder`."""
        target = Path(folder)
        write_atomic(target / "report.md", self.report("markdown"))
        write_atomic(target / "report.json", self.report("json"))
        self.comparison.save(target / "raw.npz")
        return target

    def to_frame(self) -> Any:
        """The rows as a pandas DataFrame; EnvironmentRefused where pandas is missing."""
        return self.comparison.to_frame()

    def plot(self, axes: Any = None) -> Any:
        """Each case's interval against the budget lines; matplotlib axes."""
        return self.comparison.plot(axes)

    def _repr_html_(self) -> str:
        return self.comparison._repr_html_()


def plan_gate(
    base: str | None,
    head: str | None,
    suite: str,
    repository: str | os.PathLike[str],
    settings: Settings | None = None,
) -> Plan:
    """What would be compared, by the settings of the repository where none are given.

    `base` None is the parent of the head where the tree is as committed, else the commit itself.
    A named base is taken at its merge base with the head. Raises NothingBefore where no base is
    named and none is there or in reach; EnvironmentRefused with the `git fetch` line where a
    shallow clone lacks a named one.
    """
    settings = settings or load_settings(repository).settings
    cases = gate_cases(suite, settings.suites)
    root = _checkout(repository, named=base is not None or head is not None)
    tip = revisions.resolve(root, head or "HEAD")
    objects = tree_objects(root)
    tree = revisions.working_tree(root, objects) if head is None else None
    dirty = tree is not None and tree.dirty
    if base is not None:
        start = revisions.merge_base(root, base, tip)
    else:
        start = tip if dirty else _parent(root, tip)
    after = tree.tree if tree is not None else tip
    changed = revisions.changed_files(root, start, after, objects)
    return Plan(root, start, head and tip, dirty, changed, suite, cases, settings)


def _checkout(repository: str | os.PathLike[str], *, named: bool) -> Path:
    """The top folder of the checkout; without one nothing is before the files."""
    try:
        return revisions.repository_root(repository)
    except BitnetPerfError as error:
        if named:
            raise
        raise NothingBefore(str(error)) from error


def _parent(root: Path, tip: str) -> str:
    try:
        before = revisions.parent(root, tip)
    except EnvironmentRefused as error:
        raise NothingBefore(str(error)) from error
    if before is None:
        raise NothingBefore(
            f"{tip[:12]} is the first commit: name what to judge it against with --base", first=True
        )
    return before


def gate(
    base: str | None = None,
    head: str | None = None,
    suite: str = "quick",
    model: str | None = None,
    *,
    repository: str | os.PathLike[str] = ".",
    settings: Settings | None = None,
    time_budget: float | None = None,
    on_progress: OnProgress | None = None,
) -> Review:
    """Review `head` (None: the working tree as it is) against `base`, and say what to do.

    Budgets, suites and accepted trade-offs are those of `settings` (None: of the repository).

    Raises NothingBefore where there is no commit to compare with, ConfigError for a model, which no
    stage here can load yet, MeasurementError where a side does not build.
    """
    if model is not None:
        raise ConfigError(f"model: found {model!r}, accepted is None: no stage here loads one yet")
    plan = plan_gate(base, head, suite, repository, settings)
    return review(plan, time_budget, on_progress)


def review(plan: Plan, time_budget: float | None, on_progress: OnProgress | None) -> Review:
    """Carry out a plan."""
    say = on_progress or (lambda _share, _what: None)
    base = Side.revision(plan.base, repository=plan.repository)
    candidate = Side.revision(plan.head, repository=plan.repository)
    found = compare(
        base,
        candidate,
        plan.cases,
        time_budget=time_budget,
        rules=plan.settings.budgets.rules(),
        counts="changed",
        on_progress=say,
    )
    now = datetime.datetime.now(datetime.UTC).date()
    rows, trade_offs = accept_rows(found.rows(), plan.settings.accept, now)
    parts = parts_of(found.raw, rows)
    stages, kernels = attribute(parts, "stage"), attribute(parts, "kernel")
    over = [row.case for row in rows if row.gate == "fail"]
    situation = situation_of(rows, localized(parts, over))
    evidence = NOT_SURVEYED
    if not found.interrupted:
        say(1.0, "accuracy and vector variants of the candidate")
        evidence = survey_of(prepare_side(candidate))
    judged = Judged(
        run=uuid.uuid4().hex[:12],
        date=now.isoformat(),
        sides=_names(plan),
        host=facts_of(found.raw.meta["fingerprint"]),
        rows=rows,
        rules=found.rules,
        exit_code=overall(rows)[1],
        verdict=overall(rows)[0],
        stages=stages,
        kernels=kernels,
        suspects=suspects(kernels, plan.changed),
        situation=situation,
        route=route(situation),
        changed=plan.changed,
        notes=(*_notes(plan, found), *trade_offs),
        annotations=found.annotations,
        speedups=evidence.speedups,
        accuracy=evidence.accuracy,
        unmeasured=evidence.why,
        targets=plan.settings.targets,
        gpu=why_no_gpu(),
        command=_command(plan),
        seconds={case["name"]: case.get("seconds", 0.0) for case in found.raw.cases()},
    )
    return Review(plan, found, rows, stages, kernels, build_judged_report(judged))


def _names(plan: Plan) -> tuple[str, str]:
    base = f"revision {plan.base[:12]}"
    if plan.head is not None:
        return base, f"revision {plan.head[:12]}"
    return base, "working tree with changes" if plan.dirty else "working tree"


def _command(plan: Plan) -> str:
    head = "" if plan.head is None else f" --head {plan.head[:12]}"
    suite = "" if plan.suite == "quick" else f" --suite {plan.suite}"
    return f"bitnet-perf gate --base {plan.base[:12]}{head}{suite}"


def _notes(plan: Plan, found: Comparison) -> tuple[str, ...]:
    notes = []
    if plan.dirty:
        notes.append("The working tree has changes that are not committed; it was taken as it is.")
    count = len(plan.changed)
    shown = ", ".join(plan.changed[:10]) + (f" and {count - 10} more" if count > 10 else "")
    notes.append(f"Changed files: {shown or 'none'}.")
    if "code" in found.raw.meta:
        notes.append(f"Code: {found.raw.meta['code']}.")
    if "stopped" in found.raw.meta:
        notes.append(f"Stopped by {found.raw.meta['stopped']}: what was open is inconclusive.")
    return tuple(notes)
