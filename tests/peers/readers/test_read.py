"""read_results: which reader, what is refused, what a row is."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from reference.results_files import FILES, GOLDEN, XTASK_BENCHMARK, XTASK_RECEIPT

import bitnet_perf as bp
from bitnet_perf.peers import fields
from bitnet_perf.peers.fields import Document
from bitnet_perf.peers.readers import READERS, reader


@pytest.fixture(params=FILES)
def sample(request, tmp_path: Path) -> tuple[Path, str]:
    kind, content = FILES[request.param]
    path = tmp_path / request.param
    path.write_bytes(content)
    return path, kind


def test_folder_and_list_agree():
    folder = Path(fields.__file__).parent / "readers"
    there = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert there == set(READERS)
    assert len(READERS) == len(set(READERS))


@pytest.mark.parametrize("name", READERS)
def test_every_reader_has_the_three_names(name):
    module = reader(name)
    assert module.LABEL
    assert callable(module.owns)
    assert callable(module.read)


def test_every_reader_has_a_sample():
    assert {kind for kind, _ in FILES.values()} == set(READERS) - {"criterion"}


def test_exactly_one_reader_owns_each_file(sample):
    path, kind = sample
    document = Document(path)
    assert [name for name in READERS if reader(name).owns(document)] == [kind]


def test_a_folder_of_criterion_is_read():
    tree = GOLDEN.parent / "criterion_fresh"
    document = Document(tree)
    assert [name for name in READERS if reader(name).owns(document)] == ["criterion"]
    found = bp.read_results(tree)
    assert (found.kind, len(found)) == ("criterion", 60)
    row = next(row for row in found if row.case == "round_trip/I2S_round_trip/16384")
    assert (row.unit, row.runs) == ("second", (100,))
    assert row.source.endswith("criterion_fresh: round_trip/I2S_round_trip/16384/new")
    compared = bp.read_results(GOLDEN.parent / "criterion_fresh_t1" / "criterion")
    assert len(compared.dropped) == 1
    assert compared.dropped[0].endswith("no measurement (and 59 more)")


def test_the_name_of_a_file_says_nothing(tmp_path):
    path = tmp_path / "llama.csv"
    path.write_bytes(FILES["xtask.json"][1])
    assert bp.read_results(path).kind == "xtask_receipt"


def test_rows_are_what_they_say(sample):
    path, kind = sample
    found = bp.read_results(path)
    assert (found.path, found.kind) == (str(path), kind)
    assert list(found) == [found[i] for i in range(len(found))]
    for row in found:
        assert sum(row.runs) == len(row.samples) > 0
        assert [value for run in row.processes() for value in run] == list(row.samples)
        assert row.source.startswith(str(path))
        assert row.case.isprintable()
        assert row.unit
        assert set(row.host) <= {"cpu", "cores", "gpu", "os"}


def test_saved_results_load_again(sample, tmp_path):
    found = bp.read_results(sample[0])
    saved = found.save(tmp_path / "saved.json")
    assert bp.Results.load(saved) == found
    assert json.loads(saved.read_text()) == json.loads(json.dumps(found.to_dict()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 3}, "rows"),
        ({"kind": None}, "kind"),
        ({"more": 1}, None),
    ],
)
def test_what_was_not_saved_is_refused(change, message, tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(FILES["xtask.json"][1])
    found = bp.read_results(path).to_dict()
    path.write_text(json.dumps(found | change))
    if message is None:
        assert bp.Results.load(path).to_dict() == found
    else:
        with pytest.raises(bp.MeasurementError, match=rf"x\.json: {message}: .*Results.save"):
            bp.Results.load(path)


def test_saved_samples_have_to_fit_their_runs(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(FILES["xtask.json"][1])
    found = bp.read_results(path).to_dict()
    found["rows"][0]["runs"] = [2]
    path.write_text(json.dumps(found))
    with pytest.raises(bp.MeasurementError, match="are not those of its runs"):
        bp.Results.load(path)


def test_tables_for_notebooks(sample):
    pytest.importorskip("pandas")
    found = bp.read_results(sample[0])
    assert list(found.to_frame()["case"]) == [row.case for row in found]
    assert found._repr_html_().count("<tr>") == len(found) + 1


def test_a_packed_file_is_read(sample):
    path, kind = sample
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    found = bp.read_results(packed)
    assert found.kind == kind
    unpacked = bp.read_results(path)
    assert [row.samples for row in found] == [row.samples for row in unpacked]


def test_a_file_in_utf_16_is_read(sample):
    """As the shell of Windows writes it."""
    path, kind = sample
    other = path.with_name("utf16.txt")
    other.write_text(path.read_text(), encoding="utf-16")
    assert bp.read_results(other).kind == kind


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "no known form (is not valid JSON"),
        (b"{}", "no known form; accepted: pyperf JSON, "),
        (b"[]", "no known form; accepted: pyperf JSON, "),
        (b"\xff\xfe\x00", "no known form (is no text"),
        (b"[" * 100_000, "no known form (is not valid JSON: maximum recursion depth"),
        (b"9" * 5000, "no known form (is not valid JSON: Exceeds the limit"),
    ],
)
def test_no_known_form(text, message, tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(text)
    with pytest.raises(bp.MeasurementError) as caught:
        bp.read_results(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_two_forms_in_one_file(tmp_path):
    path = tmp_path / "x.json"
    mixed = json.loads(FILES["google.json"][1]) | json.loads(FILES["pytest.json"][1])
    path.write_text(json.dumps(mixed))
    with pytest.raises(bp.MeasurementError, match="reads as Google Benchmark JSON, pytest-"):
        bp.read_results(path)


def test_our_own_benchmark_is_no_receipt(tmp_path):
    """`bitnet-perf benchmark --json` has the keys of both."""
    path = tmp_path / "x.json"
    path.write_text(json.dumps(XTASK_RECEIPT | XTASK_BENCHMARK))
    assert bp.read_results(path).kind == "xtask_benchmark"


def test_nothing_measured(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"context": {}, "benchmarks": []}))
    with pytest.raises(bp.MeasurementError, match="nothing was measured: it lists no benchmark"):
        bp.read_results(path)
    entry = {"name": "a", "error_occurred": True, "error_message": "no \x1b[1mdevice"}
    path.write_text(json.dumps({"context": {}, "benchmarks": [entry]}))
    with pytest.raises(bp.MeasurementError, match=r"benchmarks\[0\]: a: no \\x1b\[1mdevice"):
        bp.read_results(path)


def test_what_is_no_file(tmp_path):
    with pytest.raises(bp.MeasurementError, match="does not exist"):
        bp.read_results(tmp_path / "missing")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(bp.MeasurementError, match="is no regular file"):
        bp.read_results(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(bp.MeasurementError, match="is no regular file"):
        bp.read_results(tmp_path / "loop")
    with pytest.raises(bp.MeasurementError, match=r"cannot be read|does not exist"):
        bp.read_results("a\0b")
    with pytest.raises(bp.MeasurementError, match="no known form"):
        bp.read_results(tmp_path)
    broken = tmp_path / "x.gz"
    broken.write_bytes(gzip.compress(b"x" * 1000)[:-9])
    with pytest.raises(bp.MeasurementError, match="cannot be read"):
        bp.read_results(broken)


def test_errors_are_those_of_invalid_input(tmp_path):
    """The exit code of the command line is 2 for what cannot be read, 6 where nothing ran."""
    from bitnet_perf.cli.output import exit_code

    path = tmp_path / "x.json"
    for text, code in (("{}", 2), ('{"context": {}, "benchmarks": []}', 6)):
        path.write_text(text)
        with pytest.raises(bp.MeasurementError) as caught:
            bp.read_results(path)
        assert exit_code(caught.value) == code
