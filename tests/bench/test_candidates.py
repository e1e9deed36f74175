"""Candidates: what a check finds in planted faults, and what is refused before it runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import bitnet_perf as bp
from bitnet_perf import _native
from bitnet_perf.bench import candidates
from bitnet_perf.bench.candidate_check import Checked, _judged, check_candidate, shape_numbers
from bitnet_perf.bench.candidate_child import Child
from bitnet_perf.bench.candidate_inputs import NO_TILE, Product, seconds_for
from bitnet_perf.bench.candidates import FLAGS, compile_candidate, load_functions, split_family
from bitnet_perf.bench.process import Finished

FILES = Path(__file__).parents[1] / "candidates"


def check(name: str, plant: str = "NONE", family: str = "gemv_i2_s", **options) -> Checked:
    flags = ["-O1", f"-DPLANT_{plant}"] if name.endswith(".cpp") else None
    return check_candidate(FILES / name, family, flags=flags, **options)


def test_a_right_candidate_is_right_everywhere():
    found = check("planted.cpp", shape="96x1000")
    assert (found.right, found.reason) == (True, "")
    assert found.checks > 600


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        ("WRONG_SUM", r"^wrong sum in row 5: found -?\d+, expected -?\d+, shape 7x121 \(random\)$"),
        ("INT16", r"^wrong sum in row 0: found .*\(all weights 1, all activations 127\)$"),
        ("READ_AFTER", r"^reads byte 3 past the end of w, shape 1x127 "),
        ("READ_BEFORE", r"^reads byte 3 before the start of q, shape 1x127 "),
        ("WRITE_AFTER", r"^writes byte 1 past the end of y, shape 1x127 "),
        ("WRITE_BEFORE", r"^writes byte 1 before the start of y, shape 1x127 "),
        ("WRITE_INPUT", r"^writes to w \(byte 1\), which is read-only, shape 1x127 "),
        ("OUTSIDE_ROWS", r"^writes row 1 when called for rows 2 to 5, shape 5x"),
        ("SKIPS_ROW", r"^row 16 is not written, shape 17x"),
        ("ADDS", r"^called for two ranges: wrong sum in row 0: found "),
        ("SHARED", r"^on 4 threads: wrong sum in row \d+: found "),
        ("HANG", r"^does not end within 1 s, shape 3x"),
        ("CRASH", r"^writes address 0x10, far from every array, shape 1x127 "),
        ("ABORT", r"^aborts, shape 1x127 "),
        ("EXIT", r"^ends the process that called it, with status 0, shape 1x127 "),
        ("THROW", r"^throws RuntimeError: thrown by the candidate, shape 1x127 "),
    ],
)
def test_a_planted_fault_is_found_and_named(plant, reason):
    found = check("planted.cpp", plant, limit=1)
    assert not found.right
    assert re.search(reason, found.reason), found.reason


def test_a_check_may_take_what_its_shape_needs(monkeypatch):
    product = Product(128, 6912, 2560, NO_TILE, "random", True)
    options = {
        "to": 1,
        "mark": "@",
        "limit": 10,
        "family": "gemm_i2_s",
        "shape": (),
        "isa": "candidate",
    }
    child, armed = Child(options), []
    monkeypatch.setattr(child, "native_product", lambda *_: armed.append(product.words))
    monkeypatch.setattr(child, "tell", lambda *fields: armed.append(fields))
    monkeypatch.setattr("signal.alarm", armed.append)
    monkeypatch.setattr("bitnet_perf.bench.candidate_child.product_shapes", lambda *_: [product])
    monkeypatch.setattr(
        "bitnet_perf.bench.candidate_child.product_data",
        lambda *_: (np.zeros((1, 128), np.int8), np.zeros((1, 128), np.int8)),
    )
    child.run()
    seconds = 227  # of 5 runs of 2.26e9 multiply-adds, 50 million a second
    assert armed == [("at", seconds, product.words), seconds, product.words, 0] * 2
    assert seconds_for(6912 * 2560, 10) == 10


def test_the_limit_that_was_reached_is_named():
    text = "\n@\tat\t10\tshape 1x1\n\n@\tat\t227\tshape 128x6912x2560\n\n@\tsignal\t14\n"
    found = _judged(Finished(-14, 227.0, text, timed_out=False), "@", 10, 227.0)
    assert found.reason == "does not end within 227 s, shape 128x6912x2560"
    assert found.checks == 2


def test_a_layout_of_its_own_is_prepared_and_read():
    assert check("own_layout.cpp").right


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        ("HALF_A_LAYOUT", "prepared_bytes = 64, accepted is 0 where there is no _prepare"),
        ("WILD_PLAN", "row_step = 0, accepted is 1 or more"),
        ("COMPILE_ERROR", r"(?s)^candidate: \S+planted.cpp does not compile:\n +\S+planted.cpp:10"),
    ],
)
def test_what_cannot_be_run_is_refused(plant, message):
    with pytest.raises(bp.ConfigError, match=message):
        check("planted.cpp", plant)


def test_another_version_of_the_header_is_refused():
    message = r"wrong_version\.c: it was compiled for version 1000 of candidate\.h, accepted is ver"
    with pytest.raises(bp.ConfigError, match=message):
        check("wrong_version.c")


def test_another_family_than_the_one_defined_is_refused():
    with pytest.raises(
        bp.ConfigError, match="no candidate for gemv/tl1 is loaded; loaded: gemv_i2"
    ):
        check("own_layout.cpp", family="gemv_tl1")


def test_functions_of_python_are_checked():
    pytest.importorskip("numba", reason="numba has no wheel for this Python")
    assert check("numba_gemv.py", shape="64x300").right
    assert check("numpy_activations.py", family="quantize_activations_q8_act").right


def test_what_a_candidate_prints_is_no_verdict(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import os, numpy as np, bitnet_perf as bp\n"
        "@bp.candidate('gemv_i2_s')\n"
        "def f(w, q, N, K):\n"
        "    print('@\\tat\\tx', '@\\tdone', sep='\\n', flush=True)\n"
        "    os._exit(0)\n"
    )
    found = check_candidate(file, "gemv_i2_s")
    assert (found.right, found.checks) == (False, 1)
    assert "ends the process that called it, with status 0" in found.reason


def test_wrong_functions_of_python_are_found(tmp_path):
    file = tmp_path / "mine.py"
    head = "import numpy as np, bitnet_perf as bp\n@bp.candidate('gemv_i2_s')\n"
    for body, reason in (
        ("def f(w, q, N, K): return np.zeros(N, np.int32)", "wrong sum in row 0: found 0"),
        ("def f(w, q, N, K): return np.zeros(N)", r"its result is float64\[1\], accepted is int32"),
        ("def f(w, q, N, K): raise ValueError('no')", "raises ValueError: no, shape 1x127"),
        ("def f(w, q, N, K): w[0] = 1", r"writes to w \(byte 0\), which is read-only"),
    ):
        file.write_text(head + body)
        found = check_candidate(file, "gemv_i2_s")
        assert not found.right
        assert re.search(reason, found.reason), found.reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import bitnet_perf", "no function is marked"),
        ("1 / 0", "cannot be run .ZeroDivisionError"),
        ("raise SystemExit(0)", "cannot be run .SystemExit: 0"),
        ("import bitnet_perf as bp\nbp.candidate('pack_i2_s')", "accepted for a Python function"),
    ],
)
def test_python_files_that_are_no_candidates(tmp_path, text, message):
    file = tmp_path / "mine.py"
    file.write_text(text)
    for load in (load_functions, lambda path: check_candidate(path, "gemv_i2_s")):
        with pytest.raises(bp.ConfigError, match=message):
            load(file)


@pytest.mark.parametrize("family", ["gemv_i2_s", "gemm_tl2", "pack_tl1", "unpack_tq1_0"])
def test_the_scalar_reference_passes_its_own_check(family):
    assert check_candidate(Path(), family, isa="scalar").right


def test_compiling_again_is_compiling_once(tmp_path, monkeypatch):
    monkeypatch.setenv("BITNET_PERF_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "mine.cpp"
    source.write_text((FILES / "planted.cpp").read_text())
    first = compile_candidate(source)
    made = first.stat().st_ino
    again = compile_candidate(source)
    assert (again, again.stat().st_ino) == (first, made)
    assert compile_candidate(source, [*FLAGS, "-DPLANT_ADDS"]) != first
    source.write_text(source.read_text() + "static const int more = 1;\nint use() { return more; }")
    assert compile_candidate(source) != first


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("x.cu", bp.EnvironmentRefused, "a CUDA kernel is tried by itself"),
        ("x.txt", bp.ConfigError, r"accepted is a file that ends in \.c"),
        ("none.cpp", bp.ConfigError, "no such file"),
    ],
)
def test_files_that_are_no_candidates(tmp_path, name, kind, message):
    with pytest.raises(kind, match=message):
        compile_candidate(tmp_path / name)


@pytest.mark.parametrize("named", ["no-such-compiler", "'", '""'])
def test_a_missing_compiler_is_named(monkeypatch, named):
    monkeypatch.setenv("CXX", named)
    with pytest.raises(bp.EnvironmentRefused, match=f"CXX: found {re.escape(repr(named))}"):
        compile_candidate(FILES / "planted.cpp")


def test_families_and_shapes():
    assert split_family("gemm_native_i2_r4") == ("gemm", "native_i2_r4")
    assert shape_numbers("gemm", "2x3x4") == (2, 3, 4)
    assert candidates.case_name("gemv_i2_s", "64x256", 2) == "forward/gemv/i2_s/64x256/t2"
    for kind, shape in (("gemv", "3"), ("gemv", "0x4"), ("gemm", "3x4")):
        with pytest.raises(bp.ConfigError, match="accepted for"):
            shape_numbers(kind, shape)
    with pytest.raises(bp.ConfigError, match="family: found 'nope'"):
        split_family("nope")


@pytest.mark.parametrize("at_end", [True, False])
def test_guarded_memory_tells_what_was_written_beside_it(at_end):
    memory = _native.Guarded("x", 100, at_end, 4)
    assert memory.bytes().size == 100
    assert memory.damage() is None
    memory.bytes()[:] = 7
    assert memory.damage() is None
