"""The recorded times: seconds per call, joined to our cases where we do the same work."""

import json
from pathlib import Path

import pytest

from bitnet_perf.errors import FormatError
from bitnet_perf.peers.bitnet_rs.ids import LEVELS
from bitnet_perf.peers.bitnet_rs.timings import case_of, read_timings

GOLDEN = Path(__file__).parents[1] / "golden" / "bitnet_rs"


def test_samples_are_seconds_per_call():
    raw = json.loads((GOLDEN / "timings.json").read_text())["entries"]
    rows = read_timings(GOLDEN).rows
    assert len(rows) == len(raw) == 95
    for row, entry in zip(rows, raw, strict=True):
        # the record's median is the upper one of an even number
        middle = len(row.samples) // 2
        assert sorted(row.samples)[middle] == pytest.approx(entry["median_ns"] * 1e-9)
        assert sorted(row.samples)[middle - 1] <= row.seconds <= sorted(row.samples)[middle]
        assert min(row.samples) == pytest.approx(entry["min_ns"] * 1e-9)


def test_the_host_is_named():
    assert read_timings(GOLDEN).host == (
        "AuthenticAMD family 26, 2 CPUs, avx512f, rustc 1.95.0 (59807616e 2026-04-14), "
        "EffortlessMetrics/BitNet-rs at f2ae3adc"
    )


@pytest.mark.parametrize(
    ("identifier", "threads", "case"),
    [
        ("quant.i2s.quantize.n4096", 1, "quantization/block_quantize/quant.i2s/4096/t1"),
        ("quant.tl1.dequantize.n65536", 2, "quantization/block_dequantize/quant.tl1/65536/t2"),
        ("kernel.tl2.quantize.avx512.n4096", 1, "quantization/block_quantize/kernel.tl2/4096/t1"),
        (
            "matmul_i2s.fallback.m16n2560k2560",
            1,
            "forward/block_matmul/matmul_i2s/16x2560x2560/t1",
        ),
        (
            "matmul.simd_matmul_i2s.m1n2560k2560b32",
            1,
            "forward/block_matmul/matmul/1x2560x2560/t1",
        ),
    ],
)
def test_entries_join_our_cases(identifier, threads, case):
    assert case_of(identifier, "scalar", threads) == (case, "")


def test_the_block_size_that_a_level_implies_is_in_the_name():
    names = [case_of("quant.tl2.quantize.n64", level, 1)[0].split("/")[2] for level in LEVELS]
    assert names == ["quant.tl2", "quant.tl2.b128", "quant.tl2.b256"]


def test_every_entry_has_a_case_or_a_reason():
    rows = read_timings(GOLDEN).rows
    without = [row for row in rows if row.case is None]
    assert {row.id.partition(".")[0] for row in without} == {"qk256"}
    assert all(row.reason for row in without)
    assert not any(row.reason for row in rows if row.case)


def test_a_folder_without_times_has_none(tmp_path):
    assert read_timings(tmp_path) is None


ENTRY = {"id": "x", "level": "avx2", "RAYON_NUM_THREADS": 1, "iters": [1], "times": [1.0]}


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (ENTRY | {"iters": [0]}, "iters"),
        (ENTRY | {"iters": []}, "iters"),
        (ENTRY | {"times": ["fast"]}, "times"),
        (ENTRY | {"RAYON_NUM_THREADS": 0}, "RAYON_NUM_THREADS"),
    ],
)
def test_times_that_do_not_fit_are_one_clear_error(tmp_path, entry, named):
    data = {"format": 1, "provenance": {}, "cpus": 2, "entries": [entry]}
    (tmp_path / "timings.json").write_text(json.dumps(data))
    with pytest.raises(FormatError, match=rf"timings\.json: entries\.0.*{named}"):
        read_timings(tmp_path)
