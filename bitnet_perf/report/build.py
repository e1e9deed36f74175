"""From the results of one run to the five-section report: what was measured, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from bitnet_perf.analyze.accuracy import Accuracy
from bitnet_perf.analyze.roofline import Place
from bitnet_perf.analyze.routing import Route, Situation, route
from bitnet_perf.bench.ceilings import Ceilings
from bitnet_perf.bench.gpu_rows import GpuRow
from bitnet_perf.bench.results import BenchRow
from bitnet_perf.report import evidence
from bitnet_perf.report.document import (
    TITLES,
    Block,
    Lines,
    Report,
    Section,
    Table,
    Text,
    Words,
)
from bitnet_perf.report.escape import shell_word
from bitnet_perf.report.evidence import Measured
from bitnet_perf.report.figures import Source, words
from bitnet_perf.report.gpu import gpu_words

__all__ = ["RUN", "RunResults", "Speedup", "StageTime", "build_report", "record_of"]

# The benches of BitNet.rs, as its reviewers ask for them.
CRATES = (
    "bitnet-perf rust --workspace PATH_TO_BITNET_RS",
    "cargo bench --workspace --no-default-features --features cpu",
    "cargo run -p xtask -- benchmark --model models/bitnet/model.gguf --tokens 128 --no-output",
)
RUN = "run.json"  # the record of such a run
LOW_PART = 0.80  # a kernel below this part of its limit has room


@dataclass(frozen=True)
class StageTime:
    """Self time of one stage in seconds, or None with the reason why there is none."""

    stage: str
    seconds: float | None
    reason: str = ""


@dataclass(frozen=True)
class Speedup:
    """How many times faster the chosen variant of a case is than scalar, interleaved samples."""

    case: str
    isa: str
    ratio: float
    low: float
    high: float
    samples: int


@dataclass(frozen=True)
class RunResults:
    """Everything one run measured. `run` names the run; empty collections were not measured."""

    run: str
    date: str
    commit: str | None
    ceilings: Ceilings
    rows: tuple[BenchRow, ...]
    places: tuple[Place, ...]
    stages: tuple[StageTime, ...]
    kernels: tuple[tuple[str, float, int], ...]  # kernel, self seconds, calls; longest first
    speedups: tuple[Speedup, ...]
    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)
    recorded: Mapping[str, Any] = field(default_factory=dict)
    gpu: str = "no-gpu-available"
    mixed: GpuRow | None = None


def record_of(results: RunResults) -> bytes:
    """The content of run.json, from which `build_report` gives the same report again."""
    return TypeAdapter(RunResults).dump_json(results, indent=1) + b"\n"


def build_report(results: RunResults) -> Report:
    """The report of one run without a baseline. Every number in it stands in `results`."""
    where = route(Situation(measured_cases=len(results.rows), has_baseline=False))
    lines = _evidence(results)
    blocks = (
        _summary(results),
        _hotspots(results),
        _impact(results, lines),
        _recommendations(results, where, lines),
        _actions(),
    )
    return Report(
        run=results.run,
        date=results.date,
        host=host_facts(results),
        verdict=where.verdict,
        route=where.agent,
        evidence=lines,
        sections=tuple(
            Section(title=title, blocks=tuple(block))
            for title, block in zip(TITLES, blocks, strict=True)
        ),
        records={RUN: hashlib.sha256(record_of(results)).hexdigest()},
    )


def _of(row: str) -> Source:
    """A row of the record of the run."""
    return Source(RUN, row)


def host_facts(results: RunResults) -> dict[str, str]:
    """Where and with what the run was made."""
    host = results.ceilings.host
    return {
        "CPU": host.cpu,
        "ISAs": ", ".join(host.isas),
        "CPUs": str(host.allowed),
        "compiler": host.compiler,
        "kernel": host.kernel,
        "commit": results.commit or "unknown",
    }


def _evidence(results: RunResults) -> tuple[Words, ...]:
    run = results.run
    accuracy = {
        name: Measured(found.accuracy, found.values, run, _of(f"accuracy {name}"))
        for name, found in results.accuracy.items()
    }
    speedup = gemv_speedup(results.speedups)
    return (
        evidence.skipped_line("inference", "no model given"),
        evidence.quantization_line(accuracy, run=run)
        if accuracy
        else evidence.skipped_line("quantization", "accuracy not measured"),
        gpu_words(results.mixed, results.gpu, run, RUN),
        evidence.simd_line(speed_measured(speedup, run, RUN), run=run)
        if speedup
        else evidence.skipped_line("simd", "no vector variant runs on this CPU"),
        evidence.gate_line("skipped", "no baseline to compare with"),
    )


def gemv_speedup(speedups: Iterable[Speedup]) -> Speedup | None:
    """The speed-up that stands for the host: of the decode product, gemv of i2_s."""
    return next((s for s in speedups if "/gemv/i2_s/" in s.case), None)


def speed_measured(speedup: Speedup, run: str, file: str) -> Measured:
    """A speed-up as the evidence line takes it; `file` is the record that holds it."""
    source = Source(file, f"speed-up {speedup.case}")
    return Measured(speedup.ratio, speedup.samples, run, source)


def _summary(results: RunResults) -> list[Block]:
    host = tuple((name, _of("host").told(value)) for name, value in host_facts(results).items())
    blocks: list[Block] = [
        Text(text="There is no baseline, so nothing is called a regression. Measured in this run:"),
        _rows_table(results),
        Table(title="Host", columns=("what", "value"), rows=host, detail=True),
    ]
    if results.recorded:
        found, source = results.recorded, _of("recorded")
        classified = sum(found["classified"].values())
        text = words(
            "Recorded outputs of the BitNet.rs crates: ", source.count(found["cases"]), " cases, ",
            source.count(found["runs"]), " runs, ", source.count(found["equal"]), " equal, ",
            source.count(classified), " classified, ", source.count(len(found["unexplained"])),
            " unexplained.",
        )  # fmt: skip
        blocks.insert(0, Text(text=text))
    return blocks


def _rows_table(results: RunResults) -> Table:
    places = {place.case: place for place in results.places}
    rows: list[tuple[Words, ...]] = []
    for row in results.rows:
        place, source = places.get(row.case), _of(row.case)
        rows.append(
            (
                source.told(row.case),
                source.told(row.isa),
                source.bare(1e6 * row.median, "us"),
                source.bare(1e6 * row.spread, "us"),
                source.bare(row.gb_per_s, "GB/s", ".2f") if row.bytes else "-",
                source.bare(row.gop_per_s, "Gop/s", ".1f") if row.ops else "-",
                source.told(place.words()) if place else "not placed",
            )
        )
    columns = ("case", "isa", ">median us", ">IQR us", ">GB/s", ">Gop/s", "place")
    return Table(title="Cases", columns=columns, rows=tuple(rows))


def _hotspots(results: RunResults) -> list[Block]:
    total = sum(stage.seconds or 0.0 for stage in results.stages)
    stages: list[tuple[Words, ...]] = []
    for stage in results.stages:
        source = _of(f"stage {stage.stage}")
        if stage.seconds is None:
            stages.append((stage.stage, source.told(stage.reason), ""))
        else:
            took = source.bare(1e3 * stage.seconds, "ms", ".3f")
            stages.append((stage.stage, took, source.share(stage.seconds / total)))
    kernels = tuple(
        (
            source.told(name),
            source.count(calls),
            source.bare(1e3 * seconds, "ms", ".3f"),
            source.share(seconds / total),
        )
        for name, seconds, calls in results.kernels
        for source in (_of(f"kernel {name}"),)
    )
    return [
        Text(text="One layer of the 2B4T model's shape, through the span recorder:"),
        Table(title="Stages", columns=("stage", ">self ms", ">share"), rows=tuple(stages)),
        Table(title="Kernels", columns=("kernel", ">calls", ">self ms", ">share"), rows=kernels),
        _limits(results.ceilings),
    ]


def _limits(ceilings: Ceilings) -> Table:
    rows: list[tuple[Words, ...]] = []
    for read in ceilings.reads:
        source = _of(f"read {read.level} t{read.threads}")
        median = source.number(read.gb_per_s, "GB/s", ".1f")
        spread = source.bare(read.spread, "GB/s", ".1f")
        rows.append((f"read from {read.level}", source.count(read.threads), median, spread))
    for mac in ceilings.macs:
        source = _of(f"multiply-add {mac.isa} t{mac.threads}")
        median = source.number(mac.gop_per_s, "Gop/s", ".1f")
        spread = source.bare(mac.spread, "Gop/s", ".1f")
        rows.append((f"multiply-add {mac.isa}", source.count(mac.threads), median, spread))
    columns = ("what", ">threads", ">median", ">IQR")
    return Table(title="Limits of this host", columns=columns, rows=tuple(rows))


def _impact(results: RunResults, lines: tuple[Words, ...]) -> list[Block]:
    accuracy = tuple(
        (
            name,
            source.number(a.accuracy, "%", ".1f"),
            source.bare(a.cosine, "", ".4f"),
            source.told(a.distribution),
            source.count(a.values),
        )
        for name, a in results.accuracy.items()
        for source in (_of(f"accuracy {name}"),)
    )
    speedups = tuple(
        (
            source.told(s.case),
            source.told(s.isa),
            source.bare(s.ratio, "x", ".1f"),
            words(source.bare(s.low, "x", ".1f"), " to ", source.bare(s.high, "x", ".1f")),
        )
        for s in results.speedups
        for source in (_of(f"speed-up {s.case}"),)
    )
    return [
        Lines(language="evidence", lines=lines[:-1]),
        Table(
            title="Accuracy of the crates' quantizers",
            columns=("quantizer", ">accuracy", ">cosine", "distribution", ">values"),
            rows=accuracy,
        ),
        Table(
            title="Vector variants against scalar",
            columns=("case", "isa", ">times faster", ">interquartile range"),
            rows=speedups,
        ),
        Text(
            text="Inference throughput, linear memory scaling and deterministic output need a "
            "model; none was given."
        ),
    ]


def _recommendations(results: RunResults, where: Route, lines: tuple[Words, ...]) -> list[Block]:
    count = _of("rows").count(len(results.rows))
    commit = _of("commit").told(results.commit or "this commit")
    blocks: list[Block] = [
        Lines(language="evidence", lines=lines[-1:]),
        Text(
            text=words(
                f"Route: {where.agent}. Rule: {where.rule} (", count, " cases measured, no "
                "baseline). Propose this run as the baseline for ", commit, ".",
            )
        ),
    ]  # fmt: skip
    blocks += [Text(text=text) for text in suggestions(results.places)]
    return blocks


def suggestions(places: Iterable[Place]) -> list[Words]:
    """What to try, each with the evidence and the command that tests it; the most room first."""
    low = [p for p in places if p.part is not None and p.part < LOW_PART]
    found: list[Words] = []
    for p in sorted(low, key=lambda p: p.part or 0.0)[:3]:
        what = (
            "layout, prefetch or more threads"
            if p.bound == "memory"
            else "a wider instruction set or fewer operations for each weight"
        )
        place = _of(p.case).told(f"{p.case}: {p.words()}")
        tests = f"`bitnet-perf roofline {shell_word(p.case)}`"
        found.append(words(place, f". Try {what}; {tests} tests it."))
    return found


def _actions() -> list[Block]:
    return [
        Text(text="Measure this report's cases again, and those of BitNet.rs beside them:"),
        Lines(
            language="shell",
            lines=("bitnet-perf run --output results", *CRATES),
        ),
    ]
