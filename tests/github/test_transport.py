"""Requests: the token stays in, waits are those GitHub names, and all of it ends."""

from __future__ import annotations

import logging

import httpx
import pytest
from github.sample import Waits, client
from github.server import APP_TOKEN, Fault

from bitnet_perf.errors import ConfigError
from bitnet_perf.github.transport import ATTEMPTS, Api, PublishError, Refused, Unclear

PULL = "/repos/maintainer/kernels/pulls/7"
STATUS = "/repos/maintainer/kernels/statuses/" + "a" * 40
BODY = {"state": "success", "context": "c", "description": "d"}
GONE = Fault(status=502, message="Bad Gateway")


@pytest.fixture
def waits():
    return Waits()


@pytest.mark.parametrize(
    "fault",
    [GONE, Fault(closed=True), Fault(truncated=True), Fault(status=503), Fault(status=429)],
)
def test_a_read_is_sent_again(github, url, waits, fault):
    github.faults = [fault, fault, None]
    with client(url, waits=waits) as api:
        assert api.get(PULL)["number"] == 7
    assert len(github.log) == 3
    assert waits.slept == ([60.0, 120.0] if fault.status == 429 else [1.0, 2.0])


@pytest.mark.parametrize(
    ("limit", "wait"),
    [
        (Fault(403, {"Retry-After": "7"}, "You have exceeded a secondary rate limit"), 7.0),
        (Fault(403, {"Retry-After": "0"}), 0.0),
        (Fault(403, {"Retry-After": "Mon, 12 Jan 1970 13:46:50 GMT"}), 10.0),
        (Fault(403, {"Retry-After": "nonsense"}), 60.0),
        (Fault(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000042"}), 42.0),
        (Fault(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "²"}), 60.0),
        (Fault(403, {}, "You have exceeded a secondary rate limit. Please wait"), 60.0),
        (Fault(403, {}, "You have triggered an abuse detection mechanism"), 60.0),
    ],
)
def test_limits_are_waited_for_by_writes_too(github, url, waits, limit, wait):
    github.faults = [limit, None]
    with client(url, waits=waits) as api:
        api.send("POST", STATUS, BODY)
    assert waits.slept == [wait]
    assert len(github.statuses) == 1


def test_retry_after_of_a_server_error_is_waited_for(github, url, waits):
    github.faults = [Fault(status=503, headers={"Retry-After": "9"}), None]
    with client(url, waits=waits) as api:
        api.get(PULL)
    assert waits.slept == [9.0]


@pytest.mark.parametrize(
    "fault",
    [GONE, Fault(closed=True), Fault(closed=True, after=True), Fault(truncated=True),
     Fault(status=504, after=True)],
)  # fmt: skip
def test_a_write_that_may_have_been_carried_out_is_unclear(github, url, waits, fault):
    github.faults = [fault]
    with client(url, waits=waits) as api, pytest.raises(Unclear):
        api.send("POST", STATUS, BODY)
    assert (len(github.log), waits.slept) == (1, [])


def test_a_timeout_after_the_fact_is_unclear(github, url):
    class Late(httpx.HTTPTransport):
        def handle_request(self, request):
            super().handle_request(request).read()
            raise httpx.ReadTimeout("timed out")

    with client(url, transport=Late()) as api:
        with pytest.raises(Unclear, match="ReadTimeout"):
            api.send("POST", STATUS, BODY)
        assert len(github.statuses) == 1
        with pytest.raises(PublishError, match=f"{ATTEMPTS} attempts"):
            api.get(PULL)
    assert len(github.log) == 1 + ATTEMPTS


def test_where_nothing_listens_every_request_is_tried_again(waits):
    with client("http://127.0.0.1:9", waits=waits) as api:
        with pytest.raises(PublishError, match="no connection") as failed:
            api.send("POST", STATUS, BODY)
        assert not isinstance(failed.value, Unclear)
    assert waits.slept == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_a_no_is_final_and_names_what_is_needed(github, url, waits):
    needed = {"X-Accepted-GitHub-Permissions": "statuses=write"}
    github.faults = [Fault(status=403, message="Resource not accessible", headers=needed)]
    with client(url, waits=waits) as api:
        with pytest.raises(Refused, match="needs a token with statuses=write") as refused:
            api.send("POST", STATUS, BODY)
        assert (refused.value.status, waits.slept) == (403, [])
        with pytest.raises(Refused, match="404 Not Found"):
            api.get("/repos/maintainer/other/pulls/1")
        github.faults = [Fault(status=301, message="Moved Permanently")]
        with pytest.raises(Refused, match="301 Moved Permanently"):
            api.get(PULL)


def test_all_of_it_ends_with_its_time(github, url, waits):
    github.faults = [Fault(status=429, headers={"Retry-After": "86400"})]
    with client(url, waits=waits) as api:
        with pytest.raises(PublishError, match="the next attempt is 86400 s away, of the time"):
            api.get(PULL)
        waits.time += 301
        with pytest.raises(PublishError, match="no time is left"):
            api.get(PULL)
    assert (len(github.log), waits.slept) == (1, [])


def test_a_body_that_never_ends_is_left(url):
    with (
        client(url, waits=Waits(step=100.0), budget=150.0) as api,
        pytest.raises(PublishError, match="does not end"),
    ):
        api.get(PULL)


def test_settle_looks_again_until_it_is_known(url, waits):
    with client(url, waits=waits) as api:
        tries = iter([Unclear("x"), Unclear("x"), None])

        def act():
            error = next(tries)
            if error:
                raise error
            return "done"

        assert api.settle(act) == "done"
        assert waits.slept == [1.0, 2.0]


def test_every_page_is_read(github, url):
    github.page = 2
    for number in range(5):
        github.issues.append({"number": number, "title": str(number)})
    with client(url) as api:
        found = list(api.pages("/repos/maintainer/kernels/issues", state="open"))
    assert [issue["number"] for issue in found] == [4, 3, 2, 1, 0]
    assert len(github.log) == 3


def test_the_token_does_not_follow_a_link_to_another_host():
    def answer(request):
        assert request.url.host == "127.0.0.1"
        link = '<https://evil.example/issues?page=2>; rel="next"'
        return httpx.Response(200, json=[1], headers={"Link": link})

    with (
        client("http://127.0.0.1:1", transport=httpx.MockTransport(answer)) as api,
        pytest.raises(PublishError, match="another host"),
    ):
        list(api.pages("/issues"))


def test_endless_pages_end():
    def answer(_request):
        link = '<http://127.0.0.1:1/issues>; rel="next"'
        return httpx.Response(200, json=[], headers={"Link": link})

    with (
        client("http://127.0.0.1:1", transport=httpx.MockTransport(answer)) as api,
        pytest.raises(PublishError, match="more than 100 pages"),
    ):
        list(api.pages("/issues"))


@pytest.mark.parametrize("content", [b"[]", b"null", b"{}", b"<html>", b'{"data": null}'])
def test_answers_of_another_form(content):
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=content))
    with client("http://127.0.0.1:1", transport=transport) as api:
        with pytest.raises(PublishError):
            api.query("query { viewer { login } }", changes=False)
        with pytest.raises(PublishError):
            list(api.pages("/issues", "items"))


def test_the_token_is_in_no_message(caplog):
    caplog.set_level(logging.DEBUG)

    def echo(request):
        return httpx.Response(400, json={"message": str(request.headers["Authorization"])})

    def broken(request):
        raise httpx.ReadError(f"while sending {request.headers['Authorization']}")

    for handler in (echo, broken):
        with client("http://127.0.0.1:1", transport=httpx.MockTransport(handler)) as api:
            with pytest.raises(PublishError) as failed:
                api.send("POST", STATUS, BODY)
            said = f"{failed.value} {failed.value!r} {api!r} {api.__dict__['_client']!r}"
            assert APP_TOKEN not in said
            assert "***" in said
    assert APP_TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "token: found none, accepted is one in GITHUB_TOKEN or GH_TOKEN"),
        ({"GITHUB_TOKEN": " ", "GH_TOKEN": ""}, "token: found none"),
        ({"GITHUB_TOKEN": "ghp_se\ncret"}, "GITHUB_TOKEN: holds characters that no token has"),
        ({"GH_TOKEN": "ghp_sécret"}, "GH_TOKEN: holds characters"),
        ({"GH_TOKEN": "x", "GITHUB_API_URL": "http://github.example"}, "accepted is an https"),
        ({"GH_TOKEN": "x", "GITHUB_API_URL": "https://a:b:c"}, "GITHUB_API_URL: found"),
        ({"GH_TOKEN": "x", "GITHUB_GRAPHQL_URL": "ftp://x.example"}, "GITHUB_GRAPHQL_URL: found"),
    ],
)
def test_what_the_environment_lacks(environment, message):
    with pytest.raises(ConfigError, match=message) as failed:
        Api(environment)
    assert "cret" not in str(failed.value)


def test_a_server_of_ones_own_has_its_graphql_beside():
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return httpx.Response(200, json={"data": {"viewer": {}}})

    for url in ("https://api.github.com", "https://git.example/api/v3"):
        with client(url, transport=httpx.MockTransport(answer)) as api:
            api.query("query { viewer { login } }", changes=False)
    assert asked == ["https://api.github.com/graphql", "https://git.example/api/graphql"]
