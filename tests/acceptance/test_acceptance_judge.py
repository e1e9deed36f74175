"""What a review found is judged as expected, and raw files are drawn again as they are."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pytest
from acceptance.judge import Found, found_in, wrong
from acceptance.resample import resampled, resampled_profiles, resampled_records
from acceptance.runs import judge_folder
from acceptance.seeds import GEMV, SEEDS, UNPACK, Edit
from acceptance.table import complete, markdown
from analyze.attribution.synthetic import HEAD, profile
from analyze.paired.synthetic import case, raw

from bitnet_perf.analyze.accepted import Accept
from bitnet_perf.bench.paired.profiles import CaseProfile, Profiles
from bitnet_perf.config.settings import Settings
from bitnet_perf.review.evidence import unsurveyed
from bitnet_perf.review.records import PAST, PROFILE, Facts, Records

BY_NAME = {seed.name: seed for seed in SEEDS}
FILE = "csrc/kernels/gemv/i2_s/x86_avx2.cpp"


def on_avx2(name):
    """A seed in the kernel as a host has it whose variant Valgrind counts."""
    places = ("^gemv/i2_s/x86_avx2$", "bp::gemv_i2_s_x86_avx2")
    expected = replace(BY_NAME[name].expected, functions=places, files=(FILE,))
    return replace(BY_NAME[name], commits=((Edit(FILE, "", ""),),), expected=expected)


FORWARD, ACCEPTED = on_avx2("slow-forward"), on_avx2("accepted")
RIGHT = Found(
    verdicts={GEMV: "action", UNPACK: "pass"},
    reasons={GEMV: "outside", UNPACK: "inside"},
    stage="Forward Pass",
    functions=("gemv", "gemv/i2_s/x86_avx2", "bp::gemv_i2_s_x86_avx2"),
    files=FORWARD.expected.files,
    flow=FORWARD.expected.flow,
    agent=FORWARD.expected.agent,
    slowdown=0.12,
)


def noisy(middle, count=20, seed=1, spread=0.003):
    return (middle + np.random.default_rng(seed).normal(0, spread, count)).tolist()


FUNCTION = {"name": "bp::gemv_i2_s_x86_avx2(bp::product_args const&)", "base": 1e6}
FUNCTION |= {"candidate": 1.1e6, "share": 0.1, "base_whole": 1e6, "candidate_whole": 1.1e6}
COUNTS = {"base": 1e6, "candidate": 1.1e6, "change": 0.1, "functions": [FUNCTION], "tool": "t"}


def measured(slowdown=0.11, other=0.003):
    own = {"isas": ["x86_avx2"] * 2}
    cases = [
        case(UNPACK, **{"class": "other"}, **own),
        case(GEMV, **own, **({"instructions": COUNTS} if slowdown else {})),
    ]
    values = {
        (0, 0): noisy(0, 8, spread=other), (1, 0): noisy(slowdown, 8, 2),
        (1, 1): noisy(slowdown, 20, 3),
    }  # fmt: skip
    host = {"cpu": "c", "isas": ["scalar"], "allowed": 2, "compiler": "g", "kernel": "k"}
    return raw(cases, values, fingerprint=host)


def records(slowdown=0.11, accept=()):
    """The records of a gate that compared two cases alone."""
    facts = Facts(
        tool="0", run="r", date=datetime.date(2026, 1, 1), sides=("a", "b"), base="a" * 40,
        head="b" * 40, dirty=False, changed=(*FORWARD.files, "docs/README.md"), suite="s",
        cases=(UNPACK, GEMV), settings=Settings(accept=accept), command="c", gpu="none",
        absent={PAST: "none", PROFILE: "none"},
    )  # fmt: skip
    return Records(facts, measured(slowdown), unsurveyed(("a", "b"), "not here")).sealed()


def test_a_run_as_expected_has_no_fault():
    assert wrong(RIGHT, FORWARD) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verdicts": {GEMV: "pass", UNPACK: "pass"}}, "verdict pass (outside)"),
        (
            {"verdicts": {GEMV: "action", UNPACK: "concern"}},
            "quantization/unpack/i2_s/2560x2560/t1: concern (inside)",
        ),
        ({"stage": ""}, "stage none"),
        (
            {"functions": ("gemv", "pack/i2_s/scalar", "bp::gemv_i2_s_x86_avx2")},
            "function gemv, pack/i2_s/scalar, bp::gemv_i2_s_x86_avx2",
        ),
        ({"functions": ("gemv", "gemv/i2_s/x86_avx2")}, "function gemv, gemv/i2_s/x86_avx2"),
        ({"files": ("a.cpp",)}, "files a.cpp"),
        ({"files": ("a.cpp", *RIGHT.files)}, f"files a.cpp, {RIGHT.files[0]}"),
        ({"agent": "none"}, "route none (significant regression detected)"),
    ],
)
def test_each_fault_is_told(change, said):
    assert wrong(replace(RIGHT, **change), FORWARD) == (said,)


def test_a_target_that_is_not_missed_is_told():
    leak = BY_NAME["leak"]
    case = leak.cases[0]
    place = {"stage": "Generation", "functions": ("decode_loop",), "files": leak.expected.files}
    found = replace(RIGHT, verdicts={case: "pass"}, **place)
    assert wrong(found, leak) == ("targets missed: none", "leaks: none")
    assert wrong(replace(found, missed=("memory held by repeats",), leaks=(case,)), leak) == ()


def test_a_slow_kernel_is_found_in_its_records():
    found = found_in(records(), FORWARD)
    assert wrong(found, FORWARD) == ()
    assert 0.1 < found.slowdown < 0.13
    quiet = found_in(records(0.0), FORWARD)
    assert wrong(quiet, FORWARD) != ()
    assert wrong(quiet, BY_NAME["noise"]) == ()


def test_a_case_that_another_look_would_settle_is_told(tmp_path):
    assert found_in(records(), FORWARD).unsettled == ()
    told = replace(records(), raw=measured(other=0.2)).sealed()
    found = found_in(told, FORWARD)
    assert found.unsettled == (UNPACK,)
    assert "inconclusive" in wrong(found, FORWARD)[0]
    told.save(tmp_path)
    judged = judge_folder(tmp_path, FORWARD, 1)
    assert judged["drawn"] > len(judged["resampled"])
    assert f"of {judged['drawn']} resamplings are settled" in judged["wrong"][-1]


def test_an_accepted_one_is_within_the_threshold():
    entry = Accept(case=GEMV, limit=0.3, reason="r", expires=datetime.date(2099, 1, 1))
    accepted = records(accept=(entry,))
    assert wrong(found_in(accepted, FORWARD), ACCEPTED) == ()
    elsewhere = Profiles(sides=("a", "b"), seed=1, cases=(profile(changed={HEAD: 6e5}),))
    found = found_in(replace(accepted, profile=elsewhere), FORWARD)
    assert wrong(found, ACCEPTED) == ()


def test_resampling_keeps_cases_looks_and_samples():
    file = measured()
    drawn = resampled(file, 1)
    assert drawn.meta == file.meta
    for key in ("pair_case", "pair_look"):
        assert sorted(drawn.pairs[key]) == sorted(file.pairs[key])
    for number, look in ((0, 0), (1, 0), (1, 1)):
        mine, before = (each.samples(number, look) for each in (drawn, file))
        assert mine.pairs == before.pairs
        whole = {block.tobytes() for block in before.cpu_ns}
        assert {block.tobytes() for block in mine.cpu_ns} < whole
    assert resampled(file, 1).columns["cpu_ns"].tolist() == drawn.columns["cpu_ns"].tolist()
    assert resampled(file, 2).columns["cpu_ns"].tolist() != drawn.columns["cpu_ns"].tolist()


def test_profiles_are_drawn_by_pairs():
    missing = CaseProfile(case="x", missing="why")
    whole = Profiles(sides=("a", "b"), seed=1, cases=(profile(), missing))
    drawn = resampled_profiles(whole, 1)
    assert len(drawn.cases[0].pairs) == len(whole.cases[0].pairs)
    assert set(drawn.cases[0].pairs) < set(whole.cases[0].pairs)
    assert drawn.cases[1] == missing
    assert resampled_profiles(whole, 1) == drawn
    assert resampled_profiles(whole, 2) != drawn
    both = resampled_records(replace(records(), profile=whole), 1)
    assert both.profile == drawn
    assert both.raw.columns["cpu_ns"].tolist() != records().raw.columns["cpu_ns"].tolist()
    assert resampled_records(records(), 1).profile is None


def test_a_case_without_pairs_stays_one():
    file = raw([case(GEMV, identical=True)], {})
    assert resampled(file, 1).looks(0) == ()


def line(**fields):
    told = {"name": FORWARD.name, "turn": 1, "cost": 0.11, "found": RIGHT.to_dict(), "wrong": [],
            "resampled": [[], []]}  # fmt: skip
    return told | fields


def test_the_table_has_a_row_for_each_change():
    bad = line(turn=2, wrong=["stage none"], resampled=[["stage none"], []], cost=0.0)
    text = markdown([line(), bad], [FORWARD, BY_NAME["noise"]])
    rows = text.splitlines()
    assert rows[2] == (
        "| slow-forward | 11.0 % | +12.0 % action | Forward Pass: gemv, gemv/i2_s/x86_avx2, "
        "bp::gemv_i2_s_x86_avx2 | "
        "csrc/kernels/gemv/i2_s/x86_avx2.cpp | 1 of 2 | 3 of 4 | stage none |"
    )
    assert "| 2 of 2, 3 drawn anew |" in markdown([line(drawn=5)], [FORWARD])
    assert rows[3] == "| noise |  |  |  |  | 0 of 0 | 0 of 0 |  |"


def test_all_is_well_only_where_every_turn_is():
    assert complete([line()], [FORWARD], 1)
    assert not complete([line()], [FORWARD], 2)
    assert not complete([line()], [FORWARD, BY_NAME["noise"]], 1)
    assert not complete([line(resampled=[["x"]])], [FORWARD], 1)
    assert not complete([line(wrong=["x"])], [FORWARD], 1)
