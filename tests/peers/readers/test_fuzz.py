"""Broken files of every form: read, or refused with MeasurementError, and nothing else."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.results_files import FILES, HOSTILE, broken, places

import bitnet_perf as bp
from bitnet_perf.analyze.baselines import why_refused
from bitnet_perf.peers.fields import MAX_NAME

JSON_FILES = [name for name in FILES if name.endswith(".json")]
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read(path: Path) -> tuple[bp.Results | None, str]:
    try:
        return bp.read_results(path), ""
    except bp.MeasurementError as error:
        return None, str(error)


def check(path: Path) -> None:
    """What is promised of every file: rows that hold what they say, or one clear line."""
    found, refusal = read(path)
    if found is None:
        assert str(path) in refusal
        assert refusal.isprintable()
        assert len(refusal) < 6000
        return
    for row in found:
        assert sum(row.runs) == len(row.samples) > 0
        assert all(math.isfinite(value) for value in row.samples)
        assert row.unit != "second" or min(row.samples) > 0
        assert row.case.isprintable()
        assert len(row.case) < 20 * MAX_NAME
        assert all(str(reason).isprintable() for reason in why_refused(row, gb_per_s=10.0))
    assert all(line.isprintable() for line in found.dropped)
    saved = path.with_suffix(".saved")  # written as `save` does, without its wait for the disk
    saved.write_text(json.dumps(found.to_dict(), allow_nan=False, ensure_ascii=False))
    assert bp.Results.load(saved) == found


@pytest.mark.parametrize("name", JSON_FILES)
@quick
@given(choices=st.lists(st.integers(0, 2**16), min_size=1, max_size=8))
def test_broken_values(name, choices, tmp_path):
    path = tmp_path / "x"
    path.write_text(json.dumps(broken(json.loads(FILES[name][1]), iter(choices))))
    check(path)


@pytest.mark.parametrize("name", JSON_FILES)
def test_every_part_replaced_by_every_hostile_value(name, tmp_path):
    """Every part of a short file, every n-th of a long one."""
    path = tmp_path / "x"
    text = FILES[name][1]
    for part in range(0, len(places(json.loads(text))), 1 + len(text) // 500):
        for what in range(len(HOSTILE)):
            path.write_text(json.dumps(broken(json.loads(text), iter([part, 3 + 8 * what]))))
            check(path)


@pytest.mark.parametrize("name", FILES)
@quick
@given(data=st.data())
def test_broken_bytes(name, data, tmp_path):
    content = bytearray(FILES[name][1])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, max(0, len(content) - 1)))
        cut = data.draw(st.integers(0, 30))
        content[at : at + cut] = data.draw(st.binary(max_size=8))
    path = tmp_path / "x"
    path.write_bytes(content)
    check(path)


@pytest.mark.parametrize("name", ["llama.csv", "llama.sql", "llama.jsonl"])
@quick
@given(cell=st.text(max_size=30), which=st.integers(0, 500))
def test_broken_cells(name, cell, which, tmp_path):
    words = FILES[name][1].decode().split('"' if name != "llama.sql" else "'")
    words[which % len(words)] = cell
    path = tmp_path / "x"
    path.write_text(('"' if name != "llama.sql" else "'").join(words), errors="replace")
    check(path)
