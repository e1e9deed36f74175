"""From the results of one run to the five-section report: what was measured, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bitnet_perf.analyze.accuracy import Accuracy
from bitnet_perf.analyze.roofline import Place
from bitnet_perf.analyze.routing import Route, Situation, route
from bitnet_perf.bench.ceilings import Ceilings
from bitnet_perf.bench.results import BenchRow
from bitnet_perf.report import evidence
from bitnet_perf.report.document import TITLES, Block, Lines, Report, Section, Table, Text
from bitnet_perf.report.evidence import Measured

__all__ = ["RunResults", "Speedup", "StageTime", "build_report"]

# The benches of BitNet.rs, as its reviewers ask for them.
CRATES = (
    "bitnet-perf rust --workspace PATH_TO_BITNET_RS",
    "cargo bench --workspace --no-default-features --features cpu",
    "cargo run -p xtask -- benchmark --model models/bitnet/model.gguf --tokens 128 --no-output",
)
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
    )


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


def _evidence(results: RunResults) -> tuple[str, ...]:
    run = results.run
    accuracy = {
        name: Measured(found.accuracy, found.values, run)
        for name, found in results.accuracy.items()
    }
    speedup = gemv_speedup(results.speedups)
    return (
        evidence.skipped_line("inference", "no model given"),
        evidence.quantization_line(accuracy, run=run)
        if accuracy
        else evidence.skipped_line("quantization", "accuracy not measured"),
        evidence.skipped_line("gpu", results.gpu),
        evidence.simd_line(Measured(speedup.ratio, speedup.samples, run), run=run)
        if speedup
        else evidence.skipped_line("simd", "no vector variant runs on this CPU"),
        evidence.gate_line("skipped", "no baseline to compare with"),
    )


def gemv_speedup(speedups: Iterable[Speedup]) -> Speedup | None:
    """The speed-up that stands for the host: of the decode product, gemv of i2_s."""
    return next((s for s in speedups if "/gemv/i2_s/" in s.case), None)


def _summary(results: RunResults) -> list[Block]:
    host = tuple((name, value) for name, value in host_facts(results).items())
    blocks: list[Block] = [
        Text(text="There is no baseline, so nothing is called a regression. Measured in this run:"),
        _rows_table(results),
        Table(title="Host", columns=("what", "value"), rows=host),
    ]
    if results.recorded:
        found = results.recorded
        classified = sum(found["classified"].values())
        blocks.insert(
            0,
            Text(
                text=f"Recorded outputs of the BitNet.rs crates: {found['cases']} cases, "
                f"{found['runs']} runs, {found['equal']} equal, {classified} classified, "
                f"{len(found['unexplained'])} unexplained."
            ),
        )
    return blocks


def _rows_table(results: RunResults) -> Table:
    places = {place.case: place for place in results.places}
    rows = []
    for row in results.rows:
        place = places.get(row.case)
        rows.append(
            (
                row.case,
                row.isa,
                _microseconds(row.median),
                _microseconds(row.spread),
                f"{row.gb_per_s:.2f}" if row.bytes else "-",
                f"{row.gop_per_s:.1f}" if row.ops else "-",
                place.words() if place else "not placed",
            )
        )
    columns = ("case", "isa", ">median us", ">IQR us", ">GB/s", ">Gop/s", "place")
    return Table(title="Cases", columns=columns, rows=tuple(rows))


def _microseconds(seconds: float) -> str:
    """Three digits or all before the point."""
    value = 1e6 * seconds
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _hotspots(results: RunResults) -> list[Block]:
    total = sum(stage.seconds or 0.0 for stage in results.stages)
    stages = tuple(
        (stage.stage, stage.reason, "")
        if stage.seconds is None
        else (stage.stage, f"{1e3 * stage.seconds:.3f}", f"{100 * stage.seconds / total:.1f} %")
        for stage in results.stages
    )
    kernels = tuple(
        (name, str(calls), f"{1e3 * seconds:.3f}", f"{100 * seconds / total:.1f} %")
        for name, seconds, calls in results.kernels
    )
    limits = tuple(
        (f"read from {r.level}", str(r.threads), f"{r.gb_per_s:.1f} GB/s", f"{r.spread:.1f}")
        for r in results.ceilings.reads
    ) + tuple(
        (f"multiply-add {m.isa}", str(m.threads), f"{m.gop_per_s:.1f} Gop/s", f"{m.spread:.1f}")
        for m in results.ceilings.macs
    )
    return [
        Text(text="One layer of the 2B4T model's shape, through the span recorder:"),
        Table(title="Stages", columns=("stage", ">self ms", ">share"), rows=stages),
        Table(title="Kernels", columns=("kernel", ">calls", ">self ms", ">share"), rows=kernels),
        Table(
            title="Limits of this host",
            columns=("what", ">threads", ">median", ">IQR"),
            rows=limits,
        ),
    ]


def _impact(results: RunResults, lines: tuple[str, ...]) -> list[Block]:
    accuracy = tuple(
        (name, f"{a.accuracy:.1f} %", f"{a.cosine:.4f}", a.distribution, str(a.values))
        for name, a in results.accuracy.items()
    )
    speedups = tuple(
        (s.case, s.isa, f"{s.ratio:.1f}", f"{s.low:.1f} to {s.high:.1f}") for s in results.speedups
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


def _recommendations(results: RunResults, where: Route, lines: tuple[str, ...]) -> list[Block]:
    blocks: list[Block] = [
        Lines(language="evidence", lines=lines[-1:]),
        Text(
            text=f"Route: {where.agent}. Rule: {where.rule} "
            f"({len(results.rows)} cases measured, 0 baselines). Propose this run as the baseline "
            f"for {results.commit or 'this commit'}."
        ),
    ]
    blocks += [Text(text=text) for text in suggestions(results.places)]
    return blocks


def suggestions(places: Iterable[Place]) -> list[str]:
    """What to try, each with the evidence and the command that tests it; the most room first."""
    low = [p for p in places if p.part is not None and p.part < LOW_PART]
    found = []
    for p in sorted(low, key=lambda p: p.part or 0.0)[:3]:
        what = (
            "layout, prefetch or more threads"
            if p.bound == "memory"
            else "a wider instruction set or fewer operations for each weight"
        )
        found.append(
            f"{p.case}: {p.words()}. Try {what}; `bitnet-perf roofline '{p.case}'` tests it."
        )
    return found


def _actions() -> list[Block]:
    return [
        Text(text="Measure this report's cases again, and those of BitNet.rs beside them:"),
        Lines(
            language="shell",
            lines=("bitnet-perf run --output results", *CRATES),
        ),
    ]
