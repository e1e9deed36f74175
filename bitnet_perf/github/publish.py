"""A payload on a pull request: check run, promotion, ledger, issues. Each part looks before it
writes, so that a payload may be posted again wherever an attempt ended early."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bitnet_perf.errors import FormatError
from bitnet_perf.github.checks import post_check
from bitnet_perf.github.comment import post_ledger
from bitnet_perf.github.issues import post_issues
from bitnet_perf.github.payload import CHECK
from bitnet_perf.github.post import Moved, Post, value_of
from bitnet_perf.github.transport import PublishError, Refused

__all__ = ["publish"]

Part = Callable[[Post], str]
READY = """
mutation($id: ID!) {
  markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { isDraft } }
}"""


def publish(post: Post) -> tuple[str, ...]:
    """Post the payload; what was done, in words.

    Nothing is posted for a head that has moved on. Every part is tried, also where another failed;
    PublishError names all that failed, and what was done.
    """
    done, failed = list[str](), list[str]()
    for name, part in _parts(post):
        if part is _promote and failed:
            failed.append("promotion: not without the check run")
            continue
        try:
            done.append(post.api.settle(partial(part, post)))
        except Moved as moved:
            return (*done, str(moved))
        except (PublishError, FormatError) as error:
            failed.append(f"{name}: {error}")
    if failed:
        raise PublishError("; ".join([*failed, *(f"done: {line}" for line in done)]))
    return tuple(done)


def _parts(post: Post) -> list[tuple[str, Part]]:
    parts: list[tuple[str, Part]] = [("check run", post_check)]
    parts += [("promotion", _promote)] if post.promote else []
    parts.append(("ledger", post_ledger))
    return parts + ([("issues", post_issues)] if post.open_issue else [])


def _promote(post: Post) -> str:
    """A draft marked ready, after the gate passed."""
    pull = post.pull()
    if post.payload.status != "pass":
        return f"promotion: none, {CHECK} = {post.payload.status}"
    if not pull.get("draft"):
        return "promotion: ready already"
    try:
        data = post.api.query(READY, changes=True, id=str(value_of(pull, "node_id")))
    except Refused as refused:
        raise PublishError(
            f"{refused}; needs a token with contents: write and pull-requests: write"
        ) from refused
    if value_of(data, "markPullRequestReadyForReview", "pullRequest", "isDraft"):
        raise PublishError("GitHub left it a draft")
    return "promotion: ready for review"
