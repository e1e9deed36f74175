"""Cases that call Python in worker processes; no time is judged."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bitnet_perf.bench.inputs import inputs_of
from bitnet_perf.bench.paired.driver import Driver, Recording, Settings
from bitnet_perf.bench.paired.sides import Ready, Side, prepare_side

SHORT = Settings(looks=(2,), long_looks=(2,), seed=3)
CALLED = ["load/gguf/i2_s/tiny/t1", "tokenization/tokenize/gpt2/tiny-n64/t1",
          "tokenization/detokenize/gpt2/tiny-n64/t1"]  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BITNET_PERF_CACHE", str(tmp_path / "cache"))
    inputs_of.cache_clear()
    yield
    inputs_of.cache_clear()


@pytest.fixture
def native():
    return prepare_side(Side.isa(""))


def drive(base: Ready, candidate: Ready, names: list[str]) -> Recording:
    driver = Driver((base, candidate), SHORT)
    driver.run_cases(names, lambda _number, _last: False)
    return driver.recording


def test_cases_that_call_python_alternate_like_others(native):
    recording = drive(native, native, [*CALLED, "load/gguf/i2_s/tiny/t2"])
    assert [case.get("error") for case in recording.cases] == [None] * 4
    assert {case["isas"][0] for case in recording.cases} == {"python"}
    assert len(recording.pairs) == 8


def test_a_call_with_a_wrong_result_is_an_error_of_its_case(native):
    expected = Path(inputs_of(CALLED[0])["expected"])
    np.save(expected, -np.load(expected))
    first, second = drive(native, native, CALLED[:2]).cases
    assert re.match(r"ArithmeticError: wrong logits .* not timed", first["error"])
    assert "error" not in second


def test_calls_that_cannot_be_take_no_other_down(native):
    wrong = ["load/gguf/i2_s/huge/t1", "load/gguf/x/tiny/t1", "load/tokenize/gpt2/tiny-n9/t1"]
    *cases, good = drive(native, native, [*wrong, CALLED[1]]).cases
    assert all("neither side has it" in case["error"] for case in cases)
    assert "error" not in good


def test_a_package_too_old_for_a_call_lacks_it(native, tmp_path):
    (tmp_path / "bitnet_perf").mkdir()
    (tmp_path / "bitnet_perf" / "__init__.py").touch()
    old = replace(native, options={"kind": "native", "root": str(tmp_path)})
    (case,) = drive(old, native, CALLED[:1]).cases
    assert case["only"] == "candidate"


def test_modules_of_another_package_are_an_error(native, tmp_path):
    """The interpreter's own installation must not stand in for the side's files."""
    ours = native.environment.package / "bitnet_perf"
    other = tmp_path / "bitnet_perf"
    other.mkdir()
    (other / "__init__.py").write_text((ours / "__init__.py").read_text())
    mixed = replace(native, options={**native.options, "root": str(tmp_path)})
    (other / "_public.py").symlink_to(ours / "_public.py")
    (case,) = drive(mixed, native, CALLED[:1]).cases
    assert re.match("(ImportError|ModuleNotFoundError): ", case["error"])
    assert case["error_side"] == 0


def test_work_that_a_call_cannot_add_is_refused(native):
    (case,) = drive(native, native.with_extra(0.1), CALLED[:1]).cases
    assert "admits no added work" in case["error"]
    assert case["error_side"] == 1
