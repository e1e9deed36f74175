"""The check run `review:gate:perf`, or for tokens of people a commit status of the same name.

The bodies of requests are pure functions of the payload. GitHub counts a summary in bytes, of which
it takes 65,535.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bitnet_perf.github.payload import CHECK, Annotation, Payload
from bitnet_perf.github.post import Post, value_of
from bitnet_perf.github.transport import Refused
from bitnet_perf.report.escape import fence, plain
from bitnet_perf.report.markdown import COMMENT, as_markdown

__all__ = ["annotation_batches", "check_run", "commit_status", "post_check"]

SUMMARY = COMMENT  # bytes
BATCH = 50  # annotations in a request
DESCRIPTION = 140  # characters of a commit status
OURS = "bitnet-perf:"  # what `external_id` begins with
_CONCLUSIONS: Mapping[str, str] = {"pass": "success", "fail": "failure", "skipped": "neutral"}
# A commit status has no neutral: what was not measured stays open, it is no success.
_STATES: Mapping[str, str] = {"pass": "success", "fail": "failure", "skipped": "pending"}


def check_run(payload: Payload) -> dict[str, Any]:
    """The completed run without annotations; `external_id` names the result."""
    evidence = fence(payload.report.lines, "text")
    begin = "\n".join([*evidence, "", ""])
    summary = begin + as_markdown(payload.report, SUMMARY - len(begin.encode()))
    return {
        "name": CHECK,
        "head_sha": payload.target.head,
        "external_id": f"{OURS}{payload.digest}",
        "status": "completed",
        "conclusion": _CONCLUSIONS[payload.status],
        "output": {"title": _title(payload), "summary": summary},
    }


def commit_status(payload: Payload) -> dict[str, str]:
    """The status of the head: its description is the title and the reason."""
    words = f"{payload.status}: {_title(payload)}; {payload.reason}"
    return {
        "state": _STATES[payload.status],
        "context": CHECK,
        "description": plain(words, DESCRIPTION),
    }


def annotation_batches(
    wanted: Iterable[Annotation], there: Iterable[Mapping[str, Any]]
) -> list[list[dict[str, Any]]]:
    """What is not there yet, in parts that one request takes; GitHub adds them to the others."""
    known = {_key(annotation) for annotation in there}
    missing = []
    for annotation in wanted:
        body = {
            "path": plain(annotation.path, 500),
            "start_line": annotation.line,
            "end_line": annotation.line,
            "annotation_level": annotation.level,
            "title": plain(annotation.title, 255),
            "message": plain(annotation.message, 2000),
        }
        if _key(body) not in known:
            known.add(_key(body))
            missing.append(body)
    return [missing[at : at + BATCH] for at in range(0, len(missing), BATCH)]


def post_check(post: Post) -> str:
    """The check run of this name and head changed where there is one, else created; a commit status
    where the token is of no App. What was done, in words."""
    post.pull()
    body = check_run(post.payload)
    runs = post.api.pages(
        f"{post.base}/commits/{post.payload.target.head}/check-runs",
        "check_runs",
        check_name=CHECK,
        filter="all",
    )
    mine = [run for run in runs if value_of(run, "name") == CHECK]
    mine.sort(key=lambda run: (str(run.get("external_id")).startswith(OURS), value_of(run, "id")))
    for run in reversed(mine):
        try:
            return _change(post, run, body)
        except Refused as refused:  # the run of another App, or of a job, cannot be changed
            if refused.status not in (403, 404, 422):
                raise
    try:
        return _create(post, body)
    except Refused as refused:
        if refused.status not in (403, 404) or "integration" in refused.words:
            raise  # an App without the permission
        return _post_status(post, f"{refused.status} {refused.words}")


def _change(post: Post, run: dict[str, Any], body: dict[str, Any]) -> str:
    path = f"{post.base}/check-runs/{value_of(run, 'id')}"
    count = (run.get("output") or {}).get("annotations_count")
    there = list(post.api.pages(f"{path}/annotations")) if count else []
    batches = annotation_batches(post.payload.annotations, there)
    same = all(run.get(name) == body[name] for name in ("external_id", "status", "conclusion"))
    if same and not batches:
        return "check run: unchanged"
    _send_batches(post, path, body, batches or [[]])
    return "check run: updated"


def _create(post: Post, body: dict[str, Any]) -> str:
    first, *rest = annotation_batches(post.payload.annotations, []) or [[]]
    whole = {**body, "output": {**body["output"], "annotations": first}}
    run = post.api.send("POST", f"{post.base}/check-runs", whole)
    _send_batches(post, f"{post.base}/check-runs/{value_of(run, 'id')}", body, rest)
    return "check run: created"


def _send_batches(
    post: Post, path: str, body: dict[str, Any], batches: list[list[dict[str, Any]]]
) -> None:
    changes = {name: value for name, value in body.items() if name != "head_sha"}
    for batch in batches:
        output = {**body["output"], "annotations": batch}
        post.api.send("PATCH", path, {**changes, "output": output})


def _post_status(post: Post, why: str) -> str:
    """A commit status; of those with one name the last counts."""
    body = commit_status(post.payload)
    head = post.payload.target.head
    said = f"commit status: {body['state']}; this token may not create check runs ({why})"
    for last in post.api.pages(f"{post.base}/commits/{head}/statuses"):
        if last.get("context") == CHECK:
            if all(last.get(name) == value for name, value in body.items()):
                return f"{said}; unchanged"
            break
    post.api.send("POST", f"{post.base}/statuses/{head}", body)
    return said


def _title(payload: Payload) -> str:
    return "inconclusive" if payload.inconclusive else plain(payload.title, 255)


def _key(annotation: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("path", "start_line", "end_line", "annotation_level", "title", "message")
    return tuple(annotation.get(name) for name in names)
