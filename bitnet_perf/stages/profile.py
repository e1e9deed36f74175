"""Profiles: spans recorded by the kernels themselves, as stages, kernels and a tree."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bitnet_perf import _native
from bitnet_perf.errors import MeasurementError
from bitnet_perf.files import write_atomic
from bitnet_perf.notebook import figure, frame, html_table
from bitnet_perf.stages.export import EXPORTERS
from bitnet_perf.stages.table import NO_MODEL, STAGES, stage_of

__all__ = ["KernelRow", "Node", "Profile", "StageRow", "profile"]

NAMED_SHARE = 0.05  # of a run: what a bar must fill to bear its name


@dataclass(frozen=True, slots=True)
class Node:
    """One span and the spans inside it. Times in nanoseconds of CLOCK_MONOTONIC_RAW.

    `bytes` is input plus output and `ops` the operations of the span itself (0 for operations).
    """

    name: str
    stage: str | None
    thread: int
    begin: int
    end: int
    bytes: int
    ops: int
    children: tuple[Node, ...] = ()

    @property
    def self_ns(self) -> int:
        """Time that is in none of the children."""
        return self.end - self.begin - sum(child.end - child.begin for child in self.children)

    def walk(self) -> Iterator[Node]:
        """This node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class StageRow:
    """Self time of one stage: `seconds` and `share` of the whole run, None with a `reason`."""

    stage: str
    seconds: float | None
    share: float | None
    calls: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KernelRow:
    """All spans of one name: self seconds, calls, bytes and operations in sum."""

    name: str
    stage: str | None
    seconds: float
    share: float
    calls: int
    bytes: int
    ops: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What ran while it was recorded.

    `begin` and `end` bound the run (nanoseconds), `lost` counts spans that were overwritten because
    a thread recorded more than its ring holds; times are then too small.
    """

    begin: int
    end: int
    lost: int
    roots: tuple[Node, ...] = field(repr=False)

    @property
    def seconds(self) -> float:
        """Wall time of the run."""
        return (self.end - self.begin) / 1e9

    @property
    def outside(self) -> float:
        """Seconds of the run in no span: interpreter, glue, waiting. Negative where threads of the
        caller ran at the same time."""
        return self.seconds - sum(node.self_ns for node in self._nodes()) / 1e9

    def tree(self) -> tuple[Node, ...]:
        """Spans as they nested, in order of their begin."""
        return self.roots

    def stages(self) -> tuple[StageRow, ...]:
        """Self times of the five stages. A stage with nothing to show has a reason instead."""
        rows = []
        for stage, title in STAGES.items():
            nodes = [node for node in self._nodes() if node.stage == stage]
            seconds = sum(node.self_ns for node in nodes) / 1e9
            if nodes:
                rows.append(StageRow(title, seconds, seconds / self.seconds, len(nodes)))
            else:
                reason = "no model given" if stage in NO_MODEL else "nothing of it ran"
                rows.append(StageRow(title, None, None, 0, reason))
        return tuple(rows)

    def kernels(self) -> tuple[KernelRow, ...]:
        """Spans summed by name, most self time first."""
        groups: dict[str, list[Node]] = {}
        for node in self._nodes():
            groups.setdefault(node.name, []).append(node)
        rows = []
        for name, nodes in groups.items():
            seconds = sum(node.self_ns for node in nodes) / 1e9
            rows.append(
                KernelRow(
                    name,
                    nodes[0].stage,
                    seconds,
                    seconds / self.seconds,
                    len(nodes),
                    sum(node.bytes for node in nodes),
                    sum(node.ops for node in nodes),
                )
            )
        return tuple(sorted(rows, key=lambda row: -row.seconds))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: stages, kernels, and what is in no span."""
        return {
            "seconds": self.seconds,
            "outside": self.outside,
            "lost": self.lost,
            "stages": [asdict(row) for row in self.stages()],
            "kernels": [asdict(row) for row in self.kernels()],
        }

    def to_frame(self) -> Any:
        """The kernels as a pandas DataFrame; EnvironmentRefused where pandas is missing."""
        return frame(asdict(row) for row in self.kernels())

    def plot(self, axes: Any = None) -> Any:
        """Self time by stage as bars, kernels stacked in each; matplotlib axes."""
        axes = figure().subplots() if axes is None else axes
        rows = [row for row in self.stages() if row.seconds is not None]
        for place, row in enumerate(rows):
            left = 0.0
            for kernel in (k for k in self.kernels() if STAGES.get(k.stage or "") == row.stage):
                axes.barh(place, 1e3 * kernel.seconds, left=left, color="0.8", edgecolor="black")
                if kernel.share > NAMED_SHARE:
                    middle = left + 500 * kernel.seconds
                    axes.annotate(kernel.name, (middle, place), ha="center", va="center", size=6)
                left += 1e3 * kernel.seconds
        axes.set_yticks(range(len(rows)), [row.stage for row in rows])
        axes.invert_yaxis()
        axes.set_xlabel("self time, ms")
        return axes

    def _repr_html_(self) -> str:
        rows = (
            (k.name, k.stage or "", f"{1e3 * k.seconds:.3f}", f"{100 * k.share:.1f} %", k.calls)
            for k in self.kernels()
        )
        columns = ("kernel", "stage", ">self ms", ">share", ">calls")
        return html_table(f"{1e3 * self.seconds:.3f} ms", columns, rows)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write as `*.speedscope.json`, `*.folded` (stacks) or any other `*.json` (Chrome trace).

        Raises MeasurementError for another name; the file is written whole or not at all.
        """
        name = os.fspath(path)
        for suffix, export in EXPORTERS.items():
            if name.endswith(suffix):
                return write_atomic(path, export(self))
        raise MeasurementError(f"path: found {name!r}, accepted endings are {', '.join(EXPORTERS)}")

    def _nodes(self) -> Iterator[Node]:
        for root in self.roots:
            yield from root.walk()


class Recording:
    """The profile of a `with profile()` block, filled at its end."""

    def __init__(self) -> None:
        self._profile: Profile | None = None

    def result(self) -> Profile:
        """The profile. Raises MeasurementError inside the block."""
        if self._profile is None:
            raise MeasurementError("profile: still recording, results are there after the block")
        return self._profile

    def __getattr__(self, name: str) -> Any:
        return getattr(self.result(), name)


@contextmanager
def profile() -> Iterator[Recording]:
    """Record the spans of all kernels that run inside the block, on every thread.

    Gives an object that is a Profile once the block has ended. Blocks cannot be nested.
    """
    if _native.spans_on():
        raise MeasurementError("profile: another one is being recorded, end it first")
    recording = Recording()
    _native.start_spans()
    begin = _native.now_ns()
    try:
        yield recording
    finally:
        end = _native.now_ns()
        spans, lost = _native.stop_spans()
        recording._profile = Profile(begin, end, lost, nest(spans))


def nest(spans: Iterable[tuple[str, int, int, int, int, int]]) -> tuple[Node, ...]:
    """A tree out of flat spans: of one thread, what lies inside another span is its child."""
    roots: list[Node] = []
    stack: list[tuple[tuple[str, int, int, int, int, int], list[Node]]] = []

    def close() -> None:
        (name, thread, begin, end, size, ops), children = stack.pop()
        node = Node(name, stage_of(name), thread, begin, end, size, ops, tuple(children))
        (stack[-1][1] if stack else roots).append(node)

    for each in sorted(spans, key=lambda s: (s[1], s[2], -s[3])):
        while stack and (stack[-1][0][1] != each[1] or stack[-1][0][3] < each[3]):
            close()
        stack.append((each, []))
    while stack:
        close()
    return tuple(sorted(roots, key=lambda node: (node.begin, node.thread)))
