"""Texts for a byte-level BPE vocabulary, with their ids by the definition of BPE alone."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from bitnet_perf.model.vocabulary import BYTE_OF

__all__ = ["text_of"]

OTHERS = (" naïve", " Straße", " слово", " 東京")  # letters of two and three bytes
OTHER_SHARE = 0.05  # of the words
_LETTER_OF = {byte: letter for letter, byte in BYTE_OF.items()}


def text_of(metadata: Mapping[str, Any], count: int) -> tuple[str, list[int]]:
    """A text of exactly `count` tokens and their ids, from the keys of a synthetic vocabulary.

    Words are one to three tokens of it, as often as real text has them, between commas, full stops,
    numbers and words of other scripts. It is written in the pieces into which `llama-bpe` cuts a
    text, and each piece is merged here by rank: neither the expression nor the `tokenizers` package
    has a part in the ids. The same keys give the same text.
    """
    tokens: Sequence[str] = metadata["tokenizer.ggml.tokens"]
    ids_of = {token: at for at, token in enumerate(tokens)}
    merges = (line.split(" ") for line in metadata["tokenizer.ggml.merges"])
    ranks = {(left, right): rank for rank, (left, right) in enumerate(merges)}
    space = _LETTER_OF[ord(" ")]
    starts = [each for each in tokens if each.startswith(space) and each[1:].isalpha()]
    inner = [each for each in tokens if each.isascii() and each.isalpha()]
    rng = random.Random(count)
    text, ids = "", list[int]()
    while len(ids) < count:
        for piece in _pieces(rng, starts, inner):
            merged = _merged(piece, ids_of, ranks)
            if len(ids) + len(merged) <= count:
                text += piece
                ids += merged
            else:  # a full stop is one token
                left = count - len(ids)
                text += "." * left
                ids += _merged(".", ids_of, ranks) * left
    return text, ids


def _pieces(rng: random.Random, starts: Sequence[str], inner: Sequence[str]) -> list[str]:
    """A word, and what follows it."""
    word = " " + rng.choice(starts)[1:] + "".join(rng.choices(inner, k=rng.choice((0, 0, 1, 2))))
    number = str(rng.randrange(1000))
    endings: tuple[list[str], ...] = ([], [","], [".\n"], [" ", number])
    (ending,) = rng.choices(endings, (8, 2, 1, 1))
    return [rng.choice(OTHERS) if rng.random() < OTHER_SHARE else word, *ending]


def _merged(
    piece: str, ids_of: Mapping[str, int], ranks: Mapping[tuple[str, str], int]
) -> list[int]:
    """Ids of one piece: its own where it is a token, else the pair of least rank is merged first,
    of equal ones the leftmost."""
    parts = [_LETTER_OF[byte] for byte in piece.encode()]
    if "".join(parts) in ids_of:
        return [ids_of["".join(parts)]]
    while True:
        pairs = [(ranks.get(pair, len(ranks)), at) for at, pair in enumerate(pairwise(parts))]
        rank, at = min(pairs, default=(len(ranks), 0))
        if rank == len(ranks):
            return [ids_of[part] for part in parts]
        parts[at : at + 2] = ["".join(parts[at : at + 2])]
