"""Posting to a local GitHub: once and no more, whatever goes wrong between."""

from __future__ import annotations

import re

import pytest
from github.sample import CASE, OLD, again, payload, post
from github.server import BOT, HEAD, PERSON, PERSON_TOKEN, Fault, GitHub, serving

from bitnet_perf.github.ledger import LARGEST, mark_of, read_state
from bitnet_perf.github.transport import PublishError

STRANGER = {"login": "stranger", "type": "User"}


def test_the_first_result_creates_a_check_run_and_a_ledger(github, url):
    assert post(url, payload(annotations=3)) == ("check run: created", "ledger: created")
    (run,) = github.checks
    assert (run["name"], run["head_sha"], run["conclusion"]) == (
        "review:gate:perf", HEAD, "success",
    )  # fmt: skip
    assert run["output"]["annotations_count"] == 3
    (comment,) = github.comments
    assert "| perf | pass | Δ ≤ threshold |" in comment["body"]
    assert "**State:** in-progress" in comment["body"]


def test_the_same_result_writes_nothing(github, url):
    post(url, payload("fail", annotations=120))
    github.log.clear()
    done = post(url, payload("fail", annotations=120))
    assert done == ("check run: unchanged", "ledger: unchanged")
    assert {line.split()[0] for line in github.log} == {"GET"}


def test_a_new_result_of_the_head_edits_in_place(github, url):
    post(url, payload("fail", annotations=60))
    assert post(url, again(payload("pass"))) == ("check run: updated", "ledger: updated")
    (run,) = github.checks
    (comment,) = github.comments
    assert run["conclusion"] == "success"
    assert comment["body"].count("- [performance-benchmark]") == 2
    assert run["output"]["annotations_count"] == 60


def test_annotations_beyond_fifty_follow(github, url):
    post(url, payload(annotations=120))
    assert len(github.annotations[github.checks[0]["id"]]) == 120
    assert sum(line.startswith("PATCH") for line in github.log) == 2


def test_a_head_that_moved_on_gets_nothing(github, url):
    github.pull["head"]["sha"] = "b" * 40
    (said,) = post(url, payload())
    assert said == f"not posted: {HEAD[:12]} was judged, the head is bbbbbbbbbbbb now"
    assert (github.checks, github.comments) == ([], [])


def test_a_head_that_moves_between_two_calls_keeps_its_ledger(github, url):
    github.add_comment(OLD, BOT)

    def push(state):
        state.pull["head"]["sha"] = "b" * 40

    place = place_of("PATCH", "/issues/comments/", OLD) - 1
    github.faults = [None] * place + [Fault(change=push)]
    done = post(url, payload())
    assert done[0] == "check run: created"
    assert done[1].startswith("not posted")
    assert [comment["body"] for comment in github.comments] == [OLD]


def test_a_token_of_a_person_gets_a_commit_status_and_is_told(github, url):
    check, ledger = post(url, payload("fail"), PERSON_TOKEN)
    assert check.startswith("commit status: failure; this token may not create check runs (403")
    assert ledger == "ledger: created"
    assert [(s["state"], s["context"]) for s in github.statuses] == [
        ("failure", "review:gate:perf")
    ]
    assert post(url, payload("fail"), PERSON_TOKEN)[0].endswith("; unchanged")
    assert len(github.statuses) == 1
    post(url, payload("skipped"), PERSON_TOKEN)
    assert [s["state"] for s in github.statuses] == ["failure", "pending"]


def test_an_app_without_the_permission_is_no_person(github, url):
    github.permissions.remove("checks")
    with pytest.raises(PublishError, match=r"check run: POST .*403 Resource not accessible") as no:
        post(url, payload(), promote=True)
    assert "promotion: not without the check run" in str(no.value)
    assert "done: ledger: created" in str(no.value)
    assert (github.statuses, github.pull["draft"]) == ([], True)


def test_the_run_of_another_app_is_left(github, url):
    github.checks.append({
        "id": 1, "name": "review:gate:perf", "head_sha": HEAD, "app": {"slug": "other"},
        "external_id": "", "status": "completed", "conclusion": "success", "output": {},
    })  # fmt: skip
    assert post(url, payload("fail"))[0] == "check run: created"
    assert post(url, payload("fail"))[0] == "check run: unchanged"
    assert [run["conclusion"] for run in github.checks] == ["success", "failure"]


@pytest.mark.parametrize(
    ("user", "association", "edited"),
    [
        (PERSON, "OWNER", True),
        (PERSON, "NONE", True),  # may write, which GitHub shows to some tokens alone
        (BOT, "NONE", True),
        (STRANGER, "NONE", False),
        (STRANGER, "CONTRIBUTOR", False),
        (None, "NONE", False),
    ],
)
def test_a_ledger_is_known_by_its_author(github, url, user, association, edited):
    number = github.add_comment(OLD, user, association)
    done = post(url, payload())
    assert done[1] == ("ledger: updated" if edited else "ledger: created")
    body = github.comment(str(number))["body"]
    if not edited:
        assert body == OLD
        assert len(github.comments) == 2
        return
    row, mine = "| perf | ⏳ | waiting |", "| perf | pass | Δ ≤ threshold |"
    assert body.startswith(OLD.replace(row, mine))
    assert len(github.comments) == 1


def test_a_ledger_of_our_own_is_ours_without_any_right(github, url):
    github.writers.clear()
    number = github.add_comment(OLD, PERSON, "NONE")
    assert post(url, payload(), PERSON_TOKEN)[1] == "ledger: updated"
    assert len(github.comments) == 1
    assert "| perf | pass |" in github.comment(str(number))["body"]


def test_of_two_ledgers_ours_is_edited_else_the_oldest(github, url):
    first, second = (github.add_comment(OLD, BOT) for _ in range(2))
    post(url, payload())
    assert github.comment(str(second))["body"] == OLD
    ours = github.comment(str(first))["body"]
    github.comments.insert(0, {**github.comment(str(second)), "id": 1})
    post(url, again(payload()))
    assert github.comment(str(first))["body"] != ours
    assert github.comment("1")["body"] == OLD
    assert len(github.comments) == 3


def test_a_ledger_behind_many_pages_is_found(github, url):
    github.page = 2
    for number in range(9):
        github.add_comment(f"remark {number} about <!-- gates -->", STRANGER)
    number = github.add_comment(OLD.replace("\n", "\r\n"), PERSON, "MEMBER")
    assert post(url, payload())[1] == "ledger: updated"
    body = github.comment(str(number))["body"]
    assert body.count("\n") == body.count("\r\n")


def test_a_ledger_written_at_the_same_time_wins(github, url):
    def other(state):
        state.comments.insert(0, {
            "id": 5, "body": OLD, "user": PERSON, "author_association": "OWNER",
        })  # fmt: skip

    place = place_of("POST", "/comments")
    github.faults = [None] * place + [Fault(change=other)]
    assert post(url, payload())[1] == "ledger: updated"
    (comment,) = github.comments
    assert comment["id"] == 5
    assert "| perf | pass |" in comment["body"]


def test_a_ledger_deleted_meanwhile_is_created_anew(github, url):
    github.add_comment(OLD, BOT)
    place = place_of("PATCH", "/issues/comments/", OLD)
    github.faults = [None] * place + [Fault(change=lambda state: state.comments.clear())]
    assert post(url, payload())[1] == "ledger: created"
    assert len(github.comments) == 1


def place_of(verb: str, part: str, comment: str | None = None) -> int:
    """At which request of a post without trouble this one is sent."""
    github = GitHub()
    if comment is not None:
        github.add_comment(comment, BOT)
    with serving(github) as address:
        post(address, payload())
    return next(n for n, line in enumerate(github.log) if line.startswith(verb) and part in line)


def test_a_full_ledger_fails_and_loses_nothing(github, url):
    text = OLD + "x" * (LARGEST - len(OLD) - 100)
    github.add_comment(text, BOT)
    with pytest.raises(PublishError, match="shorten its hop log"):
        post(url, payload())
    assert github.comments[0]["body"] == text
    assert github.checks[0]["conclusion"] == "success"


@pytest.mark.parametrize(
    ("status", "draft", "said"),
    [
        ("pass", True, "promotion: ready for review"),
        ("pass", False, "promotion: ready already"),
        ("fail", True, "promotion: none, review:gate:perf = fail"),
        ("skipped", True, "promotion: none, review:gate:perf = skipped"),
    ],
)
def test_a_draft_is_ready_only_after_a_pass(github, url, status, draft, said):
    github.pull["draft"] = draft
    assert post(url, payload(status), promote=True)[1] == said
    assert github.pull["draft"] == (draft and status != "pass")
    state = {"pass": "ready", "fail": "needs-rework", "skipped": "in-progress"}[status]
    assert f"**State:** {state}\n" in github.comments[0]["body"]


def test_nothing_is_promoted_unasked(github, url):
    post(url, payload())
    assert github.pull["draft"]


def test_a_promotion_that_is_refused_says_what_it_needs(github, url):
    github.permissions.remove("contents")
    with pytest.raises(PublishError, match="needs a token with contents: write"):
        post(url, payload(), promote=True)
    assert github.pull["draft"]
    assert "**State:** in-progress" in github.comments[0]["body"]


def test_a_merged_pull_request_says_so(github, url):
    github.pull["merged"] = True
    post(url, payload())
    assert "**State:** merged\n" in github.comments[0]["body"]


def test_an_issue_needs_two_results(github, url):
    first, second = payload("fail"), again(payload("fail"))
    assert post(url, first, open_issue=True)[2] == "issues: none, nothing was found twice"
    assert post(url, first, open_issue=True)[2] == "issues: none, nothing was found twice"
    assert post(url, second, open_issue=True)[2] == "issues: 1 opened, 0 open already"
    (issue,) = github.issues
    assert issue["title"] == f"perf: {CASE} +7%"
    assert f"bitnet-perf compare a b --cases '{CASE}'" in issue["body"]
    assert "#7" in issue["body"]
    assert post(url, second, open_issue=True)[2] == "issues: 0 opened, 1 open already"
    assert len(github.issues) == 1


def test_an_issue_is_opened_later_too(url):
    second = again(payload("fail"))
    post(url, payload("fail"))
    post(url, second)
    assert post(url, second, open_issue=True)[2] == "issues: 1 opened, 0 open already"


def test_an_issue_of_somebody_else_is_enough(github, url):
    github.issues.append({"number": 1, "title": f"perf: {CASE} +12%", "pull_request": {}})
    github.issues.append({"number": 2, "title": f"perf: {CASE} +9%", "state": "closed"})
    post(url, payload("fail"))
    assert post(url, again(payload("fail")), open_issue=True)[2].startswith("issues: 1 opened")
    github.issues.clear()
    github.issues.append({"number": 3, "title": f"perf: {CASE} +9%"})
    assert post(url, again(payload("fail")), open_issue=True)[2].endswith("1 open already")


def test_a_result_of_another_source_is_refused(github, url):
    assert len(post(url, payload(), source="stranger/kernels")) == 2
    github.checks.clear()
    with pytest.raises(
        PublishError, match="its head is of 'stranger/kernels', this result of 'x/y'"
    ):
        post(url, payload(), source="x/y")
    assert not github.checks


def test_the_state_marks_what_was_over(github, url):
    post(url, payload("fail"))
    state = read_state(github.comments[0]["body"])
    assert (state.head, state.over) == (HEAD, (mark_of(CASE),))
    assert re.search(r"\| perf \| fail \|", github.comments[0]["body"])


def test_a_stranger_cannot_take_the_ledger_with_our_state(github, url):
    post(url, payload())
    forged = github.comments[0]["body"]
    github.comments[0] = {**github.comments[0], "user": STRANGER}
    assert post(url, payload())[1] == "ledger: created"
    assert github.comments[0]["body"] == forged
