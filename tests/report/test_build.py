"""From results to a report: every number stands in the results, and what is missing says so."""

import dataclasses

import pytest

from bitnet_perf.analyze.accuracy import Accuracy
from bitnet_perf.analyze.roofline import place
from bitnet_perf.bench.ceilings import Ceilings, MacLimit, ReadLimit
from bitnet_perf.bench.fingerprint import fingerprint
from bitnet_perf.bench.results import BenchRow
from bitnet_perf.report.build import RunResults, Speedup, StageTime, build_report, suggestions
from bitnet_perf.report.document import TITLES
from bitnet_perf.report.evidence import parse_line

CASE = "forward/gemv/i2_s/2560x2560/t1"


def ceilings():
    read = ReadLimit(
        level="memory",
        bytes=1 << 30,
        threads=1,
        pattern="plain",
        gb_per_s=20.0,
        spread=1.0,
        patterns={"plain": 20.0},
    )
    mac = MacLimit(isa="x86_avx2", threads=1, gop_per_s=320.0, spread=3.0)
    return Ceilings(host=fingerprint(), reads=(read,), macs=(mac,))


@pytest.fixture
def results():
    row = BenchRow(
        case=CASE,
        isa="x86_avx2",
        median=1e-4,
        spread=1e-5,
        values=10,
        processes=2,
        bytes=1_651_200,
        ops=13_107_200,
        footprint=1_651_200,
        threads=1,
    )
    where = place(
        CASE, "x86_avx2", row.median, (row.bytes, row.ops), read=("memory", 20.0), mac=320.0
    )
    return RunResults(
        run="abc",
        date="2026-01-01",
        commit="c0ffee",
        ceilings=ceilings(),
        rows=(row,),
        places=(where,),
        stages=(StageTime("Model Load", None, "no model given"), StageTime("Forward Pass", 0.25)),
        kernels=(("gemv/i2_s/x86_avx2", 0.25, 7),),
        speedups=(Speedup(CASE, "x86_avx2", 41.5, 40.0, 43.0, 11),),
        accuracy={"I2S": Accuracy(34.04, 0.9, 0.01, 1024, "Gaussian, seed 1")},
        recorded={
            "cases": 249,
            "runs": 687,
            "equal": 570,
            "classified": {"ties": 117},
            "unexplained": [],
        },
    )


def test_the_numbers_of_the_run_stand_in_their_sections(results):
    report = build_report(results)
    text = report.markdown()
    assert (report.verdict, report.route) == ("baseline establishment needed", "review-summarizer")
    parts = dict(zip(TITLES, text.split("\n## ")[1:], strict=True))
    assert "687 runs, 570 equal, 117 classified, 0 unexplained" in parts[TITLES[0]]
    assert "memory-bound, 83 % of memory bandwidth" in parts[TITLES[0]]
    assert "| Model Load | no model given |" in parts[TITLES[1]]
    assert "| Forward Pass | 250.000 | 100.0 % |" in parts[TITLES[1]]
    assert "perf: simd: vectorized ops 41.5x faster than scalar" in parts[TITLES[2]]
    assert "perf: quantization: I2S: 34.0% accuracy" in parts[TITLES[2]]
    assert "Gaussian, seed 1" in parts[TITLES[2]]
    assert "review:gate:perf = skipped (no baseline to compare with)" in parts[TITLES[3]]
    assert "bitnet-perf rust --workspace" in parts[TITLES[4]]


def test_every_evidence_line_is_of_the_grammar(results):
    lines = [parse_line(line) for line in build_report(results).evidence]
    assert [line.subject for line in lines] == [
        "inference",
        "quantization",
        "gpu",
        "simd",
        "gate",
    ]


def test_what_was_not_measured_is_skipped_with_the_reason(results):
    empty = dataclasses.replace(
        results, rows=(), places=(), speedups=(), accuracy={}, recorded={}, stages=(), kernels=()
    )
    report = build_report(empty)
    assert (report.verdict, report.route) == ("skipped", "none")
    assert all(parse_line(line).status == "skipped" for line in report.evidence)
    assert "recorded outputs" not in report.markdown().lower()


def test_suggestions_name_the_evidence_and_the_most_room_first():
    def at(case, memory, compute):
        return place(case, "x86_avx2", 1.0, (1, 1), read=("L3", 1e-9 / memory), mac=1e-9 / compute)

    places = [at("a/b/c/d/t1", 0.5, 0.1), at("e/f/g/h/t1", 0.1, 0.3), at("i/j/k/l/t1", 0.95, 0.2)]
    found = suggestions(places)
    assert [line.split(":")[0] for line in found] == ["e/f/g/h/t1", "a/b/c/d/t1"]
    assert "compute-bound, 30 % of x86_avx2 peak" in found[0]
    assert "layout, prefetch or more threads" in found[1]
