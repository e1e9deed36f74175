"""Comparisons as pyperf files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyperf
import pytest

import bitnet_perf as bp
from bitnet_perf.bench.paired.interchange import write_pyperf
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.review.compare import Comparison

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
