"""`bitnet-perf rust`: the recorded outputs are explained, and a changed byte is found."""

import json
import shutil

import numpy as np
import pytest

from bitnet_perf import cli
from bitnet_perf.review.crates import golden_folder


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["rust", *arguments])
    captured = capsys.readouterr()
    return stopped.value.code, captured.out, captured.err


def test_recorded_outputs_are_all_explained(capsys):
    code, out, err = run(capsys, "--recorded", "--json", "-")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["cases"], found["runs"], found["unexplained"]) == (249, 687, [])
    assert found["equal"] + sum(found["classified"].values()) == found["runs"]
    assert "times" not in found


def test_the_summary_line(capsys):
    code, out, _ = run(capsys, "--recorded")
    assert code == 0
    assert "249 cases, 687 runs: " in out
    assert ", 0 unexplained" in out


@pytest.fixture
def small(tmp_path):
    """A folder of the same form with three of the cases."""
    source = golden_folder()
    index = json.loads((source / "index.json").read_text())
    wanted = ("quant.i2s.new--vec8", "kernel.tl2--gauss_1003", "matmul_i2s.error-b")
    index["cases"] = [case for case in index["cases"] if case["id"] in wanted]
    for case in index["cases"]:
        shutil.copy(source / case["file"], tmp_path / case["file"])
    (tmp_path / "index.json").write_text(json.dumps(index))
    return tmp_path


def test_any_folder_of_that_form(capsys, small):
    code, out, _ = run(capsys, "--recorded", str(small), "--json", "-")
    found = json.loads(out)
    assert (code, found["cases"], found["runs"]) == (0, 3, 9)


def test_a_flipped_byte_fails_and_names_the_case(capsys, small):
    path = small / "quant.i2s.new--vec8.npz"
    arrays = dict(np.load(path))
    arrays["scalar.data"] = arrays["scalar.data"].copy()
    arrays["scalar.data"][0] ^= 1
    np.savez(path, **arrays)
    code, out, _ = run(capsys, "--recorded", str(small))
    assert code == 1
    assert "unexplained: quant.i2s.new--vec8" in out
    code, out, _ = run(capsys, "--recorded", str(small), "--json", "-")
    assert (code, json.loads(out)["unexplained"]) == (1, ["quant.i2s.new--vec8"])


def test_a_folder_without_an_index(capsys, tmp_path):
    code, _, err = run(capsys, "--recorded", str(tmp_path))
    assert code == 2
    assert "index.json" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recorded", "--workspace", "x"], "--recorded and --workspace"),
        (["--lines", "quantization"], "--lines"),
        (["--workspace", "nowhere"], "nowhere"),
    ],
)
def test_wrong_use(capsys, monkeypatch, arguments, words):
    monkeypatch.setattr("bitnet_perf.review.crates.sample_cases", lambda *_, **__: {})
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert words in err
