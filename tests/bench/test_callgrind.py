"""Profiles of callgrind: recorded ones are read, others are refused with file and line."""

from pathlib import Path

import pytest

from bitnet_perf.bench.callgrind import command, has_symbols, parse, read_loops
from bitnet_perf.errors import FormatError

GOLDEN = Path(__file__).parents[1] / "golden" / "callgrind"
KERNEL = "bp::gemv_i2_s_x86_avx2(bp::product_args const&)"
SMALL = """creator: callgrind-3.22.0
positions: line
events: Ir

fn=(1) outer
10 5
cfn=(2) inner
calls=2 40
+1 20
fn=(2)
40 20

totals: 25
"""


def lines(text):
    return text.splitlines(keepends=True)


@pytest.mark.parametrize(("number", "iterations"), [(3, 1), (4, 4)])
def test_a_recorded_profile(number, iterations):
    with (GOLDEN / f"counts.{number}").open() as file:
        profile = parse(file, "counts")
    with (GOLDEN / f"counts.{number}").open() as file:
        stated = next(line for line in file if line.startswith("totals: "))
    assert profile.total == int(stated.split()[1]) == sum(profile.exclusive.values())
    assert profile.creator == "callgrind-3.19.0"
    assert profile.inclusive[KERNEL] == profile.exclusive[KERNEL]
    assert profile.exclusive[KERNEL] % iterations == 0
    assert profile.exclusive[KERNEL] > profile.total / 2
    assert "(below main)" not in profile.exclusive  # it only calls
    assert profile.inclusive["(below main)"] >= profile.total


def test_own_and_whole_cost():
    profile = parse(lines(SMALL), "small")
    assert profile.total == 25
    assert profile.exclusive == {"outer": 5, "inner": 20}
    assert profile.inclusive == {"outer": 25, "inner": 20}


def test_lines_files_and_calls():
    text = """events: Ir
fl=(1) outer.rs
fn=(1) outer
10 5
+3 7
fi=(2) inlined.rs
* 2
-12 1
fe=(1)
13 4
cfi=(3) inner.rs
cfn=(2) inner
calls=2 40
* 20
13 8
fl=(3)
fn=(2)
40 20
totals: 47
"""
    profile = parse(lines(text), "lines")
    assert profile.lines == {
        ("outer", "outer.rs", 10): 5,
        ("outer", "outer.rs", 13): 7 + 4 + 8,
        ("outer", "inlined.rs", 13): 2,
        ("outer", "inlined.rs", 1): 1,
        ("inner", "inner.rs", 40): 20,
    }
    assert profile.calls == {"inner": 2}
    assert profile.home == {"outer": "outer.rs", "inner": "inner.rs"}


def test_one_function_in_two_files_is_added_up():
    text = SMALL.replace("\ntotals: 25", "fn=(1)\nfi=(7) other.h\n3 4\n\ntotals: 29")
    assert parse(lines(text), "small").exclusive == {"outer": 9, "inner": 20}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("10 5", "10", "line 6"),
        ("10 5", "10 five", "line 6"),
        ("fn=(2)\n", "fn=(3)\n", "line 10"),
        ("events: Ir", "events: Ir Dr", "Ir Dr"),
        ("totals: 25", "totals: 24", "add up to 25, it states 24"),
        ("totals: 25", "", "states no total"),
    ],
)
def test_another_file_is_refused(old, new, says):
    assert old in SMALL
    with pytest.raises(FormatError, match=says):
        parse(lines(SMALL.replace(old, new)), "small")


def test_loops_among_the_parts(tmp_path):
    for number in range(1, 5):
        (tmp_path / f"counts.{number}").write_text(
            SMALL.replace("10 5", f"10 {number}").replace("25", str(20 + number))
        )
    (tmp_path / "counts").write_text("what was left at the end")
    with_symbols = read_loops(tmp_path, True, 4)
    assert [profile.total for profile in with_symbols] == [21, 22, 23, 24]
    assert [profile.total for profile in read_loops(tmp_path, False, 2)] == [22, 24]
    for symbols, loops in ((True, 3), (True, 5), (False, 3)):
        with pytest.raises(FormatError, match="wrote 4 profiles"):
            read_loops(tmp_path, symbols, loops)


def test_symbols_are_looked_for_in_the_extension(tmp_path):
    for content in (b"\x7fELF _ZN2bp8run_loopERNS_13prepared_caseEld", b"\x7fELF"):
        (tmp_path / "x.so").write_bytes(content)
        assert has_symbols(tmp_path / "x.so") == (b"_ZN" in content)


def test_the_two_patterns_differ():
    words = command("valgrind", True, ["python"])
    patterns = [word.partition("=")[2] for word in words if "run_loop" in word]
    assert len(patterns) == len(set(patterns)) == 2
    assert not [word for word in command("valgrind", False, ["python"]) if "run_loop" in word]
