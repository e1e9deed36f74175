"""The gate: what would be compared, and a review of a recorded comparison."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from analyze.surveyed import evidence, trip

import bitnet_perf as bp
from bitnet_perf.analyze.accepted import Accept
from bitnet_perf.analyze.evidence import BaselineFile
from bitnet_perf.analyze.facts import Facts
from bitnet_perf.analyze.paired.comparison import Row, overall
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.routing import decided, situation_of
from bitnet_perf.analyze.steps import steps
from bitnet_perf.analyze.suggestions import watches
from bitnet_perf.bench.cases import gate_cases, select
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.cli import main
from bitnet_perf.cli import run as first
from bitnet_perf.cli.gate import _keep as keep
from bitnet_perf.cli.output import publish
from bitnet_perf.config.settings import Settings, Storage
from bitnet_perf.report.document import TITLES
from bitnet_perf.report.judged import Judged, gate_status
from bitnet_perf.report.markdown import as_markdown
from bitnet_perf.report.verdicts import build_judged_report
from bitnet_perf.review import gate as module
from bitnet_perf.review import measure as measuring
from bitnet_perf.review import plan as planning
from bitnet_perf.review.compare import Comparison
from bitnet_perf.review.evidence import load_evidence, unsurveyed
from bitnet_perf.review.gate import Extra, NothingBefore, Plan, plan_gate, review
from bitnet_perf.review.verify import verify

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
    beside = replace(plan, cases=()).minutes * 60 - 2 * planning.BUILD_SECONDS
    assert beside > planning.PROFILE_SECONDS  # profiles, and the survey


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
    known = Facts(tuple(rows), base="base", candidate="head")
    return Judged(
        "r", "2026-01-01", ("revision base", "revision head"), {"CPU": "c"}, tuple(rows), Rules(),
        code, verdict, situation, decided(situation), "base", "head",
        watches=watches(rows, Rules()), steps=steps(situation, known, {}, "c"),
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
    nothing = unsurveyed(("base", "candidate"), "of another interface")
    for name, answer in (
        ("commits_of", ()),
        ("prepare_sides", ((None, None), None)),
        ("survey_sides", nothing),
        ("record_profiles", None),
    ):
        monkeypatch.setattr(measuring, name, lambda *_, answer=answer, **__: answer)
    monkeypatch.setattr(planning, "compare", lambda *_, **__: found)
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
    assert ("**Suspects**" in text and "| csrc/kernels/gemv/i2_s/x86_avx2.cpp |" in text) == slow
    assert ("instructions: unavailable (why)" in text) == slow
    assert "perf: quantization: skipped (candidate: of another interface)" in text
    assert "bitnet-perf gate --base aaaaaaaaaaaa --suite full" in text
    found.save(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == found.verdict
    assert Comparison.load(tmp_path / "raw.npz").rows() == found.rows()
    assert load_evidence(tmp_path) == found.records.evidence
    assert verify(tmp_path) == ()
    json.dumps(found.to_dict(), allow_nan=False)
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path), "--quiet", "--html", str(tmp_path / "page.html")])
    assert ended.value.code == 0
    assert (tmp_path / "page.html").read_text().count('<figure id="ratios"') == 1
    assert found.report("html").count(CASE) >= 2
    with pytest.raises(bp.ConfigError, match="form: found 'pdf'"):
        found.report("pdf")


@pytest.mark.parametrize(
    ("model", "file"), [("a.gguf", Path("a.gguf")), ("1b", None), (None, None)]
)
def test_a_named_model_is_surveyed_too(reviewed, monkeypatch, model, file):
    scopes = []

    def survey(*given):
        scopes.append(given[3])
        return reviewed[1].records.evidence

    monkeypatch.setattr(measuring, "survey_sides", survey)
    review(dataclasses.replace(reviewed[1].plan, model=model), None, None)
    assert [(scope.model, scope.full) for scope in scopes] == [(file, True)]


def test_settings_of_the_repository_choose_cases_and_budgets(repository, monkeypatch, capsys):
    folder, _, _ = repository
    (folder / "bitnet-perf.toml").write_text(
        "[suites]\nmine = ['gemv/i2_s/640x2560/t1']\n[budgets.core]\nconcern = 0.02\n"
    )
    plan = plan_gate(None, None, "mine", folder)
    assert plan.cases == ("forward/gemv/i2_s/640x2560/t1",)
    seen = {}
    monkeypatch.setattr(planning, "compare", lambda *_, **given: seen.update(given) or 1 / 0)
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


def test_a_baseline_that_is_not_there_is_wrong_use(repository, monkeypatch, capsys):
    monkeypatch.setattr(module, "review", lambda *_, **__: pytest.fail("it measured"))
    with pytest.raises(SystemExit) as ended:
        main(["gate", "--repository", str(repository[0]), "--baseline", "nosuch.json"])
    assert ended.value.code == 2
    assert "baseline: found no file 'nosuch.json'" in capsys.readouterr().err


@pytest.mark.parametrize("reviewed", ["pinned_same_2560"], indirect=True)
def test_a_refused_baseline_is_none_and_a_missed_target_fails(reviewed, monkeypatch):
    _, found = reviewed
    stored = BaselineFile(name="b.json", why="nothing was measured")
    refused = review(found.plan, None, None, Extra(stored))
    assert (refused.route, refused.exit_code) == ("review-summarizer", 0)
    assert "b.json is refused as a baseline: nothing was measured." in refused.report()
    forced = review(found.plan, None, None, Extra(stored.model_copy(update={"forced": True})))
    assert forced.route == "test-finalizer"
    assert "used because that was forced" in forced.report()
    assert "b.json has no case that was compared here." in forced.report()
    trips = [trip(99), trip(50)]
    lost = evidence(*({"round_trips": (each,)} for each in trips))
    monkeypatch.setattr(measuring, "survey_sides", lambda *_: lost)
    missed = review(found.plan, None, None)
    assert missed.exit_code == 1
    assert missed.evidence[-1].startswith("review:gate:perf = fail")
    assert missed.to_dict()["targets"][1]["gates"]


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
    text = as_markdown(build_judged_report(judged_of([pack, row(CASE, "pass", "pass", 0.0)])))
    assert re.search(rf"\| {pack.case} \| \+7.0 % \| \+10.0 % \| the budget of other", text)
    judged = judged_of([pack, row(CASE, "concern", "fail", 0.07)])
    text = as_markdown(build_judged_report(judged))
    assert "| over budget | 1 | raw.npz |" in text
    assert f"bitnet-perf bisect base head --case {CASE}" in text


def test_a_core_case_that_failed_its_check_is_not_called_unmeasured():
    broken = ROW(case=CASE, verdict="inconclusive", gate="closed", reason="wrong sums")
    report = build_judged_report(judged_of([broken]))
    assert (report.verdict, report.route) == ("not known yet", "none")
    assert report.lines[-1] == "review:gate:perf = fail (1 inconclusive)"
    assert "Measure the inconclusive cases again" in as_markdown(report)


def test_a_case_of_which_a_side_failed_is_not_known_whatever_its_class():
    failed = ROW(
        case="quantization/pack/i2_s/64x64/t1", verdict="inconclusive", gate="closed",
        class_="other", notes=("error",), reason="wrong codes",
    )  # fmt: skip
    report = build_judged_report(judged_of([failed, ROW(case=CASE)]))
    assert report.verdict == "not known yet"
    assert report.lines[-1].startswith("review:gate:perf = fail (")


def test_strangers_write_no_headings():
    strange = "x\n## 5. Action Items\n<!-- gates:end -->"
    broken = ROW(case=CASE, verdict="inconclusive", gate="closed", reason=strange)
    judged = replace(judged_of([broken]), notes=(f"Changed files: {strange}",))
    text = as_markdown(build_judged_report(judged))
    assert text.count("\n## 5. Action Items") == 1
    assert "<!-- gates:end -->" not in text
