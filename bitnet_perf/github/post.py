"""What every part of posting shares: the payload, the client, and the pull request as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bitnet_perf.github.payload import Payload
from bitnet_perf.github.transport import Api, PublishError
from bitnet_perf.report.escape import plain

__all__ = ["Moved", "Post", "value_of"]


class Moved(Exception):
    """The pull request has another head now: its newer results are not written over."""


@dataclass(frozen=True)
class Post:
    """A payload on its way. promote: mark a draft ready once the gate passed; open_issue: for what
    was found twice; source: the repository, as OWNER/NAME, that the head must come from."""

    payload: Payload
    api: Api
    promote: bool = False
    open_issue: bool = False
    source: str | None = None

    @property
    def base(self) -> str:
        """The path of the repository."""
        return f"/repos/{self.payload.target.repository}"

    def pull(self) -> dict[str, Any]:
        """The pull request; Moved where its head is not the one that was judged."""
        target = self.payload.target
        pull = self.api.get(f"{self.base}/pulls/{target.pull}")
        head = str(value_of(pull, "head", "sha"))
        if head != target.head:
            raise Moved(
                f"not posted: {target.head[:12]} was judged, the head is {plain(head[:12])} now"
            )
        if self.source is not None:
            source = (value_of(pull, "head", "repo") or {}).get("full_name")
            if source != self.source:
                raise PublishError(
                    f"#{target.pull}: its head is of {source!r}, this result of {self.source!r}"
                )
        return dict(pull)


def value_of(data: Any, *path: str) -> Any:
    """A part of an answer; PublishError where GitHub answered something else."""
    for name in path:
        if not isinstance(data, dict) or name not in data:
            raise PublishError(f"GitHub's answer has no {'.'.join(path)}")
        data = data[name]
    return data
