"""Where a change lies, on parts with known times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bitnet_perf.analyze.attribution import Part, attribute, localized
from bitnet_perf.analyze.attribution.cases import suspects

GEMV, GEMM, PACK = "gemv/i2_s/x86_avx2", "gemm/i2_s/x86_avx2", "pack/tl1/scalar"
PARTS = (
    Part("forward/gemv/i2_s/a/t1", "forward", GEMV, 100e-6, 10e-6, 9e-6, 11e-6),
    Part("forward/gemv/i2_s/b/t1", "forward", GEMV, 50e-6, 5e-6, 3e-6, 6e-6),
    Part("forward/gemm/i2_s/c/t1", "forward", GEMM, 40e-6, -1e-6, -2e-6, 0.5e-6),
    Part("quantization/pack/tl1/d/t1", "quantization", PACK, 10e-6, 1e-6, 0.5e-6, 2e-6),
)


@pytest.mark.parametrize("level", ["stage", "kernel"])
def test_sums_match_the_whole(level):
    nodes = attribute(PARTS, level)
    assert sum(node.change for node in nodes) == pytest.approx(15e-6)
    assert sum(node.share for node in nodes) == pytest.approx(1.0)
    assert sum(node.of_change for node in nodes) == pytest.approx(1.0)
    assert [abs(n.change) for n in nodes] == sorted((abs(n.change) for n in nodes), reverse=True)


def test_a_kernel_is_the_sum_of_its_cases():
    first = attribute(PARTS, "kernel")[0]
    assert (first.name, first.cases, first.share) == (GEMV, 2, pytest.approx(0.75))
    assert first.change == pytest.approx(15e-6)
    assert first.low == pytest.approx(15e-6 - 5**0.5 * 1e-6)
    assert first.high == pytest.approx(15e-6 + 2**0.5 * 1e-6)
    assert first.of_change == pytest.approx(1.0)


def test_no_change_has_no_shares():
    still = (Part("x", "forward", GEMV, 1.0, 0.0, -0.1, 0.1),)
    assert attribute(still, "stage")[0].of_change is None
    assert attribute((), "stage") == ()


def test_what_may_be_no_change_stands_behind_what_is_one():
    noise = replace(PARTS[0], kernel="noise", change=9.0, low=-1.0, high=19.0)
    sure = replace(PARTS[0], kernel="sure", change=0.1, low=0.05, high=0.15)
    assert [node.name for node in attribute((noise, sure), "kernel")] == ["sure", "noise"]


def test_localized_needs_most_of_the_change_in_one_kernel():
    cases = [part.case for part in PARTS]
    assert localized(PARTS, cases) == (GEMV, pytest.approx(15 / 16))
    assert localized(PARTS, cases[2:3]) is None  # faster
    assert localized(PARTS, []) is None
    even = (PARTS[3], Part("e", "forward", GEMM, 1e-6, 1e-6, 0, 2e-6))
    assert localized(even, [part.case for part in even]) is None


def test_suspects_are_what_a_kernel_is_made_of_nearest_first():
    changed = (
        "CMakeLists.txt",
        "README.md",
        "csrc/core/team.cpp",
        "csrc/kernels/gemv/gemv.cpp",
        "csrc/kernels/gemv/i2_s/x86_avx2.cpp",
        "csrc/kernels/gemv/tl1/x86_avx2.cpp",
        "csrc/kernels/pack/tl1/scalar.cpp",
    )
    found = {
        suspect.kernel: suspect.files for suspect in suspects(attribute(PARTS, "kernel"), changed)
    }
    assert found == {
        GEMV: (
            "csrc/kernels/gemv/i2_s/x86_avx2.cpp",
            "csrc/kernels/gemv/gemv.cpp",
            "CMakeLists.txt",
            "csrc/core/team.cpp",
        ),
        PACK: ("csrc/kernels/pack/tl1/scalar.cpp", "CMakeLists.txt", "csrc/core/team.cpp"),
    }
