"""Requests to GitHub over httpx: bounded in time, and careful about what may be sent twice.

Limits and waits are those of GitHub's documentation: a 403 or 429 with `retry-after`, with
`x-ratelimit-remaining: 0` or with words about a rate limit was refused before anything was done,
so that any request may be sent again after the time it names. After a 5xx, a timeout or a body
that broke off nobody knows what was done: reads are sent again, everything else is `Unclear`.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from bitnet_perf.errors import ConfigError, EnvironmentRefused
from bitnet_perf.report.escape import plain

try:
    import httpx
except ImportError as error:
    raise EnvironmentRefused(
        "httpx: not installed; `pip install 'bitnet_perf[github]'` brings it"
    ) from error

__all__ = ["Api", "Clock", "PublishError", "Refused", "Unclear"]

API = "https://api.github.com"
VERSION = "2022-11-28"
TOKENS = ("GITHUB_TOKEN", "GH_TOKEN")
BUDGET = 300.0  # seconds for all requests and waits of one client
TIMEOUT = 20.0  # seconds until a connection, a part of an answer; GitHub itself gives up after 10
ATTEMPTS = 6
FIRST_WAIT = 1.0  # seconds, doubled every time
LIMIT_WAIT = 60.0  # the least wait after a limit that names no time
LARGEST = 32 << 20  # bytes of an answer
PAGES = 100
PER_PAGE = 100
Result = TypeVar("Result")


class PublishError(EnvironmentRefused):
    """GitHub did not take what was to be posted; what was found stands."""


class Refused(PublishError):
    """A request that GitHub answered with `status` (a 4xx) and will not take later either."""

    def __init__(self, status: int, words: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.words = words


class Unclear(PublishError):
    """A request of which nobody knows whether it was carried out: look before sending it again."""


@dataclass(frozen=True)
class Clock:
    """Time, and how to let it pass."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: httpx.Headers
    data: Any
    next: str | None


class Api:
    """A client of one GitHub. Its token comes from the environment alone and is in no message."""

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        clock: Clock | None = None,
        budget: float = BUDGET,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        variables = os.environ if environment is None else environment
        self._token = _token_of(variables)
        self._url = _url_of(variables, "GITHUB_API_URL", API)
        self._graphql = _url_of(variables, "GITHUB_GRAPHQL_URL", _graphql_of(self._url))
        self._clock = clock or Clock()
        self._deadline = self._clock.monotonic() + budget
        self._client = httpx.Client(
            headers={
                "Accept": "application/vnd.github+json",
                "User-Agent": "bitnet-perf",
                "X-GitHub-Api-Version": VERSION,
            },
            auth=self._sign,
            timeout=TIMEOUT,
            transport=transport,
        )

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _sign(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def get(self, path: str, **parameters: str | int) -> Any:
        """The JSON of one resource."""
        return self._ask("GET", f"{self._url}{path}", parameters, None).data

    def pages(self, path: str, key: str = "", **parameters: str | int) -> Iterator[Any]:
        """Every item of a list; `key` names it where the answer is an object that holds it."""
        url: str | None = f"{self._url}{path}"
        query: Mapping[str, str | int] = {"per_page": PER_PAGE, **parameters}
        for _ in range(PAGES):
            answer = self._ask("GET", str(url), query, None)
            items = answer.data
            if key:
                items = items.get(key) if isinstance(items, dict) else None
            if not isinstance(items, list):
                raise PublishError(f"GET {path}: the answer holds no list")
            yield from items
            url, query = answer.next, {}
            if url is None:
                return
            if urlsplit(url)[:2] != urlsplit(self._url)[:2]:
                raise PublishError(f"GET {path}: the next page is on another host")
        raise PublishError(f"GET {path}: more than {PAGES} pages, which is accepted")

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A request that changes something: never sent again where it may have been carried out.

        Raises Unclear where nobody knows, Refused where GitHub says no.
        """
        return self._ask(method, f"{self._url}{path}", {}, body).data

    def query(self, text: str, *, changes: bool, **variables: str) -> Any:
        """The data of a GraphQL query, or of a mutation where it `changes` something."""
        body = {"query": text, "variables": variables}
        data = self._ask("POST", self._graphql, {}, body, again=not changes).data
        if not isinstance(data, dict) or data.get("errors") or not data.get("data"):
            errors = data.get("errors") if isinstance(data, dict) else None
            words = " ".join(str(e.get("message", e)) for e in errors or () if isinstance(e, dict))
            raise Refused(200, words, self._clean(f"GraphQL: {words or 'an answer without data'}"))
        return data["data"]

    def settle(self, act: Callable[[], Result]) -> Result:
        """Let `act` look and send until it is known what was done, with longer and longer waits."""
        for attempt in range(ATTEMPTS):
            try:
                return act()
            except Unclear as error:
                if attempt == ATTEMPTS - 1:
                    raise
                self._wait(FIRST_WAIT * (1 << attempt), str(error))
        raise AssertionError("the last attempt returns or raises")

    def _ask(
        self,
        method: str,
        url: str,
        parameters: Mapping[str, str | int],
        body: Mapping[str, Any] | None,
        *,
        again: bool | None = None,
    ) -> _Answer:
        repeat = method == "GET" if again is None else again
        what = f"{method} {urlsplit(url).path}"
        for attempt in range(ATTEMPTS):
            wait, refused = FIRST_WAIT * (1 << attempt), False
            try:
                answer = self._once(method, url, parameters, body)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                words, refused = f"no connection ({error})", True
            except (httpx.TransportError, httpx.DecodingError, ValueError) as error:
                words = f"{type(error).__name__} ({error})"
            else:
                limit = self._limit(answer, attempt)
                if limit is None and answer.status < 500:
                    return self._accepted(what, answer)
                words, refused = f"{answer.status} {_words(answer.data)}", limit is not None
                wait = max(wait, self._after(answer)) if limit is None else limit
            words = self._clean(f"{what}: {words}")
            if not (refused or repeat):
                raise Unclear(words)
            if attempt == ATTEMPTS - 1:
                break
            self._wait(wait, words)
        raise PublishError(f"{words}; {ATTEMPTS} attempts")

    def _once(
        self,
        method: str,
        url: str,
        parameters: Mapping[str, str | int],
        body: Mapping[str, Any] | None,
    ) -> _Answer:
        """One request. Raises ValueError for a body that is no JSON, or too much or too slow."""
        if self._left() <= 0:
            raise PublishError(self._clean(f"{method} {urlsplit(url).path}: no time is left"))
        request = self._client.build_request(method, url, params=parameters or None, json=body)
        answer = self._client.send(request, stream=True)
        try:
            content = bytearray()
            for part in answer.iter_bytes():
                content += part
                if len(content) > LARGEST or self._left() <= 0:
                    raise ValueError("an answer that does not end")
        finally:
            answer.close()
        link = answer.links.get("next", {}).get("url")
        if not content:
            return _Answer(answer.status_code, answer.headers, None, link)
        try:
            data = json.loads(content)
        except ValueError:
            if answer.is_success:
                raise ValueError("an answer that is no JSON") from None
            data = None
        return _Answer(answer.status_code, answer.headers, data, link)

    def _limit(self, answer: _Answer, attempt: int) -> float | None:
        """Seconds to wait where the answer says that too much was asked, None where it does not."""
        if answer.status not in (403, 429):
            return None
        if "retry-after" in answer.headers:
            return self._after(answer)
        if answer.headers.get("x-ratelimit-remaining") == "0":
            reset = _number(answer.headers.get("x-ratelimit-reset", ""))
            return LIMIT_WAIT if reset is None else max(1.0, reset - self._clock.now())
        words = _words(answer.data).lower()
        if answer.status == 429 or "rate limit" in words or "abuse detection" in words:
            return LIMIT_WAIT * (1 << attempt)
        return None

    def _after(self, answer: _Answer) -> float:
        """`retry-after` in seconds (it holds a number of them, or a date); 0 where it is absent."""
        after = answer.headers.get("retry-after", "0")
        number = _number(after)
        if number is not None:
            return number
        try:
            return max(0.0, parsedate_to_datetime(after).timestamp() - self._clock.now())
        except (ValueError, OverflowError):
            return LIMIT_WAIT

    def _accepted(self, what: str, answer: _Answer) -> _Answer:
        if 200 <= answer.status < 300:
            return answer
        words = plain(_words(answer.data), 300)
        text = f"{what}: {answer.status} {words}"
        if answer.status == 401:
            text += f"; the token of {' or '.join(TOKENS)} is not accepted"
        elif needed := answer.headers.get("x-accepted-github-permissions"):
            text += f"; needs a token with {needed}"
        raise Refused(answer.status, words, self._clean(text))

    def _left(self) -> float:
        return self._deadline - self._clock.monotonic()

    def _wait(self, seconds: float, why: str) -> None:
        if seconds >= self._left():
            raise PublishError(
                f"{why}; the next attempt is {seconds:.0f} s away, of the time for GitHub "
                f"{max(0.0, self._left()):.0f} s are left"
            )
        self._clock.sleep(seconds)

    def _clean(self, text: str) -> str:
        """A message in one line, without the token wherever it came from."""
        return plain(text.replace(self._token, "***"), 500)


def _token_of(variables: Mapping[str, str]) -> str:
    for name in TOKENS:
        token = variables.get(name, "").strip()
        if token and not (token.isascii() and token.isprintable() and " " not in token):
            raise ConfigError(f"{name}: holds characters that no token has")
        if token:
            return token
    raise ConfigError(f"token: found none, accepted is one in {' or '.join(TOKENS)}")


def _url_of(variables: Mapping[str, str], name: str, otherwise: str) -> str:
    url = variables.get(name, "").rstrip("/") or otherwise
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL()
    local = parts.host in ("localhost", "127.0.0.1", "::1")
    if not parts.host or parts.scheme not in (("http", "https") if local else ("https",)):
        raise ConfigError(f"{name}: found {plain(url, 100)!r}, accepted is an https address")
    return url


def _graphql_of(url: str) -> str:
    """api.github.com/graphql; on a server of one's own HOST/api/graphql beside HOST/api/v3."""
    return f"{url.removesuffix('/v3')}/graphql"


def _number(text: str) -> float | None:
    found = re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text.strip(), re.ASCII)
    return float(found[0]) if found else None


def _words(data: Any) -> str:
    """What an error says: its message, and those of the fields that were not accepted."""
    if not isinstance(data, dict):
        return ""
    errors = data.get("errors")
    more = [str(e.get("message", e)) if isinstance(e, dict) else str(e) for e in errors or ()]
    return "; ".join([str(data.get("message", "")), *more])
