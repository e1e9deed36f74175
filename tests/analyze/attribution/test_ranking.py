"""From a change to files, commits and one place."""

from __future__ import annotations

import pytest

from bitnet_perf.analyze.attribution.ranking import (
    Commit,
    Portion,
    localize,
    rank_by_stage,
    rank_files,
)
from bitnet_perf.analyze.attribution.tree import OUTSIDE, TreeNode

GEMV, GEMM = "gemv/i2_s/x86_avx2", "gemm/tl1/x86_avx2"
PORTIONS = (
    Portion(("Forward Pass", "gate_up", GEMV), 6e-3),
    Portion(("Forward Pass", "down", GEMV), 2e-3),
    Portion(("Tokenization", "encode", OUTSIDE), 2e-3),
)
OWN = "csrc/kernels/gemv/i2_s/x86_avx2.cpp"
TOKENIZER = "bitnet_perf/model/tokenizer.py"
CHANGED = (
    "README.md", TOKENIZER, "csrc/kernels/gemv/gemv.cpp", OWN, "csrc/engine/engine.cpp",
    "csrc/kernels/gemv/i2_s/arm_neon.cpp", "csrc/core/team.cpp", "tests/test_files.py",
)  # fmt: skip


def test_files_are_ranked_by_share_times_nearness():
    found = rank_files(PORTIONS, CHANGED)
    assert [suspect.file for suspect in found] == [
        OWN, "csrc/kernels/gemv/gemv.cpp", TOKENIZER, "csrc/engine/engine.cpp",
        "csrc/core/team.cpp",
    ]  # fmt: skip
    first = found[0]
    assert first.score == pytest.approx(0.8)
    assert (first.share, first.nearness) == (pytest.approx(0.6), 1.0)
    assert first.path == ("Forward Pass", "gate_up", GEMV)
    assert found[2].score == pytest.approx(0.2)


def test_the_commits_that_touched_a_file_are_named():
    commits = (
        Commit("a" * 40, "gemv: faster", (OWN, "README.md")),
        Commit("b" * 40, "tokenizer: checks", (TOKENIZER,)),
        Commit("", "not committed", (OWN,)),
    )
    found = {each.file: each.commits for each in rank_files(PORTIONS, CHANGED, commits)}
    assert found[OWN] == ("aaaaaaaaaaaa gemv: faster", "not committed")
    assert found[TOKENIZER] == ("bbbbbbbbbbbb tokenizer: checks",)
    assert found["csrc/core/team.cpp"] == ()


def test_a_function_that_holds_the_change_names_its_file():
    helper = "bitnet_perf/model/vocabulary.py"
    node = TreeNode(
        "function", ("Tokenization", "encode", "merge"), 1e-3, 9e-4, 8e-4, 1e-3, 0.5, 0.95,
        source="cProfile", file=helper,
    )  # fmt: skip
    (portion,) = (Portion(("Tokenization", "encode", OUTSIDE), 1e-3, (node,)),)
    (suspect,) = rank_files((portion,), [helper])
    assert suspect.nearness == 0.95
    found = localize((portion,))
    assert (found.kind, found.name) == ("module", helper)


def test_nothing_slower_has_no_suspects():
    assert rank_files((), CHANGED) == ()
    assert localize(()) is None


def test_what_takes_no_time_has_the_files_of_its_stage_as_suspects():
    commits = [Commit("abcdef0123456789", "keep it", ("csrc/engine/engine.cpp",))]
    (found,) = rank_by_stage("generation", "memory kept", [TOKENIZER, *CHANGED[4:5], OWN], commits)
    assert (found.file, found.share, found.score) == ("csrc/engine/engine.cpp", 0.0, 0.0)
    assert found.path[:2] == ("memory kept", "Generation")
    assert found.path[2] in ("decode_loop", "prefill_loop")
    assert found.commits == ("abcdef012345 keep it",)
    lost = rank_by_stage("quantization", "accuracy", ["csrc/kernels/pack/quantize.cpp", TOKENIZER])
    assert [each.path for each in lost] == [("accuracy", "Quantization", "quantize")]
    assert rank_by_stage("", "nothing", CHANGED) == ()


def test_one_kernel_holds_most():
    found = localize(PORTIONS)
    assert (found.kind, found.name, found.share) == ("kernel", GEMV, pytest.approx(0.8))
    assert found.to_dict()["kind"] == "kernel"


def test_else_one_module_and_else_one_crate():
    two = (
        Portion(("Forward Pass", "qkv", GEMV), 1.0),
        Portion(("Forward Pass", "qkv", "gemv/tl1/x86_avx2"), 1.0),
        Portion(("Forward Pass", "qkv", OUTSIDE), 0.2),
    )
    found = localize(two)
    assert (found.kind, found.name) == ("module", "csrc/kernels/gemv")
    three = (*two[:1], Portion(("Forward Pass", "qkv", GEMM), 1.0))
    assert localize(three) is None
    crate = localize(three, lambda file: "kernels" if file.startswith("csrc/kernels") else None)
    assert (crate.kind, crate.name, crate.share) == ("crate", "kernels", 1.0)


def test_what_lies_in_no_one_place_counts_against_one():
    spread = (PORTIONS[0], Portion(("Forward Pass", "", "in no one place"), 4e-3))
    assert localize(spread) is None
    assert rank_files(spread, [OWN])[0].score == pytest.approx(0.6)
