"""Results files of runs that were not paired, side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pyperf
import pytest
from reference.results_files import FILES, LLAMA_TESTS, XTASK_RECEIPT

import bitnet_perf as bp
from bitnet_perf.cli import main
from bitnet_perf.review.compare import Comparison
from bitnet_perf.review.unpaired import compare_unpaired

GOLDEN = Path(__file__).parents[1] / "golden"
CASE = "forward/gemv/i2_s/2560x2560/t1"


def write(path, *, name=CASE, unit="second", values=((1.0, 1.1), (1.2, 1.3)), **metadata):
    """A pyperf file of one benchmark; the last process calibrated."""
    metadata |= {"name": name, "unit": unit}
    runs = [pyperf.Run(list(each), metadata=metadata, collect_metadata=False) for each in values]
    runs.append(
        pyperf.Run([], warmups=[(1, 9.0)], metadata=metadata, collect_metadata=False)
    )  # fmt: skip
    pyperf.BenchmarkSuite([pyperf.Benchmark(runs)]).dump(str(path))
    return path


def receipt(path, rate=12.5, **changes):
    path.write_text(json.dumps(XTASK_RECEIPT | {"tokens_per_second": rate} | changes))
    return path


def test_without_pairs_it_is_shown_and_not_decided(tmp_path):
    raw = Comparison.load(GOLDEN / "lockstep" / "pinned_plus5_2560.npz")
    (row,) = compare_unpaired(*raw.save_pyperf(tmp_path)).rows
    assert (row.case, row.verdict, row.notes[0]) == (CASE, "inconclusive", "unpaired")
    assert row.slowdown == pytest.approx(0.045, abs=0.02)
    assert "45 and 45 processes" in row.reason


def test_two_hosts_are_refused_unless_forced(tmp_path):
    one = write(tmp_path / "a.json", cpu_model_name="A", hostname="x")
    other = write(tmp_path / "b.json", cpu_model_name="B", hostname="x")
    renamed = write(tmp_path / "c.json", cpu_model_name="A", hostname="y")
    with pytest.raises(bp.EnvironmentRefused, match=r"cpu \(A and B\)"):
        compare_unpaired(one, other)
    assert len(compare_unpaired(one, other, force=True).rows) == 1
    assert len(compare_unpaired(one, renamed).rows) == 1


def test_records_of_mocks_are_refused_unless_forced(tmp_path):
    one = receipt(tmp_path / "a.json")
    mock = receipt(tmp_path / "b.json", kernels=["mock_inference"])
    with pytest.raises(bp.EnvironmentRefused, match=r"b\.json: .*: kernel 'mock_inference'; name"):
        compare_unpaired(one, mock)
    assert len(compare_unpaired(one, mock, force=True).rows) == 1


def test_rates_are_compared_as_times(tmp_path):
    found = compare_unpaired(receipt(tmp_path / "a.json"), receipt(tmp_path / "b.json", 10.0))
    assert found.rows[0].slowdown == pytest.approx(0.25)


def test_a_rate_of_nothing_is_left_out(tmp_path):
    one, none = receipt(tmp_path / "a.json"), receipt(tmp_path / "b.json", 0.0)
    with pytest.raises(bp.EnvironmentRefused, match="0 tokens/s"):
        compare_unpaired(one, none)
    with pytest.raises(bp.MeasurementError, match="a rate of 0 or below"):
        compare_unpaired(one, none, force=True)


def test_any_two_forms(tmp_path):
    """The names decide; a folder of Criterion against a file of its names, say."""
    tree = GOLDEN / "criterion_fresh"
    case = "round_trip/I2S_round_trip/16384"
    middle = next(row for row in bp.read_results(tree) if row.case == case).samples
    found = compare_unpaired(tree, write(tmp_path / "a.json", name=case, values=(middle,) * 3))
    assert [row.case for row in found.rows] == [case]
    assert found.rows[0].slowdown == pytest.approx(0.0, abs=1e-9)
    assert found.rows[0].low is None  # one process against three
    assert sum(f"only in {tree}" in line for line in found.left_out) == 59


def test_what_cannot_be_compared_is_left_out(tmp_path):
    seconds = write(tmp_path / "a.json")
    with pytest.raises(bp.MeasurementError, match="second in one file, byte in the other"):
        compare_unpaired(seconds, write(tmp_path / "b.json", unit="byte", values=((1,), (2,))))
    with pytest.raises(bp.MeasurementError, match=r"only in .*a\.json; other: only in .*c\.json"):
        compare_unpaired(seconds, write(tmp_path / "c.json", name="other"))
    bytes_ = write(tmp_path / "d.json", unit="byte", values=((1,), (2,)))
    with pytest.raises(bp.MeasurementError, match="is in byte, no time"):
        compare_unpaired(bytes_, bytes_)
    with pytest.raises(bp.MeasurementError, match="does not exist"):
        compare_unpaired(seconds, tmp_path / "missing.json")


def test_unequal_numbers_of_samples_are_no_difference(tmp_path):
    few = write(tmp_path / "a.json", values=((1.0, 1.0), (1.0, 1.0), (1.0,)))
    many = write(tmp_path / "b.json", values=((1.0,) * 50, (1.0,) * 3))
    (row,) = compare_unpaired(few, many).rows
    assert (row.slowdown, row.low, row.high) == (0.0, 0.0, 0.0)
    assert row.notes == ("unpaired",)


def run(capsys, *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, words)])
    out, err = capsys.readouterr()
    return ended.value.code, out, err


def test_on_the_command_line(tmp_path, capsys):
    slower = [{**LLAMA_TESTS[0], "avg_ns": 2200000000, "samples_ns": [2200000000]}]
    (tmp_path / "a.sql").write_bytes(FILES["llama.sql"][1])
    (tmp_path / "b.jsonl").write_text(json.dumps(slower))
    code, out, _ = run(capsys, tmp_path / "a.sql", tmp_path / "b.jsonl", "--json", "-")
    shown = json.loads(out)
    assert (code, shown["label"]) == (4, "unpaired")
    assert [row["slowdown"] for row in shown["rows"]] == [pytest.approx(0.1)]
    assert len(shown["left_out"]) == 4
    code, out, _ = run(capsys, tmp_path / "a.sql", tmp_path / "b.jsonl")
    text = " ".join(out.split())
    assert code == 4
    assert "left out: tiny-i2_s.gguf/tg128/t8: only in" in text
    code, _, err = run(capsys, tmp_path / "a.sql", tmp_path / "b.jsonl", "--cases", "x")
    assert (code, "--cases: nothing is measured" in err) == (2, True)
    (tmp_path / "b.jsonl").write_text("{")
    assert run(capsys, tmp_path / "a.sql", tmp_path / "b.jsonl")[0] == 2
