"""The history of cases: trends over commits, and where their level moved."""

from __future__ import annotations

import datetime
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bitnet_perf.analyze.changes import Change, change_points
from bitnet_perf.bench.fingerprint import fingerprint, host_key
from bitnet_perf.errors import FormatError
from bitnet_perf.files import write_atomic
from bitnet_perf.notebook import frame, html_table
from bitnet_perf.peers.results import RATE, SECOND
from bitnet_perf.review.imports import history_url
from bitnet_perf.store.history import Store
from bitnet_perf.store.records import Point, Source

__all__ = ["History", "Moved", "Run", "Step", "Trend", "history"]

Measure = Literal["value", "compute", "streaming"]
STREAMS = re.compile(r"-\d+mb/")  # in the name of a case that reads memory


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(_Frozen):
    """One commit of a trend (or one file that names none): `value` is the geometric mean of `count`
    points, `verdict` and `slowdown` are those of the last comparison in which it was judged."""

    commit: str
    time: datetime.datetime
    value: float
    count: int
    verdict: str = ""
    slowdown: float | None = None


class Moved(_Frozen):
    """A change point: `commit` is the first step of the new level, `before` the last of the old.

    size: the new level over the old, less 1. p: of the permutation test, None by the fence.
    """

    index: int
    commit: str
    before: str
    size: float
    p: float | None
    rule: str


class Trend(_Frozen):
    """A case over its commits, on one host in `unit`, or over several as a multiple of the anchor
    kernel that `measure` names. A trend decides nothing: its values are of different runs."""

    case: str
    isa: str
    compiler: str
    threads: int
    unit: str
    measure: Measure
    hosts: tuple[str, ...]
    this_host: bool
    steps: tuple[Step, ...]
    moved: tuple[Moved, ...]

    @property
    def place(self) -> str:
        """Where it was measured, in two words."""
        if self.measure != "value":
            return f"{len(self.hosts)} hosts"
        return "this host" if self.this_host else "another host"

    @property
    def label(self) -> str:
        """What it is a trend of, in words."""
        if self.measure != "value":
            return f"trend over {self.place}, times the {self.measure} anchor"
        return f"trend on {self.place}{'' if self.this_host else f', {self.hosts[0]}'}"

    def words(self, moved: Moved) -> str:
        """Whether the change is slower, faster, more or less."""
        if self.unit not in (SECOND, RATE):
            return "more" if moved.size > 0 else "less"
        return "slower" if (moved.size > 0) == (self.unit == SECOND) else "faster"

    @property
    def values(self) -> tuple[float, ...]:
        """The values of the steps."""
        return tuple(step.value for step in self.steps)


class Run(_Frozen):
    """A file that was added; `verdict` and `route` are those of a gate's report."""

    name: str
    kind: str
    measured: datetime.datetime
    verdict: str
    route: str
    dropped: tuple[str, ...]


class History(_Frozen):
    """Stored runs as trends, and their change points. `place`: where they are stored."""

    version: Literal[1] = 1
    place: str
    runs: tuple[Run, ...]
    trends: tuple[Trend, ...]

    def rows(self) -> tuple[dict[str, Any], ...]:
        """One row a step, with the case, variant, host and unit of its trend."""
        return tuple(
            {
                "case": trend.case,
                "isa": trend.isa,
                "threads": trend.threads,
                "host": ", ".join(trend.hosts),
                "label": trend.label,
                "measure": trend.measure,
                "unit": trend.unit,
                **step.model_dump(),
            }
            for trend in self.trends
            for step in trend.steps
        )

    def changes(self) -> tuple[tuple[Trend, Moved], ...]:
        """Every change point with its trend."""
        return tuple((trend, moved) for trend in self.trends for moved in trend.moved)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain: dict[str, Any] = self.model_dump(mode="json")
        for trend, found in zip(self.trends, plain["trends"], strict=True):
            found["label"] = trend.label
        return plain

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write as JSON, whole or not at all."""
        return write_atomic(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        """Read what `save` wrote; FormatError names file and field otherwise."""
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the whole file"
            raise FormatError(f"{path}: {place}: {first['msg']}") from error

    def to_frame(self) -> Any:
        """The rows as a pandas DataFrame; EnvironmentRefused where pandas is missing."""
        return frame(self.rows())

    def plot(self, axes: Any = None) -> Any:
        """Every trend as a part of its first level, change points marked; matplotlib axes.

        Raises ConfigError where there are more trends than a picture can tell apart.
        """
        from bitnet_perf.report.pictures import Line, history_axes

        moments = sorted({(s.time, s.commit) for trend in self.trends for s in trend.steps})
        lines = [
            Line(
                name=f"{trend.case} {trend.isa}, {trend.place}",
                places=tuple(moments.index((step.time, step.commit)) for step in trend.steps),
                values=trend.values,
                marks=tuple(moved.index for moved in trend.moved),
            )
            for trend in self.trends
        ]
        return history_axes(lines, axes)

    def _repr_html_(self) -> str:
        columns = ("case", "isa", ">steps", ">last", "unit", "trend")
        rows = (
            (t.case, t.isa, len(t.steps), f"{t.steps[-1].value:.4g}", t.unit, t.label)
            for t in self.trends
        )
        return html_table(f"History of {self.place}", columns, rows)


def history(
    url: str | None = None,
    cases: Iterable[str] = (),
    *,
    repository: str | os.PathLike[str] = ".",
) -> History:
    """The stored runs at `url` (None: of the settings, else of the repository) as trends.

    cases: globs; all without one. Raises ConfigError where there is no history and for a glob that
    matches nothing, FormatError for one that is damaged or newer.
    """
    store = Store(history_url(url, repository))
    points = store.points(tuple(cases))
    own = host_key(fingerprint().to_dict())
    return History(
        place=store.place,
        runs=tuple(_run(source) for source in store.sources()),
        trends=tuple(_trends(points, own)),
    )


def _run(source: Source) -> Run:
    return Run(
        name=source.name,
        kind=source.kind,
        measured=source.measured,
        verdict=source.verdict,
        route=source.route,
        dropped=source.dropped,
    )


def _trends(points: Sequence[Point], own: str) -> list[Trend]:
    """A trend for every case, variant and host; one over all hosts where there are several."""
    groups = _grouped(points, lambda p: (p.case, p.isa, p.compiler, p.threads, p.unit))
    trends = []
    for _, group in sorted(groups.items()):
        by_host = _grouped(group, lambda p: p.host.key)
        trends += [_trend(each, "value", own) for each in by_host.values()]
        measure: Measure = "streaming" if STREAMS.search(group[0].case) else "compute"
        anchored = [point for point in group if getattr(point, measure) is not None]
        if len({point.host.key for point in anchored}) > 1:
            trends.append(_trend(anchored, measure, own))
    return trends


def _trend(points: Sequence[Point], measure: Measure, own: str) -> Trend:
    first = points[0]
    steps = _steps(points, measure)
    return Trend(
        case=first.case,
        isa=first.isa,
        compiler=first.compiler,
        threads=first.threads,
        unit=first.unit,
        measure=measure,
        hosts=tuple({point.host.key: point.host.cpu for point in points}.values()),
        this_host=all(point.host.key == own for point in points),
        steps=steps,
        moved=tuple(_moved(steps, each) for each in change_points([s.value for s in steps])),
    )


def _moved(steps: Sequence[Step], change: Change) -> Moved:
    return Moved(
        index=change.index,
        commit=steps[change.index].commit,
        before=steps[change.index - 1].commit,
        size=change.size,
        p=change.p,
        rule=change.rule,
    )


def _steps(points: Sequence[Point], measure: Measure) -> tuple[Step, ...]:
    """One step a commit, in the order in which they were made; the base of a comparison, which was
    measured at the same moment, stands before its candidate."""
    placed = list(enumerate(points))
    groups = _grouped(placed, lambda at: at[1].commit or str(at[0]))
    steps = []
    for group in groups.values():
        members = [point for _, point in group]
        judged = [point for point in members if point.verdict]
        last = max(judged, key=lambda point: point.measured, default=None)
        known = [point.committed for point in members if point.committed is not None]
        steps.append(
            Step(
                commit=members[0].commit,
                time=known[0] if known else min(point.measured for point in members),
                value=_mean(float(getattr(point, measure)) for point in members),
                count=len(members),
                verdict=last.verdict if last else "",
                slowdown=last.slowdown if last else None,
            )
        )
    return tuple(sorted(steps, key=lambda step: step.time))


def _mean(values: Iterable[float]) -> float:
    logs = [math.log(value) for value in values]
    return math.exp(math.fsum(logs) / len(logs))


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> Mapping[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
