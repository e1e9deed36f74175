"""The table of cases: names, globs, nearest names, scripts."""

import re
from pathlib import Path

import pytest

import bitnet_perf as bp
from bitnet_perf import _bench, _native
from bitnet_perf.bench.cases import (
    GATE_SUITES,
    MIXED_PRECISION,
    SUITES,
    gate_cases,
    matches,
    nearest,
    select,
    skipped_cases,
)
from bitnet_perf.bench.paired.calls import CALLS
from bitnet_perf.stages import STAGES

ROOT = Path(__file__).parents[2]
NAMES = [case.name for suite in SUITES.values() for case in suite]


def test_names_are_unique_and_well_formed():
    assert len(set(NAMES)) == len(NAMES)
    stages = "load|quantization|forward|tokenization|generation"
    for name in NAMES:
        shape = r"([0-9x]+(-\d+mb)?|[a-z0-9]+(-n\d+)?)"
        assert re.fullmatch(rf"({stages})/[a-z0-9_]+/[a-z0-9_.]+/{shape}/t\d+", name)


def test_every_case_of_the_table_can_run_here():
    called = {family: stage for family, (stage, _) in CALLS.items()}
    assert not called.keys() & _bench.families().keys()
    stages = {**_bench.families(), **called}
    kernels = {row[0] for row in _native.kernels()}
    for name in NAMES:
        stage, family, format_, *_ = name.split("/")
        assert stages.get(family) == stage, name
        if family in kernels:
            assert _native.select(family, format_.partition(".b")[0].replace(".", "_")), name


@pytest.mark.parametrize(
    ("glob", "some", "none"),
    [
        ("gemv/*", "forward/gemv/i2_s/2560x2560/t1", "forward/gemm/i2_s/16x2560x2560/t1"),
        ("*/i2_s/*", "forward/gemm/i2_s/16x2560x2560/t1", "forward/gemv/tl1/2560x2560/t1"),
        ("forward/*", "forward/gemv/tl1/2560x2560/t1", "quantization/pack/tl1/2560x2560/t1"),
        ("i2_s/640x2560/t1", "forward/gemv/i2_s/640x2560/t1", "forward/gemv/i2_s/2560x2560/t1"),
    ],
)
def test_globs_start_at_any_segment(glob, some, none):
    found = [case.name for case in select([glob])]
    assert some in found
    assert none not in found


def test_globs_are_joined_and_keep_the_order_of_the_table():
    found = [case.name for case in select(["gemm/*", "gemv/*"], suite="matmul")]
    assert found == [n for n in NAMES if "/gemv/" in n or "/gemm/" in n]


def test_a_glob_that_matches_nothing_names_the_nearest():
    with pytest.raises(
        bp.ConfigError, match=r"'gemw/i2_s/\*' matches nothing; nearest: forward/gem"
    ):
        select(["gemv/*", "gemw/i2_s/*"])
    assert nearest("gemv/i2_s/2560x2561/t1")[0] == "forward/gemv/i2_s/2560x2560/t1"


def test_the_suites_of_whole_runs_have_a_case_of_every_stage():
    whole = [*SUITES["stages"], *SUITES["end_to_end"], *SUITES["quantize"]]
    assert {case.name.partition("/")[0] for case in whole if case.quick} == set(STAGES)


def test_quick_is_a_part_of_each_suite():
    for suite in SUITES:
        quick = select(suite=suite, quick=True)
        assert 0 < len(quick) < len(SUITES[suite])


def test_bad_choices():
    with pytest.raises(bp.ConfigError, match="accepted is quantize, matmul, activations"):
        select(suite="nothing")
    with pytest.raises(bp.ConfigError, match="threads: found 0"):
        select(threads=0)


def test_threads_change_the_name():
    assert select(["gemv/i2_s/640x2560/*"], threads=3)[0].name == "forward/gemv/i2_s/640x2560/t3"


def test_the_manifest_lists_the_scripts_of_the_suites():
    listed = (ROOT / "bench" / "MANIFEST").read_text().split()
    assert listed == [f"bench_{suite}.py" for suite in (*SUITES, "gpu")]
    assert sorted(listed) == sorted(p.name for p in (ROOT / "bench").glob("bench_*.py"))


def test_suites_of_a_project_come_first():
    own = {"mine": ["gemv/i2_s/640x2560/t1"], "quick": ["pack/i2_s/*"]}
    assert gate_cases("mine", own) == ("forward/gemv/i2_s/640x2560/t1",)
    assert gate_cases("quick", own) == ("quantization/pack/i2_s/2560x2560/t1",)
    assert gate_cases("threads", {"threads": ["gemv/i2_s/640x2560/t3", "pack/i2_s/*"]}) == (
        "forward/gemv/i2_s/640x2560/t3",
        "quantization/pack/i2_s/2560x2560/t1",
    )
    assert len(gate_cases("full", own)) > len(gate_cases("quick"))
    with pytest.raises(bp.ConfigError, match=r"found 'nope', accepted is quick, full, .*, mine"):
        gate_cases("nope", own)


@pytest.mark.parametrize("suite", GATE_SUITES)
def test_suites_of_the_gate_hold_cases_of_the_table(suite):
    found = gate_cases(suite)
    assert set(found) <= set(NAMES)
    assert bool(found) is (suite != "mixed_precision")
    assert (found == tuple(NAMES)) is (suite == "full")


def test_the_quick_gate_has_every_stage_sampling_and_a_step_of_the_small_model():
    found = gate_cases("quick")
    assert {name.partition("/")[0] for name in found} == set(STAGES)
    assert "generation/decode/i2_s/small-n32/t1" in found
    assert any(name.startswith("generation/sample/") for name in found)
    assert len(found) <= 24


@pytest.mark.parametrize(
    ("suite", "some", "none"),
    [
        ("small", "gemv/i2_s/8192x2048/t1", "*2560*"),
        ("small", "decode/i2_s/1b-n32/t1", "*7b*"),
        ("large", "gemm/i2_s/64x11008x4096/t1", "*x2048/*"),
        ("large", "load/gguf/i2_s/7b/t1", "*2b4t*"),
        ("2b4t", "decode/i2_s/2b4t-n1024/t1", "*4096x4096*"),
        ("batch1", "attention/f16/1x32x8x512x64/t1", "gemm/*"),
        ("batched", "attention/f16/32x32x8x512x64/t1", "attention/f16/1x*"),
        ("short", "tokenize/gpt2/2b4t-n512/t1", "*n1024*"),
        ("long", "attention/f16/1x32x32x4096x128/t1", "*-n32/*"),
    ],
)
def test_scenarios(suite, some, none):
    found = gate_cases(suite)
    assert any(matches(name, some) for name in found)
    assert not any(matches(name, none) for name in found)


def test_mixed_precision_is_skipped_with_the_reason_where_it_belongs():
    assert skipped_cases("quick", "no-gpu-available") == ()
    assert skipped_cases("full", "x", {"full": ["gemv/*"]}) == ()
    for suite in ("full", "mixed_precision"):
        found = skipped_cases(suite, "no-gpu-available")
        assert [name for name, _ in found] == list(MIXED_PRECISION)
        assert {why for _, why in found} == {"no-gpu-available"}
    assert not set(MIXED_PRECISION) & set(NAMES)


def test_no_name_was_lost():
    known = (Path(__file__).parent / "case_names.txt").read_text().split()
    assert [name for name in known if name not in {*NAMES, *MIXED_PRECISION}] == []
