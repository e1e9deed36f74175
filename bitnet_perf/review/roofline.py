"""Every kernel against the limits of this host, both measured in one run."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bitnet_perf import _bench
from bitnet_perf.analyze.roofline import Place, check_places, place
from bitnet_perf.bench.cases import select
from bitnet_perf.bench.ceilings import Ceilings, measure_ceilings, sampler, stream_probes
from bitnet_perf.bench.paired.calls import calls_python
from bitnet_perf.bench.results import BenchRow
from bitnet_perf.errors import ConfigError, MeasurementError
from bitnet_perf.files import write_atomic
from bitnet_perf.notebook import frame, html_table

__all__ = ["Roofline", "place_case", "place_rows", "roofline"]

SAMPLE = 0.002  # seconds of one sample of a kernel or of a probe beside it
ROUNDS = 9


class Roofline(BaseModel):
    """Limits of a host and the places of kernels under them."""

    model_config = ConfigDict(frozen=True)

    ceilings: Ceilings
    places: tuple[Place, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        places = [each.to_dict() for each in self.places]
        return {"ceilings": self.ceilings.to_dict(), "places": places}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write as JSON, whole or not at all."""
        return write_atomic(path, json.dumps(self.to_dict(), indent=1) + "\n")

    def to_frame(self) -> Any:
        """The places as a pandas DataFrame; EnvironmentRefused where pandas is missing."""
        return frame(each.to_dict() for each in self.places)

    def plot(self, axes: Any = None) -> Any:
        """The kernels of one thread under the limits; matplotlib axes."""
        from bitnet_perf.report.pictures import roofline_axes

        return roofline_axes(self.ceilings, self.places, axes)

    def _repr_html_(self) -> str:
        columns = ("case", "isa", ">GB/s", ">Gop/s", "place")
        rows = (
            (p.case, p.isa, f"{p.gb_per_s:.2f}", f"{p.gop_per_s:.1f}", p.words())
            for p in self.places
        )
        return html_table(f"Kernels under the limits of {self.ceilings.host.cpu}", columns, rows)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Roofline:
        """Read what `save` wrote; MeasurementError names the file and the field otherwise."""
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except (OSError, ValidationError) as error:
            raise MeasurementError(f"{os.fspath(path)}: not a roofline ({error})") from error


def roofline(
    cases: Iterable[str] = (),
    *,
    isa: str = "",
    threads: int = 1,
    quick: bool = True,
    on_progress: Callable[[str], None] | None = None,
) -> Roofline:
    """Measure the limits of this host and place the cases that match the globs `cases` under them;
    those that call Python have no place.

    Each kernel takes turns with the probes of its own limits, so that both see the same host; its
    part of a limit is the median over the rounds. A kernel above 103 % of a limit is measured
    again, and raises MeasurementError when it stays there.
    """
    chosen = select(cases, quick=quick, threads=threads)
    native = [case for case in chosen if not calls_python(case.name)]
    if not native:
        raise ConfigError(f"cases: found {chosen[0].name}, accepted are cases of native loops")
    ceilings = measure_ceilings(threads if threads > 1 else None, on_progress=on_progress)
    places = []
    for case in native:
        if on_progress is not None:
            on_progress(case.name)
        found = place_case(case.name, isa, threads, ceilings, ROUNDS)
        if found.over:
            found = place_case(case.name, isa, threads, ceilings, 3 * ROUNDS)
        places.append(found)
    check_places(places)
    return Roofline(ceilings=ceilings, places=tuple(places))


def place_rows(rows: Iterable[BenchRow], ceilings: Ceilings) -> tuple[Place, ...]:
    """Place measured rows under limits that were measured apart from them, by cache level.

    A row that comes out above a limit is measured again in turns with the probes, because a shared
    host is not the same from one second to the next; that place is the one given.
    """
    return tuple(_place_row(row, ceilings) for row in rows)


def _place_row(row: BenchRow, ceilings: Ceilings) -> Place:
    read = ceilings.read_limit(row.footprint, row.threads)
    write = ceilings.read_limit(row.footprint, row.threads, writes=True)
    mac = ceilings.mac_limit(row.isa, row.threads)
    found = place(
        row.case,
        row.isa,
        row.median,
        (row.bytes, row.ops),
        read=(read.level, read.gb_per_s) if read else None,
        mac=mac.gop_per_s if mac else None,
        write=(row.written, write.gb_per_s) if write else None,
    )
    isa = "" if "+" in row.isa else row.isa
    return place_case(row.case, isa, row.threads, ceilings, ROUNDS) if found.over else found


def place_case(
    case: str, isa: str, threads: int, ceilings: Ceilings, rounds: int, *, peak_of: str = ""
) -> Place:
    """The kernel and the probes of its limits in turns: streams of as many bytes as it walks.

    `peak_of` names the instruction set whose multiply-adds are its limit, where `isa` has none.
    """
    work = _bench.work(case, isa)
    level = ceilings.read_limit(work.footprint, threads)
    mac = ceilings.mac_limit(peak_of or work.isa, threads)
    size = min(work.footprint, level.bytes) if level and level.level == "memory" else work.footprint
    kernel = sampler(case, SAMPLE, isa)
    readers, writers = (
        [sampler(probe, SAMPLE) for probe in stream_probes(size, threads, family).values()]
        for family in ("probe_read", "probe_write")
    )
    adder = sampler(mac.case, SAMPLE, mac.isa) if mac else None
    times, adds = [], []
    reads: list[list[float]] = [[] for _ in readers]
    writes: list[list[float]] = [[] for _ in writers]
    for _ in range(rounds):
        for rates, probe in zip((*reads, *writes), (*readers, *writers), strict=True):
            rates.append(probe().gb_per_s)
        times.append(kernel().seconds)
        if adder is not None:
            adds.append(adder().gop_per_s)
    return place(
        case,
        work.isa,
        statistics.median(times),
        (work.bytes, work.ops),
        read=(level.level, _best(reads)) if level else None,
        mac=statistics.median(adds) if adds else None,
        write=(work.written, _best(writes)),
        best=(max(map(max, reads)), max(map(max, writes))),
    )


def _best(patterns: list[list[float]]) -> float:
    return max(statistics.median(rates) for rates in patterns)
