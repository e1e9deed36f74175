"""Machine code is read as it is: recorded listings, and listings made here."""

from __future__ import annotations

import json

import pytest
from cuda_build import NEEDS_COMPILER, NEEDS_DISASSEMBLER, RECORDED, SOURCES

from bitnet_perf.errors import EnvironmentRefused, FormatError
from bitnet_perf.kernels.cuda import sass
from bitnet_perf.kernels.cuda.flow import natural_loops, reachable
from bitnet_perf.kernels.cuda.sass import Instruction
from bitnet_perf.kernels.cuda.toolchain import compile_file

LIVE = [NEEDS_COMPILER, NEEDS_DISASSEMBLER]


def recorded(name):
    """What nvdisasm 13.2.86 printed of sources/NAME.cu as NVRTC 13.0.88 compiled it for sm_75."""
    return sass.parse((RECORDED / f"{name}.sm_75.json").read_text())[name]


def loops(function):
    return [(f"{loop.header:#x}", loop.depth, len(loop.own)) for loop in sass.loops(function)]


def test_instructions_of_a_recorded_listing():
    dots = recorded("dots")
    assert dots.entries == (0,)
    assert dots.instructions[4] == Instruction(0x40, "", "BSSY", "B0,0x1f0", 0x1F0)
    branches = [each for each in dots.instructions if each.opcode == "BRA"]
    assert [(each.offset, each.predicate, each.target) for each in branches] == [
        (0x80, "@P0", 0x1E0),
        (0x1D0, "@!P0", 0x110),
        (0x210, "", 0x210),
    ]
    assert sass.count_opcodes(dots.instructions)["IDP"] == 1
    assert sass.count_opcodes(dots.instructions)["LDG"] == 2


def test_the_loop_of_a_recorded_listing():
    dots = recorded("dots")
    assert loops(dots) == [("0x110", 1, 13)]
    loop = sass.hot_loop(dots, ["IDP"])
    assert loop == sass.loops(dots)[0]
    assert sass.per_word(loop, 4) == 52
    assert sass.per_word(loop, 64) == 3.25
    assert sass.hot_loop(dots, ["IMMA"]) is None


def test_loops_in_loops_and_subroutines_behind_the_kernel():
    divide = recorded("divide")
    assert len(divide.entries) == 2
    found = loops(divide)
    assert [depth for _, depth, _ in found] == [1, 1, 1, 2, 3, 2]
    # The inner loop, with the call of the slow division in it; the subroutine has no loop.
    loop = sass.hot_loop(divide, ["SHFL"])
    assert loop.depth == 2
    assert sass.count_opcodes(loop.own)["CALL"] == 1
    assert all(loop.header <= each.offset < divide.entries[1] for each in loop.instructions)
    # Threads that have parted meet in a loop of five instructions: none of this one's own.
    assert len(loop.instructions) - len(loop.own) == 5


def test_opcodes_with_and_without_modifiers():
    idp = Instruction(0, "", "IDP.4A.U8.S8", "R1,R2,R3,R4", None)
    assert all(sass.has_opcode(idp, name) for name in ("IDP", "IDP.4A", "IDP.4A.U8.S8"))
    assert not any(
        sass.has_opcode(idp, name) for name in ("ID", "IDP.4", "IDP.2A", "IDP.4A.U8.S8.X")
    )
    assert sass.missing_opcodes(recorded("dots"), ["IDP", "IMMA", "LDG.E", "STS"]) == [
        "IMMA",
        "STS",
    ]


def listing(*rows):
    """A kernel of (predicate, opcode, operands)."""
    instructions = [
        {"predicate": predicate, "opcode": opcode, "operands": operands}
        for predicate, opcode, operands in rows
    ]
    part = {"function-name": "k", "start": 0, "sass-instructions": instructions}
    return sass.parse(json.dumps([{}, [part]]))["k"]


def test_local_memory_is_seen():
    rows = [("", "LDL.LU", "R1,[R2]"), ("", "LDG.E", "R1,[R2]"), ("@P0", "STL.64", "[R1],R2")]
    assert [each.opcode for each in sass.local_memory(listing(*rows))] == ["LDL.LU", "STL.64"]


def test_code_put_aside_that_jumps_back_is_no_loop():
    rows = [
        ("", "S2R", "R0,SR_TID.X"),
        ("", "BRA.DIV", "UR4,0x40"),  # threads have parted: aside
        ("", "MOV", "R1,R2"),
        ("", "EXIT", ""),
        ("", "MOV", "R3,R4"),
        ("", "BRA", "0x20"),
    ]
    assert loops(listing(*rows)) == []
    looping = [*rows[:3], ("@P0", "BRA", "0x10"), ("", "BRA", "0x60"), ("", "BRA", "0x20"), rows[3]]
    assert loops(listing(*looping)) == [("0x10", 1, 3)]


def test_code_after_the_end_is_not_counted():
    rows = [("@!P0", "EXIT", ""), ("", "MOV", "R1,R2"), ("", "EXIT", ""), ("", "BRA", "0x30")]
    assert loops(listing(*rows)) == []


def test_a_barrier_of_convergence_leads_where_it_was_set():
    rows = [
        ("", "BSSY", "B0,0x40"),
        ("@P0", "BRA", "0x60"),
        ("", "MOV", "R1,R2"),
        ("", "BRA", "0x60"),
        ("@P1", "BRA", "0x0"),
        ("", "EXIT", ""),
        ("", "BSYNC", "B0"),
        ("", "EXIT", ""),
    ]
    assert loops(listing(*rows)) == [("0x0", 1, 6)]


@pytest.mark.parametrize(
    ("graph", "entries", "wanted"),
    [
        ({0: [1], 1: [2], 2: [1, 3], 3: []}, [0], {1: {1, 2}}),
        ({0: [0, 1], 1: []}, [0], {0: {0}}),
        ({0: [1], 1: [2], 2: [2, 3], 3: [1, 4], 4: []}, [0], {1: {1, 2, 3}, 2: {2}}),
        ({0: [1], 1: [2, 3], 2: [1], 3: [1, 4], 4: []}, [0], {1: {1, 2, 3}}),
        ({0: [1, 2], 1: [2], 2: [1]}, [0], {}),  # two ways in
        ({0: [1], 1: [], 5: [6], 6: [5]}, [0], {}),  # nobody comes here
        ({0: [1], 1: [], 5: [6], 6: [5]}, [0, 5], {5: {5, 6}}),
        ({0: [2], 1: [2], 2: [3], 3: [2]}, [0, 1], {2: {2, 3}}),
    ],
)
def test_loops_of_a_graph(graph, entries, wanted):
    assert {k: set(v) for k, v in natural_loops(graph, entries).items()} == wanted


def test_what_is_reached_comes_before_what_it_leads_to():
    order = reachable({0: [2, 1], 1: [3], 2: [3], 3: [0], 4: [0]}, [0])
    assert (order[0], order[-1], len(order)) == (0, 3, 4)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[1, [2]]", '[{}, [{"function-name": "k"}]]'])
def test_what_is_no_listing_is_refused(text):
    with pytest.raises(FormatError, match="nvdisasm: found no list of functions"):
        sass.parse(text)


def test_a_subroutine_at_another_place_is_refused():
    part = {"function-name": "k", "start": 32, "sass-instructions": []}
    with pytest.raises(FormatError, match="k starts at 0x20, accepted is 0x0"):
        sass.parse(json.dumps([{}, [part]]))


@pytest.mark.parametrize("architecture", ["sm_75", "sm_90a"])
class TestLive:
    pytestmark = LIVE

    def test_a_loop_of_dot_products(self, architecture):
        cubin = compile_file(SOURCES / "dots.cu", ["dots"], architecture)
        dots = sass.disassemble(cubin.path)["dots"]
        loop = sass.hot_loop(dots, ["IDP.4A.S8.S8"])
        counts = sass.count_opcodes(loop.own)
        assert (counts["IDP"], counts["LDG"], counts["BRA"]) == (1, 2, 1)
        assert 8 <= len(loop.own) <= 20
        assert sass.local_memory(dots) == []

    def test_spills_stand_in_the_code(self, architecture):
        tight, roomy = (
            compile_file(SOURCES / "spill.cu", ["spill"], architecture, options)
            for options in ([], ["-DTHREADS=128"])
        )
        assert len(sass.local_memory(sass.disassemble(tight.path)["spill"])) > 50
        assert sass.local_memory(sass.disassemble(roomy.path)["spill"]) == []

    def test_a_guarded_kernel_is_there_or_not(self, architecture):
        names = ["everywhere", *(["guarded"] if architecture == "sm_90a" else [])]
        cubin = compile_file(SOURCES / "guarded.cu", names, architecture)
        assert sorted(sass.disassemble(cubin.path)) == names
        assert sorted(cubin.usage) == names

    def test_a_damaged_cubin(self, architecture, tmp_path):
        content = compile_file(SOURCES / "dots.cu", ["dots"], architecture).path.read_bytes()
        path = tmp_path / "dots.cubin"
        for damaged in (content[: len(content) // 2], b"rubbish"):
            path.write_bytes(damaged)
            with pytest.raises(FormatError, match=r"dots\.cubin: nvdisasm cannot read it: \w"):
                sass.disassemble(path)


def test_a_host_without_nvdisasm(monkeypatch, tmp_path):
    sass.nvdisasm.cache_clear()
    monkeypatch.setattr("cuda.pathfinder.find_nvidia_binary_utility", lambda _: None, raising=False)
    try:
        assert sass.why_not() == "nvdisasm is missing: pip install 'bitnet_perf[cuda]'"
        with pytest.raises(EnvironmentRefused, match="nvdisasm is missing"):
            sass.disassemble(tmp_path / "x.cubin")
    finally:
        sass.nvdisasm.cache_clear()
