"""What cases that call the package's Python work on: models of random weights and texts, made once
and kept in the cache, and beside each the result that is right."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from bitnet_perf import _native
from bitnet_perf.bench import texts
from bitnet_perf.bench.paired.calls import CALLS, RUNS, TOKENS
from bitnet_perf.cache import cache_folder, keep_newest, locked
from bitnet_perf.errors import ConfigError
from bitnet_perf.files import write_atomic
from bitnet_perf.model import synthetic
from bitnet_perf.model.as_stored import load_as_stored
from bitnet_perf.model.gguf import read_gguf

__all__ = ["inputs_of", "model_cases", "model_file", "named_file"]

MODELS, RESULTS = 16, 64  # how many of each are kept
VOCABULARY = "gpt2"  # the kind of vocabulary that models of random weights have
LARGEST_TEXT = 1 << 16  # tokens
LENGTH = 32  # tokens of the texts of a model that is named to a gate
DIGESTED = 1 << 20  # bytes at both ends of a file that its name depends on, and its size

_NAMED: dict[str, Path] = {}  # the files that `model_cases` was given, by name

MATRIX = "blk.0.ffn_up.weight"  # whose type is that of a model

_MODEL_CODE = Path(synthetic.__file__).parent
_WRITER = ("gguf_write.py", "synthetic.py", "synthetic_vocab.py", "vocabulary.py")


@functools.cache
def inputs_of(case: str) -> Mapping[str, str]:
    """The options `model` and `expected` of a case of `paired.calls`: files that exist.

    Raises ConfigError for a case that cannot be, EnvironmentRefused where a file cannot be written.
    """
    stage, family, format, shape, _ = case.split("/")
    right = {**CALLS, **RUNS}[family][0]
    if stage != right:
        raise ConfigError(f"case: found {case!r}, the stage of {family} is {right!r}")
    if family == "gguf" or family in RUNS:
        named = shape.rpartition("-n")[0] if family in RUNS else shape
        path = _named_file(case, named) if "." in named else model_file(shape, format)
        stem = named if "." in named else path.stem
        return {"model": str(path), "expected": str(_logits_file(path, stem))}
    match = re.fullmatch(r"(\w+)-n([1-9]\d*)", shape)
    if format != VOCABULARY or match is None or int(match[2]) > LARGEST_TEXT:
        raise ConfigError(
            f"case: found {case!r}, accepted is {stage}/{family}/{VOCABULARY}/MODEL-nTOKENS/t1 "
            f"with 1 to {LARGEST_TEXT} tokens"
        )
    # A small model with the vocabulary of that shape: what else is in the file has no part.
    path = model_file("tiny", head="q4_0", vocab=_sizes(match[1]).vocab)
    return {"model": str(path), "expected": str(_text_file(path, int(match[2])))}


def model_file(
    shape: str,
    type: str = "i2_s",
    head: str = "f16",
    seed: int = 0,
    *,
    vocab: int | None = None,
    layers: int | None = None,
) -> Path:
    """A file of `make_model` with these arguments, made at first use.

    Its name holds them, and a hash of the code that writes it. Raises the errors of `make_model`.
    """
    sizes = repr(_sizes(shape)).encode()
    writer = _hash([sizes, *((_MODEL_CODE / name).read_bytes() for name in _WRITER)])
    others = "".join(f"-{n}{v}" for n, v in (("v", vocab), ("l", layers)) if v is not None)

    def make(path: Path) -> None:
        synthetic.make_model(path, shape, type, head, seed, vocab=vocab, layers=layers)

    return _kept("models", f"{shape}-{type}-{head}-s{seed}{others}-{writer}.gguf", MODELS, make)


def model_cases(model: str) -> tuple[str, ...]:
    """The cases of a gate that run a model: a shape of random weights, or a GGUF file.

    Those of a file are called `NAME.DIGEST`, so that another file of that name has other cases; its
    path is remembered in this process. Raises ConfigError for what is neither.
    """
    if model in synthetic.SHAPES:
        name, type = model, "i2_s"
    else:
        path = Path(model)
        if not path.is_file():
            raise ConfigError(
                f"model: found {model!r}, accepted is a GGUF file or one of "
                f"{', '.join(synthetic.SHAPES)}"
            )
        type = read_gguf(path).tensor(MATRIX).type
        name = _name_of(path)
        _NAMED[name] = path.resolve()
    decode = f"generation/decode/{type}/{name}-n{LENGTH}"
    return (
        f"load/gguf/{type}/{name}/t1",
        f"forward/prefill/{type}/{name}-n{LENGTH}/t1",
        *dict.fromkeys((f"{decode}/t1", f"{decode}/t{_native.default_threads()}")),
    )


def named_file(model: str | None) -> Path | None:
    """The GGUF file of a model that `model_cases` takes; None for a shape of random weights."""
    return None if model is None or model in synthetic.SHAPES else Path(model)


def _name_of(path: Path) -> str:
    """A name without marks, and the digest of the file's size and ends."""
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(DIGESTED)
        file.seek(max(0, size - DIGESTED))
        digest = hashlib.sha256(repr(size).encode() + begin + file.read()).hexdigest()[:8]
    stem = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_") or "model"
    return f"{stem[:40]}.{digest}"


def _named_file(case: str, name: str) -> Path:
    if name not in _NAMED:
        raise ConfigError(
            f"case: found {case!r}, its model is not known here: name the file, `gate --model FILE`"
        )
    return _NAMED[name]


def _sizes(shape: str) -> synthetic.ModelShape:
    if shape not in synthetic.SHAPES:
        raise ConfigError(f"shape: found {shape!r}, accepted are {', '.join(synthetic.SHAPES)}")
    return synthetic.SHAPES[shape]


def _logits_file(path: Path, stem: str) -> Path:
    """Logits of TOKENS by the model of that file with its weights as they are stored; .npy."""

    def make(target: Path) -> None:
        found = io.BytesIO()
        np.save(found, load_as_stored(path).forward(TOKENS))
        write_atomic(target, found.getvalue())

    code = (*sorted(_MODEL_CODE.glob("*.py")), Path(_native.__file__))
    engine = _hash(each.read_bytes() for each in code)
    return _kept("results", f"{stem}-{engine}.npy", RESULTS, make)


def _text_file(path: Path, tokens: int) -> Path:
    """A text of so many tokens of the vocabulary of that file, and their ids; JSON."""

    def make(target: Path) -> None:
        text, ids = texts.text_of(read_gguf(path).metadata, tokens)
        write_atomic(target, json.dumps({"text": text, "ids": ids}))

    writer = _hash([Path(texts.__file__).read_bytes()])
    return _kept("results", f"{path.stem}-n{tokens}-{writer}.json", RESULTS, make)


def _hash(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def _kept(kind: str, name: str, count: int, make: Callable[[Path], None]) -> Path:
    """The file `name` of the cache, made where it is missing; of its kind `count` are kept."""
    folder = cache_folder(kind)
    path = folder / name
    with locked(cache_folder("locks") / kind):
        if not path.exists():
            make(path)
        os.utime(path)
        keep_newest(folder, count)
    return path
