"""The ledger comment on GitHub: found by its anchors and its author, one and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from bitnet_perf.github.ledger import Entry, create, is_ledger, mark_of, read_state, update
from bitnet_perf.github.post import Post, value_of
from bitnet_perf.github.transport import Refused, Unclear

__all__ = ["found_before", "post_ledger"]

_WRITERS = ("OWNER", "MEMBER", "COLLABORATOR")


def found_before(post: Post) -> frozenset[str]:
    """The marks of the cases that the result before this one found over their budgets."""
    entry = _entry(post, post.pull())
    found = next(_ledgers(post), None)
    state = read_state(str(found["body"])) if found else None
    if state is None:
        return frozenset()
    return frozenset(state.before if state.result == entry.result else state.over)


def post_ledger(post: Post) -> str:
    """The one comment, edited where it stands, created where there is none."""
    entry = _entry(post, post.pull())
    found = next(_ledgers(post), None)
    comments = f"{post.base}/issues/comments"
    if found is None:
        path = f"{post.base}/issues/{post.payload.target.pull}/comments"
        made = value_of(post.api.send("POST", path, {"body": create(entry)}), "id")
        if not any(_older(comment, made) for comment in _ledgers(post)):
            return "ledger: created"
        post.api.send("DELETE", f"{comments}/{made}")
        raise Unclear("ledger: another was written at the same time")
    one = f"{comments}/{value_of(found, 'id')}"
    try:
        body = str(value_of(post.api.get(one), "body"))  # as it is now
        text = update(body, entry)
        if text == body:
            return "ledger: unchanged"
        post.pull()
        post.api.send("PATCH", one, {"body": text})
    except Refused as refused:
        if refused.status not in (404, 410):
            raise
        raise Unclear("ledger: it was deleted meanwhile") from refused
    return "ledger: updated"


def _older(comment: dict[str, Any], made: int) -> bool:
    """Whether a ledger comes before the one just made: an older one, or one of other hands."""
    number = value_of(comment, "id")
    return number != made and (number < made or read_state(str(comment["body"])) is None)


def _entry(post: Post, pull: dict[str, Any]) -> Entry:
    payload = post.payload
    ready = post.promote and payload.status == "pass" and not pull.get("draft")
    rework = payload.status == "fail" and not payload.inconclusive
    state = "ready" if ready else "needs-rework" if rework else "in-progress"
    return Entry(
        head=payload.target.head,
        rows=payload.rows,
        hop=payload.hop,
        state="merged" if pull.get("merged") else state,
        why=payload.why,
        agent=payload.agent,
        over=tuple(mark_of(regression.case) for regression in payload.regressions),
    )


def _ledgers(post: Post) -> Iterator[dict[str, Any]]:
    """The ledgers whose author can be trusted: those with our state first, the oldest first."""
    path = f"{post.base}/issues/{post.payload.target.pull}/comments"
    found = [c for c in post.api.pages(path) if is_ledger(str(c.get("body") or ""))]
    found.sort(key=lambda c: (read_state(str(c["body"])) is None, value_of(c, "id")))
    return (comment for comment in found if _trusted(post, comment))


def _trusted(post: Post, comment: dict[str, Any]) -> bool:
    """Whether it is of a bot, of somebody who may write to the repository, or our own."""
    user = comment.get("user") or {}
    login = str(user.get("login") or "")
    if user.get("type") == "Bot" or comment.get("author_association") in _WRITERS:
        return True
    if not login:
        return False
    try:
        path = f"{post.base}/collaborators/{quote(login, safe='')}/permission"
        if post.api.get(path).get("permission") in ("admin", "write"):
            return True
    except Refused:
        pass  # this token may not ask
    try:
        viewer = post.api.query("query { viewer { login } }", changes=False)
    except Refused:
        return False
    return bool(value_of(viewer, "viewer", "login") == login)
