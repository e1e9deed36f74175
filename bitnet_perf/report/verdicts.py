"""From a judged comparison to the five-section report: what was measured, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bitnet_perf.analyze.assessment import QUANTIZERS, codec_accuracy
from bitnet_perf.analyze.routing import BUDGETS
from bitnet_perf.analyze.targets import Target
from bitnet_perf.report import evidence
from bitnet_perf.report.document import TITLES, Block, Report, Section, Table, Words, lean
from bitnet_perf.report.evidence import Measured
from bitnet_perf.report.figures import Source
from bitnet_perf.report.gpu import gpu_words
from bitnet_perf.report.judged import EVIDENCE, RAW, Judged, gate_status
from bitnet_perf.report.sections.actions import actions
from bitnet_perf.report.sections.hotspots import hotspots
from bitnet_perf.report.sections.impact import impact, target_source
from bitnet_perf.report.sections.recommendations import recommendations
from bitnet_perf.report.sections.summary import summary

__all__ = ["build_judged_report"]


def build_judged_report(judged: Judged) -> Report:
    """The report of one review. Every number in it stands in the records behind `judged`."""
    lines = _evidence(judged)
    blocks = (
        summary(judged),
        hotspots(judged),
        impact(judged, lines),
        recommendations(judged, lines),
        actions(judged),
    )
    return Report(
        run=judged.run,
        date=judged.date,
        host=dict(judged.host),
        verdict=judged.decided.verdict,
        route=judged.decided.agent,
        evidence=lines,
        sections=tuple(
            Section(title=title, blocks=tuple(_leaned(block)))
            for title, block in zip(TITLES, blocks, strict=True)
        ),
        records=dict(judged.digests),
    )


def _leaned(blocks: Iterable[Block]) -> Iterator[Block]:
    """Blocks without tables that hold nothing, and without columns that do."""
    for block in blocks:
        yield from lean(block) if isinstance(block, Table) else (block,)


def _evidence(judged: Judged) -> tuple[Words, ...]:
    return (
        _inference(judged),
        _quantization(judged),
        gpu_words(judged.mixed, judged.gpu, judged.run, evidence.REASONS.file),
        _simd(judged),
        evidence.gate_line(
            gate_status(judged.exit_code), _gate_reason(judged), Source(RAW, "verdicts")
        ),
    )


def _inference(judged: Judged) -> Words:
    """The lower bound of the first decoding speed that was decided on; its change is that of the
    comparison."""
    rates = [each for each in judged.targets if each.unit == "tokens/s" and each.candidate]
    if not rates:
        asked = [each for each in judged.targets if each.name.startswith("inference throughput")]
        return evidence.skipped_line("inference", _why(asked))
    source = target_source(rates[0])
    row = next((row for row in judged.rows if row.case == source.row), None)
    change = None if row is None or row.slowdown is None else 1 / (1 + row.slowdown) - 1
    pairs = row.pairs if row is not None else 1
    return evidence.inference_line(
        Measured(rates[0].candidate or 0.0, pairs, judged.run, source),
        None if change is None else Measured(change, pairs, judged.run, source),
        run=judged.run,
    )


def _why(targets: Sequence[Target]) -> str:
    """The reason that a target gives, without brackets."""
    said = targets[0].sentence.rstrip(".") if targets else "not measured"
    return said.removeprefix("Not measured: ").translate(str.maketrans("()", "  "))


def _quantization(judged: Judged) -> Words:
    if judged.evidence is None:
        return evidence.skipped_line("quantization", "not measured")
    accuracy = {
        name: Measured(
            trip.accuracy, trip.values, judged.run,
            Source(EVIDENCE, f"round_trips {QUANTIZERS[name]}, {trip.distribution}"),
        )
        for name, trip in codec_accuracy(judged.evidence).items()
    }  # fmt: skip
    if not accuracy:
        why = judged.evidence.why("formats").translate(str.maketrans("()", "  "))
        return evidence.skipped_line("quantization", why)
    return evidence.quantization_line(accuracy, run=judged.run)


def _simd(judged: Judged) -> Words:
    """The gain of the decode product, gemv of i2_s, which stands for the host."""
    gain = next((g for g in judged.gains if "/gemv/i2_s/" in g.case and g.candidate), None)
    if gain is None or gain.candidate is None:
        why = "not measured" if judged.evidence is None else judged.evidence.why("speed")
        return evidence.skipped_line("simd", why.translate(str.maketrans("()", "  ")))
    source = Source(EVIDENCE, f"timed {gain.case}")
    speedup = Measured(gain.candidate.value, gain.candidate.rounds, judged.run, source)
    return evidence.simd_line(speedup, run=judged.run)


def _gate_reason(judged: Judged) -> str:
    counts: dict[str, int] = {}
    for row in judged.rows:
        counts[row.verdict] = counts.get(row.verdict, 0) + 1
    if not counts:
        return "nothing was measured"
    missed = sum(target.gates for target in judged.targets if target.name != BUDGETS)
    if missed:
        counts["targets missed now"] = missed
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
