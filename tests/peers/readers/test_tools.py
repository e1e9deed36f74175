"""pyperf, Google Benchmark, pytest-benchmark, asv and nvbench: figures against the programs' own,
and files that they would not have written."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

import pyperf
import pytest
from reference.results_files import FILES, GOLDEN, float32, nvbench

import bitnet_perf as bp


def edited(path: Path, name: str, edit) -> Path:
    """A sample file after `edit` has changed its JSON."""
    value = json.loads(FILES[name][1])
    edit(value)
    path.write_text(json.dumps(value))
    return path


def test_pyperf_reads_the_same():
    found = bp.read_results(GOLDEN / "pyperf.json")
    suite = pyperf.BenchmarkSuite.load(str(GOLDEN / "pyperf.json"))
    assert [row.case for row in found] == ["sort", "sum", "mem"]
    for row, benchmark in zip(found, suite.get_benchmarks(), strict=True):
        runs = [run.values for run in benchmark.get_runs() if run.values]
        assert (row.case, row.unit) == (benchmark.get_name(), benchmark.get_unit())
        assert row.samples == benchmark.get_values()
        assert row.processes() == runs
        assert row.host["cpu"] == benchmark.get_metadata()["cpu_model_name"]
    assert {row.unit for row in found} == {"second", "byte"}
    assert found.dropped[0].startswith("benchmarks[].runs[].warmups: warm-ups and calibrations")


def test_pyperf_commit_and_calibration(tmp_path):
    run = {"warmups": [[1, 1.0]]}
    value = {"version": "1.0", "metadata": {"commit_id": "0a1b2c3"}, "benchmarks": [
        {"metadata": {"name": "a"}, "runs": [run, {"values": [1.0]}]},
        {"metadata": {"name": "b"}, "runs": [run]},
    ]}  # fmt: skip
    path = tmp_path / "x.json"
    path.write_text(json.dumps(value))
    found = bp.read_results(path)
    assert [(row.case, row.claims.commit) for row in found] == [("a", "0a1b2c3")]
    assert "benchmarks[1]: b: no values, the runs calibrated only" in found.dropped


def test_google_benchmark_agrees_with_its_aggregates():
    path = GOLDEN / "google_benchmark.json"
    entries = json.loads(path.read_bytes())["benchmarks"]
    found = bp.read_results(path)
    assert [row.case for row in found] == ["BM_sum/256", "BM_sum/1024", "BM_ms/real_time/threads:2"]
    unit = {"ns": 1e-9, "ms": 1e-3}
    for row in found:
        for name, compute in (("mean", statistics.fmean), ("stddev", statistics.stdev)):
            stated = next(e for e in entries if e["name"] == f"{row.case}_{name}")
            seconds = stated["real_time"] * unit[stated["time_unit"]]
            assert compute(row.samples) == pytest.approx(seconds, rel=1e-6)
        assert row.runs == (2,)
    reasons = "\n".join(found.dropped)
    assert "BM_err: no device (and 1 more)" in reasons
    assert "aggregate BigO, no measurement of its own" in reasons
    assert "benchmarks[].cpu_time: samples are real_time" in reasons


def test_google_benchmark_of_aggregates_alone():
    path = GOLDEN / "google_benchmark_aggregates.json"
    entries = json.loads(path.read_bytes())["benchmarks"]
    found = bp.read_results(path)
    middle = next(e for e in entries if e["name"] == "BM_sum/256_median")
    assert found[0].samples == (middle["real_time"] * 1e-9,)
    assert "its repetitions are not in the file: median is the one sample" in found.dropped[0]


def test_pytest_benchmark_agrees_with_its_figures():
    path = GOLDEN / "pytest_benchmark.json"
    benchmarks = json.loads(path.read_bytes())["benchmarks"]
    stats = {each["fullname"]: each["stats"] for each in benchmarks}
    found = bp.read_results(path)
    assert {row.case for row in found} == set(stats)  # the test that failed is not in the file
    for row in found:
        assert statistics.median(row.samples) == pytest.approx(stats[row.case]["median"])
        assert len(row.samples) == stats[row.case]["rounds"]
        assert row.claims.commit == "297b48056ee5fa5083c492cf4f219c0fb0053e52"
        assert row.host["cpu"] == "Intel(R) Xeon(R) Processor"
        assert row.host["cores"] == 2
    saved = bp.read_results(GOLDEN / "pytest_benchmark_saved.json")
    assert [row.case for row in saved] == [row.case for row in found]
    assert all(len(row.samples) == 1 for row in saved)
    assert "--benchmark-save-data" in saved.dropped[0]


@pytest.mark.parametrize("info", [{"id": "unversioned"}, {"id": "0a1b2c3", "dirty": True}, None])
def test_pytest_benchmark_without_a_commit(info, tmp_path):
    path = edited(tmp_path / "x.json", "pytest.json", lambda value: value.update(commit_info=info))
    assert bp.read_results(path)[0].claims.commit is None


def test_asv_agrees_with_its_figures():
    path = GOLDEN / "asv" / "host" / "64519db6-existing.json"
    value = json.loads(path.read_bytes())
    found = {row.case: row for row in bp.read_results(path)}
    assert list(found) == [
        "bench.Suite.time_sum(100, 'a')", "bench.Suite.time_sum(100, 'b')",
        "bench.Suite.time_sum(1000, 'a')", "bench.mem_list", "bench.peakmem_list",
        "bench.time_sort", "bench.timeraw_import", "bench.track_size",
    ]  # fmt: skip
    row = found["bench.Suite.time_sum(1000, 'a')"]
    assert statistics.median(row.samples) == pytest.approx(
        value["results"]["bench.Suite.time_sum"][0][2]
    )
    assert (row.unit, len(row.samples)) == ("second", 6)
    assert (found["bench.mem_list"].unit, found["bench.track_size"].unit) == ("byte", "rows")
    assert row.claims.commit == value["commit_hash"]
    assert row.host["cores"] == 2
    dropped = bp.read_results(path).dropped
    assert "results.bench.Suite.time_sum[0][3]: failed (and 1 more)" in dropped


def test_asv_without_the_list_of_benchmarks(tmp_path):
    """Names tell times and memory, a tracked number has no unit then."""
    found = bp.read_results(edited(tmp_path / "x.json", "asv.json", lambda _: None))
    assert {row.case: row.unit for row in found}["bench.timeraw_import"] == "second"
    assert {row.case: row.unit for row in found}["bench.peakmem_list"] == "byte"
    assert "bench.track_size" not in [row.case for row in found]
    assert any("no benchmarks.json beside it tells the unit" in line for line in found.dropped)


def test_asv_of_a_benchmark_that_skipped_itself(tmp_path):
    def edit(value):
        value["results"] = {"time_a": [[math.nan, 1.0], [["1", "2"]]]}

    found = bp.read_results(edited(tmp_path / "x.json", "asv.json", edit))
    assert [(row.case, row.samples) for row in found] == [("time_a(2)", (1.0,))]
    assert "results.time_a[0][0]: skipped itself" in found.dropped


def test_nvbench_times_of_samples(tmp_path):
    path = tmp_path / "x.json"
    (tmp_path / "x.json-bin").mkdir()
    (tmp_path / "x.json-bin" / "0.bin").write_bytes(float32(0.25, 0.5, 0.125))
    path.write_text(json.dumps(nvbench("x.json-bin/0.bin")))
    found = bp.read_results(path)
    assert [row.case for row in found] == ["gemv/Device=0 N=64"]
    assert found[0].samples == (0.25, 0.5, 0.125)
    assert found[0].host == {"gpu": "A GPU"}
    assert "benchmarks[0].states[1]: gemv: N is odd" in found.dropped


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing.bin", None, "missing.bin: no file of times below the folder"),
        ("../x.bin", b"", "../x.bin: no file of times below the folder"),
        ("/etc/passwd", b"", "/etc/passwd: no file of times below the folder"),
        ("zero.bin", float32(1, 0, 2), "zero.bin: holds times that are not above zero"),
        ("nan.bin", float32(1, math.nan, 2), "nan.bin: holds times that are not above zero"),
    ],
)
def test_nvbench_times_that_cannot_be_used(name, content, reason, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    if content and "/" not in name:
        (folder / name).write_bytes(content)
    (tmp_path / "x.bin").write_bytes(float32(1, 2, 3))
    path = folder / "x.json"
    path.write_text(json.dumps(nvbench(name)))
    found = bp.read_results(path)
    assert found[0].samples == (0.0010034715849794225,)
    assert any(reason in line for line in found.dropped)


def test_nvbench_link_out_of_its_folder(tmp_path):
    (tmp_path / "x.bin").write_bytes(float32(1, 2, 3))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "t.bin").symlink_to(tmp_path / "x.bin")
    (folder / "x.json").write_text(json.dumps(nvbench("t.bin")))
    assert bp.read_results(folder / "x.json")[0].samples == (0.0010034715849794225,)


def test_nvbench_size_of_times(tmp_path):
    (tmp_path / "t.bin").write_bytes(float32(1, 2))
    (tmp_path / "x.json").write_text(json.dumps(nvbench("t.bin")))
    with pytest.raises(
        bp.MeasurementError, match=r"value: '3'; accepted: 2, as there are in t.bin"
    ):
        bp.read_results(tmp_path / "x.json")


def at(*keys, to):
    """An edit of the value at these keys."""

    def edit(value):
        for key in keys[:-1]:
            value = value[key]
        value[keys[-1]] = to

    return edit


WRONG = [
    ("pyperf.json", at("version", to="0.9"), "version: '0.9'; accepted: 1.0"),
    ("pyperf.json", at("benchmarks", 0, "runs", 2, "values", 0, to=-1.0),
     r"benchmarks[0].runs[2].values[0]: -1.0; accepted: a finite number above zero"),
    ("pyperf.json", at("benchmarks", 1, "metadata", "name", to="sort"),
     "'sort' also stands in"),
    ("pyperf.json", at("benchmarks", 0, "metadata", "unit", to="mile"),
     "benchmarks[0].metadata.unit: 'mile'; accepted: second, byte, integer"),
    ("pyperf.json", at("benchmarks", 0, "runs", to={}), "benchmarks[0].runs: dict of 0"),
    ("google.json", at("benchmarks", 1, "time_unit", to="min"),
     "benchmarks[1].time_unit: 'min'; accepted: s, ms, us, ns"),
    ("google.json", at("benchmarks", 0, "real_time", to="1"),
     "benchmarks[0].real_time: '1'; accepted: a finite number above zero"),
    ("google.json", at("benchmarks", 0, "real_time", to=math.inf), "benchmarks[0].real_time: inf"),
    ("google.json", at("benchmarks", 0, "run_name", to=3), "benchmarks[0].run_name: 3"),
    ("google.json", at("benchmarks", to=None), "benchmarks: nothing; accepted: a list"),
    ("pytest.json", at("benchmarks", 0, "stats", "data", 1, to=0),
     "benchmarks[0].stats.data[1]: 0; accepted"),
    ("pytest.json", at("benchmarks", 0, "stats", "data", to=[]), "benchmarks[0].stats.data: list"),
    ("pytest.json", at("benchmarks", 1, "fullname", to="test_x.py::test_sum[100]"),
     "'test_x.py::test_sum[100]' also stands in"),
    ("pytest.json", at("benchmarks", 0, "fullname", to=None), "benchmarks[0].fullname: nothing"),
    ("saved.json", at("benchmarks", 0, "stats", "median", to=10**400),
     "benchmarks[0].stats.median: an integer of 1329 bits"),
    ("asv.json", at("version", to=1), "version: 1; accepted: 2 (`asv update` writes it)"),
    ("asv.json", at("result_columns", to=["params"]),
     "result_columns: list of 1; accepted: a list that names result"),
    ("asv.json", at("results", "bench.time_sort", 0, to=[1.0, 2.0]),
     "results.bench.time_sort[0]: list of 2; accepted: a result"),
    ("asv.json", at("results", "bench.time_sort", 11, to=[[-1.0]]),
     "results.bench.time_sort[11][0][0]: -1.0"),
    ("asv.json", at("results", to=[]), "results: list of 0; accepted: a JSON object"),
    ("nvbench.json", at("meta", "version", "json", "major", to=2), "meta.version.json.major: 2"),
    ("nvbench.json", at("benchmarks", 0, "states", 0, "summaries", 1, "data", 0, "value", to="x"),
     "benchmarks[0].states[0].summaries[1].data[0].value: 'x'; accepted: a finite number"),
    ("nvbench.json", at("benchmarks", 0, "states", 0, "name", to=None),
     "benchmarks[0].states[0].name: nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "edit", "message"), WRONG)
def test_wrong_field(name, edit, message, tmp_path):
    path = edited(tmp_path / "x.json", name, edit)
    with pytest.raises(bp.MeasurementError) as caught:
        bp.read_results(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
