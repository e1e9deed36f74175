"""What is posted of a review: its words and numbers, for the head of its pull request."""

from __future__ import annotations

import json
import subprocess

import pytest
from github.reviews import CASE, FILE, review, row, slower
from github.server import HEAD

from bitnet_perf.analyze.paired.verdict import FAILED
from bitnet_perf.errors import ConfigError
from bitnet_perf.github.payload import Payload, Target
from bitnet_perf.report.evidence import parse_line
from bitnet_perf.report.markdown import as_markdown
from bitnet_perf.review.gate import plan_gate
from bitnet_perf.review.publication import payload_of, target_for

TARGET = Target(repository="maintainer/kernels", pull=7, head=HEAD)
UNKNOWN = row(verdict="inconclusive", gate="closed", reason="holds the margin")


def test_a_pass():
    found = payload_of(review(row(), row(case="quantization/pack/i2_s/64x64/t1")), TARGET)
    assert (found.status, found.inconclusive, found.agent) == ("pass", False, "test-finalizer")
    assert found.title == "performance validation complete: 2 pass"
    assert found.rows[0].evidence == ("Δ ≤ threshold",)
    assert found.hop == "aaaaaaa against bbbbbbb: performance validation complete, 2 pass"
    assert found.regressions == ()
    assert {note.level for note in found.annotations} == {"notice"}


def test_a_regression_names_the_worst_its_file_and_its_commands():
    rows = [slower(case=f"forward/gemv/i2_s/{n}x{n}/t1", slowdown=n / 100) for n in range(12, 18)]
    found = payload_of(review(*rows, row()), TARGET)
    assert (found.status, found.agent) == ("fail", "perf-fixer")
    assert found.rows[0].evidence == (
        "Δ > threshold: forward/gemv/i2_s/17x17/t1 +17.0 %, forward/gemv/i2_s/16x16/t1 +16.0 %, "
        "forward/gemv/i2_s/15x15/t1 +15.0 % and 3 more",
    )
    assert [r.slowdown for r in found.regressions] == [0.17, 0.16, 0.15, 0.14, 0.13, 0.12]
    assert found.why.startswith("significant regression detected: 6 action, 1 pass; forward/gemv")
    (note,) = found.annotations
    assert (note.path, note.level) == (FILE, "warning")
    assert note.title == "gemv/i2_s/x86_avx2 became slower"
    assert note.message == (
        "100 % of what became slower is in Forward Pass > gemv > gemv/i2_s/x86_avx2"
    )
    assert f"--cases {rows[0].case}" in "\n".join(found.commands)


def test_what_is_slower_and_passes_says_why_and_from_where_on_it_fails():
    rows = [row(case=f"forward/gemv/i2_s/{n}x{n}/t1", slowdown=n / 1000, low=0.01,
                notes=("measurably slower",)) for n in range(12, 17)]  # fmt: skip
    found = payload_of(review(*rows), TARGET)
    assert (found.status, found.agent) == ("pass", "promotion-validator")
    assert "watch forward/gemv/i2_s/16x16/t1: +1.6 %, fails from +5.0 % (the budget" in found.why
    assert found.why.endswith("; 2 more to watch")


def test_what_is_not_known_fails_as_inconclusive():
    found = payload_of(review(UNKNOWN, row()), TARGET)
    assert (found.status, found.inconclusive) == ("fail", True)
    assert found.agent == "performance-benchmark"
    assert found.rows[0].evidence == (
        "method: primary; result: 1 of 2 cases inconclusive; reason: holds the margin",
    )


def test_nothing_measured_is_skipped_with_the_reason():
    found = payload_of(review(row(verdict="new", gate="neutral", pairs=0)), TARGET)
    assert (found.status, found.agent) == ("skipped", "performance-benchmark")
    assert found.rows[0].evidence[0].startswith("method: primary; result: none; reason: ")


@pytest.mark.parametrize(
    ("rows", "status", "words"),
    [
        ([row(), slower()], "pass", "result: 2 cases, 16 pairs; reason: both sides alternated"),
        ([row(verdict="new", pairs=0)], "skipped", "result: none; reason: nothing was measured"),
        (
            [row(verdict="inconclusive", gate="closed", notes=(FAILED,), pairs=0, reason="died")],
            "fail",
            "result: none; reason: died",
        ),
    ],
)
def test_the_row_of_the_benchmarks_says_what_was_measured(rows, status, words):
    assert [each.gate for each in payload_of(review(*rows), TARGET).rows] == ["perf"]
    found = payload_of(review(*rows), TARGET, benchmarks=True).rows[1]
    assert (found.gate, found.status) == ("benchmarks", status)
    assert words in found.evidence[0]


def test_names_of_strangers_stay_in_their_places(tmp_path):
    strange = "x | y\n<!-- gates:end --> @octocat \x1b[31m\u202e```" + "z" * 5000
    found = payload_of(review(slower(case=strange), row(case=strange)), TARGET, benchmarks=True)
    assert Payload.load(found.save(tmp_path / "payload.json")) == found
    markdown = as_markdown(found.report)
    assert not set("\x1b\u202e") & set(markdown)
    assert "<!-- gates:end -->" not in markdown
    assert all(len(r.case) <= 180 for r in found.regressions)
    json.dumps(found.model_dump(mode="json"), allow_nan=False)


def test_the_gate_line_of_the_report_is_the_status():
    for rows in ([row()], [slower()], [UNKNOWN], [row(verdict="new", pairs=0)]):
        found = payload_of(review(*rows), TARGET)
        assert parse_line(found.report.lines[-1]).status == found.status


@pytest.fixture
def merged(tmp_path):
    """A repository whose HEAD merges `head` into main, as CI checks it out."""

    def git(*words):
        identity = ("-c", "user.name=n", "-c", "user.email=e@e")
        command = ["git", *identity, *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(name):
        (tmp_path / name).write_text(name)
        git("add", "-A")
        git("commit", "-q", "-m", name)
        return git("rev-parse", "HEAD")

    git("init", "-q", "-b", "main")
    commit("a")
    git("checkout", "-q", "-b", "side")
    head = commit("b")
    git("checkout", "-q", "main")
    commit("c")
    git("merge", "-q", "--no-ff", "-m", "merge", "side")
    return tmp_path, head, git


def test_the_result_is_for_the_head_not_for_the_merge_commit(merged, tmp_path_factory):
    folder, head, git = merged
    event = tmp_path_factory.mktemp("event") / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"sha": head}}}))
    environment = {"GITHUB_EVENT_PATH": str(event), "GITHUB_REPOSITORY": "maintainer/kernels"}
    plan = plan_gate("main~1", None, "quick", folder)
    assert target_for(plan, None, environment).head == head
    plan = plan_gate("main~1", "side", "quick", folder)
    assert target_for(plan, "a/b#1", {}).head == head
    git("checkout", "-q", "main~1")
    plan = plan_gate("main~1", None, "quick", folder)
    with pytest.raises(ConfigError, match=f"accepted is the head of #7, {head[:12]}"):
        target_for(plan, None, environment)


def test_commands_are_lines_of_the_report():
    found = payload_of(review(slower()), TARGET)
    assert any(CASE in line for line in found.commands)
    assert all(line in as_markdown(found.report) for line in found.commands)
