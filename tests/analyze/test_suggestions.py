"""Suggestions: every rule fires on its evidence and only there, names it, and a command that is."""

from __future__ import annotations

import datetime
import shlex
from dataclasses import replace
from functools import partial

import pytest
from analyze.command_lines import parse
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_perf.analyze import commands
from bitnet_perf.analyze.accepted import Accept, accept_rows
from bitnet_perf.analyze.facts import (
    Allocation,
    Facts,
    Flag,
    Gpu,
    Instructions,
    Overhead,
    Ran,
    Repack,
    Scaling,
)
from bitnet_perf.analyze.numbers import EVIDENCE, PROFILE, RAW
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.roofline import Place
from bitnet_perf.analyze.suggestions import RULES, suggestions, watches
from bitnet_perf.peers.bitnet_rs.workspace import LINES

GEMV = "forward/gemv/i2_s/2560x2560/t1"
TL1 = "forward/gemv/tl1/2560x2560/t1"
PACK = "quantization/pack/i2_s/2560x2560/t1"
STEP = "generation/decode/i2_s/small-n32/t1"
GPU = "forward/mixed_matmul/f16/256x256x256/t1"
GROUP = "quantization_sizes/I2S_quantize/1024"
SHORT_ROW = "forward/gemv/i2_s/640x2500/t1"

row = partial(
    Row, case=GEMV, verdict="pass", slowdown=0.0, low=-0.01, high=0.01, mde=0.01, pairs=8,
    reason="inside", look=1, gate="pass", notes=(), class_="core", bound="unknown", clock="cpu",
    wall=None, cpu=None, clocks=None, canaries=(),
)  # fmt: skip
alarm = partial(row, verdict="action", slowdown=0.12, low=0.1, high=0.14, gate="fail")


def place(memory=None, compute=None, case=GEMV):
    return Place(case, "x86_avx2", 10.0, 20.0, "memory", memory, compute)


def gpu(**known):
    return Gpu(GPU, {"FP32": 2e-3, "FP16": 1e-3}, **known)


# Rule -> facts on which it fires, and the same just short of it.
FIRES = {
    "instructions": (
        {"instructions": (Instructions(GEMV, 0.03, "gemv_rows"),)},
        {"instructions": (Instructions(GEMV, 0.02),)},
    ),
    "fallback": (
        {"ran": (Ran(GEMV, "scalar", "x86_avx2", "x86_avx2"),)},
        {"ran": (Ran(GEMV, "x86_avx2", "x86_avx2", "x86_avx2"),)},
    ),
    "flag": (
        {"flags": (Flag("avx2", (GROUP,), commands.cargo_bench(
            "bitnet-kernels", "kernel_benchmarks", commands.FEATURES["bitnet-kernels"])),)},
        {},
    ),
    "instruction set": (
        {"ran": (Ran(GEMV, "x86_avx2", "x86_avx2", "x86_avx512vnni"),)},
        {"ran": (Ran(GEMV, "scalar", "scalar", "scalar"),)},
    ),
    "memory": ({"places": (place(0.79, 0.2),), "cpus": 2}, {"places": (place(0.80, 0.2),)}),
    "compute": ({"places": (place(0.2, 0.41),)}, {"places": (place(0.9, 0.41),)}),
    "latency": (
        {"places": (place(0.29, 0.2),), "rows": (alarm(),)},
        {"places": (place(0.29, 0.2), place(0.3, 0.2)), "rows": (row(),)},
    ),
    "threads": ({"scaling": (Scaling(GEMV, 2, 1.39),)}, {"scaling": (Scaling(GEMV, 2, 1.41),)}),
    "rows": ({"rows": (row(case=SHORT_ROW),)}, {"rows": (row(),)}),
    "dispatch": ({"overheads": (Overhead(STEP, 0.06),)}, {"overheads": (Overhead(STEP, 0.05),)}),
    "format": ({"seconds": {GEMV: 1.0, TL1: 0.94}}, {"seconds": {GEMV: 1.0, TL1: 0.96}}),
    "precision": (
        {"gpu": (gpu(),)},
        {"gpu": (replace(gpu(), seconds={"FP32": 1.0, "FP16": 0.97}),)},
    ),
    "allocation": (
        {"allocations": (Allocation(STEP, "decode_loop", 2, 4096),)},
        {"allocations": (Allocation(STEP, "decode_loop", 0, 0),)},
    ),
    "L2": ({"gpu": (gpu(bytes=10, l2=10),)}, {"gpu": (gpu(bytes=11, l2=10),)}),
    "launches": ({"gpu": (gpu(waiting=0.3),)}, {"gpu": (gpu(waiting=0.2),)}),
    "change": ({"rows": (alarm(),)}, {"rows": (row(),)}),
}  # fmt: skip


def found(rows=(), **known):
    return suggestions(Facts(rows=tuple(rows), **known))


def test_the_table_is_the_list_of_the_specification():
    assert [rule.name for rule in RULES] == list(FIRES)
    assert all(rule.when for rule in RULES)


@pytest.mark.parametrize("rule", FIRES)
def test_a_rule_fires_on_its_evidence_and_just_short_of_it_does_not(rule):
    fires, short = FIRES[rule]
    (each,) = [s for s in found(**fires) if s.rule == rule]
    assert each.numbers
    assert {number.file for number in each.numbers} <= {RAW, PROFILE, EVIDENCE}
    assert str(each.numbers[0])
    assert each.to_dict()["command"] == each.command
    assert not [s for s in found(**short) if s.rule == rule]


def test_threads_that_make_it_slower_are_for_a_tuning_run():
    (each,) = found(scaling=(Scaling(GEMV, 2, 0.97),), model="m.gguf")
    assert each.command == "bitnet-perf tune --model m.gguf"
    (each,) = found(scaling=(Scaling(GEMV, 2, 1.2),))
    assert each.command.startswith("bitnet-perf bench")


LINES_OF_ALL = [
    commands.tune(),
    commands.tune("m.gguf"),
    commands.compare("HEAD~1", "tree", GEMV, "a'b; rm -rf $HOME/t1"),
    commands.counted("HEAD~1", "tree", GEMV),
    commands.gate("main"),
    commands.gate("main", "full"),
    commands.keep("results"),
    commands.accuracy(),
    commands.accuracy("m.gguf"),
    commands.benchmark("m.gguf"),
    commands.compare_isas("scalar", "x86_avx2", GEMV),
    commands.bisect("v1", "HEAD", GEMV),
    commands.history(GEMV),
    commands.roofline(GEMV),
    commands.roofline(GEMV, 2),
    commands.roofline("forward/gemv/tq1_0/6912x2560/t1"),
    commands.roofline("block_dequantize/quant_tl2/x86_avx2", 2),
    commands.roofline("gemv/native_i2_r4/x86_avx2"),
    commands.bench("gemv/*/2560x2560/t1"),
    commands.bench(GEMV, 2),
    commands.try_kernel(GEMV),
    commands.try_kernel("forward/gemm/i2_s/16x2560x2560/t1", "x86_avx2"),
    commands.profile(),
    commands.profile("m.gguf", python=True),
    commands.quantize("a.gguf", "b.gguf", "tl2"),
    commands.workspace("BitNet-rs"),
    commands.cargo_bench(*commands.MIXED_PRECISION, "gpu"),
    commands.cargo_bench("bitnet-quantization", "quantization", "cpu,bitnet-kernels/avx2"),
    commands.cargo_bench("bitnet-inference", "dense_ops", "cpu,bench"),
    commands.xtask(),
]


@pytest.mark.parametrize("line", LINES_OF_ALL)
def test_every_command_that_can_be_named_exists(line):
    parse(line)


@pytest.mark.parametrize("line", [
    "bitnet-perf nothing", "bitnet-perf compare --casez x", "bitnet-perf bisect HEAD",
    "bitnet-perf bench nothing/t1",
])  # fmt: skip
def test_what_does_not_exist_does_not_parse(line):
    with pytest.raises(Exception, match=r"(?i)no such|missing|matches nothing"):
        parse(line)


@pytest.mark.parametrize("rule", FIRES)
def test_the_command_of_a_rule_exists(rule):
    for each in found(**FIRES[rule][0]):
        parse(each.command)


BENCH = f"quantization/bitnet-quantization/quantization/{GROUP}"
XTASK = "generation/xtask/benchmark"


@pytest.mark.parametrize(("case", "line"), [
    (BENCH, "cargo bench -p bitnet-quantization --bench quantization --no-default-features "
     "--features cpu,bitnet-kernels/avx2"),
    (XTASK, commands.xtask()),
    ("forward/bitnet-kernels/mixed_precision_bench/matmul_64x64/x", commands.cargo_bench(
        *commands.MIXED_PRECISION, "gpu")),
])  # fmt: skip
def test_a_case_of_a_cargo_workspace_is_measured_by_cargo(case, line):
    assert [each.command for each in found([alarm(case=case)])] == [line]


@pytest.mark.parametrize(
    "case", [GEMV, PACK, STEP, GPU, GROUP, BENCH, XTASK, "somebody/else", "a'b/$(c)/`d`"]
)
@pytest.mark.parametrize("where", [None, ("gemv/i2_s/x86_avx2", 0.9)])
def test_every_case_over_its_budget_has_a_suggestion(case, where):
    first, *_ = found([row(), alarm(case=case)], localized=where)
    assert (first.about, first.over) == (case, True)
    assert first.numbers[0].value == 0.12
    assert any(number.value == 0.9 for number in first.numbers) is (where is not None)
    parse(first.command)


def test_what_is_over_budget_comes_first_and_the_slowest_of_it():
    slow = alarm(case=PACK, slowdown=0.3)
    abouts = [s.about for s in found(
        [row(case=TL1), alarm(), slow],
        places=(place(0.5, 0.0, TL1), place(0.5, 0.0)),
    )]  # fmt: skip
    assert abouts == [PACK, GEMV, GEMV, TL1]


def test_what_is_near_neither_limit_is_not_called_bound_by_one():
    far = (place(0.042), place(0.1, 0.2, TL1))
    assert {s.rule for s in found(places=far)} == set()
    assert [s.rule for s in found([alarm()], places=far)] == ["latency", "change"]


def test_a_kernel_that_fell_back_is_named_once():
    wide = "forward/gemv/i2_s/6912x2560/t1"
    ran = tuple(Ran(case, "scalar", "x86_avx2", "x86_avx2") for case in (wide, GEMV))
    (each,) = [s for s in found([alarm()], ran=ran) if s.rule == "fallback"]
    assert (each.about, each.over, each.numbers[0].value) == (GEMV, True, 2)
    python = (Ran(GEMV, "", "x86_avx2", "x86_avx2", "candidate: python loop"),)
    assert {s.rule for s in found(ran=python)} == {"fallback"}


def test_weights_that_every_step_packs_again_are_told():
    (each,) = found(repacks=(Repack(STEP, "weight_repack", 0.4),))
    assert (each.rule, each.numbers[0].value) == ("allocation", 0.4)
    assert "packs weights in every step" in each.text
    parse(each.command)


def test_a_feature_that_is_off_is_told_of_the_case_that_is_over():
    flag = Flag("avx2", (GROUP, GROUP + "/slow"), "cargo bench")
    each = next(s for s in found([alarm(case=GROUP + "/slow")], flags=(flag,)) if s.rule == "flag")
    assert (each.about, each.over, each.numbers[0].value) == (GROUP + "/slow", True, 2)


KINDS = ("ran", "scaling", "places", "overheads", "allocations", "instructions", "gpu", "flags")
SOME = st.lists(st.sampled_from([fires for fires, _ in FIRES.values()]), max_size=6)


@settings(deadline=None)
@given(SOME, st.lists(st.sampled_from([GEMV, PACK, STEP, GROUP]), unique=True))
def test_all_have_evidence_and_each_case_over_budget_comes_first(some, over):
    known = dict.fromkeys(KINDS, ())
    for facts in some:
        known |= {key: (*known[key], *value) for key, value in facts.items() if key in KINDS}
    every = found([alarm(case=case) for case in over], **known)
    assert all(each.numbers and each.command and each.text for each in every)
    flags = [each.over for each in every]
    assert flags == sorted(flags, reverse=True)
    assert set(over) == {each.about for each in every if each.over}


def test_the_cases_to_watch_and_where_each_would_fail():
    slower = row(slowdown=0.03, low=0.02, high=0.04, notes=("measurably slower",))
    other = row(case=PACK, class_="other", gate="note", verdict="concern", slowdown=0.07)
    entry = Accept(case="gemv/tl1/*", limit=0.2, reason="r", expires=datetime.date(2027, 1, 1))
    rows, _ = accept_rows([slower, other, row(), alarm(case=TL1)], [entry], entry.expires)
    found = watches(rows, Rules(), [entry])
    assert [(w.case, w.fails_at.value) for w in found] == [(TL1, 0.2), (PACK, 0.1), (GEMV, 0.05)]
    assert found[0].why == "accepted until 2027-01-01: r"
    assert found[2].why == "the budget of core cases"
    assert [w.slowdown.row for w in found] == [TL1, PACK, GEMV]
    for each in found:
        parse(each.command)
        assert each.to_dict()["case"] == each.case
    assert watches([alarm()], Rules()) == ()


def test_cargo_lines_are_those_of_the_workspace():
    line = next(each for each in LINES if each.name == "mixed_precision_bench")
    assert commands.cargo_bench(*commands.MIXED_PRECISION, "gpu") == shlex.join(
        ("cargo", *line.arguments)
    )
