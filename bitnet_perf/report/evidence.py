"""The evidence grammar: one line per fact, written strictly and read leniently.

The grammar is that of the BitNet.rs review flow (Gates table and check run `review:gate:perf`):

    perf: inference: 45.2 tokens/sec; Δ vs baseline: +12%
    perf: quantization: I2S: 99.8%, TL1: 99.6%, TL2: 99.7% accuracy
    perf: gpu: mixed precision: FP16 2.3x speedup vs FP32
    perf: simd: vectorized ops 4.1x faster than scalar
    perf: gpu: mixed precision: skipped (no-gpu-available)
    review:gate:perf = pass (…) | fail (…) | skipped (…)
    Δ ≤ threshold
    Δ > threshold: <the cases over it>
    method: <primary|alt1|alt2>; result: <numbers/paths>; reason: <short>

The last three are what a cell of the Gates table begins with. A number enters a line only as a
`Measured` of the run that writes the line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bitnet_perf.errors import FormatError, MeasurementError
from bitnet_perf.report.document import Part, Words
from bitnet_perf.report.figures import Source, join, words

__all__ = [
    "Evidence",
    "Measured",
    "gate_line",
    "gpu_line",
    "inference_line",
    "method_line",
    "parse_line",
    "quantization_line",
    "simd_line",
    "skipped_line",
    "threshold_line",
]

Subject = Literal["inference", "quantization", "gpu", "simd", "gate", "threshold", "method"]
Method = Literal["primary", "alt1", "alt2"]
Status = Literal["measured", "pass", "fail", "skipped"]

# What stands between "perf: " and the fact, by subject.
_HEAD: Mapping[str, str] = {
    "inference": "inference",
    "quantization": "quantization",
    "gpu": "gpu: mixed precision",
    "simd": "simd",
}
REASONS = Source("review.json", "reasons")
MINUS = "\N{MINUS SIGN}"
_NUMBER = rf"([+{MINUS}-]?\d+(?:\.\d+)?)"


@dataclass(frozen=True)
class Measured:
    """A number with the measurement behind it: its value, how many samples, of which run, and the
    record and its row that hold them."""

    value: float
    samples: int
    run: str
    source: Source


@dataclass(frozen=True)
class Evidence:
    """One line, read: its subject, status, the numbers by name, and the reason: what stands in
    brackets, after the threshold, or behind `reason:`. method, result: of such a line."""

    subject: Subject
    status: Status
    numbers: Mapping[str, float]
    reason: str = ""
    method: str = ""
    result: str = ""


def _figure(measured: Measured, run: str, what: str, form: str, unit: str) -> Part:
    """The number of a line, which shows its unit behind it."""
    if measured.run != run:
        raise MeasurementError(
            f"{what}: found a number of run {measured.run!r}, accepted is one of this run, {run!r}"
        )
    if measured.samples < 1 or not math.isfinite(measured.value):
        raise MeasurementError(
            f"{what}: found {measured.value} from {measured.samples} samples, "
            "accepted is a finite number from at least one"
        )
    value = 100 * measured.value if what == "delta" else measured.value
    joined = unit if unit in ("%", "x") else f" {unit}"
    return measured.source.figure(value, f"{value:{form}}{joined}", unit)


def inference_line(tokens_per_second: Measured, delta: Measured | None, *, run: str) -> Words:
    """Decode speed in tokens/s, and its change against the baseline (0.12 = 12 % faster)."""
    speed = _figure(tokens_per_second, run, "tokens/sec", ".1f", "tokens/sec")
    line = words("perf: inference: ", speed)
    if delta is not None:
        line = words(line, "; Δ vs baseline: ", _figure(delta, run, "delta", "+.0f", "%"))
    return line


def quantization_line(accuracy: Mapping[str, Measured], *, run: str) -> Words:
    """Accuracy in percent by quantizer, in the order given (I2S, TL1, TL2)."""
    found = [words(f"{name}: ", _figure(m, run, name, ".1f", "%")) for name, m in accuracy.items()]
    if not found:
        raise MeasurementError("accuracy: nothing measured, accepted is at least one quantizer")
    return words("perf: quantization: ", join(", ", found), " accuracy")


def gpu_line(speedup: Measured, *, precision: str, run: str) -> Words:
    """Speed of FP16 or BF16 as a multiple of FP32."""
    ratio = _figure(speedup, run, precision, ".1f", "x")
    return words(f"perf: gpu: mixed precision: {precision} ", ratio, " speedup vs FP32")


def simd_line(speedup: Measured, *, run: str) -> Words:
    """Speed of the vectorized kernels as a multiple of the scalar ones."""
    ratio = _figure(speedup, run, "simd", ".1f", "x")
    return words("perf: simd: vectorized ops ", ratio, " faster than scalar")


def skipped_line(subject: Subject, reason: str, source: Source = REASONS) -> Words:
    """The line of a fact that was not measured, with the reason, which `source` gives."""
    return words(f"perf: {_HEAD[subject]}: skipped (", source.told(_reason(reason)), ")")


def gate_line(
    status: Literal["pass", "fail", "skipped"], reason: str, source: Source = REASONS
) -> Words:
    """The gate: `review:gate:perf = status (reason)`."""
    return words(f"review:gate:perf = {status} (", source.told(_reason(reason)), ")")


def threshold_line(over: str = "") -> str:
    """The cell of changes that all stay within their thresholds, or of those that `over` names."""
    named = " ".join(over.split())
    return f"Δ > threshold: {named}" if named else "Δ ≤ threshold"


def method_line(result: str, reason: str, method: Method = "primary") -> str:
    """The cell that says how a result came about, and why it is what it is.

    Raises FormatError for an empty part, and for a result with ";", which ends it.
    """
    parts = [" ".join(part.split()) for part in (result, reason)]
    if not all(parts) or ";" in parts[0]:
        raise FormatError(
            f"method: found result {result!r} and reason {reason!r}, accepted is text in both, "
            "without ';' in the result"
        )
    return f"method: {method}; result: {parts[0]}; reason: {parts[1]}"


def _reason(reason: str) -> str:
    text = " ".join(reason.split())
    if not text or "(" in text or ")" in text:
        raise FormatError(f"reason: found {reason!r}, accepted is text without brackets")
    return text


def _value(number: str) -> float:
    return float(number.replace(MINUS, "-"))


def _read_inference(fact: str) -> dict[str, float] | None:
    found = re.fullmatch(
        rf"{_NUMBER}(?: ?tokens/s(?:ec)?)?(?: ?; ?Δ vs baseline ?: ?{_NUMBER} ?%)?", fact
    )
    if found is None:
        return None
    numbers = {"tokens/sec": _value(found[1])}
    return numbers if found[2] is None else {**numbers, "delta": _value(found[2]) / 100}


def _read_quantization(fact: str) -> dict[str, float] | None:
    body = fact.removesuffix("accuracy").rstrip()
    pairs = [re.fullmatch(rf"(\w+) ?: ?{_NUMBER} ?%", part.strip()) for part in body.split(",")]
    if body == fact or not all(pairs):
        return None
    return {pair[1]: _value(pair[2]) for pair in pairs if pair is not None}


def _read_gpu(fact: str) -> dict[str, float] | None:
    found = re.fullmatch(rf"(\w+) {_NUMBER}x speedup vs FP32", fact)
    return None if found is None else {found[1]: _value(found[2])}


def _read_simd(fact: str) -> dict[str, float] | None:
    found = re.fullmatch(rf"vectorized ops {_NUMBER}x faster than scalar", fact)
    return None if found is None else {"speedup": _value(found[1])}


_READERS = {
    "inference": _read_inference,
    "quantization": _read_quantization,
    "gpu": _read_gpu,
    "simd": _read_simd,
}


def _read_cell(text: str) -> Evidence | None:
    """What a cell of the Gates table begins with."""
    found = re.fullmatch(r"(?:perf: ?)?Δ ?(?:(≤|<=) ?threshold|> ?threshold ?: ?(.+))", text)
    if found is not None:
        return Evidence("threshold", "pass" if found[1] else "fail", {}, found[2] or "")
    found = re.fullmatch(
        r"method ?: ?(primary|alt1|alt2) ?; ?result ?: ?([^;\s][^;]*?) ?; ?reason ?: ?(.+)", text
    )
    if found is None:
        return None
    return Evidence("method", "measured", {}, found[3], method=found[1], result=found[2])


def parse_line(line: str) -> Evidence:
    """Read one line back. Blanks after colons, the head `perf:` and the unit of a speed are
    optional, a minus may be U+2212. Raises FormatError naming the line."""
    text = " ".join(line.split())
    gate = re.fullmatch(r"review:gate:perf ?= ?(pass|fail|skipped)(?: ?\((.*)\))?", text)
    if gate is not None:
        status: Status = "pass" if gate[1] == "pass" else "fail" if gate[1] == "fail" else "skipped"
        return Evidence("gate", status, {}, gate[2] or "")
    cell = _read_cell(text)
    if cell is not None:
        return cell
    for subject, head in _HEAD.items():
        pattern = r"(?:perf: ?)?" + head.replace(": ", ": ?") + r": ?(.*)"
        found = re.fullmatch(pattern, text)
        if found is None:
            continue
        skipped = re.fullmatch(r"skipped ?\((.*)\)", found[1])
        if skipped is not None:
            return Evidence(subject, "skipped", {}, skipped[1])  # type: ignore[arg-type]
        numbers = _READERS[subject](found[1])
        if numbers is not None:
            return Evidence(subject, "measured", numbers)  # type: ignore[arg-type]
    raise FormatError(f"evidence line: found {line!r}, accepted is one of the forms of the grammar")
