"""From a judged comparison to the five-section report: what was measured, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bitnet_perf.analyze.accuracy import Accuracy
from bitnet_perf.analyze.attribution import Node, Suspect
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.paired.words import bounds, percent
from bitnet_perf.analyze.routing import Route, Situation
from bitnet_perf.config.settings import Targets
from bitnet_perf.report import evidence
from bitnet_perf.report.build import CRATES, Speedup, gemv_speedup
from bitnet_perf.report.document import TITLES, Block, Lines, Report, Section, Table, Text
from bitnet_perf.report.escape import shell_word
from bitnet_perf.report.evidence import Measured

__all__ = ["Judged", "build_judged_report", "gate_status"]

SHOWN = 10  # kernels, suspects and changed files in a table


@dataclass(frozen=True)
class Judged:
    """Everything one review measured or decided. `run` names it; `sides` are base and candidate in
    words; `annotations` holds lines about instructions and code by case, `seconds` what measuring
    each case took; `unmeasured` says why accuracy and speed-ups are missing, `gpu` why nothing was
    measured on one."""

    run: str
    date: str
    sides: tuple[str, str]
    host: Mapping[str, str]
    rows: tuple[Row, ...]
    rules: Rules
    exit_code: int
    verdict: str
    stages: tuple[Node, ...]
    kernels: tuple[Node, ...]
    suspects: tuple[Suspect, ...]
    situation: Situation
    route: Route
    changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    annotations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    speedups: tuple[Speedup, ...] = ()
    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)
    targets: Targets = field(default_factory=Targets)
    unmeasured: str = ""
    gpu: str = "no-gpu-available"
    command: str = "bitnet-perf gate"


def gate_status(exit_code: int) -> Literal["pass", "fail", "skipped"]:
    """The gate's word for an exit code of the verdict: what is not known fails closed."""
    return "pass" if exit_code == 0 else "skipped" if exit_code == 6 else "fail"


def build_judged_report(judged: Judged) -> Report:
    """The report of one review. Every number in it stands in `judged`."""
    lines = _evidence(judged)
    blocks = (
        _summary(judged),
        _hotspots(judged),
        _impact(judged, lines),
        _recommendations(judged, lines),
        _actions(judged),
    )
    return Report(
        run=judged.run,
        date=judged.date,
        host=dict(judged.host),
        verdict=judged.route.verdict,
        route=judged.route.agent,
        evidence=lines,
        sections=tuple(
            Section(title=title, blocks=tuple(block))
            for title, block in zip(TITLES, blocks, strict=True)
        ),
    )


def _evidence(judged: Judged) -> tuple[str, ...]:
    run = judged.run
    accuracy = {n: Measured(a.accuracy, a.values, run) for n, a in judged.accuracy.items()}
    speedup = gemv_speedup(judged.speedups)
    return (
        evidence.skipped_line("inference", "no model given"),
        evidence.quantization_line(accuracy, run=run)
        if accuracy
        else evidence.skipped_line("quantization", judged.unmeasured or "not measured"),
        evidence.skipped_line("gpu", judged.gpu),
        evidence.simd_line(Measured(speedup.ratio, speedup.samples, run), run=run)
        if speedup
        else evidence.skipped_line(
            "simd", judged.unmeasured or "no vector variant runs on this CPU"
        ),
        evidence.gate_line(gate_status(judged.exit_code), _gate_reason(judged)),
    )


def _gate_reason(judged: Judged) -> str:
    counts: dict[str, int] = {}
    for row in judged.rows:
        counts[row.verdict] = counts.get(row.verdict, 0) + 1
    if not counts:
        return "nothing was measured"
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


def _summary(judged: Judged) -> list[Block]:
    base, candidate = judged.sides
    rows = tuple(
        (
            row.case,
            row.verdict,
            percent(row.slowdown),
            bounds(row),
            percent(row.mde, ""),
            str(row.pairs or ""),
        )
        for row in judged.rows
    )
    columns = ("case", "verdict", ">slowdown", ">bounds", ">MDE", ">pairs")
    blocks: list[Block] = [
        Text(text=f"{candidate}, judged against {base}: {judged.verdict}."),
        Table(title="Cases", columns=columns, rows=rows),
        Table(title="Host", columns=("what", "value"), rows=tuple(judged.host.items())),
    ]
    blocks[1:1] = [Text(text=note) for note in judged.notes]
    return blocks


def _hotspots(judged: Judged) -> list[Block]:
    columns = ("what", ">cases", ">share of time", ">change us", ">bounds us", ">of the change")

    def cells(nodes: Sequence[Node]) -> tuple[tuple[str, ...], ...]:
        return tuple(
            (
                node.name,
                str(node.cases),
                f"{100 * node.share:.1f} %",
                f"{1e6 * node.change:+.2f}",
                f"{1e6 * node.low:+.2f} to {1e6 * node.high:+.2f}",
                "" if node.of_change is None else f"{100 * node.of_change:.0f} %",
            )
            for node in nodes[:SHOWN]
        )

    if not judged.kernels:
        return [Text(text="No case was timed, so no change can be placed.")]
    blocks: list[Block] = [
        Text(text="One iteration of each timed case, by stage and by kernel; more is slower:"),
        Table(title="Stages", columns=columns, rows=cells(judged.stages)),
        Table(title="Kernels", columns=columns, rows=cells(judged.kernels)),
    ]
    for suspect in judged.suspects[:SHOWN]:
        files = ", ".join(suspect.files[:SHOWN]) or "none of the changed files"
        blocks.append(
            Text(text=f"{suspect.kernel}: {1e6 * suspect.change:+.2f} us; made of {files}.")
        )
    return blocks


def _impact(judged: Judged, lines: tuple[str, ...]) -> list[Block]:
    blocks: list[Block] = [Lines(language="evidence", lines=lines[:-1])]
    for row in judged.rows:
        if row.gate != "pass" or row.notes or row.case in judged.annotations:
            text = "; ".join((row.reason, *row.notes, *judged.annotations.get(row.case, ())))
            blocks.append(Text(text=f"{row.case}: {row.verdict}; {text}."))
    accuracy = tuple(
        (name, f"{a.accuracy:.1f} %", f"{a.cosine:.4f}", a.distribution)
        for name, a in judged.accuracy.items()
    )
    if accuracy:
        columns = ("quantizer", ">accuracy", ">cosine", "distribution")
        blocks.append(Table(title="Accuracy of the quantizers", columns=columns, rows=accuracy))
        blocks.append(Text(text=_accuracy_target(judged)))
    blocks.append(
        Text(
            text="Inference throughput, linear memory scaling and deterministic output need a "
            "model; none was given."
        )
    )
    return blocks


def _accuracy_target(judged: Judged) -> str:
    most = 100 * judged.targets.accuracy_loss
    words = ", ".join(
        f"{name} {'met' if 100 - found.accuracy < most else 'not met'} "
        f"({100 - found.accuracy:.1f} %)"
        for name, found in judged.accuracy.items()
    )
    return (
        f"Target: less than {most:g} % of accuracy lost: {words}. It does not decide: of the base "
        "it was not measured."
    )


def _recommendations(judged: Judged, lines: tuple[str, ...]) -> list[Block]:
    seen = judged.situation
    facts = [f"{seen.measured_cases} cases compared", f"{len(seen.over)} over budget"]
    facts += [f"{len(seen.unknown)} inconclusive", f"{len(seen.slower)} slower within"]
    if seen.localized:
        facts.append(f"{seen.localized[0]} holds {100 * seen.localized[1]:.0f} %")
    blocks: list[Block] = [
        Lines(language="evidence", lines=lines[-1:]),
        Text(text=f"Route: {judged.route.agent}. Rule: {judged.route.rule} ({', '.join(facts)})."),
    ]
    if seen.localized:
        blocks.append(
            Text(
                text=f"Look at {seen.localized[0]} first; "
                f"`bitnet-perf roofline {shell_word(seen.over[0])}` shows what limits it."
            )
        )
    for row in judged.rows:
        if row.verdict == "improved":
            blocks.append(Text(text=f"{row.case}: {row.reason}."))
    return blocks


def _actions(judged: Judged) -> list[Block]:
    seen = judged.situation
    base, candidate = (side.rpartition(" ")[2] for side in judged.sides)
    tree = judged.sides[1].startswith("working tree")
    target = "tree" if tree else candidate
    blocks: list[Block] = []
    if seen.slower:
        blocks.append(Text(text=f"Watch {', '.join(seen.slower[:SHOWN])}: {_fails_at(judged)}."))
    if seen.unknown:
        seconds = sum(judged.seconds.get(case, 0.0) for case in seen.unknown)
        blocks.append(
            Text(
                text=f"Measure the inconclusive cases again on a quieter host than this one "
                f"({judged.host.get('CPU', 'unknown CPU')}); here they took {seconds:.0f} s."
            )
        )
    lines = [judged.command]
    lines += [
        f"bitnet-perf compare {base} {target} --cases {shell_word(case)}"
        for case in (*seen.over, *seen.unknown)
    ]
    if seen.localized is None and not tree:
        lines += [
            f"bitnet-perf bisect {base} {candidate} --case {shell_word(case)}" for case in seen.over
        ]
    return [
        *blocks,
        Text(text="Measure it again, and the benches of BitNet.rs beside it:"),
        Lines(language="shell", lines=(*lines, *CRATES)),
    ]


def _fails_at(judged: Judged) -> str:
    """Where a case that is slower within its budget would fail."""
    core = any(row.case in judged.situation.slower and row.class_ == "core" for row in judged.rows)
    budget = judged.rules.core.concern if core else judged.rules.other.action
    return f"slower within the budget, a case fails from {percent(budget)} on"


def facts_of(fingerprint: Mapping[str, Any]) -> dict[str, str]:
    """The host of a raw file in words."""
    return {
        "CPU": str(fingerprint["cpu"]),
        "ISAs": ", ".join(fingerprint["isas"]),
        "CPUs": str(fingerprint["allowed"]),
        "compiler": str(fingerprint["compiler"]),
        "kernel": str(fingerprint["kernel"]),
    }
