"""The search for the first bad commit, over any judge: a pure function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Answer", "Found", "first_bad"]

Answer = Literal["good", "bad", "skip"]


@dataclass(frozen=True, slots=True)
class Found:
    """The commits that can be the first bad one, oldest first: one where nothing hides it, more
    where skipped ones stand beside it. `asked` holds every answer, in the order of asking."""

    candidates: tuple[str, ...]
    asked: tuple[tuple[str, Answer], ...]

    @property
    def first(self) -> str | None:
        """The first bad commit, None where it is not known which of the candidates that is."""
        return self.candidates[0] if len(self.candidates) == 1 else None


def first_bad(commits: Sequence[str], judge: Callable[[str], Answer]) -> Found:
    """The first bad commit of a line of commits, oldest first, the last of which is bad.

    What stands before them all is good, and once bad it stays so. `judge` is asked about
    log2(len(commits)) times; a commit that it skips is replaced by the nearest one that is not
    asked yet.
    """
    good, bad = -1, len(commits) - 1  # indices: the newest good one, the oldest bad one
    asked: dict[int, Answer] = {}
    while True:
        middle = (good + bad) / 2
        open_ones = [i for i in range(good + 1, bad) if i not in asked]
        if not open_ones:
            break
        at = min(open_ones, key=lambda i: (abs(i - middle), i))
        asked[at] = judge(commits[at])
        if asked[at] == "good":
            good = at
        elif asked[at] == "bad":
            bad = at
    return Found(
        tuple(commits[good + 1 : bad + 1]),
        tuple((commits[i], answer) for i, answer in asked.items()),
    )
