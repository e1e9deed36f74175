"""The `tokenizer.ggml.*` keys of a GGUF file, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isnan
from typing import Any

from bitnet_perf.errors import ModelError

__all__ = ["BYTE_OF", "Vocabulary", "read_vocabulary"]

PREFIX = "tokenizer.ggml."
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # token_type
MODELS = ("gpt2", "llama")
# The names that llama.cpp reads as one pre-tokenizer each.
PRE_TOKENIZERS = {
    "llama-bpe": "llama-bpe",
    "llama3": "llama-bpe",
    "llama-v3": "llama-bpe",
    "falcon3": "llama-bpe",
    "falcon_e": "llama-bpe",
    "gpt-2": "gpt-2",
    "default": "default",
}
# Control tokens that end a generation, also where no key names them.
ENDS = ("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>", "<|im_end|>", "<|end|>")


def _byte_characters() -> dict[str, int]:
    """Byte-level BPE's alphabet: printable Latin-1 as itself, the other bytes from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    other = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + place): byte for place, byte in enumerate(other)
    }


BYTE_OF = _byte_characters()


@dataclass(frozen=True)
class Vocabulary:
    """What a file says of its tokens; the lists have one entry a token id."""

    model: str  # gpt2 or llama
    pre: str  # llama-bpe, gpt-2 or default; only for gpt2
    tokens: list[str]
    types: list[int]
    scores: list[float]  # only for llama
    merges: list[tuple[str, str]]  # only for gpt2, best first
    bos_id: int | None
    eos_id: int | None
    eos_ids: frozenset[int]
    add_bos: bool
    add_eos: bool
    add_space_prefix: bool
    warnings: tuple[str, ...]

    def ids_of(self, *types: int) -> list[int]:
        return [index for index, kind in enumerate(self.types) if kind in types]


def _fail(key: str, text: str) -> ModelError:
    return ModelError(f"{PREFIX}{key}: {text}")


class _Keys:
    """Typed access to the keys; every error names the key and what stands there."""

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self.metadata = metadata

    def __contains__(self, key: str) -> bool:
        return PREFIX + key in self.metadata

    def scalar(self, key: str, kind: type, default: Any = None) -> Any:
        value = self.metadata.get(PREFIX + key, default)
        value = value.item() if getattr(value, "shape", None) == () else value  # of NumPy
        if value is default:
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise _fail(key, f"{value!r} is not {kind.__name__}")
        return value

    def array(self, key: str, kinds: tuple[type, ...], length: int | None = None) -> list[Any]:
        if key not in self:
            found = sorted(name for name in self.metadata if name.startswith(PREFIX))
            raise _fail(key, f"missing; of the tokenizer there are {found or 'no keys'}")
        value = self.metadata[PREFIX + key]
        items = value.tolist() if hasattr(value, "tolist") else value  # of NumPy
        if not isinstance(items, Sequence) or isinstance(items, str | bytes):
            raise _fail(key, f"{type(value).__name__} is not an array")
        items = list(items)
        if length is not None and len(items) != length:
            raise _fail(key, f"{len(items)} entries for {length} tokens")
        for place, item in enumerate(items):
            if type(item) not in kinds or (type(item) is float and isnan(item)):
                raise _fail(key, f"entry {place} is {item!r}, not {kinds[0].__name__}")
        return items

    def token_id(self, key: str, tokens: Sequence[str]) -> int | None:
        value: int | None = self.scalar(key, int)
        if value is not None and not 0 <= value < len(tokens):
            raise _fail(key, f"{value} is outside the {len(tokens)} tokens")
        return value


def _tokens(keys: _Keys, warnings: list[str]) -> list[str]:
    tokens: list[str] = keys.array("tokens", (str,))
    if not tokens:
        raise _fail("tokens", "there are none")
    for place in [place for place, token in enumerate(tokens) if not token]:
        tokens[place] = f"[EMPTY_{place}]"
        warnings.append(f"{PREFIX}tokens: token {place} is empty, and text never gives it")
    last = {token: place for place, token in enumerate(tokens)}
    if len(last) < len(tokens):
        place = next(place for place, token in enumerate(tokens) if last[token] != place)
        again = last[tokens[place]]
        raise _fail("tokens", f"{tokens[place]!r} stands at {place} and again at {again}")
    return tokens


def _merges(keys: _Keys, tokens: list[str]) -> list[tuple[str, str]]:
    texts: list[str] = keys.array("merges", (str,))
    pairs = [text.partition(" ")[::2] for text in texts]
    known = set(tokens)
    needed = chain(chain.from_iterable(pairs), map("".join, pairs))
    if known.issuperset(needed) and len(set(texts)) == len(texts):
        return pairs
    raise _wrong_merge(texts, known)


def _wrong_merge(texts: list[str], known: set[str]) -> ModelError:
    """The first merge that is wrong, named: there must be one."""
    seen: set[str] = set()
    for place, text in enumerate(texts):
        left, _, right = text.partition(" ")
        if not (left and right) or (" " in right and right not in known):
            return _fail("merges", f"entry {place} is {text!r}, not two tokens and a space")
        for token in (left, right, left + right):
            if token not in known:
                return _fail("merges", f"entry {place}, {text!r}, needs {token!r}, not a token")
        if text in seen:
            break
        seen.add(text)
    return _fail("merges", f"entry {place}, {text!r}, stands there before")


def _pre_tokenizer(keys: _Keys, warnings: list[str]) -> str:
    name = keys.scalar("pre", str)
    if name is None:
        warnings.append(
            f"{PREFIX}pre: missing, so text is split as for llama-3; ids are wrong if the model "
            "was trained with another pre-tokenizer"
        )
        return "llama-bpe"
    if name not in PRE_TOKENIZERS:
        raise _fail("pre", f"{name!r} is not one of {', '.join(PRE_TOKENIZERS)}")
    return PRE_TOKENIZERS[name]


def _bytes_are_there(model: str, tokens: list[str]) -> None:
    """Any text must have ids: a token for each byte."""
    known = set(tokens)
    names = [f"<0x{byte:02X}>" for byte in range(256)] if model == "llama" else list(BYTE_OF)
    missing = [name for name in names if name not in known]
    if missing:
        raise _fail("tokens", f"{len(missing)} of the 256 byte tokens are missing: {missing[:8]}")


def _adds(keys: _Keys, which: str, default: bool, token: int | None, warn: list[str]) -> bool:
    """Whether bos or eos is added: as the key says; without key as llama.cpp, if there is an id."""
    wanted: bool = keys.scalar(f"add_{which}_token", bool, default)
    if wanted and token is None:
        if f"add_{which}_token" in keys:
            raise _fail(f"{which}_token_id", f"missing, and add_{which}_token is true")
        warn.append(f"{PREFIX}{which}_token_id: missing, so none is added")
        return False
    return wanted


def read_vocabulary(metadata: Mapping[str, Any]) -> Vocabulary:
    """The `tokenizer.ggml.*` keys of `metadata`; arrays may be sequences or NumPy arrays.

    Raises ModelError, naming the key, where one is missing, of a wrong type or length, or at odds
    with another. What is guessed stands in `.warnings`.
    """
    keys, warnings = _Keys(metadata), list[str]()
    model = keys.scalar("model", str)
    if model not in MODELS:
        found = "missing" if model is None else repr(model)
        raise _fail("model", f"{found}; known are {', '.join(MODELS)}")
    tokens = _tokens(keys, warnings)
    gpt2 = model == "gpt2"
    if gpt2 and "token_type" not in keys:
        types = [NORMAL] * len(tokens)
    else:
        types = keys.array("token_type", (int,), len(tokens))
    _bytes_are_there(model, tokens)
    pre = _pre_tokenizer(keys, warnings) if gpt2 else ""
    bos = keys.token_id("bos_token_id", tokens)
    eos = keys.token_id("eos_token_id", tokens)
    ends = [keys.token_id(f"{name}_token_id", tokens) for name in ("eot", "eom")]
    ends += [at for at, kind in enumerate(types) if kind == CONTROL and tokens[at] in ENDS]
    return Vocabulary(
        model=model,
        pre=pre,
        tokens=tokens,
        types=types,
        scores=[] if gpt2 else keys.array("scores", (float, int), len(tokens)),
        merges=_merges(keys, tokens) if gpt2 else [],
        bos_id=bos,
        eos_id=eos,
        eos_ids=frozenset(token for token in (eos, *ends) if token is not None),
        add_bos=_adds(keys, "bos", not gpt2 or pre == "llama-bpe", bos, warnings),
        add_eos=_adds(keys, "eos", False, eos, warnings),
        add_space_prefix=keys.scalar("add_space_prefix", bool, not gpt2),
        warnings=tuple(warnings),
    )
