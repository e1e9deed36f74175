"""From results to a report: every number stands in the results, and what is missing says so."""

import dataclasses

import pytest
from report.first import first_results

from bitnet_perf.analyze.roofline import place
from bitnet_perf.report.build import build_report, suggestions
from bitnet_perf.report.document import TITLES, text_of
from bitnet_perf.report.evidence import parse_line
from bitnet_perf.report.markdown import as_markdown


@pytest.fixture
def results():
    return first_results()


def test_the_numbers_of_the_run_stand_in_their_sections(results):
    report = build_report(results)
    text = as_markdown(report)
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
    lines = [parse_line(line) for line in build_report(results).lines]
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
    assert all(parse_line(line).status == "skipped" for line in report.lines)
    assert "recorded outputs" not in as_markdown(report).lower()


def test_suggestions_name_the_evidence_and_the_most_room_first():
    def at(case, memory, compute):
        return place(case, "x86_avx2", 1.0, (1, 1), read=("L3", 1e-9 / memory), mac=1e-9 / compute)

    places = [at("a/b/c/d/t1", 0.5, 0.1), at("e/f/g/h/t1", 0.1, 0.3), at("i/j/k/l/t1", 0.95, 0.2)]
    found = suggestions(places)
    assert [text_of(line).split(":")[0] for line in found] == ["e/f/g/h/t1", "a/b/c/d/t1"]
    assert "compute-bound, 30 % of x86_avx2 peak" in text_of(found[0])
    assert "layout, prefetch or more threads" in text_of(found[1])
