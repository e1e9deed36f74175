"""A GitHub in a thread: the REST paths and the GraphQL calls that are used, with their state.

Paths, fields, limits and the words of errors are those of docs.github.com (REST, 2022-11-28) and of
recorded answers. `faults` are taken one a request, in order; None lets a request through.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HEAD = "a" * 40
APP_TOKEN = "ghs_" + "s3cret" * 6
PERSON_TOKEN = "ghp_" + "s3cret" * 6
BOT = {"login": "github-actions[bot]", "type": "Bot"}
PERSON = {"login": "maintainer", "type": "User"}


@dataclass(frozen=True)
class Fault:
    """An answer that is not the right one. after: what was asked is carried out all the same;
    truncated: the body breaks off; closed: nothing is answered; change: called first."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "Server Error"
    after: bool = False
    truncated: bool = False
    closed: bool = False
    change: Callable[[GitHub], None] | None = None


class Wrong(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, *errors: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "documentation_url": "https://docs.github.com/rest"}
        if errors:
            self.body["errors"] = [
                {"resource": "CheckRun", "code": "custom", "field": "x", "message": words}
                for words in errors
            ]


class GitHub:
    """The state of one repository with one pull request, number 7."""

    def __init__(self) -> None:
        self.pull = {
            "number": 7,
            "node_id": "PR_7",
            "draft": True,
            "merged": False,
            "head": {"sha": HEAD, "repo": {"full_name": "stranger/kernels"}},
        }
        self.checks: list[dict[str, Any]] = []
        self.annotations: dict[int, list[dict[str, Any]]] = {}
        self.statuses: list[dict[str, Any]] = []
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.writers = {"maintainer"}
        self.log: list[str] = []
        self.faults: list[Fault | None] = []
        self.permissions = {"checks", "statuses", "pull-requests", "contents", "issues"}
        self.page = 100
        self._ids = iter(range(100, 10_000))

    def add_comment(self, body: str, user: dict[str, str], association: str = "NONE") -> int:
        number = next(self._ids)
        self.comments.append(
            {"id": number, "body": body, "user": user, "author_association": association}
        )
        return number

    def need(self, permission: str) -> None:
        if permission not in self.permissions:
            raise Wrong(403, "Resource not accessible by integration")

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, token: str) -> Any:
        """(status, data); a list is cut into pages by the caller."""
        user = {APP_TOKEN: BOT, PERSON_TOKEN: PERSON}.get(token)
        if user is None:
            raise Wrong(401, "Bad credentials")
        if (method, path) == ("POST", "/graphql"):
            return self.graphql(body, user)
        match = re.fullmatch(r"/repos/maintainer/kernels(/.*)", path)
        for pattern, verb, act in ROUTES:
            found = re.fullmatch(pattern, match[1]) if match else None
            if found and verb == method:
                return act(self, *found.groups(), query=query, body=body, user=user)
        raise Wrong(404, "Not Found")

    def graphql(self, body: Any, user: dict[str, str]) -> Any:
        if "viewer" in body["query"]:
            return 200, {"data": {"viewer": {"login": user["login"]}}}
        if not {"contents", "pull-requests"} <= self.permissions:
            words = "Resource not accessible by integration"
            return 200, {"data": None, "errors": [{"type": "FORBIDDEN", "message": words}]}
        assert "markPullRequestReadyForReview" in body["query"]
        assert body["variables"] == {"id": "PR_7"}
        self.pull["draft"] = False
        ready = {"pullRequest": {"isDraft": False}}
        return 200, {"data": {"markPullRequestReadyForReview": ready}}

    def get_pull(self, number: str, **_: Any) -> Any:
        if number != "7":
            raise Wrong(404, "Not Found")
        return 200, self.pull

    def list_checks(self, ref: str, query: dict[str, str], **_: Any) -> Any:
        found = [
            run
            for run in self.checks
            if run["head_sha"] == ref and run["name"] == query.get("check_name", run["name"])
        ]
        return 200, ("check_runs", found)

    def create_check(self, body: Any, user: dict[str, str], **_: Any) -> Any:
        if user["type"] != "Bot":
            raise Wrong(403, "You must authenticate via a GitHub App.")
        self.need("checks")
        run = {"id": next(self._ids), "app": {"slug": "github-actions"}, "conclusion": None}
        self.checks.append(run)
        try:
            return 201, self.write_check(run, body)
        except Wrong:
            self.checks.remove(run)
            raise

    def change_check(self, number: str, body: Any, user: dict[str, str], **_: Any) -> Any:
        run = next((run for run in self.checks if run["id"] == int(number)), None)
        if run is None:
            raise Wrong(404, "Not Found")
        if user["type"] != "Bot":
            raise Wrong(403, "You must authenticate via a GitHub App.")
        self.need("checks")
        if run["app"]["slug"] != "github-actions":
            raise Wrong(403, "Invalid app_id `15368` - check run can only be modified by the App")
        return 200, self.write_check(run, body)

    def write_check(self, run: dict[str, Any], body: Any) -> Any:
        output = body["output"]
        if len(output["summary"].encode()) > 65535:
            raise Wrong(422, "Validation Failed", "summary exceeds a maximum bytesize of 65535")
        added = output.get("annotations", [])
        if len(added) > 50:
            raise Wrong(422, "Invalid request. No more than 50 items are allowed")
        if body.get("status") == "completed" and "conclusion" not in body:
            raise Wrong(422, "Invalid request.")
        assert body.get("conclusion") in ("success", "failure", "neutral")
        notes = self.annotations.setdefault(run["id"], [])
        notes += added
        run.update({name: value for name, value in body.items() if name != "output"})
        run["output"] = {
            "title": output["title"],
            "summary": output["summary"],
            "annotations_count": len(notes),
        }
        return run

    def list_annotations(self, number: str, **_: Any) -> Any:
        return 200, ("", self.annotations.get(int(number), []))

    def list_statuses(self, ref: str, **_: Any) -> Any:
        return 200, ("", [s for s in reversed(self.statuses) if s["sha"] == ref])

    def create_status(self, sha: str, body: Any, **_: Any) -> Any:
        self.need("statuses")
        if len(body["description"]) > 140:
            words = "description is too long (maximum is 140 characters)"
            raise Wrong(422, "Validation Failed", words)
        assert body["state"] in ("error", "failure", "pending", "success")
        self.statuses.append({"id": next(self._ids), "sha": sha, **body})
        return 201, self.statuses[-1]

    def list_comments(self, _number: str, **_: Any) -> Any:
        return 200, ("", self.comments)

    def comment(self, number: str) -> dict[str, Any]:
        found = [comment for comment in self.comments if comment["id"] == int(number)]
        if not found:
            raise Wrong(404, "Not Found")
        return found[0]

    def get_comment(self, number: str, **_: Any) -> Any:
        return 200, self.comment(number)

    def create_comment(self, _number: str, body: Any, user: dict[str, str], **_: Any) -> Any:
        self.need("pull-requests")
        self.check_body(body["body"])
        association = "OWNER" if user is PERSON else "NONE"
        return 201, self.comment(str(self.add_comment(body["body"], user, association)))

    def change_comment(self, number: str, body: Any, **_: Any) -> Any:
        self.need("pull-requests")
        comment = self.comment(number)
        self.check_body(body["body"])
        comment["body"] = body["body"]
        return 200, comment

    def check_body(self, text: str) -> None:
        if len(text) > 65536:
            words = "Body is too long (maximum is 65536 characters)"
            raise Wrong(422, "Validation Failed", words)

    def delete_comment(self, number: str, **_: Any) -> Any:
        self.comments.remove(self.comment(number))
        return 204, None

    def permission(self, login: str, **_: Any) -> Any:
        return 200, {"permission": "write" if login in self.writers else "read"}

    def list_issues(self, query: dict[str, str], **_: Any) -> Any:
        assert query["state"] == "open"
        return 200, ("", [i for i in reversed(self.issues) if i.get("state", "open") == "open"])

    def create_issue(self, body: Any, **_: Any) -> Any:
        self.need("issues")
        assert len(body["title"]) <= 256
        self.check_body(body["body"])
        self.issues.append({"number": next(self._ids), **body})
        return 201, self.issues[-1]


ROUTES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    (r"/pulls/(\d+)", "GET", GitHub.get_pull),
    (r"/commits/(\w+)/check-runs", "GET", GitHub.list_checks),
    (r"/check-runs", "POST", GitHub.create_check),
    (r"/check-runs/(\d+)", "PATCH", GitHub.change_check),
    (r"/check-runs/(\d+)/annotations", "GET", GitHub.list_annotations),
    (r"/commits/(\w+)/statuses", "GET", GitHub.list_statuses),
    (r"/statuses/(\w+)", "POST", GitHub.create_status),
    (r"/issues/(\d+)/comments", "GET", GitHub.list_comments),
    (r"/issues/(\d+)/comments", "POST", GitHub.create_comment),
    (r"/issues/comments/(\d+)", "GET", GitHub.get_comment),
    (r"/issues/comments/(\d+)", "PATCH", GitHub.change_comment),
    (r"/issues/comments/(\d+)", "DELETE", GitHub.delete_comment),
    (r"/collaborators/([^/]+)/permission", "GET", GitHub.permission),
    (r"/issues", "GET", GitHub.list_issues),
    (r"/issues", "POST", GitHub.create_issue),
)


class Server(ThreadingHTTPServer):
    """Serves one state."""

    daemon_threads = True
    github: GitHub


class Handler(BaseHTTPRequestHandler):
    """Answers by the state of `server.github`."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle_any(self) -> None:
        github = self.server.github
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        github.log.append(f"{self.command} {url.path}")
        fault = github.faults.pop(0) if github.faults else None
        if fault and fault.change:
            fault.change(github)
        if fault is None or fault.after or not (fault.status or fault.closed):
            status, data, headers = self.result(url.path, url.query, content)
        if fault and fault.status:
            message = {"message": fault.message}
            status, data, headers = fault.status, message, fault.headers
        if fault and fault.closed:
            self.close_connection = True
            return
        self.reply(status, data, headers, truncated=bool(fault and fault.truncated))

    def result(self, path: str, query: str, content: bytes) -> Any:
        assert self.headers["User-Agent"]
        assert self.headers["X-GitHub-Api-Version"] == "2022-11-28"
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            status, data = self.server.github.answer(
                self.command, path, asked, json.loads(content or "null"), token
            )
        except Wrong as wrong:
            return wrong.status, wrong.body, {}
        if not isinstance(data, tuple):
            return status, data, {}
        key, items = data
        size = min(int(asked.get("per_page", 30)), self.server.github.page)
        page = int(asked.get("page", 1))
        part = items[(page - 1) * size : page * size]
        headers = {}
        if page * size < len(items):
            port = self.server.server_address[1]
            rest = "&".join(f"{n}={v}" for n, v in asked.items() if n != "page")
            there = f"http://127.0.0.1:{port}{path}?{rest}&page={page + 1}"
            headers["Link"] = f'<{there}>; rel="next", <{there}>; rel="last"'
        return status, {"total_count": len(items), key: part} if key else part, headers

    def reply(self, status: int, data: Any, headers: dict[str, str], *, truncated: bool) -> None:
        content = b"" if status == 204 else json.dumps(data).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if truncated:
            content, self.close_connection = content[: len(content) // 2], True
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        pass

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815


@contextmanager
def serving(github: GitHub) -> Iterator[str]:
    """Its address, while the block runs."""
    server = Server(("127.0.0.1", 0), Handler)
    server.github = github
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
