"""Merging of SentencePiece BPE, by score.

Ranked merges, such as those of the `tokenizers` package, cannot stand in for it: a rank belongs to
a pair, a score to the token that the pair gives, and where scores are equal the leftmost pair goes
first whatever the pairs are.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush

__all__ = ["merge"]


def merge(text: str, scores: Mapping[str, float]) -> list[str]:
    """`text` cut into pieces: of all neighbours whose join has a score, the pair with the highest
    is joined, the leftmost of equals, until none is left. Starts from single characters, which need
    no score. O(n log n) in the characters."""
    pieces = list(text)
    after = list(range(1, len(pieces) + 1))  # the next piece alive; len(pieces): none
    before = list(range(-1, len(pieces) - 1))
    heap: list[tuple[float, int, str]] = []

    def candidate(left: int) -> tuple[float, int, str] | None:
        joined = pieces[left] + pieces[after[left]]
        score = scores.get(joined)
        return None if score is None else (-score, left, joined)

    heap = [found for left in range(len(pieces) - 1) if (found := candidate(left))]
    heapify(heap)
    while heap:
        _, left, joined = heappop(heap)
        right = after[left]
        if not pieces[left] or right == len(pieces) or pieces[left] + pieces[right] != joined:
            continue  # one of the two has been joined with another meanwhile
        pieces[left], pieces[right] = joined, ""
        after[left] = after[right]
        if after[left] < len(pieces):
            before[after[left]] = left
        for start in (before[left], left):
            if start >= 0 and after[start] < len(pieces) and (found := candidate(start)):
                heappush(heap, found)
    return [piece for piece in pieces if piece]
