"""Points of a history out of what files hold: times per side, host, commit, instruction set."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bitnet_perf.analyze.baselines import why_refused
from bitnet_perf.analyze.levels import Level, anchors_of, level_of, level_of_runs
from bitnet_perf.analyze.paired.comparison import judge
from bitnet_perf.bench.fingerprint import Fingerprint, host_key
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.bench.paired.schema import printable
from bitnet_perf.bench.results import read_rows
from bitnet_perf.errors import FormatError, MeasurementError
from bitnet_perf.peers.read import read_results
from bitnet_perf.peers.results import ResultRow, Results
from bitnet_perf.store.records import Host, Point

__all__ = ["Foreign", "benchmark_points", "foreign_points", "is_benchmark", "raw_points"]

TimeOf = Callable[[str], datetime.datetime | None]
COMMIT = re.compile(r"[0-9a-f]{7,64}")
BENCHMARK = frozenset({"samples", "host", "threads", "kernels", "model_path", "prompt_tokens"})
SIDES = ("base", "candidate")


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a file of another tool gave, and the digest of its numbers."""

    kind: str
    points: list[Point]
    dropped: tuple[str, ...]
    measured: datetime.datetime
    digest: str


def raw_points(
    raw: Raw, measured: datetime.datetime, commit: str, time_of: TimeOf
) -> tuple[list[Point], tuple[str, ...]]:
    """A point for each case and side of a comparison, and what was left out and why.

    commit: of sides that name none. Left out are sides that are no version of the code (a tree with
    changes, a candidate kernel, work added on purpose), and what was not timed.
    """
    anchors = anchors_of(raw)
    rows = {row.case: row for row in judge(raw)}
    facts = raw.meta["fingerprint"]
    host = _host(facts)
    compiler = printable(str(facts.get("compiler", ""))) if isinstance(facts, dict) else ""
    points, dropped = [], []
    for number, side in enumerate(raw.meta["sides"]):
        told = side if isinstance(side, dict) else {}
        why = _no_version(told)
        if why:
            dropped.append(f"{SIDES[number]}: {why}")
            continue
        own = _commit(told.get("commit")) or commit
        for place, case in enumerate(raw.cases()):
            level = (
                None if case.get("canary") or case.get("error") else level_of(raw, place, number)
            )
            if level is None:
                continue
            row = rows[case["name"]]
            points.append(
                Point(
                    case=case["name"],
                    commit=own,
                    host=host,
                    isa=_isa(case, told, number),
                    compiler=compiler,
                    threads=int(raw.meta["threads"][place]),
                    measured=measured,
                    verdict=row.verdict if number else "",
                    slowdown=row.slowdown if number else None,
                    committed=time_of(own),
                    compute=_ratio(level, anchors, "compute"),
                    streaming=_ratio(level, anchors, "streaming"),
                    **_level(level),
                )
            )
    timed = {point.case for point in points}
    missing = [name for name in rows if name not in timed]
    if missing and len(dropped) < len(SIDES):
        dropped.append(f"{len(missing)} cases: not timed ({', '.join(missing[:3])})")
    return points, tuple(dropped)


def _ratio(level: Level, anchors: Mapping[str, float], kind: str) -> float | None:
    return level.value / anchors[kind] if kind in anchors else None


def _no_version(side: Mapping[str, Any]) -> str:
    """Why a side's times belong to no version of the code, or nothing."""
    if side.get("dirty"):
        return "a working tree with changes is no commit"
    if side.get("extra"):
        return "work was added on purpose"
    if side.get("kind") == "source":
        return "a candidate kernel is no version of the code"
    return ""


def _isa(case: Mapping[str, Any], side: Mapping[str, Any], number: int) -> str:
    isas = case.get("isas")
    return str(isas[number]) if isas else printable(str(case.get("isa") or side.get("isa", "")))


def is_benchmark(found: Mapping[str, Any]) -> bool:
    """Whether this is the JSON of `bitnet-perf benchmark`."""
    return found.keys() >= BENCHMARK


def benchmark_points(
    name: str,
    found: Mapping[str, Any],
    measured: datetime.datetime,
    commit: str,
    time_of: TimeOf,
) -> list[Point]:
    """Prefill and decode of `bitnet-perf benchmark --json`, in seconds of a prompt and of a step.

    Raises FormatError naming the file and the key that is not as `benchmark` writes it.
    """
    host = _fingerprint(name, found["host"])
    threads, tokens, prompt = (
        _whole(name, found, key) for key in ("threads", "tokens", "prompt_tokens")
    )
    if tokens < 2:
        raise FormatError(f"{name}: 'tokens': found {tokens}, accepted is 2 or more")
    prefill, decode = (_samples(name, found, key) for key in ("prefill", "decode"))
    model = printable(Path(str(found["model_path"])).stem).replace("/", " ") or "model"
    points = []
    for stage, family, length, seconds in (
        ("forward/prefill", "gemm/", prompt, prefill),
        ("generation/decode", "gemv/", tokens, [each / (tokens - 1) for each in decode]),
    ):
        format_, isa = _kernel(name, found["kernels"], family)
        level = level_of_runs([each] for each in seconds)
        if level is None:
            raise FormatError(f"{name}: 'samples': found none, accepted is one or more")
        points.append(
            Point(
                case=f"{stage}/{format_}/{model}-n{length}/t{threads}",
                commit=commit,
                host=_host(host.to_dict()),
                isa=isa,
                compiler=printable(host.compiler),
                threads=threads,
                measured=measured,
                committed=time_of(commit),
                **_level(level),
            )
        )
    return points


def _fingerprint(name: str, found: Any) -> Fingerprint:
    try:
        return Fingerprint.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(("host", *map(str, first["loc"])))
        raise FormatError(f"{name}: {place!r}: {first['msg']}") from error


def _whole(name: str, found: Mapping[str, Any], key: str) -> int:
    value = found.get(key)
    if type(value) is not int or not 1 <= value < 1 << 31:
        raise FormatError(f"{name}: {key!r}: found {value!r:.80}, accepted is a count of 1 or more")
    return value


def _samples(name: str, found: Mapping[str, Any], key: str) -> list[float]:
    runs = found["samples"] if isinstance(found["samples"], list) else [found["samples"]]
    values = [run.get(key) if isinstance(run, dict) else None for run in runs]
    for value in values:
        if type(value) is not float or not 0 < value < float("inf"):
            raise FormatError(
                f"{name}: 'samples': {key!r}: found {value!r:.80}, accepted are seconds above 0"
            )
    return [float(value) for value in values if value is not None]


def _kernel(name: str, kernels: Any, family: str) -> tuple[str, str]:
    """(format, isa) of the first kernel of a family, out of words such as gemv/i2_s/x86_avx2."""
    for word in kernels if isinstance(kernels, Sequence) else ():
        parts = printable(str(word)).split("/")
        if len(parts) == 3 and f"{parts[0]}/" == family:
            return parts[1], parts[2]
    raise FormatError(f"{name}: 'kernels': found no {family}, accepted is one of every family")


def foreign_points(
    path: Path,
    written: datetime.datetime | None,
    commit: str,
    time_of: TimeOf,
    *,
    force: bool,
) -> Foreign:
    """The rows of a file that `read_results` reads; records that are refused as a baseline are left
    out, with the reasons, unless `force`. That none names its commit is no reason here."""
    results = read_results(path)
    variants = _variants(path, results)
    measured = written or datetime.datetime.now(datetime.UTC)
    points, dropped = [], list(results.dropped)
    for row in results:
        reasons = [str(each) for each in why_refused(row) if each.rule != "no commit"]
        if reasons and not force:
            dropped.append(f"{row.case}: refused: {'; '.join(reasons)}")
            continue
        level = level_of_runs(row.processes())
        if level is None:
            dropped.append(f"{row.case}: no value above 0")
            continue
        own = _commit(row.claims.commit) or commit
        isa, threads = variants.get(row.case, ("", _threads(row.case)))
        points.append(
            Point(
                case=row.case,
                commit=own,
                host=_host(row.host),
                isa=isa,
                compiler="",
                threads=threads,
                measured=measured,
                unit=row.unit,
                committed=time_of(own),
                **_level(level),
            )
        )
    if not points:
        raise MeasurementError(f"{path}: nothing to add: {'; '.join(dropped[:3])}")
    return Foreign(results.kind, points, tuple(dropped), measured, _digest(results))


def _variants(path: Path, results: Results) -> Mapping[str, tuple[str, int]]:
    """(isa, threads) by case, which the suites of this package write into their pyperf files."""
    if results.kind != "pyperf":
        return {}
    try:
        return {row.case: (printable(row.isa), row.threads) for row in read_rows(path)}
    except (MeasurementError, ValueError):  # of another program
        return {}


def _threads(case: str) -> int:
    """The threads that a name of this package ends in, else one."""
    found = re.search(r"/t([1-9]\d{0,5})$", case)
    return int(found[1]) if found else 1


def _digest(results: Iterable[ResultRow]) -> str:
    """Of a folder: its numbers, wherever it lies."""
    rows = [[row.case, row.unit, list(row.samples), list(row.runs)] for row in results]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _host(facts: Mapping[str, Any] | str) -> Host:
    if isinstance(facts, str):
        return Host(host_key(facts), printable(facts), {})
    return Host(host_key(facts), printable(str(facts.get("cpu", "unknown CPU"))), dict(facts))


def _commit(found: Any) -> str:
    return found if isinstance(found, str) and COMMIT.fullmatch(found) else ""


def _level(level: Level) -> dict[str, Any]:
    return {"value": level.value, "low": level.low, "high": level.high, "count": level.count}
