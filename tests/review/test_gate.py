"""The gate: what would be compared, and a review of a recorded comparison."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import pytest

import bitnet_perf as bp
from bitnet_perf.analyze.accepted import Accept
from bitnet_perf.analyze.accuracy import Accuracy
from bitnet_perf.analyze.paired.comparison import Row, overall
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.routing import route, situation_of
from bitnet_perf.bench.cases import gate_cases, select
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.bench.paired.sides import Ready, own_environment
from bitnet_perf.cli import main
from bitnet_perf.cli import run as first
from bitnet_perf.cli.gate import _keep as keep
from bitnet_perf.cli.output import publish
from bitnet_perf.config.settings import Settings, Storage
from bitnet_perf.report.document import TITLES
from bitnet_perf.report.verdicts import Judged, build_judged_report, gate_status
from bitnet_perf.review import gate as module
from bitnet_perf.review.compare import Comparison
from bitnet_perf.review.evidence import Evidence, survey_of
from bitnet_perf.review.gate import NothingBefore, Plan, plan_gate, review

GOLDEN = Path(__file__).parents[1] / "golden" / "lockstep"
CASE = "forward/gemv/i2_s/2560x2560/t1"
COUNTS = ["instructions: unavailable (why)"]
HOST = {"cpu": "c", "isas": ["scalar"], "allowed": 2, "compiler": "g", "kernel": "k"}


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        identity = ("-c", "user.name=n", "-c", "user.email=e@e")
        command = ["git", *identity, *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    ids = []
    for number in range(3):
        (tmp_path / "file").write_text(str(number))
        git("add", "-A")
        git("commit", "-q", "-m", f"change {number}")
        ids.append(git("rev-parse", "HEAD"))
    return tmp_path, ids, git


def test_the_tree_as_committed_is_compared_with_the_commit_before(repository):
    folder, ids, _ = repository
    plan = plan_gate(None, None, "quick", folder)
    assert (plan.base, plan.head, plan.dirty) == (ids[1], None, False)
    assert plan.changed == ("file",)
    assert plan.minutes > 0


def test_a_changed_tree_is_compared_with_its_commit(repository):
    folder, ids, _ = repository
    (folder / "new").write_text("x")
    plan = plan_gate(None, None, "quick", folder)
    assert (plan.base, plan.dirty, plan.changed) == (ids[2], True, ("new",))


def test_a_named_base_is_taken_at_the_merge_base(repository):
    folder, ids, git = repository
    git("checkout", "-q", "-b", "side", ids[1])
    (folder / "other").write_text("y")
    git("add", "-A")
    git("commit", "-q", "-m", "aside")
    plan = plan_gate("main", "side", "quick", folder)
    assert (plan.base, plan.changed) == (ids[1], ("other",))


def test_the_first_commit_has_nothing_to_be_compared_with(repository):
    folder, ids, git = repository
    git("checkout", "-q", ids[0])
    with pytest.raises(NothingBefore, match="--base") as nothing:
        bp.gate(repository=folder)
    assert nothing.value.first


def test_a_shallow_clone_gets_the_line_that_helps(repository, tmp_path_factory):
    folder, _, git = repository
    clone = tmp_path_factory.mktemp("clone") / "c"
    git("clone", "-q", "--depth", "1", f"file://{folder}", str(clone))
    with pytest.raises(bp.EnvironmentRefused, match="git fetch"):
        plan_gate(None, None, "quick", clone)


def test_report_only_writes_the_first_report_where_the_commit_before_is_out_of_reach(
    repository, tmp_path_factory, monkeypatch, capsys
):
    folder, _, git = repository
    clone = tmp_path_factory.mktemp("clone") / "c"
    git("clone", "-q", "--depth", "1", f"file://{folder}", str(clone))
    written = []
    monkeypatch.setattr(first, "command", lambda output, *_: written.append(output) or 0)

    def ended(*words):
        with pytest.raises(SystemExit) as end:
            main(["gate", "--repository", str(clone), "-o", "out", *words])
        return end.value.code, capsys.readouterr().err

    code, said = ended("--report-only")
    assert (code, written) == (0, [Path("out")])
    assert "nothing is judged" in said
    assert "git fetch" in said
    code, said = ended()
    assert (code, len(written)) == (5, 1)
    assert "git fetch" in said
    for words in (("--base", "HEAD~1"), ("--dry-run",), ("--suite", "nope")):
        code, _ = ended("--report-only", *words)
        assert (code, len(written)) == (2 if "nope" in words else 5, 1)


def test_the_first_commit_gets_a_report_but_no_pass(repository, monkeypatch, capsys):
    folder, ids, git = repository
    git("checkout", "-q", ids[0])
    monkeypatch.setattr(first, "command", lambda *_: 0)
    for words, code in (((), 6), (("--report-only",), 0)):
        with pytest.raises(SystemExit) as end:
            main(["gate", "--repository", str(folder), *words])
        assert end.value.code == code
        assert "is the first commit" in capsys.readouterr().err


def test_without_a_checkout_there_is_nothing_to_judge(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(NothingBefore, match="no git checkout"):
        plan_gate(None, None, "quick", tmp_path)
    with pytest.raises(bp.ConfigError, match="no git checkout"):
        plan_gate("main", None, "quick", tmp_path)


def test_suites_name_cases_of_the_table():
    table = {case.name for case in select()}
    assert set(gate_cases("quick")) <= set(gate_cases("full")) <= table
    assert CASE in gate_cases("quick")
    with pytest.raises(bp.ConfigError, match="suite: found 'x'"):
        gate_cases("x")


def test_a_dry_run_measures_nothing(repository, capsys, monkeypatch):
    folder, ids, _ = repository
    monkeypatch.setattr(module, "review", lambda *_: pytest.fail("it measured"))
    with pytest.raises(SystemExit) as ended:
        main(["gate", "--repository", str(folder), "--dry-run", "--json", "-"])
    assert ended.value.code == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["base"], facts["changed"]) == (ids[1], ["file"])
    assert CASE in facts["cases"]


ROW = partial(
    Row, verdict="pass", slowdown=None, low=None, high=None, mde=None, pairs=8, reason="r", look=1,
    gate="pass", notes=(), class_="core", bound="unknown", clock="cpu", wall=None, cpu=None,
    clocks=None, canaries=(),
)  # fmt: skip


def judged_of(rows):
    """A review of these rows alone, with no change placed."""
    verdict, code = overall(rows)
    situation = situation_of(rows, None)
    return Judged(
        "r", "2026-01-01", ("revision base", "revision head"), {"CPU": "c"}, tuple(rows), Rules(),
        code, verdict, (), (), (), situation, route(situation),
    )  # fmt: skip


@pytest.fixture(params=["pinned_same_2560", "unpinned_plus5_2560"])
def reviewed(request, monkeypatch):
    """A review whose comparison is a recording, and whose instructions are not counted."""
    slow = "plus5" in request.param
    raw = Raw.load(GOLDEN / f"{request.param}.npz")
    meta = {**raw.meta, "fingerprint": HOST, "rules": {}, "code_hashes": [["a", "b"]] * 3}
    more = {"isas": ["x86_avx2"] * 2, **({"counts": COUNTS} if slow else {})}
    meta["cases"] = [{**case, **more} for case in meta["cases"]]
    found = Comparison(Raw(meta, raw.columns, raw.pairs), Rules())
    monkeypatch.setattr(module, "compare", lambda *_, **__: found)
    monkeypatch.setattr(module, "prepare_side", lambda side: side)
    monkeypatch.setattr(module, "survey_of", lambda _: Evidence(why="of another interface"))
    changed = ("csrc/kernels/gemv/i2_s/x86_avx2.cpp",)
    plan = Plan(Path("x"), "a" * 40, None, True, changed, "full", (CASE,))
    return request.param, review(plan, None, None)


def test_a_review_says_what_was_found(reviewed, tmp_path):
    name, found = reviewed
    slow = "plus5" in name
    assert found.verdict == (
        "significant regression detected" if slow else "performance validation complete"
    )
    assert found.route == ("perf-fixer" if slow else "test-finalizer")
    assert found.exit_code == (3 if slow else 0)
    assert found.evidence[-1].startswith(f"review:gate:perf = {'fail' if slow else 'pass'} (1 ")
    assert [node.name for node in found.kernels] == ["gemv/i2_s/x86_avx2"]
    assert found.stages[0].name == "forward"
    text = found.report()
    assert all(title in text for title in TITLES)
    assert "taken as it is" in text
    assert ("made of csrc/kernels/gemv/i2\\_s" in text or "made of csrc/kernels" in text) == slow
    assert ("instructions: unavailable (why)" in text) == slow
    assert "perf: quantization: skipped (of another interface)" in text
    assert "bitnet-perf gate --base aaaaaaaaaaaa --suite full" in text
    found.save(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == found.verdict
    assert Comparison.load(tmp_path / "raw.npz").rows() == found.rows()
    json.dumps(found.to_dict(), allow_nan=False)
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path), "--quiet", "--html", str(tmp_path / "page.html")])
    assert ended.value.code == 0
    assert (tmp_path / "page.html").read_text().count("<svg") == 1
    assert found.report("html").count(CASE) >= 2
    with pytest.raises(bp.ConfigError, match="form: found 'pdf'"):
        found.report("pdf")


def test_settings_of_the_repository_choose_cases_and_budgets(repository, monkeypatch, capsys):
    folder, _, _ = repository
    (folder / "bitnet-perf.toml").write_text(
        "[suites]\nmine = ['gemv/i2_s/640x2560/t1']\n[budgets.core]\nconcern = 0.02\n"
    )
    plan = plan_gate(None, None, "mine", folder)
    assert plan.cases == ("forward/gemv/i2_s/640x2560/t1",)
    seen = {}
    monkeypatch.setattr(module, "compare", lambda *_, **given: seen.update(given) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        review(plan, None, None)
    assert seen["rules"].core.concern == 0.02
    words = ["--suite", "mine", "--dry-run", "--json", "-", "--set", "suites.mine=pack/i2_s/*"]
    with pytest.raises(SystemExit) as ended:
        main(["gate", "--repository", str(folder), *words])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["cases"] == ["quantization/pack/i2_s/2560x2560/t1"]


@pytest.mark.parametrize("reviewed", ["unpinned_plus5_2560"], indirect=True)
def test_an_accepted_alarm_passes_and_is_told(reviewed):
    _, found = reviewed
    entry = Accept(case="gemv/*", limit=0.5, reason="any|length", expires=date(9999, 1, 1))
    plan = replace(found.plan, settings=Settings(accept=(entry,)))
    accepted = review(plan, None, None)
    assert (accepted.exit_code, accepted.rows()[0].verdict) == (0, "accepted")
    assert accepted.route == "promotion-validator"
    assert accepted.evidence[-1] == "review:gate:perf = pass (1 accepted)"
    assert r"until 9999-01-01: any\|length" in accepted.report()
    assert accepted.comparison.exit_code == 3  # the raw file stays what it is
    old = entry.model_copy(update={"expires": date(2000, 1, 1)})
    expired = review(replace(plan, settings=Settings(accept=(old,))), None, None)
    assert expired.exit_code == 3
    assert "expired on 2000-01-01" in expired.report()


@pytest.mark.parametrize("reviewed", ["unpinned_plus5_2560"], indirect=True)
def test_what_a_gate_measured_is_added_to_the_history(reviewed, repository, tmp_path, capsys):
    _, found = reviewed
    folder, _, _ = repository

    def kept(**storage):
        settings = Settings(history=Storage(**storage))
        plan = replace(found.plan, repository=folder, settings=settings)
        return publish(lambda: keep(replace(found, plan=plan), tmp_path / "results", None), 3)

    assert kept(record=False) == 3
    assert not (folder / ".bitnet-perf").exists()
    assert kept() == kept() == 3
    history = bp.history(repository=folder)
    assert [(run.kind, run.verdict) for run in history.runs] == [
        ("comparison", ""),
        ("report", found.verdict),
    ]
    assert [step.verdict for step in history.trends[0].steps] == ["", "concern"]
    assert kept(url=f"sqlite:///{tmp_path}/nosuch/h.db") == 7  # the verdict stands
    assert "cannot be opened or made" in capsys.readouterr().err


def test_accuracy_stands_beside_its_target():
    lost = {"I2S": 97.0, "TL1": 90.0}
    accuracy = {name: Accuracy(each, 0.9, 0.1, 1, "d") for name, each in lost.items()}
    judged = replace(judged_of([ROW(case=CASE)]), accuracy=accuracy)
    text = build_judged_report(judged).markdown()
    assert "less than 5 % of accuracy lost: I2S met (3.0 %), TL1 not met (10.0 %)" in text


@pytest.mark.parametrize(
    ("code", "word"), [(0, "pass"), (1, "fail"), (3, "fail"), (4, "fail"), (6, "skipped")]
)
def test_what_is_not_known_fails_closed(code, word):
    assert gate_status(code) == word


def row(case, verdict, gate, slowdown, class_="core"):
    bounds = {"slowdown": slowdown, "low": slowdown - 0.01, "high": slowdown + 0.01, "mde": 0.01}
    return ROW(case=case, verdict=verdict, gate=gate, class_=class_, **bounds)


def test_a_note_of_another_class_is_watched_and_blamed_for_nothing():
    pack = row("quantization/pack/i2_s/64x64/t1", "concern", "note", 0.07, "other")
    text = build_judged_report(judged_of([pack, row(CASE, "pass", "pass", 0.0)])).markdown()
    assert f"Watch {pack.case}" in text
    assert "fails from +10.0 % on" in text
    assert "Look at" not in text
    judged = judged_of([pack, row(CASE, "concern", "fail", 0.07)])
    text = build_judged_report(judged).markdown()
    assert "1 over budget" in text
    assert f"bitnet-perf bisect base head --case '{CASE}'" in text


def test_a_core_case_that_failed_its_check_is_not_called_unmeasured():
    broken = ROW(case=CASE, verdict="inconclusive", gate="closed", reason="wrong sums")
    report = build_judged_report(judged_of([broken]))
    assert (report.verdict, report.route) == ("not known yet", "none")
    assert report.evidence[-1] == "review:gate:perf = fail (1 inconclusive)"
    assert "Measure the inconclusive cases again" in report.markdown()


def test_a_case_of_which_a_side_failed_is_not_known_whatever_its_class():
    failed = ROW(
        case="quantization/pack/i2_s/64x64/t1", verdict="inconclusive", gate="closed",
        class_="other", notes=("error",), reason="wrong codes",
    )  # fmt: skip
    report = build_judged_report(judged_of([failed, ROW(case=CASE)]))
    assert report.verdict == "not known yet"
    assert report.evidence[-1].startswith("review:gate:perf = fail (")


def test_strangers_write_no_headings():
    strange = "x\n## 5. Action Items\n<!-- gates:end -->"
    broken = ROW(case=CASE, verdict="inconclusive", gate="closed", reason=strange)
    judged = replace(judged_of([broken]), notes=(f"Changed files: {strange}",))
    text = build_judged_report(judged).markdown()
    assert text.count("\n## 5. Action Items") == 1
    assert "<!-- gates:end -->" not in text


def test_a_side_is_surveyed_by_its_own_code(tmp_path):
    own = Ready(bp.Side.isa(""), sys.executable, {}, own_environment())
    found = survey_of(own)
    assert found.why == ""
    assert set(found.accuracy) == {"I2S", "TL1", "TL2"}
    assert all(case.ratio > 0 for case in found.speedups)
    old = replace(own, environment=replace(own.environment, package=tmp_path, native=None))
    assert "could not be surveyed: ModuleNotFoundError" in survey_of(old).why
    folder = tmp_path / "bitnet_perf" / "review"
    folder.mkdir(parents=True)
    (folder / "survey.py").write_text(
        "SPEEDUP_CASES = ()\n"
        "def measure_speedups(cases): return ()\n"
        "def measure_accuracy(): raise ValueError('wrong codes')\n"
    )
    assert "wrong codes" in survey_of(old).why
    (folder / "survey.py").write_text(
        "from dataclasses import make_dataclass\n"
        "SPEEDUP_CASES = ()\n"
        "def measure_speedups(cases): return ()\n"
        "def measure_accuracy(): return {'I2S': make_dataclass('A', ['error'])(1.0)}\n"
    )
    assert survey_of(old).why.endswith("has another interface")
