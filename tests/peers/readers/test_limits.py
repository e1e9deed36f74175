"""Files made to take memory or time: refused by their size, before or while they are read."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest
from reference.results_files import FILES, float32, nvbench

import bitnet_perf as bp
from bitnet_perf.peers import fields, read
from bitnet_perf.peers.fields import MAX_BYTES, MAX_NAME, MAX_VALUES
from bitnet_perf.peers.readers import nvbench as nvbench_reader


def refused(path: Path, message: str) -> None:
    """It is refused with that message, which is one short line whatever the file holds."""
    with pytest.raises(bp.MeasurementError, match=message) as caught:
        bp.read_results(path)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()


def test_a_file_too_long(tmp_path):
    path = tmp_path / "x.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    refused(path, f"larger; accepted: at most {MAX_BYTES} bytes")


def test_a_packed_file_that_is_long_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(fields, "MAX_BYTES", 1 << 20)
    path = tmp_path / "x.json.gz"
    path.write_bytes(gzip.compress(b" " * (20 << 20)))
    tracemalloc.start()
    refused(path, "larger; accepted: at most 1048576 bytes, unpacked")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("text", [b"[],", b"{},", b"1,", b'"",'])
def test_too_many_values(text, tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"[" + text * MAX_VALUES + b"0]")
    refused(path, f"values; accepted: at most {MAX_VALUES}")


def test_many_lines_take_no_memory(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\n" * (8 << 20))
    refused(path, "no known form")


def named(name: str) -> dict[str, bytes]:
    """Files with a benchmark of that name, by reader."""
    google = {"name": name, "run_type": "iteration", "real_time": 1.0, "time_unit": "ns"}
    llama = json.loads(FILES["llama.json"][1])
    llama[0]["model_filename"] = name
    run = {"values": [1.0]}
    stats = {"fullname": name, "stats": {"data": [1]}}
    asv = json.loads(FILES["asv.json"][1])
    asv["results"] = {f"time_{name}": [[1.0], []]}
    values = {
        "pyperf": {"version": "1.0", "benchmarks": [{"metadata": {"name": name}, "runs": [run]}]},
        "google": {"context": {}, "benchmarks": [google]},
        "llama": llama,
        "pytest": {"machine_info": {"cpu": {}}, "benchmarks": [stats]},
        "asv": asv,
        "metrics": json.loads(FILES["metrics.json"][1]) | {"model": {"name": name}},
        "receipt": json.loads(FILES["xtask.json"][1]) | {"model": {"path": name}},
    }
    return {key: json.dumps(value).encode() for key, value in values.items()}


@pytest.mark.parametrize("form", named(""))
def test_names_of_a_megabyte(form, tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(named("n" * (1 << 20))[form])
    refused(path, f"a name of 10485\\d\\d characters; accepted: at most {MAX_NAME} characters")


@pytest.mark.parametrize("form", named(""))
def test_names_that_steer_a_terminal_are_escaped(form, tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(named("a\x1b[31m\nb\u202e\ud800")[form])
    case = bp.read_results(path)[0].case
    assert "a\\x1b[31m\\nb\\u202e\\ud800" in case
    case.encode()


def test_dropped_lines_of_one_reason_are_counted(tmp_path):
    entry = {"run_name": "a", "run_type": "aggregate", "aggregate_name": "mean"}
    good = {"run_name": "b", "real_time": 1.0, "time_unit": "s"}
    entries = [entry | {"run_name": f"a{i}"} for i in range(5000)]
    many = [each | {"real_time": 1.0, "time_unit": "s"} for each in entries]
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"context": {}, "benchmarks": [good, *many]}))
    found = bp.read_results(path)
    assert len(found) == 5001
    assert len(found.dropped) == 2
    assert found.dropped[0].endswith("(and 4999 more)")


def test_parameters_that_multiply(tmp_path):
    asv = json.loads(FILES["asv.json"][1])
    columns = ["result", "params"]
    axis = [str(i) for i in range(1000)]
    path = tmp_path / "x.json"
    for params, message in (
        ([axis] * 100, r"results.time_a\[0\]: list of 2; accepted: a result"),
        ([["n" * (1 << 20)], axis], "accepted: parameters of at most 1000 characters"),
    ):
        asv |= {"result_columns": columns, "results": {"time_a": [[1.0, 2.0], params]}}
        path.write_text(json.dumps(asv))
        refused(path, message)


def test_files_of_times_are_bounded_in_all(tmp_path, monkeypatch):
    monkeypatch.setattr(nvbench_reader, "MAX_VALUES", 5)
    (tmp_path / "t.bin").write_bytes(float32(1, 2, 3))
    value = nvbench("t.bin")
    states = value["benchmarks"][0]["states"]
    states.append(states[0] | {"name": "another"})
    path = tmp_path / "x.json"
    path.write_text(json.dumps(value))
    refused(path, "t.bin: 3 times; accepted: at most 2 in all")


def test_words_of_the_command_line(tmp_path):
    (tmp_path / "target" / "criterion").mkdir(parents=True)
    (tmp_path / "env" / "bin").mkdir(parents=True)
    for word in ("a.json", "b.JSONL", "c.csv", "d.sql", "e.json.gz", str(tmp_path / "target")):
        assert read.is_results(word)
    for word in ("HEAD~1", "tree", "x.whl", "x86_avx2", "kernel.cpp", str(tmp_path / "env")):
        assert not read.is_results(word)
