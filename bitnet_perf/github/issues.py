"""Issues for regressions that two results, one after the other, found."""

from __future__ import annotations

from bitnet_perf.github.comment import found_before
from bitnet_perf.github.ledger import mark_of
from bitnet_perf.github.payload import Regression
from bitnet_perf.github.post import Post
from bitnet_perf.report.escape import escape, fence, plain

__all__ = ["post_issues"]

MOST = 5  # opened by one payload


def post_issues(post: Post) -> str:
    """An issue for every case that the result before found over its budget too, unless one is
    open. What was done, in words."""
    before = found_before(post)
    again = [r for r in post.payload.regressions if mark_of(r.case) in before][:MOST]
    if not again:
        return "issues: none, nothing was found twice"
    listed = post.api.pages(f"{post.base}/issues", state="open", sort="created")
    titles = [str(issue.get("title")) for issue in listed if "pull_request" not in issue]
    opened = 0
    for regression in again:
        if not any(title.startswith(f"{_title(regression)} +") for title in titles):
            post.api.send("POST", f"{post.base}/issues", _issue(post, regression))
            opened += 1
    return f"issues: {opened} opened, {len(again) - opened} open already"


def _title(regression: Regression) -> str:
    return f"perf: {plain(regression.case, 180)}"


def _issue(post: Post, regression: Regression) -> dict[str, str]:
    target = post.payload.target
    slower = f"{100 * regression.slowdown:.0f}"
    lines = [
        f"Two results of #{target.pull}, one after the other, found this case over its budget:",
        f"{escape(regression.case, 180)} is {slower} % slower than its base at {target.head}.",
        "",
        "Measure it again:",
        "",
        *fence(post.payload.commands, "sh"),
        "",
        "Commits that make it faster begin with `perf:`.",
    ]
    return {"title": f"{_title(regression)} +{slower}%", "body": "\n".join(lines)}
