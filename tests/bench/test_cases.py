"""The table of cases: names, globs, nearest names, scripts."""

import re
from pathlib import Path

import pytest

import bitnet_perf as bp
from bitnet_perf import _bench, _native
from bitnet_perf.bench.cases import SUITES, gate_cases, nearest, select
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
    assert listed == [f"bench_{suite}.py" for suite in SUITES]
    assert sorted(listed) == sorted(p.name for p in (ROOT / "bench").glob("bench_*.py"))


def test_suites_of_a_project_come_first():
    own = {"mine": ["gemv/i2_s/640x2560/t1"], "quick": ["pack/i2_s/*"]}
    assert gate_cases("mine", own) == ("forward/gemv/i2_s/640x2560/t1",)
    assert gate_cases("quick", own) == ("quantization/pack/i2_s/2560x2560/t1",)
    assert len(gate_cases("full", own)) > len(gate_cases("quick"))
    with pytest.raises(bp.ConfigError, match="found 'nope', accepted is quick, full, mine"):
        gate_cases("nope", own)
