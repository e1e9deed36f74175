"""Comparisons as pyperf files, and pyperf files of runs that were not paired."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path

import numpy as np
import pyperf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bitnet_perf as bp
from bitnet_perf.bench.paired.interchange import read_pyperf, write_pyperf
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.review.compare import Comparison
from bitnet_perf.review.unpaired import compare_unpaired

GOLDEN = Path(__file__).parents[1] / "golden" / "lockstep" / "pinned_plus5_2560.npz"
CASE = "forward/gemv/i2_s/2560x2560/t1"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Comparison.load(GOLDEN).save_pyperf(tmp_path_factory.mktemp("pyperf"))


def test_every_sample_of_every_process_is_there(files):
    raw = Raw.load(GOLDEN)
    for side, path in enumerate(files):
        (benchmark,) = pyperf.BenchmarkSuite.load(str(path)).get_benchmarks()
        assert benchmark.get_name() == CASE  # canaries are not cases
        assert len(benchmark.get_runs()) == 45
        mine = (raw.columns["side"] == side) & (raw.columns["case"] == 0)
        assert sorted(benchmark.get_values()) == pytest.approx(
            sorted(raw.columns["wall_ns"][mine] / 1e9)
        )


@pytest.mark.parametrize(
    "host", [{}, {"cpu": None, "cores": "x"}, {"cpu": ""}, {"cpu": "y", "cores": 3}]
)
def test_what_a_file_says_of_its_host_is_copied_and_nothing_else(host, tmp_path):
    raw = Raw.load(GOLDEN)
    raw = dataclasses.replace(raw, meta={**raw.meta, "fingerprint": host})
    first, _ = write_pyperf(raw, tmp_path)
    metadata = pyperf.BenchmarkSuite.load(str(first)).get_metadata()
    assert metadata.get("cpu_model_name") == (host.get("cpu") or None)
    assert metadata.get("cpu_count") == (host.get("cores") if host.get("cpu") else None)


def test_what_pyperf_cannot_hold_is_refused(tmp_path):
    raw = Raw.load(GOLDEN)
    columns = {**raw.columns, "wall_ns": np.full_like(raw.columns["wall_ns"], 5e-324)}
    with pytest.raises(bp.FormatError, match="pyperf: values must be"):
        write_pyperf(dataclasses.replace(raw, columns=columns), tmp_path)


def test_without_pairs_it_is_shown_and_not_decided(files):
    (row,) = compare_unpaired(*files)
    assert (row.case, row.verdict, row.notes[0]) == (CASE, "inconclusive", "unpaired")
    assert row.slowdown == pytest.approx(0.045, abs=0.02)


def write(path, *, name=CASE, unit="second", values=((1.0, 1.1), (1.2, 1.3)), **metadata):
    runs = [
        pyperf.Run(
            list(v), metadata={"name": name, "unit": unit, **metadata}, collect_metadata=False
        )
        for v in values
    ]
    runs.append(
        pyperf.Run([], warmups=[(1, 9.0)], metadata={"name": name, "unit": unit, **metadata},
                   collect_metadata=False)
    )  # fmt: skip
    pyperf.BenchmarkSuite([pyperf.Benchmark(runs)]).dump(str(path))
    return path


def test_warm_ups_and_calibration_are_no_samples(tmp_path):
    assert read_pyperf(write(tmp_path / "a.json")) == {CASE: [[1.0, 1.1], [1.2, 1.3]]}


def test_two_hosts_are_refused_unless_forced(tmp_path):
    one = write(tmp_path / "a.json", cpu_model_name="A", hostname="x")
    other = write(tmp_path / "b.json", cpu_model_name="B", hostname="x")
    renamed = write(tmp_path / "c.json", cpu_model_name="A", hostname="y")
    with pytest.raises(bp.EnvironmentRefused, match=r"cpu_model_name \(A and B\)"):
        compare_unpaired(one, other)
    assert len(compare_unpaired(one, other, force=True)) == 1
    assert len(compare_unpaired(one, renamed)) == 1


def test_what_cannot_be_compared_is_refused(tmp_path):
    seconds = write(tmp_path / "a.json")
    with pytest.raises(bp.FormatError, match="unit 'byte'"):
        read_pyperf(write(tmp_path / "b.json", unit="byte", values=((1,), (2,))))
    with pytest.raises(bp.MeasurementError, match="no benchmark stands in both"):
        compare_unpaired(seconds, write(tmp_path / "c.json", name="other"))
    with pytest.raises(bp.FormatError, match="cannot be read"):
        read_pyperf(tmp_path / "missing.json")


def test_unequal_numbers_of_samples_are_no_difference(tmp_path):
    few = write(tmp_path / "a.json", values=((1.0, 1.0), (1.0, 1.0), (1.0,)))
    many = write(tmp_path / "b.json", values=((1.0,) * 50, (1.0,) * 3))
    (row,) = compare_unpaired(few, many)
    assert (row.slowdown, row.low, row.high) == (0.0, 0.0, 0.0)
    assert row.notes == ("unpaired",)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_damaged_files_are_refused_or_read(files, tmp_path, seed, count):
    rng = np.random.default_rng(seed)
    data = bytearray(files[0].read_bytes()[:4000] + files[0].read_bytes()[-2000:])
    for at in rng.integers(0, len(data), count):
        data[at] = rng.integers(0, 256)
    path = tmp_path / "damaged.json"
    path.write_bytes(data)
    with contextlib.suppress(bp.FormatError):  # and nothing else
        read_pyperf(path)


def test_nonsense_in_the_right_form_is_refused(tmp_path):
    path = tmp_path / "x.json"
    for text in ("", "[]", "{}", json.dumps({"version": "1.0", "benchmarks": [{"runs": 3}]})):
        path.write_text(text)
        with pytest.raises(bp.FormatError, match=r"x\.json"):
            read_pyperf(path)
