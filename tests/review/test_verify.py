"""A folder of a gate against its records: equal as written, and any change of it is found."""

from __future__ import annotations

import json
import random
import re
from datetime import date
from pathlib import Path

import pytest
from report.first import first_results

from bitnet_perf.analyze.attribution import Commit
from bitnet_perf.analyze.evidence import RoundTrip
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.cli import main
from bitnet_perf.config.settings import Settings
from bitnet_perf.errors import FormatError
from bitnet_perf.report.build import RUN, build_report, record_of
from bitnet_perf.report.document import figures_of
from bitnet_perf.report.forms import FORMS, first_forms, save_forms
from bitnet_perf.report.verdicts import build_judged_report
from bitnet_perf.review.assemble import assemble
from bitnet_perf.review.evidence import unsurveyed
from bitnet_perf.review.records import EVIDENCE, PAST, PROFILE, Facts, Records
from bitnet_perf.review.verify import rendered, verify

GOLDEN = Path(__file__).parents[1] / "golden" / "lockstep"
HOST = {"cpu": "c", "isas": ["scalar"], "allowed": 2, "compiler": "g", "kernel": "k"}
TRIP = RoundTrip(format="quant.i2s", data="G", values=1024, rms=1.0, error=0.6596, cosine=0.9)


def records(name: str = "unpinned_plus5_2560") -> Records:
    """Those of a gate whose comparison is a recording of few pairs."""
    raw = Raw.load(GOLDEN / f"{name}.npz")
    meta = {**raw.meta, "fingerprint": HOST, "rules": {}}
    meta["cases"] = [{**case, "isas": ["x86_avx2"] * 2} for case in meta["cases"]]
    facts = Facts(
        tool="0.1", run="r1", date=date(2026, 1, 1), sides=("revision a", "revision b"),
        base="a" * 40, head="b" * 40, dirty=False,
        changed=("csrc/kernels/gemv/i2_s/x86_avx2.cpp",), suite="quick",
        commits=(Commit(sha="b" * 40, subject="make it 2x faster | <b>", files=("f",)),),
        cases=("forward/gemv/i2_s/2560x2560/t1",), settings=Settings(), command="bitnet-perf gate",
        gpu="no-gpu-available", absent={PAST: "no history", PROFILE: "none"},
    )  # fmt: skip
    nothing = unsurveyed(("base", "candidate"), "not on this host")
    side = nothing.candidate.model_copy(update={"round_trips": (TRIP,)})
    evidence = nothing.model_copy(update={"candidate": side})
    return Records(facts, Raw(meta, raw.columns, raw.pairs), evidence).sealed()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Name -> content of every file that a gate writes."""
    folder = tmp_path_factory.mktemp("gate")
    found = records()
    found.save(folder)
    judged = assemble(found)
    save_forms(judged, build_judged_report(judged), folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(written, tmp_path):
    for name, content in written.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def code_of(*words):
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return ended.value.code


def test_what_was_written_follows_from_its_records(folder, capsys):
    assert verify(folder) == ()
    assert code_of("report", str(folder), "--verify") == 0
    assert "every figure follows" in capsys.readouterr().out
    assert {"raw.npz", "review.json", EVIDENCE, "report.md", "report.html", "junit.xml"} <= {
        path.name for path in folder.iterdir()
    }


def test_records_read_back_as_they_were(folder):
    found = Records.load(folder)
    assert found.facts == records().facts
    assert found.evidence == records().evidence
    assert assemble(found) == assemble(records())


def test_a_digit_of_a_figure_is_named_with_both_values(folder, capsys):
    path = folder / "report.json"
    report = json.loads(path.read_text())
    cell = next(
        c
        for c in report["sections"][0]["blocks"][1]["rows"][0]
        if isinstance(c, dict) and "value" in c
    )
    was = cell["value"]
    cell["value"] = was + 0.01
    cell["text"] = re.sub(r"\d(?= %)", lambda d: str((int(d[0]) + 1) % 10), cell["text"])
    cell["value"] = float(cell["text"].split()[0])
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    assert code_of("report", str(folder), "--verify") == 1
    said = capsys.readouterr().out
    assert "1. Regression Summary: Cases: forward/gemv/i2_s/2560x2560/t1: slowdown" in said
    assert f"stored {cell['text']}" in said
    assert repr(was) in said


@pytest.mark.parametrize(
    "name", ["report.json", "report.md", "report.html", "junit.xml", "review.json", EVIDENCE]
)
def test_a_changed_digit_of_any_text_is_found(folder, name):
    noise = random.Random(3)
    content = (folder / name).read_text()
    places = [found.start() for found in re.finditer(r"\d", content)]
    for place in noise.sample(places, min(6, len(places))):
        other = str((int(content[place]) + 1 + noise.randrange(9)) % 10)
        (folder / name).write_text(content[:place] + other + content[place + 1 :])
        found = verify(folder)
        assert any(each.place.startswith((name, "records")) for each in found), place
    (folder / name).unlink()
    if name != "review.json":
        assert any(each.place.startswith(name) for each in verify(folder))


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_bit_of_the_samples_is_found(folder, seed):
    noise = random.Random(seed)
    content = bytearray((folder / "raw.npz").read_bytes())
    for _ in range(3):
        place, bit = noise.randrange(len(content)), 1 << noise.randrange(8)
        content[place] ^= bit
        (folder / "raw.npz").write_bytes(content)
        found = verify(folder)
        assert found[0].place == "raw.npz: SHA-256"
        content[place] ^= bit


def test_samples_of_another_run_are_found_by_what_they_say(folder, capsys):
    other = records("pinned_same_2560")
    (folder / "raw.npz").write_bytes(other.raw.packed())
    assert code_of("report", str(folder), "--verify") == 1
    said = capsys.readouterr().out
    assert "raw.npz: SHA-256" in said
    assert "slowdown: stored" in said


def test_a_folder_without_records_is_refused(tmp_path, capsys):
    assert code_of("report", str(tmp_path), "--verify") == 2
    assert "holds no review.json and no run.json" in capsys.readouterr().err
    with pytest.raises(FormatError, match="accepted is a folder that `gate` or `run` wrote"):
        verify(tmp_path)


def test_a_report_is_shown_from_the_records_alone(folder, capsys):
    for form in FORMS.values():
        (folder / form.file).unlink(missing_ok=True)
    assert code_of("report", str(folder), "--markdown") == 0
    assert "significant regression detected" in capsys.readouterr().out


def test_every_figure_names_a_record_that_is_there(folder):
    report = rendered(folder).report
    figures = [figure for _, figure in figures_of(report)]
    assert len(figures) > 10
    assert all((folder / figure.file).is_file() for figure in figures)


def test_a_first_run_is_verified_too(tmp_path):
    results = first_results()
    report = build_report(results)
    (tmp_path / RUN).write_bytes(record_of(results))
    for name, text in first_forms(report).items():
        (tmp_path / name).write_text(text)
    assert verify(tmp_path) == ()
    found = rendered(tmp_path)
    assert (found.judged, found.report) == (None, report)
    stored = json.loads((tmp_path / RUN).read_text())
    stored["speedups"][0]["ratio"] += 1
    (tmp_path / RUN).write_text(json.dumps(stored))
    places = [each.place for each in verify(tmp_path)]
    assert places[0] == "run.json: SHA-256"
    assert any("evidence: perf: simd" in place for place in places)
