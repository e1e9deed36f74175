"""What is measured for each tunable: cases, candidates, and which are left out of a further set."""

from __future__ import annotations

import time

import pytest

import bitnet_perf as bp
from bitnet_perf import _bench, _native
from bitnet_perf.bench import tuning as module
from bitnet_perf.bench.paired.sides import Side, prepare_side
from bitnet_perf.bench.tuning import (
    CROSSOVERS,
    SETS,
    Option,
    Part,
    crossover_parts,
    options_of,
    parts_of,
    time_options,
    work_of,
)
from bitnet_perf.bench.turns import Taken

DEFAULTS = {row.name: row.default for row in bp.tunables()}
WORK = work_of(None)


@pytest.fixture(scope="module")
def ready():
    return prepare_side(Side.isa(""))


def test_the_layers_of_2b4t_less_what_weighs_little():
    assert WORK.shapes == ((6912, 2560, 2), (2560, 6912, 1), (2560, 2560, 2))
    assert WORK.head == (128256, 2560, "q6_k")


def test_a_file_brings_its_own_shapes(tmp_path):
    bp.make_model(tmp_path / "m.gguf", "tiny", "tl1", head="q8_0", vocab=2048)
    work = work_of(str(tmp_path / "m.gguf"))
    assert (work.subject, work.format) == ("m.gguf", "tl1")
    assert work.shapes[0] == (512, 256, 2)
    assert work.head == (2048, 256, "q8_0")
    with pytest.raises(bp.ModelError):
        work_of(str(tmp_path / "absent.gguf"))


def test_cold_decode_warm_prefill_and_the_head():
    parts = parts_of(WORK)
    assert parts["decode"].cases("i2_s", 2)[0] == ("forward/gemv/i2_s/6912x2560-512mb/t2", 2)
    assert parts["prefill"].cases("tl2", 1)[-1] == ("forward/gemm/tl2/128x2560x2560/t1", 2)
    assert parts["head"].cases("tl2", 1) == [("forward/gemv_dense/q6_k/128256x2560/t1", 1)]
    few = crossover_parts(WORK, CROSSOVERS[0])
    assert few[0].cases("native_i2_r4", 1) == [
        ("forward/gemm/native_i2_r4/2x6912x2560-512mb/t1", 2)
    ]


def test_rates_are_bytes_of_one_token_and_operations_of_more():
    shapes = ((64, 256, 2),)
    assert Part("a", shapes, 1, True).rate("i2_s", 1e-3) == (2 * (64 * 64 + 32) / 1e6, "GB/s")
    assert Part("b", shapes, 16, False).rate("i2_s", 1e-3) == (2 * 2 * 16 * 64 * 256 / 1e6, "Gop/s")
    assert Part("c", ((64, 256, 1),), 1, True, "f16").rate("", 1e-3) == (2 * 64 * 256 / 1e6, "GB/s")


@pytest.mark.parametrize("name", [n for n in DEFAULTS if n not in {c.tunable for c in CROSSOVERS}])
def test_candidates_begin_with_the_default_and_are_accepted(name):
    options = options_of(name, DEFAULTS, WORK)
    assert options[0].value == DEFAULTS[name]
    assert len({each.value for each in options}) == len(options)
    for each in options:
        with module_tunables({name: each.value}):
            assert not each.tuned or each.tuned == {name: each.value}


def module_tunables(values):
    from bitnet_perf.kernels.tunables import tuned_with

    return tuned_with(values)


def test_every_tunable_is_measured_somewhere():
    from bitnet_perf.review.tune import PARTS

    assert {*PARTS, *(c.tunable for c in CROSSOVERS)} == set(DEFAULTS)


def test_crossovers_are_accepted_sizes_of_known_variants():
    isas = {row[0] for row in _native.isas()}
    rows = {row.name: row for row in bp.tunables()}
    for each in CROSSOVERS:
        assert set(each.isas) <= isas
        assert all(rows[each.tunable].least <= t <= rows[each.tunable].most for t in each.tokens)


def test_turns_carry_what_was_chosen(ready):
    part = parts_of(WORK)["decode"]
    chosen = {**DEFAULTS, "gemv_isa": "scalar", "decode_threads": 1, "panel_tokens": 9}
    option = Option(0, chosen, {"prefetch_bytes": 0})
    for turn, _ in option.turns(part, ready):
        options = turn.options()
        assert options["case"].endswith("/t1")
        assert options["isa"] == "scalar"
        assert "panel_tokens=9" in options["tuned"]
        assert turn.tuned == {"prefetch_bytes": 0}


SMALL = Part("decode", ((64, 256, 2), (32, 256, 1)), 1, False)


def test_candidates_that_are_far_behind_are_left_out(ready, monkeypatch):
    asked = []

    def fake(turns, rounds, *_):
        asked.append(sorted(turn.options()["isa"] for turn in turns))
        slow = {"a": 1.0, "b": 1.05, "c": 1.5, "d": 1.0}
        found = [Taken("x", (slow[t.options()["isa"]],) * rounds) for t in turns]
        return [Taken("", (), "no") if t.options()["isa"] == "d" else f
                for t, f in zip(turns, found, strict=True)]  # fmt: skip

    monkeypatch.setattr(module, "take_turns", fake)
    options = [Option(isa, DEFAULTS, {}, isa) for isa in "abcd"]
    found = time_options([SMALL], options, ready, time.monotonic() + 60)
    assert asked == [["a", "b", "c", "d"]] * 2 + [["a", "b"]] * (2 * (SETS - 1))
    assert [len(each["decode"].seconds) for each in found] == [SETS, SETS, 1, 0]
    assert found[3]["decode"].why == "no"
    assert found[1]["decode"].median == pytest.approx(3 * 1.05)
    asked.clear()
    time_options([SMALL], options, ready, time.monotonic() - 1)
    assert len(asked) == 2, "one set is taken whatever the time"


def test_real_candidates_have_times(ready, monkeypatch):
    monkeypatch.setattr(module, "ROUNDS", 3)
    monkeypatch.setattr(module, "SAMPLE", 1e-5)
    options = [Option(v, DEFAULTS, {"prefetch_bytes": v}, "") for v in (3072, 0)]
    found = time_options([SMALL], options, ready, 0.0)
    assert [len(each["decode"].seconds[0]) for each in found] == [3, 3]
    assert all(value > 0 for each in found for value in each["decode"].seconds[0])
    assert _bench.work(SMALL.cases("native_i2_r4", 1)[0][0]).isa
