"""Every operation has its files, every file exists, and how near a file is to a span."""

from __future__ import annotations

import pytest
from house.tree import ROOT

from bitnet_perf import _native
from bitnet_perf.stages.sources import SHARED, SOURCES, files_of, nearness
from bitnet_perf.stages.table import OPERATIONS

GEMV = "gemv/i2_s/x86_avx2"


def test_every_operation_has_an_entry_and_no_other_has():
    assert set(SOURCES) == set(OPERATIONS)


@pytest.mark.parametrize("operation", SOURCES)
def test_every_file_of_an_operation_exists(operation):
    files = files_of(operation)
    assert files
    assert len(set(files)) == len(files)
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_every_kernel_has_its_own_file():
    for family, codec, isa, _ in _native.kernels():
        kernel = f"{family}/{codec}/{isa}"
        first = files_of("", kernel)[0]
        assert (ROOT / first).is_file(), kernel
        assert nearness(first, "gate_up", kernel) == 1.0


def test_a_kernel_of_a_gpu_has_its_file():
    found = files_of("attention", "attention_decode/d128_g4/sm_90a")
    assert found[0] == "cuda/attention.cu"
    assert all((ROOT / file).is_file() for file in found)


def test_every_shared_place_exists():
    assert [place for place in SHARED if not (ROOT / place).exists()] == []


def test_what_a_kernel_is_made_of_is_nearer_than_what_stands_around_it():
    order = (
        "csrc/kernels/gemv/i2_s/x86_avx2.cpp", "csrc/kernels/gemv/x86_avx2.hpp",
        "csrc/kernels/gemv/gemv.cpp", "csrc/engine/engine.cpp", "csrc/core/team.cpp",
        "csrc/kernels/gemv/i2_s/arm_neon.cpp",
    )  # fmt: skip
    found = [nearness(file, "gate_up", GEMV) for file in order]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)
    assert found[-1] == 0.0
    assert nearness("csrc/formats/i2_s.hpp", "gate_up", GEMV) > found[-2]


@pytest.mark.parametrize(
    "file",
    [
        "csrc/kernels/gemv/tl1/x86_avx2.cpp", "csrc/kernels/gemv/x86_avx2_tl1.hpp",
        "csrc/kernels/gemv/scalar.hpp", "csrc/kernels/pack/pack.cpp", "README.md",
        "bitnet_perf/model/tokenizer.py", "csrc/kernels/arm_neon_float.hpp",
    ],
)  # fmt: skip
def test_what_has_no_part_in_a_kernel(file):
    assert nearness(file, "gate_up", GEMV) == 0.0


def test_gemm_is_driven_by_gemv():
    assert nearness("csrc/kernels/gemv/gemv.cpp", "qkv", "gemm/i2_s/x86_avx2") == 0.4


def test_an_operation_knows_its_main_file_and_others():
    encode = [nearness(file, "encode") for file in files_of("encode")]
    assert encode == [1.0, 0.5, 0.5]
    assert nearness("csrc/core/team.cpp", "encode") == 0.0
    assert nearness("csrc/core/team.cpp", "sampling") > 0.0
    assert nearness("csrc/kernels/gemv/gemv.cpp", "sampling") == 0.0
    assert nearness("README.md", "no such operation") == 0.0
