"""The records of a run together: sums over cases, the check against the comparison, functions."""

from __future__ import annotations

import json
import math

import pytest
from analyze.attribution.synthetic import DECODE, DOWN, GATE_UP, profile, profiles, raw

from bitnet_perf.analyze.attribution import attribute_profiles, whole
from bitnet_perf.analyze.attribution.cases import Part
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.bench.paired.profiles import CaseProfile, Function
from bitnet_perf.errors import FormatError

GEMV = "gemv/i2_s/x86_avx2"
ENCODE = "tokenization/tokenize/gpt2/2b4t-n512/t1"
SLOWER = {GATE_UP: 330_000.0, DOWN: 165_000.0}
TOKENIZER = "bitnet_perf/model/tokenizer.py"
OWN = "csrc/kernels/gemv/i2_s/x86_avx2.cpp"
COUNTED = {
    "name": "forward/gemv/i2_s/2560x2560/t1", "class": "core", "isas": ["x86_avx2", "x86_avx2"],
    "instructions": {
        "base": 1000.0, "candidate": 1100.0, "change": 0.1, "tool": "callgrind", "notes": [],
        "functions": [
            {"name": "bp::(anonymous namespace)::rows<4>(long)", "base": 900.0, "candidate": 990.0},
            {"name": "bp::gemv_i2_s_x86_avx2(bp::args)", "base": 10.0, "candidate": 20.0},
        ],
    },
}  # fmt: skip


def row(case, slowdown, low, high):
    return Row(
        case=case, verdict="pass", slowdown=slowdown, low=low, high=high, mde=0.01, pairs=8,
        reason="", look=0, gate="pass", notes=(), class_="core", bound="unknown", clock="wall",
        wall=slowdown, cpu=slowdown, clocks="agree", canaries=(),
    )  # fmt: skip


def with_functions(made, base, candidate):
    """The case with these Python functions (file, line, name, nanoseconds) in every pair."""
    sides = tuple(
        tuple(Function(file=f, line=n, name=w, calls=1, self_ns=ns) for f, n, w, ns in rows)
        for rows in (base, candidate)
    )
    pairs = tuple(pair.model_copy(update={"functions": sides}) for pair in made.pairs)
    return made.model_copy(update={"pairs": pairs})


@pytest.fixture(scope="module")
def encoding():
    made = profile(ENCODE, {(): 1e6}, {(): 1.3e6}, seed=4)
    base = [(TOKENIZER, 40, "Tokenizer.encode", 2e5), ("", 0, "<method 'encode'>", 7e5)]
    slow = [(TOKENIZER, 41, "Tokenizer.encode", 5e5), ("", 0, "<method 'encode'>", 7e5)]
    return with_functions(made, base, slow)


@pytest.fixture(scope="module")
def decoding():
    return profile(changed=SLOWER, seed=5)


def test_sums_over_cases_keep_their_parts(encoding, decoding):
    found = attribute_profiles(profiles(encoding, decoding), raw(), ())
    total = found.nodes[0]
    totals = [case.total for case in found.cases]
    assert total.change == pytest.approx(sum(each.change for each in totals))
    half = math.hypot(*(each.high - each.change for each in totals))
    assert total.high - total.change == pytest.approx(half)
    for level, length in (("stage", 1), ("operation", 2), ("kernel", 3)):
        mine = [node for node in found.level(level) if len(node.path) == length]
        assert sum(node.change for node in mine) == pytest.approx(total.change)
        assert sum(node.share for node in mine) == pytest.approx(1.0)
        assert sum(node.of_change for node in mine) == pytest.approx(1.0)
    assert found.level("stage")[0].name == "Tokenization"
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_python_function_that_became_slower_stands_first(encoding):
    found = attribute_profiles(profiles(encoding), raw(), (), changed=["README.md", TOKENIZER])
    first = found.functions[0]
    assert first.path == ("Tokenization", "encode", "Tokenizer.encode")
    assert (first.file, first.line, first.source) == (TOKENIZER, 41, "cProfile")
    assert first.change == pytest.approx(3e-4)
    assert first.of_change == pytest.approx(1.0)
    assert [suspect.file for suspect in found.suspects] == [TOKENIZER]
    assert (found.localized.kind, found.localized.name) == ("module", TOKENIZER)


def test_functions_of_a_load_stand_below_the_operation_of_their_file():
    load = "load/gguf/i2_s/small/t1"
    step = {(): 1e5, ("model_load",): 1e6, ("model_load", "tensor_table"): 1e6}
    rows = [
        ("bitnet_perf/model/checkpoint.py", 3, "check", 1e6),
        ("bitnet_perf/model/model.py", 9, "Model.load", 1e6),
        ("", 0, "<built-in method bitnet_perf._native.load_native>", 5e6),
    ]
    made = with_functions(profile(load, step), rows, rows)
    found = attribute_profiles(profiles(made), raw(), ()).functions
    assert {node.path[-1]: node.path[1] for node in found} == {
        "check": "tensor_table", "Model.load": "model_load",
        "<built-in method bitnet_perf._native.load_native>": "model_load",
    }  # fmt: skip


def test_native_functions_stand_below_their_kernel(decoding):
    places = {"bp::rows": ("csrc/kernels/gemv/x86_avx2.hpp", 44)}
    found = attribute_profiles(profiles(decoding), raw(COUNTED), (), places=places)
    first = found.case(DECODE).functions[0]
    assert first.path == ("Forward Pass", "gate_up", GEMV, "bp::rows")
    assert (first.file, first.line) == places["bp::rows"]
    assert (first.unit, first.change, first.of_change) == ("instructions", 90.0, 0.9)
    assert {node.path[1] for node in found.functions} == {"gate_up", "down"}
    other = next(node for node in found.functions if node.name == "bp::gemv_i2_s_x86_avx2")
    assert other.file == OWN


@pytest.mark.parametrize(
    ("low", "high", "agrees"), [(0.03, 0.06, True), (0.10, 0.12, False), (None, None, None)]
)
def test_the_profile_is_held_against_the_comparison(decoding, low, high, agrees, monkeypatch):
    monkeypatch.setattr(whole, "parts_of", lambda *_: ())
    middle = None if low is None else (low + high) / 2
    judged = row(DECODE, slowdown=middle, low=low, high=high)
    (case,) = attribute_profiles(profiles(decoding), raw(), [judged]).cases
    assert case.agrees is agrees
    words = {True: "they agree", False: "they differ", None: "no number of this case"}
    assert words[agrees] in case.check


def test_only_cases_over_their_budget_count_where_they_are_named(encoding, decoding):
    both = profiles(encoding, decoding)
    found = attribute_profiles(both, raw(), (), over=[DECODE], changed=[TOKENIZER, OWN])
    assert [suspect.file for suspect in found.suspects] == [OWN]
    assert (found.localized.kind, found.localized.name) == ("kernel", GEMV)
    assert attribute_profiles(both, raw(), (), over=[]).localized is None


def test_a_case_without_a_profile_stands_for_its_own_kernel(monkeypatch):
    name = COUNTED["name"]
    part = Part(name, "forward", GEMV, 1e-4, 1e-5, 9e-6, 11e-6)
    monkeypatch.setattr(whole, "parts_of", lambda *_: (part,))
    found = attribute_profiles(None, raw(COUNTED), (), changed=[OWN])
    (portion,) = found.portions
    assert portion.path == ("Forward Pass", "gemv", GEMV)
    assert [node.name for node in portion.functions] == ["bp::rows", "bp::gemv_i2_s_x86_avx2"]
    assert (found.suspects[0].file, found.localized.name) == (OWN, GEMV)
    assert (found.nodes, found.cases) == ((), ())


def test_a_stage_case_without_a_profile_stands_for_its_operation(monkeypatch):
    part = Part("load/gguf/i2_s/small/t1", "load", "gguf/i2_s/python", 1e-2, 1e-3, 9e-4, 2e-3)
    monkeypatch.setattr(whole, "parts_of", lambda *_: (part,))
    found = attribute_profiles(None, raw(), ())
    assert found.portions[0].path == ("Model Load", "model_load", "outside of kernels")


@pytest.mark.parametrize(
    "told",
    [
        {"base": "x", "candidate": 1.0, "functions": [{}]},
        {"base": 0.0, "candidate": 1.0, "functions": [{"name": "f", "base": 1, "candidate": 1}]},
        {"base": 1.0, "candidate": 1.0, "functions": [{"name": 7, "base": 1, "candidate": 1}]},
        {"base": 1.0, "candidate": -1.0, "functions": [1]},
    ],
)
def test_counts_of_a_file_are_read_without_trust(told):
    with pytest.raises(FormatError, match=r"'cases'\[0\]: 'instructions'"):
        attribute_profiles(None, raw({**COUNTED, "instructions": told}), ())


def test_what_was_not_recorded_says_why():
    missing = CaseProfile(case=DECODE, missing="base: this side records no spans")
    found = attribute_profiles(profiles(missing), raw(), ())
    assert found.case(DECODE).missing == "base: this side records no spans"
    assert (found.case(DECODE).total, found.nodes, found.case("other")) == (None, (), None)


def test_files_that_may_leak_are_ranked_apart():
    made = profile(ENCODE, {(): 1e6}, grown=((0, 0, 0), (0, 700, 2)))
    found = attribute_profiles(profiles(made), raw(), (), changed=["README.md", OWN, TOKENIZER])
    assert [suspect.file for suspect in found.leak_suspects] == [TOKENIZER]
    assert found.suspects == ()


def test_lost_spans_and_those_of_other_threads_are_told(decoding):
    first, *rest = decoding.pairs
    weak = first.model_copy(update={"lost": 3, "elsewhere": 2})
    made = decoding.model_copy(update={"pairs": (weak, *rest)})
    (case,) = attribute_profiles(profiles(made), raw(), ()).cases
    assert [note.partition(" ")[0] for note in case.notes] == ["3", "2"]


def test_a_wide_interval_is_the_place_where_all_others_cannot_be():
    """The one kernel scatters as much as the whole; what is beside it is sure and little."""
    step = {GATE_UP: 11e6, ("gate_up",): 8e4}
    made = profile(
        DECODE, step, {GATE_UP: 12.4e6, ("gate_up",): 1e5}, pairs=6, spread=0.08, seed=57
    )
    found = attribute_profiles(profiles(made), raw(), (), over=[DECODE], changed=[OWN])
    leaves = {node.path[2]: node for node in found.case(DECODE).nodes if len(node.path) == 3}
    assert {name: leaf.slower for name, leaf in leaves.items()} == {
        GEMV: False, "outside of kernels": True,
    }  # fmt: skip
    most = max(found.portions, key=lambda portion: portion.seconds)
    assert most.path == ("Forward Pass", "gate_up", GEMV)
    assert (found.localized.kind, found.localized.name) == ("kernel", GEMV)
    even = {GATE_UP: 1.1e6, DOWN: 1.1e6}
    made = profile(DECODE, {GATE_UP: 1e6, DOWN: 1e6}, even, pairs=6, spread=0.08, seed=57)
    assert attribute_profiles(profiles(made), raw(), (), over=[DECODE]).localized is None
