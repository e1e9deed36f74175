"""One fault at any request, of any kind: the same end, nothing twice, the verdict as it was."""

from __future__ import annotations

import httpx
import pytest
from github.sample import OLD, Waits, again, payload, post
from github.server import BOT, Fault, GitHub, serving

from bitnet_perf.github.transport import PublishError


class Killed(BaseException):
    """The process is gone."""


class Trouble(httpx.HTTPTransport):
    """One request, number `place`, goes wrong on this side. after: it was carried out."""

    def __init__(self, place: int, error: BaseException, *, after: bool) -> None:
        super().__init__(verify=False)
        self.place, self.error, self.after = place, error, after

    def handle_request(self, request):
        self.place -= 1
        if self.place != -1:
            return super().handle_request(request)
        if self.after:
            super().handle_request(request).read()
        raise self.error


FAULTS = {
    "500": Fault(status=500),
    "502 after the fact": Fault(status=502, after=True),
    "429": Fault(status=429, headers={"Retry-After": "3"}),
    "secondary limit": Fault(403, {"Retry-After": "5"}, "You have exceeded a secondary rate limit"),
    "truncated": Fault(truncated=True),
    "no answer": Fault(closed=True),
    "no answer after the fact": Fault(closed=True, after=True),
}
LOST = {
    "timeout": (httpx.ReadTimeout("timed out"), False),
    "timeout after the fact": (httpx.ReadTimeout("timed out"), True),
    "killed": (Killed(), False),
    "killed after the fact": (Killed(), True),
}
RESULT = payload("pass", 60)


def whole(github: GitHub) -> tuple[object, ...]:
    """All that a post has to leave behind, without ids."""
    runs = [
        {**run, "id": 0, "annotations": sorted(a["path"] for a in github.annotations[run["id"]])}
        for run in github.checks
    ]
    return (runs, [c["body"] for c in github.comments], github.issues, github.pull)


def expected(*, ledger: bool) -> tuple[object, list[str]]:
    github = GitHub()
    if ledger:
        github.add_comment(OLD, BOT)
    with serving(github) as address:
        post(address, RESULT, promote=True)
    return whole(github), github.log


@pytest.mark.parametrize("ledger", [False, True])
@pytest.mark.parametrize("fault", [*FAULTS, *LOST])
def test_one_fault_at_any_request_changes_nothing_in_the_end(fault, ledger):
    right, log = expected(ledger=ledger)
    assert len(log) > 8
    for place in range(len(log)):
        github, waits = GitHub(), Waits()
        if ledger:
            github.add_comment(OLD, BOT)
        with serving(github) as address:
            if fault in FAULTS:
                github.faults = [None] * place + [FAULTS[fault]]
                post(address, RESULT, promote=True, waits=waits)
            else:
                error, after = LOST[fault]
                trouble = Trouble(place, error, after=after)
                try:
                    post(address, RESULT, promote=True, waits=waits, transport=trouble)
                except Killed:
                    post(address, RESULT, promote=True)  # the next job
        assert whole(github) == right, f"{fault} at {log[place]}"
        assert sum(waits.slept) <= 5


@pytest.mark.parametrize("fault", ["502 after the fact", "no answer after the fact", "truncated"])
def test_one_fault_at_any_request_opens_no_second_issue(fault):
    second = again(payload("fail"))
    places = 20
    for place in range(places):
        github = GitHub()
        with serving(github) as address:
            post(address, payload("fail"))
            github.faults = [None] * place + [FAULTS[fault]]
            post(address, second, open_issue=True)
            post(address, second, open_issue=True)
        assert len(github.issues) == 1
        assert (len(github.checks), len(github.comments)) == (1, 1)


def test_a_github_that_is_down_fails_and_leaves_the_verdict(github, url):
    github.faults = [Fault(status=500)] * 1000
    waits = Waits()
    result = payload("fail")
    with pytest.raises(PublishError, match=r"check run: .* 500 .*; ledger: .* 500"):
        post(url, result, waits=waits)
    assert sum(waits.slept) < 300
    assert (result.status, github.checks, github.comments) == ("fail", [], [])
    github.faults = []
    assert post(url, result) == ("check run: created", "ledger: created")


def test_every_write_unclear_for_ever_ends(github, url):
    class Deaf(httpx.HTTPTransport):
        def handle_request(self, request):
            if request.method != "GET":
                raise httpx.ReadTimeout("timed out")
            return super().handle_request(request)

    with pytest.raises(PublishError, match="ReadTimeout"):
        post(url, payload(), transport=Deaf(verify=False))
    assert (github.checks, github.comments) == ([], [])
