"""A payload on disk: written whole, read without trust; which pull request it may go to."""

from __future__ import annotations

import json

import pytest
from github.sample import payload
from github.server import HEAD

from bitnet_perf.errors import ConfigError, FormatError
from bitnet_perf.github.event import source_of, target_of
from bitnet_perf.github.payload import Payload


def test_it_reads_back(tmp_path):
    result = payload("fail", annotations=3)
    path = result.save(tmp_path / "payload.json")
    assert Payload.load(path) == result
    assert Payload.load(path).digest == result.digest != payload("pass").digest


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("version",), 2, "version"),
        (("target", "repository"), "a/..", "target.repository"),
        (("target", "repository"), "a/b/../../user", "target.repository"),
        (("target", "repository"), "a/b?x=", "target.repository"),
        (("target", "head"), "HEAD", "target.head"),
        (("target", "head"), "A" * 40, "target.head"),
        (("target", "pull"), 0, "target.pull"),
        (("status",), "pass", "the report's gate says"),
        (("status",), "green", "status"),
        (("rows", 0, "status"), "pass", "rows: found 'pass'"),
        (("rows", 0, "gate"), "tests", "rows.0.gate"),
        (("rows",), [], "rows"),
        (("title",), "x" * 2001, "title"),
        (("regressions", 0, "slowdown"), "NaN", "regressions.0.slowdown"),
        (("surprise",), 1, "surprise"),
        (("report", "surprise"), 1, "report.surprise"),
        (("report", "evidence"), ["review:gate:perf = pass (x)"], "the report's gate says"),
        (("report", "evidence"), ["nonsense"], "evidence line"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(tmp_path, place, value, message):
    data = json.loads(payload("fail").model_dump_json())
    part = data
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    path = tmp_path / "payload.json"
    path.write_text(json.dumps(data))
    with pytest.raises(FormatError, match=message) as refused:
        Payload.load(path)
    assert str(refused.value).startswith(str(path))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'"\\ud800"'])
def test_what_is_no_payload_is_refused(tmp_path, content):
    path = tmp_path / "payload.json"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="the whole file"):
        Payload.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"cannot be read .*; name a payload\.json"):
        Payload.load(tmp_path / "no")


def test_only_a_failure_is_inconclusive():
    with pytest.raises(ValueError, match="what is not known has to fail"):
        payload("pass", inconclusive=True)


@pytest.fixture
def event(tmp_path):
    def write(content) -> dict[str, str]:
        path = tmp_path / "event.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return {"GITHUB_EVENT_PATH": str(path), "GITHUB_REPOSITORY": "maintainer/kernels"}

    return write


PULL = {"pull_request": {"number": 7, "head": {"sha": HEAD}}}
RUN = {"workflow_run": {"head_sha": HEAD, "head_repository": {"full_name": "stranger/kernels"}}}


def test_a_run_for_a_pull_request_knows_its_head(event):
    target = target_of(None, "b" * 40, event(PULL))  # b: the merge commit that CI checked out
    assert (target.repository, target.pull, target.head) == ("maintainer/kernels", 7, HEAD)


def test_a_pull_request_can_be_named():
    target = target_of("a/b.c#12", HEAD, {})
    assert (target.repository, target.pull, target.head) == ("a/b.c", 12, HEAD)


@pytest.mark.parametrize(
    ("named", "content", "message"),
    [
        (None, {}, "found no pull request, accepted is one named with --pull-request"),
        (None, [], "found no pull request"),
        (None, {"pull_request": {"number": 7}}, "the event has no head.sha"),
        (None, {"pull_request": {"number": 7, "head": {"sha": "x"}}}, "head: found 'x'"),
        (None, "{", "cannot be read"),
        ("a/b", {}, "found 'a/b', accepted is OWNER/NAME#NUMBER"),
        ("a/../b#1", {}, "--pull-request: repository"),
        ("a/b#0", {}, "--pull-request: pull"),
    ],
)
def test_what_is_no_pull_request_is_refused(event, named, content, message):
    with pytest.raises(ConfigError, match=message):
        target_of(named, HEAD, event(content))


def test_a_following_run_knows_where_the_head_comes_from(event):
    assert source_of(payload(), event(RUN)) == "stranger/kernels"
    assert source_of(payload(), event(PULL)) is None
    assert source_of(payload(), {}) is None


def test_a_payload_for_something_else_is_refused(event):
    with pytest.raises(ConfigError, match="accepted is one of other/kernels"):
        source_of(payload(), {"GITHUB_REPOSITORY": "other/kernels"})
    run = {"workflow_run": {**RUN["workflow_run"], "head_sha": "b" * 40}}
    with pytest.raises(ConfigError, match="which the run before was for"):
        source_of(payload(), event(run))
    with pytest.raises(ConfigError, match="the event has no head_repository"):
        source_of(payload(), event({"workflow_run": {"head_sha": HEAD}}))
