"""What the strict writer writes, the lenient reader reads back; nothing unmeasured is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitnet_perf.errors import FormatError, MeasurementError
from bitnet_perf.report import evidence as ev
from bitnet_perf.report.document import text_of
from bitnet_perf.report.figures import Source

RUN = "run-1"


def measured(value, samples=5, run=RUN):
    return ev.Measured(value, samples, run, Source("evidence.json", "row"))


def test_lines_are_those_of_the_grammar():
    assert (
        text_of(ev.inference_line(measured(45.2), measured(0.12), run=RUN))
        == "perf: inference: 45.2 tokens/sec; Δ vs baseline: +12%"
    )
    accuracy = {"I2S": measured(99.8), "TL1": measured(99.6), "TL2": measured(99.7)}
    assert (
        text_of(ev.quantization_line(accuracy, run=RUN))
        == "perf: quantization: I2S: 99.8%, TL1: 99.6%, TL2: 99.7% accuracy"
    )
    assert (
        text_of(ev.gpu_line(measured(2.3), precision="FP16", run=RUN))
        == "perf: gpu: mixed precision: FP16 2.3x speedup vs FP32"
    )
    assert (
        text_of(ev.simd_line(measured(4.1), run=RUN))
        == "perf: simd: vectorized ops 4.1x faster than scalar"
    )
    assert (
        text_of(ev.gate_line("skipped", "no-gpu-available"))
        == "review:gate:perf = skipped (no-gpu-available)"
    )


POSITIVE = st.floats(min_value=0.0, max_value=1e6)


@given(POSITIVE, st.floats(min_value=-0.99, max_value=10))
def test_inference_reads_back(speed, delta):
    read = ev.parse_line(text_of(ev.inference_line(measured(speed), measured(delta), run=RUN)))
    assert read.subject == "inference"
    assert read.numbers["tokens/sec"] == pytest.approx(speed, abs=0.051)
    assert read.numbers["delta"] == pytest.approx(delta, abs=0.0051)


@given(
    st.dictionaries(
        st.sampled_from(["I2S", "TL1", "TL2"]), st.floats(min_value=-200, max_value=100), min_size=1
    )
)
def test_quantization_reads_back(accuracy):
    line = ev.quantization_line({k: measured(v) for k, v in accuracy.items()}, run=RUN)
    assert ev.parse_line(text_of(line)).numbers == pytest.approx(accuracy, abs=0.051)


@given(POSITIVE)
def test_ratios_read_back(ratio):
    simd = ev.parse_line(text_of(ev.simd_line(measured(ratio), run=RUN)))
    gpu = ev.parse_line(text_of(ev.gpu_line(measured(ratio), precision="BF16", run=RUN)))
    assert simd.numbers["speedup"] == gpu.numbers["BF16"] == pytest.approx(ratio, abs=0.051)


@given(st.text(alphabet=st.characters(exclude_characters="()"), min_size=1))
def test_reasons_read_back(reason):
    if not reason.split():
        with pytest.raises(FormatError, match="reason"):
            ev.gate_line("skipped", reason)
        return
    text = " ".join(reason.split())
    assert ev.parse_line(text_of(ev.gate_line("fail", reason))) == ev.Evidence(
        "gate", "fail", {}, text
    )
    for subject in ("inference", "quantization", "gpu", "simd"):
        read = ev.parse_line(text_of(ev.skipped_line(subject, reason)))
        assert read == ev.Evidence(subject, "skipped", {}, text)


TEXT = st.text(min_size=1)


def joined(text):
    return " ".join(text.split())


@given(TEXT)
def test_the_threshold_reads_back(over):
    assert ev.parse_line(ev.threshold_line()) == ev.Evidence("threshold", "pass", {})
    if joined(over):
        assert ev.parse_line(ev.threshold_line(over)) == ev.Evidence(
            "threshold", "fail", {}, joined(over)
        )


@given(TEXT, TEXT, st.sampled_from(["primary", "alt1", "alt2"]))
def test_a_method_reads_back(result, reason, method):
    if not joined(result) or not joined(reason) or ";" in result:
        with pytest.raises(FormatError, match="method: found result"):
            ev.method_line(result, reason, method)
        return
    line = ev.method_line(result, reason, method)
    assert line == f"method: {method}; result: {joined(result)}; reason: {joined(reason)}"
    assert ev.parse_line(line) == ev.Evidence(
        "method", "measured", {}, joined(reason), method, joined(result)
    )


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ("inference:45.2", {"tokens/sec": 45.2}),
        ("inference:45.2 tokens/sec", {"tokens/sec": 45.2}),
        (
            "perf: inference: 45.2 tokens/sec; Δ vs baseline: \N{MINUS SIGN}12%",
            {"tokens/sec": 45.2, "delta": -0.12},
        ),
        ("quantization: I2S: \N{MINUS SIGN}3.5% accuracy", {"I2S": -3.5}),
    ],
)
def test_forms_of_the_pages_are_read(line, numbers):
    assert ev.parse_line(line).numbers == pytest.approx(numbers)


@pytest.mark.parametrize("line", ["perf: Δ ≤ threshold", "perf:Δ≤threshold", "Δ <= threshold"])
def test_a_threshold_is_read_with_its_head(line):
    assert ev.parse_line(line) == ev.Evidence("threshold", "pass", {})


@pytest.mark.parametrize(
    "line",
    [
        "perf:inference:45.2 tokens/sec",
        "perf: inference:45.2 tokens/sec; Δ vs baseline:+12%",
        "perf: quantization:I2S:99.8%,TL1:99.6% accuracy",
        "perf:gpu:mixed precision:FP16 2.3x speedup vs FP32",
        "review:gate:perf=pass",
    ],
)
def test_reader_is_lenient(line):
    assert ev.parse_line(line).status in {"measured", "pass"}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "perf: inference: fast",
        "perf: quantization: I2S accuracy",
        "perf: simd: 4x",
        "gate = pass",
        "Δ > threshold",
        "method: guess; result: 1; reason: x",
        "method: primary; result: ; reason: x",
    ],
)
def test_reader_refuses_what_it_cannot_understand(line):
    with pytest.raises(FormatError, match="evidence line"):
        ev.parse_line(line)


@pytest.mark.parametrize(
    "bad", [measured(4.1, run="run-0"), measured(4.1, samples=0), measured(float("nan"))]
)
def test_a_number_without_a_measurement_of_this_run_cannot_be_written(bad):
    with pytest.raises(MeasurementError):
        ev.simd_line(bad, run=RUN)
    with pytest.raises(MeasurementError):
        ev.quantization_line({"I2S": bad}, run=RUN)
    with pytest.raises(MeasurementError):
        ev.inference_line(measured(3.0), bad, run=RUN)
