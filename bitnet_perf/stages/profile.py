"""Profiles: spans recorded by the kernels themselves, as stages, kernels and a tree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bitnet_perf import _native
from bitnet_perf.errors import MeasurementError
from bitnet_perf.files import write_atomic
from bitnet_perf.memory import Peak, PeakWatch
from bitnet_perf.notebook import figure, frame, html_table
from bitnet_perf.spans import Peaks, watch_peaks
from bitnet_perf.stages.export import EXPORTERS
from bitnet_perf.stages.table import NO_MODEL, STAGES
from bitnet_perf.stages.totals import LayerRow, layer_rows
from bitnet_perf.stages.tree import Node, nest

__all__ = ["KernelRow", "Profile", "StageRow", "profile"]

NOT_WATCHED = "the profile did not watch memory"
NAMED_SHARE = 0.05  # of a run: what a bar must fill to bear its name


@dataclass(frozen=True, slots=True)
class StageRow:
    """Self time of one stage: `seconds` and `share` of the whole run, None with a `reason`.

    `allocations` and `allocated` (bytes) are those of native code in its spans. `peak_rss` is the
    highest resident memory (bytes) while a span that bounds a stage and holds work of this one ran:
    work inside another stage's span shares that span's peak. None with a `peak_reason`.
    `python_peak` is the same for what Python objects took beyond the begin of that span; None where
    the profile did not trace them.
    """

    stage: str
    seconds: float | None
    share: float | None
    calls: int
    reason: str = ""
    allocations: int = 0
    allocated: int = 0
    peak_rss: int | None = None
    peak_reason: str = ""
    python_peak: int | None = None


@dataclass(frozen=True, slots=True)
class KernelRow:
    """All spans of one name: self seconds, calls, bytes and operations in sum, native allocations
    and their bytes in none of the spans inside."""

    name: str
    stage: str | None
    seconds: float
    share: float
    calls: int
    bytes: int
    ops: int
    allocations: int = 0
    allocated: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """What ran while it was recorded.

    `begin` and `end` bound the run (nanoseconds), `lost` counts spans that were left out because a
    thread recorded more than it keeps; times are then too small. `peak` is that of the memory over
    the whole run, None of what is not known; `peak_reason` says why resident memory is not.
    """

    begin: int
    end: int
    lost: int
    roots: tuple[Node, ...] = field(repr=False)
    peak: Peak = field(default_factory=Peak)
    peak_reason: str = NOT_WATCHED

    @property
    def seconds(self) -> float:
        """Wall time of the run."""
        return (self.end - self.begin) / 1e9

    @property
    def outside(self) -> float:
        """Seconds of the run in no stage: interpreter, glue, waiting, the recorder's own memory.
        Negative where threads of the caller ran at the same time."""
        inside = sum(node.self_ns for node in self._nodes() if node.stage is not None)
        return self.seconds - inside / 1e9

    def tree(self) -> tuple[Node, ...]:
        """Spans as they nested, in order of their begin."""
        return self.roots

    def stages(self) -> tuple[StageRow, ...]:
        """Self times of the five stages. A stage with nothing to show has a reason instead."""
        nodes: dict[str, list[Node]] = {stage: [] for stage in STAGES}
        peaks: dict[str, list[Peak]] = {stage: [] for stage in STAGES}
        for node, peak in self._peaks():
            if node.stage is not None:
                nodes[node.stage].append(node)
                peaks[node.stage] += [] if peak is None else [peak]
        return tuple(self._stage_row(stage, nodes[stage], peaks[stage]) for stage in STAGES)

    def _stage_row(self, stage: str, nodes: list[Node], peaks: list[Peak]) -> StageRow:
        if not nodes:
            reason = "no model given" if stage in NO_MODEL else "nothing of it ran"
            return StageRow(STAGES[stage], None, None, 0, reason, peak_reason=reason)
        seconds = sum(node.self_ns for node in nodes) / 1e9
        resident = [peak.resident for peak in peaks if peak.resident is not None]
        python = [peak.python for peak in peaks if peak.python is not None]
        reason = self.peak_reason or "no span around it bounds a stage"
        return StageRow(
            STAGES[stage],
            seconds,
            seconds / self.seconds,
            len(nodes),
            allocations=sum(node.self_allocations for node in nodes),
            allocated=sum(node.self_allocated for node in nodes),
            peak_rss=max(resident, default=None),
            peak_reason="" if resident else reason,
            python_peak=max(python, default=None),
        )

    def layers(self) -> tuple[LayerRow, ...]:
        """The operations of every layer of the model, empty where none ran."""
        return layer_rows(self.roots)

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
                    sum(node.self_allocations for node in nodes),
                    sum(node.self_allocated for node in nodes),
                )
            )
        return tuple(sorted(rows, key=lambda row: -row.seconds))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: stages, kernels, layers, memory, and what is in no stage."""
        return {
            "seconds": self.seconds,
            "outside": self.outside,
            "lost": self.lost,
            "peak_rss": self.peak.resident,
            "peak_reason": self.peak_reason,
            "python_peak": self.peak.python,
            "stages": [asdict(row) for row in self.stages()],
            "kernels": [asdict(row) for row in self.kernels()],
            "layers": [asdict(row) for row in self.layers()],
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

    def _peaks(self) -> Iterator[tuple[Node, Peak | None]]:
        """Every node with the peak of the nearest span, it or around it, that tells one."""
        rest: list[tuple[Node, Peak | None]] = [(root, None) for root in self.roots]
        while rest:
            node, above = rest.pop()
            peak = node.peak or above
            yield node, peak
            rest += [(child, peak) for child in node.children]


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
def profile(
    *, memory: bool = True, python_memory: bool = False, most_spans: int = _native.default_spans
) -> Iterator[Recording]:
    """Record the spans of all kernels that run inside the block, on every thread.

    memory: tell the peak of resident memory by stage; the process's own high-water mark begins anew
        at the boundaries of stages then (VmHWM of proc(5)).
    python_memory: trace what Python objects take, too (tracemalloc); Python code is slower then.
    most_spans: that a thread keeps, 56 bytes each; what is over it is counted as lost.
    Gives an object that is a Profile once the block has ended. Blocks cannot be nested: that is a
    MeasurementError, as ConfigError is a number of spans that is not accepted.
    """
    if _native.spans_on():
        raise MeasurementError("profile: another one is being recorded, end it first")
    recording = Recording()
    with _watched(memory or python_memory, python_memory) as (whole, peaks, reason):
        _native.start_spans(most_spans)
        begin = _native.now_ns()
        try:
            yield recording
        finally:
            end = _native.now_ns()
            spans, lost = _native.stop_spans()
            roots = nest(spans, peaks)
            recording._profile = Profile(begin, end, lost, roots, whole, reason)


@contextmanager
def _watched(memory: bool, python: bool) -> Iterator[tuple[Peak, Peaks, str]]:
    """The peak of the block, those of the spans in it, and why resident memory is not known; both
    are filled by the end of the block."""
    if not memory:
        yield Peak(), {}, NOT_WATCHED
        return
    watch = PeakWatch(python=python)
    try:
        with watch_peaks(watch) as found, watch.piece() as whole:
            yield whole, found, watch.reason
    finally:
        watch.close()
