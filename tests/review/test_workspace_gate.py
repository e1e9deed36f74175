"""The gate of a Cargo workspace, with a stand-in for cargo and for Criterion's programs."""

import json
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from checkout import commit
from processes import is_running, wait_until
from workspaces import crate, repository, use_stand_in

from bitnet_perf.config.settings import Settings
from bitnet_perf.errors import ConfigError, EnvironmentRefused, MeasurementError
from bitnet_perf.peers.cargo import driver, runs
from bitnet_perf.review.compare import Comparison
from bitnet_perf.review.gate import plan_gate, review
from bitnet_perf.review.workspace_gate import WorkspacePlan

Q, K = "bitnet-quantization", "bitnet-kernels"


def plan_of(root: Path, suite: str = "quick", **settings: object) -> WorkspacePlan:
    plan = plan_gate("HEAD~1", "HEAD", suite, root, Settings.model_validate(settings))
    assert isinstance(plan, WorkspacePlan)
    return plan


def compared(root: Path, suite: str = "full") -> Comparison:
    return plan_of(root, suite).compare(None, lambda _share, _what: None)


def rows_of(found: Comparison) -> dict[str, object]:
    return {row.case: row for row in found.rows()}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """One run with everything in it: see `test_rows`."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("judged")
        use_stand_in(folder, patch)
        base = {"g/slow/1": 1000, "g/same/1": 2000, "old": 50, "broken": 70, "idle": "nothing"}
        after = base | {"g/slow/1": 1150, "new one": 60, "broken": "crash", "odd\tname": 5}
        del after["old"]
        root = repository(
            folder / "repository",
            crate(Q, {"one": base, "notes": {"a": 9}})
            | crate(K, {"whole": {"plain": "running 0 tests"}, "two": {"a": 7}, "mine": {"a": 3}}),
            crate(Q, {"one": after, "notes": {"a": 9}})
            | crate(K, {"whole": {"plain": "running 0 tests"}, "two": {"build": "no such thing"}}),
        )
        yield root, compared(root)


def test_rows(judged):
    rows = rows_of(judged[1])
    place = f"quantization/{Q}/one"
    assert {name: row.verdict for name, row in rows.items()} == {
        f"{place}/g/slow/1": "action",
        f"{place}/g/same/1": "pass",
        f"{place}/old": "gone",
        f"{place}/broken": "inconclusive",
        f"{place}/idle": "skipped",
        f"{place}/new one": "new",
        f"{place}/odd name": "skipped",
        f"quantization/{Q}/notes/a": "identical",
        f"forward/{K}/whole": "skipped",
        f"forward/{K}/two": "inconclusive",
        f"forward/{K}/mine": "gone",
    }
    slow = rows[f"{place}/g/slow/1"]
    assert slow.slowdown == pytest.approx(0.15, abs=0.01)
    assert slow.mde is not None
    assert "whole processes" in slow.notes
    assert (slow.clock, slow.cpu, slow.class_) == ("wall", None, "other")
    assert rows[f"{place}/broken"].reason == "candidate: a benchmark panicked: boom"
    assert "0 tests run" in rows[f"forward/{K}/whole"].reason
    assert rows[f"forward/{K}/two"].reason == "candidate: cargo failed: no such thing"
    assert rows[f"forward/{K}/two"].gate == "closed"
    assert judged[1].exit_code == 1


def test_a_replay_gives_the_same_rows(judged, tmp_path):
    found = judged[1]
    assert Comparison.load(found.save(tmp_path / "raw.npz")).replay().rows() == found.rows()


def test_canaries_are_of_the_base_alone(judged):
    raw = judged[1].raw
    names = {case["canary"]: case["case"] for case in raw.cases() if "canary" in case}
    place = f"quantization/{Q}/one/g"
    assert names == {"compute": f"{place}/slow/1", "streaming": f"{place}/same/1"}


def test_what_a_case_says_of_itself(judged):
    case = next(c for c in judged[1].raw.cases() if c["name"].endswith("g/slow/1"))
    assert (case["crate"], case["bench"], case["evidence"]) == (Q, "one", "whole processes")
    words = shlex.split(judged[1].commands[case["name"]])
    assert words == ["cargo", "bench", "-p", Q, "--bench", "one", "--", "--exact", "g/slow/1"]
    assert case["counts"][0].startswith("instructions: unavailable (")


def test_benches_are_those_that_a_change_is_built_into(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    common = crate("common", {"c": {"a": 1}})
    tree = (
        crate(Q, {"one": {"a": 1}}, {"common": None})
        | crate(K, {"two": {"a": 1}}, {Q: None})
        | crate("tools", {"three": {"a": 1}}, {"common": "dev"})
        | crate("other", {"four": {"a": 1}}, {"tools": None})
    )
    root = repository(tmp_path / "r", common | tree, common | tree | {"README.md": "x"})
    nothing = plan_of(root)
    assert nothing.cases == ()
    assert nothing.compare(None, lambda _share, _what: None).exit_code == 6
    assert len(plan_of(root, "full").cases) == 5
    commit(root, {"crates/common/src/lib.rs": "pub fn g() {}\n"})
    plan = plan_of(root)
    assert plan.cases == (
        f"forward/{K}/two/*", f"quantization/{Q}/one/*", "workspace/common/c/*",
        "workspace/tools/three/*",
    )  # fmt: skip
    assert plan.minutes > 4
    chosen = plan_of(root, "own", suites={"own": [f"{K}/two/x*"]})
    assert [(a and a.name, b and b.name) for a, b in chosen.benches] == [("two", "two")]
    with pytest.raises(ConfigError, match="suite: found 'none', accepted is quick, full"):
        plan_of(root, "none")
    commit(root, {"Cargo.toml": "[workspace]\n"})
    assert len(plan_of(root).cases) == 5


def test_only_what_the_change_is_built_into_of_any_suite(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    tree = crate(Q, {"one": {"a": 1}}) | crate(K, {"two": {"a": 1}}) | crate("xtask", {})
    tree |= {"crates/xtask/rate.json": "40.0"}
    root = repository(tmp_path / "r", tree, tree | {f"crates/{K}/src/lib.rs": "pub fn g() {}\n"})
    settings = Settings.model_validate({"suites": {"own": [f"{Q}/*", f"{K}/*"], "q": [f"{Q}/*"]}})

    def cases(suite: str, model: str | None = None) -> WorkspacePlan:
        return plan_gate("HEAD~1", "HEAD", suite, root, settings, model=model, only_changed=True)

    assert cases("quick").cases == cases("full").cases == cases("own").cases
    assert cases("full").cases == (f"forward/{K}/two/*",)
    assert cases("q").cases == ()
    (row,) = cases("q", str(tmp_path / "m.gguf")).compare(None, lambda *_: None).rows()
    assert (row.case, row.verdict) == ("generation/xtask/benchmark", "skipped")
    assert row.reason == "none of the changed files is built into it"
    assert "--suite full --only-changed" in cases("full").command


def test_built_programs_are_kept_and_their_cases_foreseen(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    root = repository(
        tmp_path / "r", crate(Q, {"one": {"a": 1, "b": 2}}), crate(Q, {"one": {"a": 1, "c": 2}})
    )
    before = plan_of(root)
    assert before.cases == (f"quantization/{Q}/one/*",)
    monkeypatch.setattr(runs, "RUN_SECONDS", 20.0)
    found = compared(root)
    plan = plan_of(root)
    assert plan.cases == (f"quantization/{Q}/one/a", f"quantization/{Q}/one/c")
    assert plan.minutes < before.minutes
    (calls,) = (tmp_path / "cache").rglob("target.calls")
    builds = calls.read_text().splitlines()
    assert len(builds) == 2
    assert all("--no-run" in json.loads(line) for line in builds)
    plan.compare(0.001, lambda _share, _what: None)
    assert calls.read_text().splitlines() == builds
    assert {row.case.rpartition("/")[2]: row.verdict for row in found.rows()} == {
        "a": "pass", "b": "gone", "c": "new",
    }  # fmt: skip


def test_no_time_leaves_neutral_rows(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    root = repository(tmp_path / "r", crate(K, {"one": {"a": 1}}), crate(K, {"one": {"a": 2}}))
    found = plan_of(root).compare(0.001, lambda _share, _what: None)
    (row,) = found.rows()
    assert (row.verdict, row.gate, row.class_) == ("inconclusive", "neutral", "core")
    assert "time budget" in found.raw.meta["stopped"]
    assert found.exit_code == 6


@pytest.mark.parametrize("what", ["hang", "nothing"])
def test_a_benchmark_that_gives_nothing_is_skipped(what, tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    monkeypatch.setattr(runs, "RUN_SECONDS", 1.0)
    root = repository(
        tmp_path / "r", crate(K, {"one": {"a": what}}), crate(K, {"one": {"a": what, "b": 1}})
    )
    found = compared(root)
    row = rows_of(found)[f"forward/{K}/one/a"]
    assert row.verdict == "skipped"
    assert found.exit_code == 6
    if what == "hang":
        assert row.reason == "no result within 1 s: it hangs"
        for pid in (tmp_path / "cache").rglob("pid"):
            assert not is_running(int(pid.read_text()))
    else:
        assert row.reason == "empty output"


def test_a_benchmark_of_long_runs_is_skipped(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    monkeypatch.setattr(driver, "CASE_SECONDS", 0.0)
    root = repository(tmp_path / "r", crate(K, {"one": {"a": 1}}), crate(K, {"one": {"a": 2}}))
    (row,) = compared(root).rows()
    assert row.verdict == "skipped"
    assert "it sets a measurement time of its own" in row.reason


def test_names_of_strangers(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    names = ["a\x1b[31mb", "a\u202eb", "x" * 600, "x" * 601, "$(touch y) | `z`", "--help", "g/a b"]
    orders = dict.fromkeys(names, "nothing")
    root = repository(
        tmp_path / "r", crate(K, {"one": orders}), crate(K, {"one": orders | {"c": "nothing"}})
    )
    found = compared(root)
    rows = rows_of(found)
    assert len(rows) == 8
    assert all(name.isprintable() for name in rows)
    assert [row.verdict for row in rows.values()].count("skipped") == 7
    assert sum("cannot be shown" in row.reason for row in rows.values()) == 4
    (line,) = [line for name, line in found.commands.items() if name.endswith("--help")]
    assert shlex.split(line)[-4:] == ["--", "--exact", "--", "--help"]
    assert Comparison(found.raw, found.rules).replay().rows() == found.rows()


def test_a_tree_that_cargo_refuses(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    root = repository(tmp_path / "r", crate(K, {"one": {"a": 1}}), {"a": "b"})
    with pytest.raises(ConfigError, match="cargo names no crate in it"):
        plan_of(root)
    cargo = tmp_path / "bin" / "cargo"
    cargo.write_text("#!/bin/sh\necho 'error: no such subcommand' >&2; exit 1\n")
    with pytest.raises(MeasurementError, match=r"cargo metadata in .*: cargo failed: no such sub"):
        plan_of(root)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(EnvironmentRefused, match=r"cargo: is not on PATH.*rustup"):
        plan_of(root)


def test_ctrl_c_leaves_no_process(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    mark = tmp_path / "building"
    root = repository(
        tmp_path / "r", crate(K, {"one": {"a": 1}}), crate(K, {"one": {"sleep": str(mark)}})
    )
    code = (
        "from bitnet_perf.review.gate import plan_gate, review\n"
        f"review(plan_gate('HEAD~1', 'HEAD', 'quick', {str(root)!r}), None, None)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: mark.exists() and mark.read_text())
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=60)[1]
    assert child.returncode != 0
    assert said.rstrip().endswith("KeyboardInterrupt")
    wait_until(lambda: not is_running(int(mark.read_text())))
    plan_of(root)  # what it left in the folder of the builds does no harm


def test_ctrl_c_while_measuring_keeps_what_was_measured(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    root = repository(
        tmp_path / "r", crate(K, {"one": {"a": "hang"}}), crate(K, {"one": {"a": "hang", "b": 1}})
    )
    code = (
        "from bitnet_perf.review.gate import plan_gate\n"
        f"plan = plan_gate('HEAD~1', 'HEAD', 'quick', {str(root)!r})\n"
        "found = plan.compare(None, lambda *_: None)\n"
        "print(found.raw.meta['stopped'], [row.verdict for row in found.rows()])\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    marks = lambda: [p for p in (tmp_path / "cache").rglob("pid") if p.read_text()]  # noqa: E731
    wait_until(marks)
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=60)[0] == "Ctrl-C ['inconclusive', 'new']\n"
    wait_until(lambda: not any(is_running(int(mark.read_text())) for mark in marks()))


def test_a_report_names_the_lines_of_cargo(judged):
    root, _ = judged
    plan = plan_of(root)
    monkey = Comparison(judged[1].raw, judged[1].rules)
    object.__setattr__(plan, "compare", lambda *_: monkey)
    found = review(plan, None, None)
    text = found.report("markdown")
    assert f"cargo bench -p {Q} --bench one -- --exact g/slow/1" in text
    assert "bitnet-perf compare" not in text


def test_a_bench_without_its_vector_code_is_told(judged):
    root, _ = judged
    plan = plan_of(root)
    host = {**judged[1].raw.meta["fingerprint"], "isas": ["scalar", "x86_avx2"]}
    raw = replace(judged[1].raw, meta={**judged[1].raw.meta, "fingerprint": host})
    object.__setattr__(plan, "compare", lambda *_: Comparison(raw, judged[1].rules))
    told, *others = [
        each for each in review(plan, None, None).judged.suggestions if each.rule == "flag"
    ]
    assert told.about == f"quantization/{Q}/one/g/slow/1"
    assert told.command.endswith("--features cpu,bitnet-kernels/avx2")
    assert {each.about.split("/")[2] for each in others} == {"mine", "notes"}
