"""Text to token ids and back, from the keys of a GGUF file or from a tokenizer.json."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bitnet_perf.errors import ConfigError, EnvironmentRefused, ModelError
from bitnet_perf.model import sentencepiece
from bitnet_perf.model.vocabulary import (
    BYTE_OF,
    CONTROL,
    ENDS,
    UNKNOWN,
    USER_DEFINED,
    Vocabulary,
    read_vocabulary,
)

__all__ = ["Tokenizer", "from_file", "from_metadata"]

SPACE = "\u2581"  # what SentencePiece writes for a space
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# Each expression cuts what the ones before it left whole.
SPLITS = {
    "llama-bpe": (
        r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    "gpt-2": (_GPT2,),
    "default": (r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"),
}
# Ids of a text without special tokens, and the bytes that an id stands for.
_Cut = tuple[Callable[[str], list[int]], Callable[[int], bytes]]


@dataclass(frozen=True)
class Tokenizer:
    """Made by `from_metadata` and `from_file`.

    `vocab_size` counts ids from 0 to the largest; `bos_id` is the id that starts a text where
    the model has one; generation ends at any of `eos_ids`; `warnings` says what was guessed.
    """

    vocab_size: int
    bos_id: int | None
    eos_ids: frozenset[int]
    warnings: tuple[str, ...]
    _encode: Callable[[str, bool], list[int]] = field(repr=False)
    _decode: Callable[[list[int], bool], str] = field(repr=False)

    def encode(self, text: str, *, add_special: bool = True) -> list[int]:
        """Ids of `text`. Special tokens written in it give their ids. `add_special` adds bos and
        eos where the model asks for them, also if the text already has them.

        Raises ConfigError if `text` has lone surrogates, which no UTF-8 text has.
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ConfigError(f"text: a lone surrogate stands at {error.start}") from error
        return self._encode(text, add_special)

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        """The text of `ids`; bytes that are not UTF-8 become U+FFFD. `skip_special` leaves out
        control tokens.

        `decode(encode(text, add_special=False), skip_special=False)` is `text`, except that a
        SentencePiece vocabulary cannot tell U+2581 from a space. Raises ConfigError naming an id
        outside the vocabulary.
        """
        numbers = list(ids)
        for place, number in enumerate(numbers):
            if not 0 <= number < self.vocab_size:
                raise ConfigError(
                    f"ids: entry {place} is {number}, the ids are 0 to {self.vocab_size - 1}"
                )
        return self._decode(numbers, skip_special)


def from_metadata(metadata: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer that the `tokenizer.ggml.*` keys of a GGUF file describe, as llama.cpp reads
    them.

    `model` gpt2: byte-level BPE from `tokens` and `merges`, text cut by `pre`; llama: SentencePiece
    BPE from `tokens`, `scores` and `token_type` with byte fallback. Control, unknown and
    user-defined tokens are found in a text before anything else, the longest first. Raises
    ModelError naming the key, and EnvironmentRefused where the `tokenizers` package is needed and
    missing.
    """
    words = read_vocabulary(metadata)
    cut, bytes_of = _byte_level(words) if words.model == "gpt2" else _sentencepiece(words)
    hidden = frozenset(words.ids_of(CONTROL, UNKNOWN)) | words.eos_ids
    hidden |= frozenset() if words.bos_id is None else {words.bos_id}
    apart = {words.tokens[at]: at for at in words.ids_of(CONTROL, UNKNOWN, USER_DEFINED)}
    return Tokenizer(
        vocab_size=len(words.tokens),
        bos_id=words.bos_id,
        eos_ids=words.eos_ids,
        warnings=words.warnings,
        _encode=_encoder(words, apart, cut),
        _decode=_decoder(bytes_of, hidden, hidden | set(apart.values()), words.add_space_prefix),
    )


def _encoder(
    words: Vocabulary, apart: Mapping[str, int], cut: Callable[[str], list[int]]
) -> Callable[[str, bool], list[int]]:
    longest_first = sorted(apart, key=len, reverse=True)
    special = re.compile("(" + "|".join(map(re.escape, longest_first)) + ")") if apart else None
    first = [words.bos_id] if words.add_bos and words.bos_id is not None else []
    last = [words.eos_id] if words.add_eos and words.eos_id is not None else []

    def encode(text: str, add_special: bool) -> list[int]:
        ids: list[int] = []
        for part in special.split(text) if special else [text]:
            if part:
                ids += [apart[part]] if part in apart else cut(part)
        return [*first, *ids, *last] if add_special else ids

    return encode


def _decoder(
    bytes_of: Callable[[int], bytes], hidden: Collection[int], apart: Collection[int], prefix: bool
) -> Callable[[list[int], bool], str]:
    """With `prefix` a space that begins the text, or what follows an id of `apart`, was added when
    it was encoded."""

    def decode(ids: list[int], skip_special: bool) -> str:
        parts, added = [], prefix
        for number in ids:
            if number in apart:
                parts.append(b"" if skip_special and number in hidden else bytes_of(number))
                added = prefix
            else:
                piece = bytes_of(number)
                parts.append(piece[1:] if added and piece.startswith(b" ") else piece)
                added = False
        return b"".join(parts).decode("utf-8", errors="replace")

    return decode


def _byte_level(words: Vocabulary) -> _Cut:
    library = _library()
    model = library.models.BPE(
        vocab={token: at for at, token in enumerate(words.tokens)},
        merges=words.merges,
        # as llama.cpp and llama-3: what is a token as a whole is not cut, whatever the merges say
        ignore_merges=words.pre == "llama-bpe",
    )
    whole = library.Tokenizer(model)
    steps = [
        library.pre_tokenizers.Split(library.Regex(pattern), "isolated")
        for pattern in SPLITS[words.pre]
    ]
    steps.append(library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    whole.pre_tokenizer = library.pre_tokenizers.Sequence(steps)
    literal = set(words.ids_of(CONTROL, UNKNOWN, USER_DEFINED))

    @cache
    def bytes_of(at: int) -> bytes:
        token = words.tokens[at]
        if at in literal or any(letter not in BYTE_OF for letter in token):
            return token.encode()
        return bytes(BYTE_OF[letter] for letter in token)

    def cut(text: str) -> list[int]:
        ids: list[int] = whole.encode(text, add_special_tokens=False).ids
        return ids

    return cut, bytes_of


def _sentencepiece(words: Vocabulary) -> _Cut:
    bytes_of = {f"<0x{byte:02X}>": byte for byte in range(256)}
    ids, scores, byte_ids, pieces = dict[str, int](), dict[str, float](), [0] * 256, list[bytes]()
    for at, (token, score) in enumerate(zip(words.tokens, words.scores, strict=True)):
        byte = bytes_of.get(token)
        if byte is not None:
            byte_ids[byte] = at
        else:
            ids[token], scores[token] = at, score
        pieces.append(token.replace(SPACE, " ").encode() if byte is None else bytes([byte]))

    def cut(text: str) -> list[int]:
        text = f" {text}" if words.add_space_prefix else text
        found: list[int] = []
        for piece in sentencepiece.merge(text.replace(" ", SPACE), scores):
            at = ids.get(piece)
            found += [at] if at is not None else [byte_ids[byte] for byte in piece.encode()]
        return found

    return cut, pieces.__getitem__


def _library() -> Any:
    """The `tokenizers` package."""
    try:
        import tokenizers
    except ImportError as error:
        raise EnvironmentRefused(
            "tokenizers: not installed; `pip install 'bitnet_perf[model]'` brings it"
        ) from error
    return tokenizers


def from_file(path: str | os.PathLike[str]) -> Tokenizer:
    """The tokenizer of a Hugging Face `tokenizer.json`.

    The texts of bos and eos are read from `tokenizer_config.json` beside it; without that file,
    from the tokens' usual names, with a warning. Raises ModelError naming the file where one of the
    two cannot be read or names an unknown token, EnvironmentRefused where the `tokenizers` package
    is missing.
    """
    library, source = _library(), Path(path)
    try:
        whole = library.Tokenizer.from_file(os.fspath(source))
    except Exception as error:  # the package raises Exception itself, also for a missing file
        raise ModelError(f"{source}: not a tokenizer.json that can be read ({error})") from error
    ids: dict[str, int] = whole.get_vocab(with_added_tokens=True)
    added = {token.content for token in whole.get_added_tokens_decoder().values() if token.special}
    bos, eos, warnings = _names(source.with_name("tokenizer_config.json"), added)
    for name in (*bos, *eos):
        if name not in ids:
            raise ModelError(f"{source}: no token {name!r}, which its tokenizer_config.json names")
    ends = {ids[name] for name in (*eos, *ENDS) if name in added or name in eos}

    def encode(text: str, add_special: bool) -> list[int]:
        found: list[int] = whole.encode(text, add_special_tokens=add_special).ids
        return found

    def decode(numbers: list[int], skip_special: bool) -> str:
        text: str = whole.decode(numbers, skip_special_tokens=skip_special)
        return text

    return Tokenizer(
        vocab_size=max(ids.values(), default=-1) + 1,
        bos_id=ids[bos[0]] if bos else None,
        eos_ids=frozenset(ends),
        warnings=tuple(warnings),
        _encode=encode,
        _decode=decode,
    )


def _names(config: Path, added: Collection[str]) -> tuple[list[str], list[str], list[str]]:
    """bos, eos (a name each, or none) and warnings."""
    if not config.exists():
        bos = [name for name in ("<|begin_of_text|>", "<s>") if name in added][:1]
        eos = [name for name in ("<|end_of_text|>", "</s>", "<|endoftext|>") if name in added][:1]
        found = f"{bos or 'none'} and {eos or 'none'} by their names"
        return bos, eos, [f"{config}: missing; bos and eos are {found}"]
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))
        values = [settings.get("bos_token"), settings.get("eos_token")]
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{config}: cannot be read ({error})") from error
    names = []
    for key, value in zip(("bos_token", "eos_token"), values, strict=True):
        text = value.get("content") if isinstance(value, dict) else value
        if not (text is None or isinstance(text, str)):
            raise ModelError(f"{config}: {key} is {value!r}, neither a text nor null")
        names.append([] if text is None else [text])
    return names[0], names[1], []
