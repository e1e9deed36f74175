"""Recorded and made-up consoles of cargo, each classified as measured or as nothing and why."""

from pathlib import Path

import pytest

from bitnet_perf.errors import FormatError
from bitnet_perf.peers.cargo_console import classify
from bitnet_perf.peers.readers.criterion import read_criterion

GOLDEN = Path(__file__).parents[1] / "golden"
ACCURACY = (
    "test failed: integration_tests::test_quantization_accuracy_thresholds: "
    "I2S accuracy 94.04% below 99% threshold"
)
RECORDED = {
    "kernels-mixed_precision_bench-features-cpu": (
        "0 tests run (the bench target lacks harness = false, or its features are off)"
    ),
    "kernels-mixed_precision_bench-features-gpu": (
        "does not link: libcuda, libnvrtc, libcurand, libcublas, libcublasLt not found"
    ),
    "quantization-comprehensive_tests": ACCURACY,
    "quantization-comprehensive_tests-accuracy": ACCURACY,
    "quantization-quantization": None,
    "quantization-quantization-t1": None,
    "quantization-simd_comparison": "only ignored tests (1)",
    "quantization-simd_comparison-features-cpu": "only ignored tests (1)",
}


def test_every_recorded_console_is_expected() -> None:
    assert {path.stem for path in (GOLDEN / "cargo_console").glob("*.txt")} == set(RECORDED)


@pytest.mark.parametrize(("name", "why"), RECORDED.items())
def test_recorded(name: str, why: str | None) -> None:
    console = classify((GOLDEN / "cargo_console" / f"{name}.txt").read_text())
    assert console.why == why
    assert console.status == ("measured" if why is None else f"measured nothing: {why}")


@pytest.mark.parametrize(
    ("console", "tree"),
    [
        ("quantization-quantization", "criterion_fresh"),
        ("quantization-quantization-t1", "criterion_fresh_t1"),
    ],
)
def test_ids_are_those_of_the_tree_of_the_same_run(console: str, tree: str) -> None:
    ids = classify((GOLDEN / "cargo_console" / f"{console}.txt").read_text(), 0).ids
    assert sorted(ids) == [row.id for row in read_criterion(GOLDEN / tree).rows]


SHORT = "sum/8                   time:   [1.0 ns 1.1 ns 1.2 ns]\n"


def test_short_id_stands_on_the_line_of_its_time() -> None:
    assert classify(SHORT, 0).ids == ("sum/8",)


def test_change_of_time_is_no_time() -> None:
    change = "x\n   change:\n      time:   [+1.97% +31.4% +66.1%] (p = 0.01 < 0.05)\n"
    assert classify(change, 0).ids == ()


def test_libtest_benchmark_is_measured() -> None:
    text = "running 1 test\ntest sum ... bench:       1,234 ns/iter (+/- 5)\n"
    assert classify(text, 0).ids == ("sum",)


def test_colours_and_carriage_returns() -> None:
    assert classify(f"\x1b[32m{SHORT.strip()}\x1b[0m\r\n", 0).ids == ("sum/8",)


def test_failure_after_a_measurement_is_a_note() -> None:
    console = classify(SHORT + "error: bench failed, to rerun pass `--bench b`\n", 101)
    assert console.status == "measured"
    assert console.note == "cargo failed: bench failed, to rerun pass `--bench b`"


@pytest.mark.parametrize(
    ("text", "status", "why"),
    [
        ("sh: 1: cargo: not found\n", 127, "cargo is not installed or not on PATH"),
        ("bash: cargo: command not found\n", 127, "cargo is not installed or not on PATH"),
        (
            "error: toolchain '1.92.0-x86_64-unknown-linux-gnu' is not installed\n",
            1,
            "toolchain 1.92.0-x86_64-unknown-linux-gnu is not installed: set RUSTUP_TOOLCHAIN to "
            "one of `rustup toolchain list`, or install it",
        ),
        (
            "error[E0432]: unresolved import `foo`\n --> a.rs\n\n"
            'error: could not compile `bitnet-kernels` (bench "b") due to 1 previous error\n',
            101,
            "does not compile: bitnet-kernels: E0432 unresolved import `foo`",
        ),
        (
            "error: linking with `cc` failed: exit status: 1\n = note: cannot find -lcuda: No\n",
            101,
            "does not link: libcuda not found",
        ),
        (
            "error: linking with `cc` failed: exit status: 1\n",
            101,
            "does not link: linking with `cc` failed: exit status: 1",
        ),
        (
            "error: no bench target named `x` in `y` package\n",
            101,
            "cargo failed: no bench target named `x` in `y` package",
        ),
        (
            "thread 'main' panicked at benches/a.rs:3:5:\nassertion failed\n"
            "error: bench failed, to rerun pass `--bench a`\n",
            101,
            "a benchmark panicked: assertion failed",
        ),
        ("", -9, "ended by signal 9"),
        ("", 3, "exit status 3 without a reason"),
        ("", 0, "empty output"),
        ("    Finished `bench` profile\n", 0, "no benchmark ran"),
        (
            "running 2 tests\ntest a ... ok\ntest b ... ignored\n",
            0,
            "1 tests ran, none of them printed a time",
        ),
    ],
)
def test_measured_nothing(text: str, status: int, why: str) -> None:
    console = classify(text, status)
    assert (console.ids, console.why) == ((), why)


def test_no_status_at_all() -> None:
    with pytest.raises(FormatError, match="no line `exit status N`"):
        classify(SHORT)
