"""`gate --publish` and `publish`: the payload first, the verdict whatever GitHub does."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from github.reviews import review, row, slower
from github.sample import payload
from github.server import APP_TOKEN, HEAD, Fault, GitHub, serving

from bitnet_perf.cli import main
from bitnet_perf.config.settings import GitHub as Allowed
from bitnet_perf.config.settings import Settings, Storage
from bitnet_perf.github import transport
from bitnet_perf.github.payload import Payload, Target
from bitnet_perf.review import gate as reviewing
from bitnet_perf.review import publication


@pytest.fixture
def github():
    return GitHub()


@pytest.fixture
def online(github, monkeypatch):
    """The environment of a job with a token."""
    with serving(github) as url:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("GITHUB_TOKEN", APP_TOKEN)
        monkeypatch.setenv("GITHUB_API_URL", url)
        for name in ("GITHUB_EVENT_PATH", "GITHUB_EVENT_NAME", "GITHUB_REPOSITORY"):
            monkeypatch.delenv(name, raising=False)
        yield monkeypatch


def ended(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(list(words))
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


@pytest.fixture
def gated(capsys, tmp_path):
    """Call `gate` with a folder of its own: (exit code, stdout, stderr)."""

    def run(*words):
        return ended(capsys, "gate", *words, "-o", str(tmp_path))

    run.folder = tmp_path
    return run


@pytest.fixture
def judged(monkeypatch):
    """Let `gate` find these rows without measuring."""

    def let(*rows, settings=None):
        found = review(*rows, head=HEAD)
        chosen = (settings or Settings()).model_copy(update={"history": Storage(record=False)})
        plan = replace(found.plan, settings=chosen)
        found = replace(found, plan=plan)
        monkeypatch.setattr(reviewing, "plan_gate", lambda *_, **__: plan)
        monkeypatch.setattr(reviewing, "review", lambda *_: found)
        target = Target(repository="maintainer/kernels", pull=7, head=HEAD)
        monkeypatch.setattr(publication, "target_for", lambda *_: target)
        return found

    return let


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(("only", "ends"), [(row(), (0, "success")), (slower(), (1, "failure"))])
def test_the_gate_posts_and_keeps_its_exit_code(github, judged, gated, only, ends):
    judged(only)
    code, out, _ = gated("--publish", "github")
    assert "check run: created" in out
    assert (code, github.checks[0]["conclusion"]) == ends
    assert Payload.load(gated.folder / "payload.json").target.head == HEAD


def test_a_github_that_is_down_costs_exit_code_7_and_nothing_else(
    online, github, judged, gated, capsys
):
    online.setattr(transport, "FIRST_WAIT", 0.0)
    github.faults = [Fault(status=500)] * 1000
    judged(slower())
    code, out, err = gated("--publish", "github")
    assert code == 7
    assert "verdict: action" in out
    assert "500" in err
    said = "".join(err.split())  # a long path is broken between lines
    assert f"`bitnet-perfpublish{gated.folder}/payload.json`triesagain" in said
    assert (gated.folder / "report.json").exists()
    github.faults = []
    code, out, _ = ended(capsys, "publish", str(gated.folder))
    assert (code, github.checks[0]["conclusion"]) == (0, "failure")
    assert out == "check run: created\nledger: created\n"


def test_the_first_of_two_jobs_stores_and_posts_nothing(online, github, judged, gated):
    online.delenv("GITHUB_TOKEN")
    judged(row())
    code, *_ = gated("--publish", "file")
    assert (code, github.log) == (0, [])
    assert Payload.load(gated.folder / "payload.json").status == "pass"


def test_without_the_option_there_is_no_payload(online, judged, gated):
    judged(row())
    code, *_ = gated()
    assert (code, (gated.folder / "payload.json").exists()) == (0, False)
    judged(row(), settings=Settings(github=Allowed(publish=True)))
    online.setenv("GITHUB_EVENT_NAME", "push")
    gated()
    assert not (gated.folder / "payload.json").exists()


def test_the_settings_of_the_project_may_ask_for_it(online, github, judged, gated):
    judged(row(), settings=Settings(github=Allowed(publish=True, promote=True)))
    online.setenv("GITHUB_EVENT_NAME", "pull_request")
    code, out, _ = gated()
    assert code == 0
    assert "promotion: ready for review" in out
    assert len(github.checks) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--publish", "gitlab"), "--publish: found 'gitlab', accepted is github or file"),
        (("--publish", "github"), "token: found none, accepted is one in GITHUB_TOKEN"),
    ],
)
def test_what_is_missing_is_refused_before_measuring(online, judged, capsys, words, message):
    online.delenv("GITHUB_TOKEN")
    judged(row())
    online.setattr(reviewing, "review", lambda *_: pytest.fail("it measured"))
    code, _, err = ended(capsys, "gate", *words)
    assert code == 2
    assert message in err


def test_publish_says_what_it_did_as_json(online, github, capsys, tmp_path):
    assert online
    path = payload().save(tmp_path / "payload.json")
    code, out, _ = ended(capsys, "publish", str(path), "--json", "-", "--promote")
    assert code == 0
    assert json.loads(out) == {
        "done": ["check run: created", "promotion: ready for review", "ledger: created"]
    }
    github.pull["head"]["sha"] = "b" * 40
    code, out, _ = ended(capsys, "publish", str(path))
    assert code == 0
    assert out.startswith("not posted: ")


def test_a_payload_for_another_repository_is_refused(online, github, capsys, tmp_path):
    online.setenv("GITHUB_REPOSITORY", "other/kernels")
    code, _, err = ended(capsys, "publish", str(payload().save(tmp_path / "payload.json")))
    assert (code, github.log) == (2, [])
    assert "accepted is one of other/kernels" in err
    assert APP_TOKEN not in err
