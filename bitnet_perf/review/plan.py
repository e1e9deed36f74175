"""What a gate would do: the two sides, the changed files, the cases."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bitnet_perf.bench import revisions
from bitnet_perf.bench.builds import tree_objects
from bitnet_perf.bench.paired.sides import Side
from bitnet_perf.config.load import load_settings
from bitnet_perf.config.settings import Settings
from bitnet_perf.errors import BitnetPerfError, EnvironmentRefused
from bitnet_perf.peers.cargo.metadata import is_workspace
from bitnet_perf.report.escape import shell_word
from bitnet_perf.review.chosen import Chosen, case_seconds, choose_cases
from bitnet_perf.review.compare import Comparison, compare

__all__ = ["NothingBefore", "Plan", "plan_gate"]

OnProgress = Callable[[float, str], None]
BUILD_SECONDS = 120.0  # about what a tree takes that was never built on two cores
PROFILE_SECONDS = 45.0  # at most, for the paired profiles of the stages
SURVEY_SECONDS = 75.0  # about what asking both sides for the rest takes; 30 to 110 were seen


class NothingBefore(EnvironmentRefused):
    """No base is named, and no earlier commit is in reach; `first`: there is none at all."""

    def __init__(self, why: str, *, first: bool = False) -> None:
        super().__init__(why)
        self.first = first


@dataclass(frozen=True)
class Plan:
    """What a gate will do. `base` and `head` are commits; a head of None is the working tree.
    `notes` say what is left out."""

    repository: Path
    base: str
    head: str | None
    dirty: bool
    changed: tuple[str, ...]
    suite: str
    cases: tuple[str, ...]
    settings: Settings = field(default_factory=Settings)
    model: str | None = None
    only_changed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def minutes(self) -> float:
        """About how long it takes at most where both trees are new and every case passes."""
        beside = PROFILE_SECONDS + SURVEY_SECONDS
        return (2 * BUILD_SECONDS + sum(map(case_seconds, self.cases)) + beside) / 60

    @property
    def unsurveyed(self) -> str:
        """Why the sides cannot be asked for more than times; "" where they can."""
        return ""

    def compare(self, time_budget: float | None, on_progress: OnProgress) -> Comparison:
        """Build both sides and compare them on all cases."""
        base, candidate = self.built
        return compare(
            base,
            candidate,
            self.cases,
            time_budget=time_budget,
            rules=self.settings.budgets.rules(),
            counts="changed",
            on_progress=on_progress,
        )

    @property
    def built(self) -> tuple[Side, Side]:
        """Both revisions, to be built."""
        base = Side.revision(self.base, repository=self.repository)
        return base, Side.revision(self.head, repository=self.repository)

    @property
    def sides(self) -> tuple[str, str]:
        """Base and candidate in words."""
        base = f"revision {self.base[:12]}"
        if self.head is not None:
            return base, f"revision {self.head[:12]}"
        return base, "working tree with changes" if self.dirty else "working tree"

    @property
    def command(self) -> str:
        """The command that carries it out again."""
        head = "" if self.head is None else f" --head {self.head[:12]}"
        suite = "" if self.suite == "quick" else f" --suite {self.suite}"
        model = "" if self.model is None else f" --model {shell_word(self.model)}"
        area = " --only-changed" if self.only_changed else ""
        return f"bitnet-perf gate --base {self.base[:12]}{head}{suite}{model}{area}"


def plan_gate(
    base: str | None,
    head: str | None,
    suite: str,
    repository: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    model: str | None = None,
    only_changed: bool = False,
) -> Plan:
    """What would be compared, by the settings of the repository where none are given.

    model: a GGUF file or a shape of random weights whose stages are compared, too. only_changed:
    the regression area of the changed files alone. A Cargo workspace has a plan of its own, and can
    run `model` with its `xtask benchmark`.

    `base` None is the parent of the head where the tree is as committed, else the commit itself.
    A named base is taken at its merge base with the head. Raises NothingBefore where no base is
    named and none is there or in reach; EnvironmentRefused with the `git fetch` line where a
    shallow clone lacks a named one; MeasurementError where no case is left to measure.
    """
    settings = settings or load_settings(repository).settings
    root = _checkout(repository, named=base is not None or head is not None)
    workspace = is_workspace(root)
    chosen = Chosen((), ()) if workspace else choose_cases(suite, settings.suites, model=model)
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
    if only_changed and not workspace:
        chosen = choose_cases(suite, settings.suites, model=model, changed=changed)
    plan = Plan(
        root, start, head and tip, dirty, changed, suite, chosen.cases, settings, model,
        only_changed, chosen.notes,
    )  # fmt: skip
    if workspace:
        from bitnet_perf.review.workspace_gate import plan_workspace

        return plan_workspace(plan)
    return plan


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
