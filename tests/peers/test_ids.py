"""The table of Criterion ids, held against two recorded trees, and the table of crates."""

from math import prod
from pathlib import Path

import numpy as np
import pytest

from bitnet_perf.bench.cases import SUITES
from bitnet_perf.errors import FormatError
from bitnet_perf.peers.bitnet_rs.crates import OWNERS, owner
from bitnet_perf.peers.bitnet_rs.ids import (
    CASES,
    LEVELS,
    NO_CASE,
    TL2_BLOCK,
    cases_at,
    crate_data,
    explain,
    host_level,
)
from bitnet_perf.peers.readers.criterion import read_criterion

GOLDEN = Path(__file__).parents[1] / "golden"
RECORDED = {row.id: row for row in read_criterion(GOLDEN / "criterion_fresh").rows}
BY_ID = {case.criterion_id: case for case in CASES}


def test_each_recorded_id_has_a_case_or_a_reason() -> None:
    assert len(BY_ID) == len(CASES) == 50
    assert set(BY_ID) <= set(RECORDED)
    for name in RECORDED:
        assert (explain(name) is None) == (name in BY_ID)
    rest = {name.partition("/")[0] for name in set(RECORDED) - set(BY_ID)}
    assert rest == set(NO_CASE)


def test_an_id_of_another_bench_has_a_reason() -> None:
    assert "no benchmark of bitnet-quantization" in str(explain("matmul/scalar/64"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.criterion_id)
def test_case_says_what_criterion_recorded(case) -> None:
    recorded = RECORDED[case.criterion_id]
    assert recorded.throughput == ("Elements", case.count)
    stage, family, codec, shape, threads = case.case.split("/")
    assert (stage, threads) == ("quantization", "t1")
    assert family == case.family
    assert codec in {case.codec, f"{case.codec}.b{case.block}"}
    assert prod(map(int, shape.split("x"))) == case.count
    assert recorded.function is not None
    assert recorded.function.startswith(case.codec.removeprefix("quant.").upper())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.criterion_id)
def test_our_suite_has_the_case(case) -> None:
    assert case.case in {row.name for row in SUITES["quantize"]}


def test_some_cases_by_hand() -> None:
    assert BY_ID["quantization_sizes/I2S_quantize/4096"].case == (
        "quantization/block_quantize/quant.i2s/4096/t1"
    )
    assert BY_ID["dequantization_sizes/TL1_dequantize/16384"].case == (
        "quantization/block_dequantize/quant.tl1/16384/t1"
    )
    assert BY_ID["round_trip/TL2_round_trip/65536"].case == (
        "quantization/block_round_trip/quant.tl2/65536/t1"
    )
    blocks = BY_ID["block_sizes/I2S_block_size/64"]
    assert blocks.case == "quantization/block_quantize/quant.i2s.b64/65536/t1"
    assert (blocks.block, blocks.shape) == (64, (65536,))
    flat = BY_ID["2d_tensors/TL2_2d/256x256"]
    assert flat.case == "quantization/block_quantize/quant.tl2/256x256/t1"
    assert flat.to_dict()["shape"] == [256, 256]


@pytest.mark.parametrize("level", LEVELS)
def test_block_of_tl2_is_that_of_the_level(level: str) -> None:
    rows = cases_at(level)
    assert len({row.case for row in rows}) == 50
    for plain, row in zip(CASES, rows, strict=True):
        assert plain.criterion_id == row.criterion_id
        assert row.group in row.criterion_id
        if row.codec != "quant.tl2":
            assert row == plain
            continue
        assert row.block == TL2_BLOCK[level]
        name = row.codec if row.block == 64 else f"quant.tl2.b{row.block}"
        assert f"/{name}/" in row.case


def test_data_is_the_ramp_of_the_bench() -> None:
    data = crate_data(BY_ID["quantization_sizes/I2S_quantize/1024"])
    assert (data.dtype, data.shape) == (np.float32, (1024,))
    assert data[[0, 256, 512, 1023]].tolist() == [-2.0, -1.0, 0.0, 511 / 256]
    square = crate_data(BY_ID["2d_tensors/I2S_2d/256x256"])
    assert square.shape == (256, 256)
    assert square[1, 0] == np.float32((256 - 32768) / 16384)


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ("fpu sse4_1", "scalar"),
        ("avx avx2 fma", "avx2"),
        ("avx2 avx512f avx512bw", "avx2"),
        ("avx2 avx512f avx512bw avx512vl", "avx512"),
    ],
)
def test_host_level(tmp_path: Path, flags: str, level: str) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nvmx flags\t: avx512f\nflags\t\t: {flags}\n\n")
    assert host_level(cpuinfo) == level


def test_host_level_without_cpuinfo(tmp_path: Path) -> None:
    assert host_level(tmp_path / "absent") == "scalar"


def test_owner_of_each_kind() -> None:
    for case in CASES:
        assert owner("case", case.case).key == case.codec
        assert owner("group", case.criterion_id).crate == "bitnet-quantization"
    assert owner("codec", "bitnet_rs.kernel.tl2").crate == "bitnet-kernels"
    assert owner("codec", "quant.i2s.b64").file == "src/i2s.rs"
    assert owner("case", "forward/gemv/i2_s/2560x2560/t1").crate == "bitnet-kernels"
    assert owner("case", "generation/decode/i2_s/2b4t-n32/t2").crate == "bitnet-inference"
    assert owner("stage", "tokenization").crate == "bitnet-tokenizers"
    assert owner("group", "quantization/i2s/64").crate == "bitnet-kernels"
    assert owner("stage", "load").to_dict()["module"] == "bitnet_perf/model"


def test_owner_keys_are_unique() -> None:
    assert len({(row.kind, row.key) for row in OWNERS}) == len(OWNERS)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("codec", "quant.i3"), ("case", "nowhere/a/b/c/t1"), ("group", ""), ("stage", "x")],
)
def test_owner_unknown(kind, name: str) -> None:
    with pytest.raises(FormatError, match="is not in the table of crates; accepted: "):
        owner(kind, name)
