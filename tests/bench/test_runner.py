"""Suites as pyperf programs and in child processes. No time is judged."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyperf
import pytest

import bitnet_perf as bp
from bitnet_perf.bench.results import read_rows
from bitnet_perf.bench.runner import run_suites
from bitnet_perf.kernels.tunables import tuned_with

ROOT = Path(__file__).parents[2]
CASE = "forward/gemv/i2_s/640x2560/t1"
FEW = ["-p", "1", "-n", "2", "-w", "1", "--min-time", "0.0005"]


def test_a_script_is_a_plain_pyperf_program(tmp_path):
    out = tmp_path / "x.json"
    done = subprocess.run(
        [
            sys.executable,
            "bench/bench_matmul.py",
            "-o",
            out,
            *FEW,
            "--cases",
            "gemv/i2_s/640x2560/*",
            "--isa",
            "scalar",
            "--threads",
            "2",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (benchmark,) = pyperf.BenchmarkSuite.load(str(out)).get_benchmarks()
    assert benchmark.get_name() == "forward/gemv/i2_s/640x2560/t2"
    metadata = benchmark.get_metadata()
    assert metadata["isa"] == "scalar"
    assert metadata["threads"] == 2
    assert metadata["bytes"] == 640 * 2560 // 4 + 32 + 2560 + 4 * 640
    assert metadata["ops"] == 2 * 640 * 2560
    assert "scalar" in metadata["cpu_features"].split()
    (row,) = read_rows(out)
    assert row.case == benchmark.get_name()
    assert row.gb_per_s == pytest.approx(metadata["bytes"] / row.median / 1e9)
    assert row.to_dict()["gop_per_s"] == pytest.approx(metadata["ops"] / row.median / 1e9)


def test_a_script_refuses_a_glob_that_matches_nothing():
    done = subprocess.run(
        [sys.executable, "bench/bench_matmul.py", "--cases", "gemw/*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "matches nothing; nearest: forward/gem" in done.stderr


def test_rows_of_two_suites_come_in_one_file(tmp_path):
    out = tmp_path / "all.json"
    seen = []
    rows = run_suites(
        [CASE, "gemm/i2_s/16x640x2560/*"],
        options=FEW,
        output=out,
        on_progress=seen.append,
    )
    assert [row.case for row in rows] == [p.case for p in seen]
    assert [(p.done, p.total) for p in seen] == [(1, 2), (2, 2)]
    assert read_rows(out) == rows
    assert list(tmp_path.iterdir()) == [out]


def test_suites_run_with_what_is_tuned_in_this_process(tmp_path):
    out = tmp_path / "tuned.json"
    with tuned_with({"gemv_isa": "scalar"}):
        run_suites([CASE], options=FEW, output=out)
    (benchmark,) = pyperf.BenchmarkSuite.load(str(out)).get_benchmarks()
    metadata = benchmark.get_metadata()
    assert (metadata["isa"], metadata["tuned"]) == ("scalar", "gemv_isa=scalar")


def test_cases_that_call_python_are_timed_and_state_no_work(tmp_path, monkeypatch):
    monkeypatch.setenv("BITNET_PERF_CACHE", str(tmp_path / "cache"))
    names = ["load/gguf/i2_s/small/t2", "tokenization/detokenize/gpt2/2b4t-n512/t2"]
    rows = run_suites(names, threads=2, options=FEW)
    assert [row.case for row in rows] == names
    assert {(row.isa, row.bytes, row.ops, row.threads) for row in rows} == {("python", 0, 0, 2)}
    assert len(list((tmp_path / "cache" / "models").iterdir())) == 2
    with pytest.raises(bp.MeasurementError, match="x87"):
        run_suites(names[1:], isa="x87", threads=2, options=FEW)


def test_a_case_that_cannot_run_is_one_error(tmp_path):
    with pytest.raises(bp.MeasurementError, match="isa: 'x87' is no variant of gemv/i2_s"):
        run_suites([CASE], isa="x87", options=FEW, output=tmp_path / "x.json")
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_is_refused(tmp_path):
    with pytest.raises(bp.ConfigError, match="is a folder"):
        run_suites([CASE], options=FEW, output=tmp_path)


@pytest.mark.parametrize("content", ["", "{", '{"version": "1.0"}', "[1, 2]"])
def test_other_files_are_refused(tmp_path, content):
    file = tmp_path / "x.json"
    file.write_text(content)
    with pytest.raises(bp.MeasurementError, match=re.escape(str(file))):
        read_rows(file)


def test_a_pyperf_file_of_others_is_refused(tmp_path):
    file = tmp_path / "x.json"
    pyperf.Benchmark(
        [pyperf.Run([1.0], metadata={"name": "foreign"}, collect_metadata=False)]
    ).dump(str(file))
    with pytest.raises(bp.MeasurementError, match="'foreign' lacks the metadata isa, bytes"):
        read_rows(file)


RUN = """
import resource, sys
from bitnet_perf.bench.runner import run_suites
from bitnet_perf.kernels.tunables import tuned_with
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
run_suites([sys.argv[3]], options=sys.argv[4:], output=sys.argv[1])
"""


def test_a_full_disk_leaves_the_old_file(tmp_path):
    out = tmp_path / "x.json"
    out.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", RUN, out, "512", CASE, *FEW],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"bitnet_perf\.errors\.\w+: .*(too large|space)", done.stderr), done.stderr
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def processes():
    """(pid, parent, group, state) of every process."""
    rows = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        rows.append((int(stat.parent.name), int(fields[1]), int(fields[2]), fields[0]))
    return rows


def test_ctrl_c_leaves_no_process_and_no_file(tmp_path):
    out = tmp_path / "x.json"
    long = ["-p", "200", "-n", "50"]
    runner = subprocess.Popen(
        [sys.executable, "-c", RUN, out, "0", CASE, *long], stderr=subprocess.DEVNULL
    )
    group = None
    for _ in range(600):
        suites = [pid for pid, parent, _, _ in processes() if parent == runner.pid]
        if suites and any(g == suites[0] and p != suites[0] for p, _, g, _ in processes()):
            group = suites[0]
            break
        time.sleep(0.05)
    assert group is not None, "no worker was ever started"
    runner.send_signal(signal.SIGINT)
    assert runner.wait(timeout=60) in (-signal.SIGINT, 1, 130)
    alive = [row for row in processes() if row[2] == group and row[3] != "Z"]
    assert alive == []
    assert not os.path.exists(out)
    assert list(tmp_path.iterdir()) == []


def test_json_is_whole(tmp_path):
    out = tmp_path / "x.json"
    run_suites([CASE], options=FEW, output=out)
    assert json.loads(out.read_text())["benchmarks"]
