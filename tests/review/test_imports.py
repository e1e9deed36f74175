"""Files into the history: what is taken of each, what is left out, and what is refused."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from analyze.paired.synthetic import case, raw
from checkout import commit, new_checkout, run_git

import bitnet_perf as bp
from bitnet_perf import _native
from bitnet_perf.bench.fingerprint import fingerprint, host_key
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.report.document import TITLES, Report, Section
from bitnet_perf.review import compare
from bitnet_perf.review.benchmark import benchmark
from bitnet_perf.review.imports import import_files
from bitnet_perf.store.history import Store

GOLDEN = Path(__file__).parents[1] / "golden"
HOST = fingerprint().to_dict()
COMMITS = ("a" * 40, "b" * 40)
GEMV, STREAM = "forward/gemv/i2_s/64x64/t1", "forward/gemv/i2_s/64x64-512mb/t1"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'history.db'}"


@pytest.fixture
def away(tmp_path, monkeypatch):
    """A folder in no repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sides(**candidate):
    return [
        {"label": "base", "kind": "revision", "commit": COMMITS[0], "dirty": False},
        {"label": "head", "kind": "revision", "commit": COMMITS[1], "dirty": False} | candidate,
    ]


def saved(folder, *, name="raw.npz", **meta):
    """A comparison of two cases whose candidate is 7 % slower."""
    values = {(n, look): [0.07] * 20 for n in (0, 1) for look in (0, 1)}
    cases = [case(GEMV, isas=["scalar", "x86_avx2"]), case(STREAM)]
    given = {"sides": sides(), "fingerprint": HOST, "date": "2026-05-06T07:08:09+02:00"} | meta
    return raw(cases, values, **given).save(folder / name)


def test_a_comparison_gives_a_point_for_each_case_and_side(away, url):
    (done,) = import_files([saved(away)], url)
    assert (done.kind, done.added, done.points, done.dropped) == ("comparison", True, 4, ())
    points = {(p.case, p.commit): p for p in Store(url).points()}
    base, candidate = (points[GEMV, each] for each in COMMITS)
    assert base.value == pytest.approx(4e-4)
    assert candidate.value == pytest.approx(4e-4 * np.exp(0.07))
    assert (base.verdict, base.slowdown) == ("", None)
    assert candidate.verdict == "concern"
    assert candidate.slowdown == pytest.approx(np.expm1(0.07))
    assert (base.isa, candidate.isa) == ("scalar", "x86_avx2")
    assert candidate.low <= candidate.value <= candidate.high
    assert candidate.compute == pytest.approx(np.exp(0.07), rel=1e-2)
    assert candidate.streaming == pytest.approx(np.exp(0.07), rel=1e-2)
    assert candidate.host.key == host_key(HOST)
    assert candidate.compiler == HOST["compiler"]
    assert (candidate.threads, candidate.count, candidate.unit) == (1, 40, "second")
    assert candidate.measured.isoformat() == "2026-05-06T05:08:09+00:00"
    assert candidate.committed is None
    assert points[STREAM, COMMITS[0]].isa == ""


def test_the_same_content_is_added_once_whatever_its_name(away, url):
    path = saved(away)
    shutil.copy(path, away / "copy.npz")
    done = import_files([path, path, away / "copy.npz"], url)
    assert [each.added for each in done] == [True, False, False]
    assert len(Store(url).points()) == 4


def test_commits_get_their_time_from_the_repository(tmp_path, url):
    folder = new_checkout(tmp_path / "r")
    ids = [commit(folder, {"a": text}, text) for text in "12"]
    both = sides(commit=ids[1])
    both[0]["commit"] = ids[0]
    import_files([saved(tmp_path, sides=both)], url, repository=folder)
    times = {p.commit: p.committed for p in Store(url).points()}
    for each in ids:
        assert times[each].timestamp() == int(run_git(folder, "show", "-s", "--format=%ct", each))


@pytest.mark.parametrize(
    ("side", "why"),
    [
        ({"dirty": True}, "candidate: a working tree with changes is no commit"),
        ({"extra": 0.05}, "candidate: work was added on purpose"),
        ({"kind": "source"}, "candidate: a candidate kernel is no version of the code"),
    ],
)
def test_a_side_that_is_no_version_is_left_out(side, why, away, url):
    (done,) = import_files([saved(away, sides=sides(**side))], url)
    assert (done.points, done.dropped) == (2, (why,))
    assert {p.commit for p in Store(url).points()} == {COMMITS[0]}


def test_what_was_not_timed_is_told(away, url):
    cases = [case(GEMV), case(STREAM, identical=True), case("forward/x/y/z/t1", error="died")]
    path = raw(cases, {(0, 0): [0.0] * 8, (2, 0): [0.0] * 8}, sides=sides()).save(away / "a.npz")
    (done,) = import_files([path], url)
    assert done.points == 2
    assert done.dropped == (f"2 cases: not timed ({STREAM}, forward/x/y/z/t1)",)


def test_files_that_name_no_commit_or_time_get_those_that_are_given(tmp_path, url):
    folder = new_checkout(tmp_path / "r")
    head = commit(folder, {"a": "1"})
    path = GOLDEN / "lockstep" / "pinned_plus5_2560.npz"
    import_files([path], url, commit="HEAD", repository=folder)
    points = Store(url).points()
    assert {(p.commit, p.isa, p.compiler) for p in points} == {(head, "x86_avx2", "")}
    assert points[0].measured.timestamp() == pytest.approx(path.stat().st_mtime, abs=1e-5)
    assert points[0].host.cpu.startswith("2 vCPU AMD EPYC")
    assert points[1].verdict == "concern"
    with pytest.raises(bp.ConfigError, match="nosuch"):
        import_files([path], url, commit="nosuch", repository=folder)


def report(folder, wrapped=False):
    found = Report(
        run="r", date="2026-05-06", host={}, verdict="performance validation complete",
        route="test-finalizer", evidence=(),
        sections=tuple(Section(title=title, blocks=()) for title in TITLES),
    ).to_dict()  # fmt: skip
    path = folder / "report.json"
    path.write_text(json.dumps({"report": found, "comparison": {}} if wrapped else found))
    return path


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_report_gives_the_verdict_of_its_run(wrapped, away, url):
    (done,) = import_files([report(away, wrapped)], url)
    assert (done.kind, done.points) == ("report", 0)
    assert "raw.npz beside it" in done.dropped[0]
    (source,) = Store(url).sources()
    assert (source.verdict, source.route) == ("performance validation complete", "test-finalizer")
    assert source.measured == datetime.datetime(2026, 5, 6, tzinfo=datetime.UTC)


def test_a_folder_of_a_gate_gives_both(away, url):
    saved(away)
    report(away)
    assert [each.kind for each in import_files([away], url)] == ["comparison", "report"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    bp.make_model(path, shape="tiny", seed=0)
    return json.loads(json.dumps(benchmark(path, 4, stream=False, threads=1).to_dict()))


def test_a_benchmark_gives_prefill_and_decode(measured, away, url):
    (away / "b.json").write_text(json.dumps(measured))
    (done,) = import_files([away / "b.json"], url)
    assert (done.kind, done.points) == ("benchmark", 2)
    prefill, decode = Store(url).points()
    layout = _native.native_layout()
    assert prefill.case == f"forward/prefill/{layout}/tiny-n{measured['prompt_tokens']}/t1"
    assert decode.case == f"generation/decode/{layout}/tiny-n4/t1"
    rates = [3 / run["decode"] for run in measured["samples"]]
    assert min(rates) <= 1 / decode.value <= max(rates)
    assert decode.isa in HOST["isas"]
    assert decode.host.key == host_key(HOST)
    assert decode.measured == datetime.datetime.fromisoformat(measured["timestamp"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tokens": 1}, "'tokens': found 1"),
        ({"threads": True}, "'threads': found True"),
        ({"host": {"cpu": "x"}}, r"'host\.\w+': Field required"),
        ({"samples": []}, "'samples': found none"),
        ({"samples": [{"prefill": 1.0, "decode": -1.0}]}, "'samples': 'decode': found -1.0"),
        ({"samples": [3]}, "'samples': 'prefill': found None"),
        ({"samples": 3}, "'samples'"),
        ({"kernels": []}, "'kernels': found no gemm"),
        ({"kernels": 3}, "'kernels': found no gemm"),
    ],
)
def test_a_benchmark_that_ours_did_not_write(change, says, measured, away, url):
    (away / "b.json").write_text(json.dumps(measured | change))
    with pytest.raises(bp.FormatError, match=says) as refused:
        import_files([away / "b.json"], url)
    assert str(refused.value).startswith(str(away / "b.json"))
    assert not (away / "history.db").exists()


@pytest.mark.usefixtures("away")
def test_results_of_other_tools(url):
    files = [GOLDEN / "peers" / name for name in ("google_benchmark.json", "pyperf.json")]
    done = import_files(files, url)
    assert [each.kind for each in done] == ["google_benchmark", "pyperf"]
    by_case = {p.case: p for p in Store(url).points()}
    for path in files:
        for row in bp.read_results(path):
            samples = sorted(row.samples)
            assert samples[0] <= by_case[row.case].value <= samples[-1]
            assert by_case[row.case].unit == row.unit


def test_a_folder_of_criterion_is_one_source(away, url):
    folder = GOLDEN / "criterion_fresh"
    shutil.copytree(folder, away / "criterion")
    first, again = import_files([folder, away / "criterion"], url)
    assert (first.kind, first.added, again.added) == ("criterion", True, False)
    assert first.points == len(bp.read_results(folder))


def test_records_that_are_mock_are_left_out_unless_forced(away, url):
    mock = {
        "model_path": "m.gguf", "tokens_generated": 10, "device": "cpu", "success": True,
        "timing": {"warmup_ms": 1, "prefill_ms": 10, "decode_ms": 100, "total_ms": 200},
        "performance": {"tokens_per_sec": 1625.0, "ms_per_token": 10.0}, "kernels": ["mock_gemv"],
    }  # fmt: skip
    (away / "m.json").write_text(json.dumps(mock))
    with pytest.raises(bp.MeasurementError, match=r"m.json: nothing to add: .*refused.*mock"):
        import_files([away / "m.json"], url)
    (done,) = import_files([away / "m.json"], url, force=True)
    assert done.added
    assert {p.unit for p in Store(url).points()} >= {"token/second"}


def test_pyperf_files_of_ours_keep_variant_and_threads(away, url):
    metadata = {
        "name": "forward/gemv/i2_s/64x64/t2", "unit": "second", "isa": "x86_avx2", "bytes": 1,
        "ops": 1, "footprint": 1, "written": 1, "threads": 2, "loops": 1,
    }  # fmt: skip
    runs = [{"values": [1e-5, 1.1e-5], "metadata": {}} for _ in range(3)]
    (away / "p.json").write_text(
        json.dumps({"version": "1.0", "benchmarks": [{"runs": runs, "metadata": metadata}]})
    )
    import_files([away / "p.json"], url)
    (point,) = Store(url).points()
    assert (point.isa, point.threads, point.count) == ("x86_avx2", 2, 3)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": NaN}', b"PK\x03\x04rest", b"\xff"])
def test_files_of_no_known_form(content, away, url):
    (away / "x").write_bytes(content)
    with pytest.raises(bp.FormatError, match="x"):
        import_files([saved(away), away / "x"], url)
    assert not (away / "history.db").exists()  # all are read before the first is added


@pytest.mark.usefixtures("away")
def test_files_that_are_not_there(url):
    with pytest.raises(bp.FormatError, match=r"nosuch: cannot be read \(No such file"):
        import_files(["nosuch"], url)


def test_hostile_texts_are_kept_as_data(away, url):
    nasty = "x\x1b[31m'); DROP TABLE bitnet_perf_point; --"
    both = sides(commit=nasty, isa=nasty)
    path = saved(away, sides=both, fingerprint=nasty, name="a';--.npz")
    import_files([path], url)
    points = Store(url).points()
    assert {p.commit for p in points} == {COMMITS[0], ""}
    assert all(p.host.cpu.isprintable() and p.isa.isprintable() for p in points)
    assert len(points) == 4


def test_the_history_of_a_repository(tmp_path):
    folder = new_checkout(tmp_path / "r")
    commit(folder, {"a": "1", "bitnet-perf.toml": ""})
    import_files([saved(tmp_path)], repository=folder)
    assert (folder / ".bitnet-perf" / "history.db").exists()
    assert run_git(folder, "status", "--porcelain") == ""
    assert len(bp.history(repository=folder).trends) == 3
    (folder / "bitnet-perf.toml").write_text(f"[history]\nurl = 'sqlite:///{tmp_path}/o.db'\n")
    with pytest.raises(bp.ConfigError, match=r"o.db: there is no history"):
        bp.history(repository=folder)
    import_files([saved(tmp_path)], repository=folder)
    assert bp.history(repository=folder).place == f"{tmp_path}/o.db"


@pytest.mark.usefixtures("away")
def test_outside_of_a_repository_it_has_to_be_named(tmp_path):
    with pytest.raises(bp.ConfigError, match="in no git checkout"):
        import_files([saved(tmp_path)])


def test_raw_files_written_from_now_on_say_when():
    meta = compare._meta([], compare.Recording(), compare.Rules(), 1, None)
    found = Raw.build(meta | {"sides": ["a", "b"]}, [])
    assert datetime.datetime.fromisoformat(found.meta["date"]).tzinfo is not None
