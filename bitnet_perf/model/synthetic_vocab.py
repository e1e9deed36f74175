"""Vocabularies for models of random weights."""

from __future__ import annotations

from typing import Any

from bitnet_perf.errors import ConfigError
from bitnet_perf.model.vocabulary import BYTE_OF, CONTROL, NORMAL

__all__ = ["synthetic_metadata"]

RIGHT, LEFT = 4, 8  # most characters of the two words that are merged


def synthetic_metadata(vocab_size: int, seed: int) -> dict[str, Any]:
    """`tokenizer.ggml.*` keys of a byte-level BPE vocabulary of `vocab_size` tokens.

    Ids 0 to 255 are the bytes, the next ones random words of lower-case letters, some of them
    behind a space, each with the merge that makes it, the last two bos and eos. The same seed gives
    the same keys on every host. Raises ConfigError for fewer than 258 tokens.
    """
    import numpy as np

    if vocab_size < 258:
        raise ConfigError(f"vocab_size: {vocab_size} tokens; 256 bytes, bos and eos need 258")
    rng = np.random.Generator(np.random.PCG64(seed))
    tokens = sorted(BYTE_OF, key=BYTE_OF.__getitem__)
    space = tokens[ord(" ")]
    rights = [chr(letter) for letter in range(ord("a"), ord("z") + 1)]  # words without a space
    lefts = [space, *rights]
    seen, merges = set(tokens), list[str]()
    while len(tokens) < vocab_size - 2:
        for first, second in rng.random((1024, 2)).tolist():
            left = lefts[int(first * len(lefts))]
            right = rights[int(second * len(rights))]
            word = left + right
            if word in seen or len(tokens) == vocab_size - 2:
                continue
            seen.add(word)
            tokens.append(word)
            merges.append(f"{left} {right}")
            if len(word) <= LEFT:
                lefts.append(word)
            if len(word) <= RIGHT and not word.startswith(space):
                rights.append(word)
    specials = ["<|begin_of_text|>", "<|end_of_text|>"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "llama-bpe",
        "tokenizer.ggml.tokens": tokens + specials,
        "tokenizer.ggml.token_type": [NORMAL] * len(tokens) + [CONTROL] * len(specials),
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": vocab_size - 2,
        "tokenizer.ggml.eos_token_id": vocab_size - 1,
        "tokenizer.ggml.add_bos_token": True,
    }
