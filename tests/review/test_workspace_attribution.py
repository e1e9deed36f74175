"""Where a change of a Cargo workspace is placed, with a stand-in for cargo and for callgrind."""

from __future__ import annotations

from pathlib import Path

import pytest
from workspaces import crate, repository, use_stand_in

from bitnet_perf.bench.counters import Unavailable
from bitnet_perf.config.settings import Settings
from bitnet_perf.peers.cargo.instructions import Counted, Place
from bitnet_perf.report.document import text_of
from bitnet_perf.review import workspace_counts
from bitnet_perf.review.gate import Review, plan_gate, review
from bitnet_perf.review.publication import _annotations

Q, K = "bitnet-quantization", "bitnet-kernels"
COMMON = "crates/common/src/lib.rs"
WORK, OUTER = Place("common", "common::work", COMMON), Place(Q, "outer", f"crates/{Q}/src/lib.rs")


class Nothing:
    """A host without callgrind."""

    def __init__(self, runner, _workspace, _source):
        self.side = runner.side

    def count(self, _name):
        return Unavailable("no Valgrind")


class More(Nothing):
    """The candidate has half as much again, all in one function of a dependency."""

    def count(self, _name):
        work = 1000.0 + 1000.0 * self.side
        by_place = {WORK: work, OUTER: 1000.0}
        return Counted(work + 1000.0, by_place, {WORK: 7, OUTER: 1}, 4)


def reviewed(folder: Path, patch: pytest.MonkeyPatch, counter: type, *times: dict) -> Review:
    """A review of crates whose benches take these nanoseconds at the base, and a fifth more."""
    use_stand_in(folder, patch)
    patch.setattr(workspace_counts, "Counter", counter)

    def tree(part: float) -> dict[str, str]:
        found = crate("common", {})
        for name, benches in zip((Q, K), times, strict=False):
            orders = {bench: {"a": part * ns} for bench, ns in benches.items()}
            found |= crate(name, orders, {"common": None})
        return found

    after = tree(1.2) | {COMMON: "pub fn g() {}\n", "docs/x.md": "x"}
    root = repository(folder / "r", tree(1.0), after)
    plan = plan_gate("HEAD~1", "HEAD", "full", root, Settings())
    found = review(plan, None, None)
    for _ in range(3):  # samples scatter, so that a canary is not sound by chance
        if not any("canary" in row.reason for row in found.rows()):
            break
        found = review(plan, None, None)
    return found


def text_of_report(found: Review) -> str:
    return found.report("markdown")


def test_two_slower_benches_of_one_crate_are_in_that_crate(tmp_path, monkeypatch):
    found = reviewed(tmp_path, monkeypatch, Nothing, {"one": 1000, "two": 1_000_000})
    held = found.judged.attribution.localized
    assert (held.kind, held.name, held.share) == ("crate", Q, 1.0)
    assert found.judged.situation.localized == (Q, 1.0)
    assert f"100 % of what became slower is in one crate: {Q}." in text_of_report(found)


def test_a_slower_bench_of_two_crates_is_in_no_one_place(tmp_path, monkeypatch):
    found = reviewed(tmp_path, monkeypatch, Nothing, {"one": 1000}, {"two": 1_000_000})
    assert found.judged.attribution.localized is None
    assert found.judged.situation.localized is None
    line = next(s.command for s in found.judged.steps if "the first bad commit" in s.text)
    assert line.startswith("git bisect start ")
    assert line in text_of_report(found)


def test_a_bench_of_nanoseconds_counts_as_much_as_one_of_milliseconds(tmp_path, monkeypatch):
    found = reviewed(tmp_path, monkeypatch, Nothing, {"one": 1000}, {"two": 1_000_000})
    assert [node.of_change for node in found.judged.kernels] == pytest.approx([0.5, 0.5], abs=0.01)
    (table,) = (
        block
        for block in found.document.sections[1].blocks
        if getattr(block, "title", "") == "The compared cases by stage and bench"
    )
    told = [float(text_of(row[2]).removesuffix(" %")) for row in table.rows]
    assert told == pytest.approx([20.0] * 4, abs=1.0)


def test_without_counts_suspects_are_what_the_bench_is_built_of(tmp_path, monkeypatch):
    found = reviewed(tmp_path, monkeypatch, Nothing, {"one": 1000})
    held = found.judged.attribution.localized
    assert (held.kind, held.name) == ("bench", f"{Q}/one")
    first, second = found.judged.attribution.suspects
    assert first.file == f"crates/{Q}/benches/one.json"
    assert (second.file, second.nearness) == (COMMON, 0.25)
    sha = found.plan.head[:12]
    assert all(commit.startswith(sha) for commit in second.commits)
    assert len(second.commits) == 1


def test_counts_lead_to_the_file_the_commit_and_the_line(tmp_path, monkeypatch):
    found = reviewed(tmp_path, monkeypatch, More, {"one": 1000, "two": 1_000_000}, {"three": 500})
    held = found.judged.attribution.localized
    assert (held.kind, held.name, held.share) == ("module", COMMON, 1.0)
    first = found.judged.attribution.suspects[0]
    assert (first.file, first.score, first.nearness) == (COMMON, 1.0, 1.0)
    assert first.path[-1] == "common::work"
    assert first.commits[0].startswith(found.plan.head[:12])
    note = _annotations(found)[0]
    assert (note.path, note.line, note.title) == (COMMON, 7, "common::work became slower")
    text = text_of_report(found)
    assert f"100 % of what became slower is in one module: {COMMON}." in text
    assert f"{COMMON}:7" in text
    titles = {b.title for b in found.document.sections[1].blocks if hasattr(b, "title")}
    assert {"Suspects", "Functions"} <= titles
    assert text_of(found.document.sections[1].blocks[0].text).startswith("100 %")


def test_counts_that_are_equal_lead_nowhere(tmp_path, monkeypatch):
    class Same(More):
        def __init__(self, runner, workspace, source):
            super().__init__(runner, workspace, source)
            self.side = 0

    found = reviewed(tmp_path, monkeypatch, Same, {"one": 1000, "two": 1000})
    assert found.judged.attribution.localized.name == Q
