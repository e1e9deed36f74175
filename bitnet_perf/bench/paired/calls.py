"""Cases that call the Python of a package: a model file loaded, a text encoded, ids decoded, and a
model file that a user names, run from one token on or over a prompt.

The driver brings this file to both sides, as it brings worker.py, and what it finds there are names
of the public interface alone: each side runs its own Python on the same inputs, which
`bench.inputs` has made. Loading this file takes the standard library.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False  # as in typing, which is slow to load
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Options = Mapping[str, str]
    Call = Callable[[], object]

ISA = "python"  # what such a case runs on: kernels of many kinds, or none
TOKENS = (1, 5, 300, 77, 5, 201)  # of every vocabulary that is made
# NMSE of a row of logits: one int8 activation that rounds the other way, as float kernels of two
# instruction sets may have it, moves a row by 1e-3 at most; another weight matrix by 1e-2 at least.
LARGEST_ERROR = 3e-3


class Lacking(Exception):
    """The package is too old for the case."""


def calls_python(case: str) -> bool:
    """Whether the case is one of this file."""
    parts = case.split("/")
    return len(parts) == 5 and parts[1] in (RUNS if is_named(case) else CALLS)


def is_named(case: str) -> bool:
    """Whether the case runs a file that a user named: the shape is `NAME.DIGEST-nTOKENS`."""
    parts = case.split("/")
    return len(parts) == 5 and parts[1] in RUNS and "." in parts[3]


def make_call(options: Options) -> Call:
    """One iteration of the case, its result checked.

    options: `case`, `threads`, `isa` ("" for the best), and what `inputs_of` gives for the case.
    Raises ArithmeticError for a wrong result, Lacking for a package without what it needs.
    """
    import bitnet_perf

    if not hasattr(bitnet_perf, "Model"):
        raise Lacking(f"{options['case']}: needs bitnet_perf.Model, which this side lacks")
    return {**CALLS, **RUNS}[options["case"].split("/")[1]][1](options)


def load(options: Options) -> Call:
    """A GGUF file opened, parsed, read and made ready, and let go."""
    import bitnet_perf as bp

    isa, threads = options.get("isa") or None, int(options["threads"])

    def call() -> bp.Model:
        return bp.Model.load(options["model"], isa=isa, threads=threads)

    check_logits(call(), options)
    return call


def check_logits(model: Any, options: Options) -> None:
    """Raise ArithmeticError where the logits of the model are not the expected ones."""
    import numpy as np

    want = np.load(options["expected"])
    found = model.forward(TOKENS)
    error = float((np.square(found - want).sum(axis=1) / np.square(want).sum(axis=1)).max())
    if not error <= LARGEST_ERROR:
        raise ArithmeticError(f"wrong logits of the loaded model (NMSE {error:.2g}): not timed")


def decode(options: Options) -> Call:
    """A text of one token made TOKENS long, greedily: every step, and the choice after it."""
    model, tokens = named_model(options)
    return lambda: model.generate(TOKENS[:1], max_tokens=tokens - 1, stop=())


def prefill(options: Options) -> Call:
    """A prompt of TOKENS tokens, and the choice of the next."""
    model, tokens = named_model(options)
    prompt = [TOKENS[place % len(TOKENS)] for place in range(tokens)]
    return lambda: model.generate(prompt, max_tokens=1, stop=())


def named_model(options: Options) -> tuple[Any, int]:
    """The model of a file, which gives the expected logits, and the number of tokens."""
    import bitnet_perf as bp

    isa, threads = options.get("isa") or None, int(options["threads"])
    model = bp.Model.load(options["model"], isa=isa, threads=threads)
    check_logits(model, options)
    return model, int(options["case"].split("/")[3].rpartition("-n")[2])


def tokenize(options: Options) -> Call:
    """A text to ids."""
    tokenizer, text, _ = vocabulary(options)
    return lambda: tokenizer.encode(text, add_special=False)


def detokenize(options: Options) -> Call:
    """The ids of a text to the text."""
    tokenizer, _, ids = vocabulary(options)
    return lambda: tokenizer.decode(ids)


def vocabulary(options: Options) -> tuple[Any, str, list[int]]:
    """Tokenizer, text and ids, which are right in both directions."""
    import bitnet_perf as bp

    isa = options.get("isa") or None  # has no part in it, but one that cannot run is an error
    tokenizer = bp.Model.load(options["model"], isa=isa, threads=1).tokenizer
    with open(options["expected"], encoding="utf-8") as file:
        known = json.load(file)
    text, ids = known["text"], known["ids"]
    if tokenizer.encode(text, add_special=False) != ids:
        raise ArithmeticError("wrong ids of the text: not timed")
    if tokenizer.decode(ids) != text:
        raise ArithmeticError("wrong text of the ids: not timed")
    return tokenizer, text, ids


# Family -> its stage, and what makes one iteration.
CALLS: dict[str, tuple[str, Callable[[Options], Call]]] = {
    "gguf": ("load", load),
    "tokenize": ("tokenization", tokenize),
    "detokenize": ("tokenization", detokenize),
}
# The same of a named model file; of models of random weights in memory, native loops run these.
RUNS: dict[str, tuple[str, Callable[[Options], Call]]] = {
    "decode": ("generation", decode),
    "prefill": ("forward", prefill),
}
