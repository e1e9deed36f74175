"""Bodies of check runs and statuses: pure functions of a payload, inside GitHub's limits."""

from __future__ import annotations

import pytest
from github.sample import payload, report
from github.server import HEAD

from bitnet_perf.github.checks import annotation_batches, check_run, commit_status
from bitnet_perf.github.payload import Annotation


@pytest.mark.parametrize(
    ("status", "conclusion", "state"),
    [
        ("pass", "success", "success"),
        ("fail", "failure", "failure"),
        ("skipped", "neutral", "pending"),
    ],
)
def test_the_words_of_a_gate_and_those_of_github(status, conclusion, state):
    body = check_run(payload(status))
    assert (body["name"], body["head_sha"]) == ("review:gate:perf", HEAD)
    assert (body["status"], body["conclusion"]) == ("completed", conclusion)
    assert f"review:gate:perf = {status} (12 judged)" in body["output"]["summary"]
    assert "\n## 5. Action Items" in body["output"]["summary"]
    status_body = commit_status(payload(status))
    assert (status_body["state"], status_body["context"]) == (state, "review:gate:perf")
    assert status_body["description"].startswith(f"{status}: ")


def test_what_is_not_known_fails_with_its_title():
    body = check_run(payload("fail", inconclusive=True))
    assert (body["conclusion"], body["output"]["title"]) == ("failure", "inconclusive")


def test_the_same_result_has_the_same_name():
    names = {check_run(each)["external_id"] for each in (payload(), payload(), payload("fail"))}
    assert len(names) == 2


def test_huge_and_hostile_words_stay_inside():
    strange = "\x1b[31m\u202e| <b> @octocat\n" * 5000
    body = payload(
        title=strange[:1999], reason="x" * 1999, report=report("pass", strange), annotations=2
    )
    output = check_run(body)["output"]
    assert len(output["summary"].encode()) <= 65535
    assert not set("\x1b\u202e") & set(output["summary"] + output["title"])
    assert "@octocat" not in output["summary"]
    assert len(output["title"]) <= 255
    assert len(commit_status(body)["description"]) <= 140


def test_annotations_go_in_fifties_and_none_twice():
    wanted = payload(annotations=120).annotations
    batches = annotation_batches((*wanted, *wanted), [])
    assert [len(batch) for batch in batches] == [50, 50, 20]
    there = [*batches[0], *batches[1][:5]]
    assert [len(batch) for batch in annotation_batches(wanted, there)] == [50, 15]
    assert annotation_batches(wanted, [body for batch in batches for body in batch]) == []
    named = Annotation(path="a\nb\x1b[0m", level="notice", title="x" * 1999, message="m")
    ((body,),) = annotation_batches([named], [])
    assert (body["path"], len(body["title"]), body["start_line"]) == ("a b", 255, 1)
