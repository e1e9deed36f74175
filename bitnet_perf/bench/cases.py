"""The cases of every suite: the one table. A name is an identity for ever:
`stage/family/format/shape/threads`.

A shape that ends in `-512mb` runs over distinct copies of its inputs that fill at least 512 MiB, so
that each iteration reads them from memory; without it the inputs stay as warm as they get. A shape
such as `2b4t-n32` is a model of random weights and a number of tokens: a prefill of so many, the
decode step that makes the text so long, or a text of so many in the vocabulary of that size. The
families of `paired.calls` call the Python of a package; all others run a native loop.

Scenarios are the layers of three models (1b, 2b4t, 7b), one row at a time or many, and short and
long texts: each has a suite of its name.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bitnet_perf import _native
from bitnet_perf.errors import ConfigError
from bitnet_perf.stages.table import STAGES

__all__ = [
    "GATE_SUITES",
    "MIXED_PRECISION",
    "SUITES",
    "Case",
    "class_of",
    "gate_cases",
    "matches",
    "nearest",
    "select",
    "skipped_cases",
    "with_threads",
]

# The matrices of a BitNet b1.58 2B4T layer, N x K: q and o, k and v, gate and up, down.
LAYER_SHAPES = ((2560, 2560), (640, 2560), (6912, 2560), (2560, 6912))
FORMATS = ("i2_s", "tl1", "tl2", "tq1_0", "tq2_0")
NATIVE = ("native_i2_r4", "native_i2_r16")  # layouts of our own that prepare() makes
CODECS = ("quant.i2s", "quant.tl1", "quant.tl2")
COLD = "-512mb"
HEADS = ("f16", "q6_k", "q8_0", "q4_0", "q4_k", "bf16", "f32")
VOCABULARY = 128256  # of 2B4T
HEAD_SHAPE = f"{VOCABULARY}x2560"  # its LM head, which no cache holds
SCENARIOS = ("1b", "7b")  # the models beside 2B4T whose layers are cases
SHORT, LONG = 512, 4096  # rows of keys and values that attention reads


@dataclass(frozen=True, slots=True)
class Case:
    """One case: its name, the suite it belongs to, and whether a quick run takes it."""

    name: str
    suite: str
    quick: bool = False


def _matmul() -> Iterable[tuple[str, bool]]:
    yield from _layer_products()
    yield from _scenario_products()
    for fmt in HEADS:
        yield f"forward/gemv_dense/{fmt}/{HEAD_SHAPE}/t1", False
        yield f"forward/gemv_dense/{fmt}/2560x2560/t1", fmt in ("f16", "q6_k")
        yield f"forward/gemm_dense/{fmt}/16x2560x2560/t1", False
        yield f"forward/embed/{fmt}/128x2560x2560/t1", False
    for side in (32, 64, 128, 256, 512):
        yield f"forward/block_matmul/matmul_i2s/{side}x{side}x{side}/t1", side == 256


def _layer_products() -> Iterable[tuple[str, bool]]:
    for n, k in LAYER_SHAPES:
        for fmt in (*FORMATS, *NATIVE):
            main, own = fmt == "i2_s", fmt in NATIVE
            square = (n, k) == (2560, 2560)
            large = (n, k) == (6912, 2560)
            yield f"forward/gemv/{fmt}/{n}x{k}/t1", square
            yield f"forward/gemv/{fmt}/{n}x{k}{COLD}/t1", (main and square) or (own and large)
            yield f"forward/gemm/{fmt}/16x{n}x{k}/t1", main and square
            yield f"forward/gemm/{fmt}/128x{n}x{k}/t1", square


def _scenario_products() -> Iterable[tuple[str, bool]]:
    """The matrices of a layer of small and large models; 64 rows, since a case has at most 2^32
    multiplications."""
    for n, k in (shape for model in SCENARIOS for shape in _matrices(model)):
        for fmt in (*FORMATS, *NATIVE):
            yield f"forward/gemv/{fmt}/{n}x{k}/t1", False
        for fmt in ("i2_s", *NATIVE):
            for rows in (16, 64):
                yield f"forward/gemm/{fmt}/{rows}x{n}x{k}/t1", False


def _matrices(model: str) -> list[tuple[int, int]]:
    """The matrices of a layer of a model, N x K."""
    width, ffn, heads, kv_heads = _LAYERS[model]
    keys = width // heads * kv_heads
    return sorted({(width, width), (keys, width), (ffn, width), (width, ffn)})


# Model -> width, ffn, heads, heads of keys and values.
_LAYERS = {row[0]: row[2:6] for row in _native.model_shapes()}


def _quantize() -> Iterable[tuple[str, bool]]:
    for codec in CODECS:
        for n in (1024, 4096, 16384, 65536, 262144):
            yield f"quantization/block_quantize/{codec}/{n}/t1", n == 65536
            yield f"quantization/block_dequantize/{codec}/{n}/t1", n == 65536
        for n in (4096, 16384, 65536):
            yield f"quantization/block_round_trip/{codec}/{n}/t1", False
    for block in (16, 32, 64, 128, 256):
        yield f"quantization/block_quantize/quant.i2s.b{block}/65536/t1", False
    for codec in ("quant.i2s", "quant.tl2"):
        for side in (256, 512, 1024):
            yield f"quantization/block_quantize/{codec}/{side}x{side}/t1", False
    for family in ("block_quantize", "block_dequantize"):
        yield f"quantization/{family}/quant.i2s/16777216/t1", True
    for fmt in FORMATS:
        for family in ("pack", "unpack"):
            yield f"quantization/{family}/{fmt}/2560x2560/t1", True
        for n, k in LAYER_SHAPES:
            quick = (fmt, n, k) == ("i2_s", 2560, 2560)
            yield f"quantization/quantize_weights/{fmt}/{n}x{k}/t1", quick


def _activations() -> Iterable[tuple[str, bool]]:
    for m in (1, 16, 128):
        for k in (2560, 6912):
            yield f"quantization/quantize_activations/q8_act/{m}x{k}/t1", k == 2560
            for fmt in ("q8_k", "q8_0"):
                yield f"quantization/quantize_activations/{fmt}/{m}x{k}/t1", False
    for m in (1, 128):
        yield f"forward/rms_norm/f32/{m}x2560/t1", False
        yield f"forward/rope/f32/{m}x25x128/t1", False
        yield f"forward/relu2_mul/f32/{m}x6912/t1", False
        yield f"forward/silu_mul/f32/{m}x6912/t1", False
        yield f"forward/add/f32/{m}x2560/t1", False
    for shape in ("1x20x5x512x128", "1x20x5x4096x128", "128x20x5x512x128"):
        yield f"forward/attention/f16/{shape}/t1", False
    for width, _, heads, kv_heads in map(_LAYERS.__getitem__, SCENARIOS):
        for m, length in ((1, SHORT), (1, LONG), (32, SHORT)):
            shape = f"{m}x{heads}x{kv_heads}x{length}x{width // heads}"
            yield f"forward/attention/f16/{shape}/t1", False


def _stages() -> Iterable[tuple[str, bool]]:
    for fmt in FORMATS:
        yield f"load/gguf/{fmt}/small/t1", fmt == "i2_s"
    yield "load/gguf/i2_s/2b4t/t1", False
    for tokens in (512, 8192):
        for family in ("tokenize", "detokenize"):
            yield f"tokenization/{family}/gpt2/2b4t-n{tokens}/t1", tokens == 512
    for family in ("tokenize", "detokenize"):
        yield f"tokenization/{family}/gpt2/small-n512/t1", False
    yield "forward/prefill/i2_s/tiny-n32/t1", False
    for shape in ("small", "2b4t"):
        for tokens in (32, 128):
            yield f"forward/prefill/i2_s/{shape}-n{tokens}/t1", (shape, tokens) == ("small", 32)
    for shape in SCENARIOS:
        yield f"load/gguf/i2_s/{shape}/t1", False
        yield f"forward/prefill/i2_s/{shape}-n32/t1", False
    yield "forward/prefill/i2_s/small-n1024/t1", False
    yield "forward/prefill/i2_s/1b-n128/t1", False


def _end_to_end() -> Iterable[tuple[str, bool]]:
    yield "generation/decode/i2_s/small-n32/t1", True
    for tokens in (32, 1024):
        yield f"generation/decode/i2_s/2b4t-n{tokens}/t1", False
    yield "generation/decode/i2_s/small-n1024/t1", False
    for shape in SCENARIOS:
        yield f"generation/decode/i2_s/{shape}-n32/t1", False
    for family in ("argmax", "softmax"):
        yield f"generation/{family}/f32/{VOCABULARY}/t1", False
    for options in ("greedy", "draw", "top_k", "top_p", "all"):
        yield f"generation/sample/{options}/{VOCABULARY}/t1", options == "top_p"


SUITES: dict[str, tuple[Case, ...]] = {
    suite: tuple(Case(name, suite, quick) for name, quick in make())
    for suite, make in (
        ("quantize", _quantize),
        ("matmul", _matmul),
        ("activations", _activations),
        ("stages", _stages),
        ("end_to_end", _end_to_end),
    )
}

# The benches of a GPU: `mixed_precision_bench` of bitnet-kernels. No build here has them yet.
MIXED_PRECISION = tuple(
    [
        f"forward/mixed_matmul/{fmt}/{side}x{side}x{side}/t1"
        for fmt in ("f32", "f16", "bf16")
        for side in (64, 128, 256)
    ]
    + [
        f"forward/mixed_convert/{fmt}/{n}/t1"
        for fmt in ("f16", "bf16")
        for n in (1024, 4096, 16384)
    ]
)


def with_threads(name: str, threads: int) -> str:
    """The case `name` on that many threads."""
    return re.sub(r"/t\d+$", f"/t{threads}", name)


# What a gate compares, by the name of its suite. `quick` has the product of every format, and of
# every stage the families that a run spends its time in; `full` is the whole table.
def _scenario(model: str) -> tuple[str, ...]:
    """The products of a layer of a model, and the model as a whole."""
    shapes = (f"{rows}{n}x{k}" for n, k in _matrices(model) for rows in ("", "[0-9]*x"))
    wholes = (f"prefill/*/{model}-n*", f"decode/*/{model}-n*", f"gguf/*/{model}/*")
    return (*(f"gem[vm]/*/{shape}/t1" for shape in shapes), *wholes)


GATE_SUITES: Mapping[str, tuple[str, ...]] = {
    "quick": (
        "gguf/i2_s/small/t1",
        "gemv/*/2560x2560/t1",
        "gemm/i2_s/16x2560x2560/t1",
        "block_matmul/matmul_i2s/256x256x256/t1",
        "quantize_activations/q8_act/1x2560/t1",
        "block_quantize/quant.i2s/65536/t1",
        "block_dequantize/quant.i2s/65536/t1",
        "pack/i2_s/2560x2560/t1",
        "unpack/i2_s/2560x2560/t1",
        "prefill/i2_s/tiny-n32/t1",
        "*tokenize/gpt2/small-n512/t1",
        "sample/top_p/*",
        "decode/i2_s/small-n32/t1",
    ),
    "full": ("*",),
    "small": _scenario("1b"),
    "2b4t": _scenario("2b4t"),
    "large": _scenario("7b"),
    "batch1": ("gemv/*", "gemv_dense/*", "attention/f16/1x*", "decode/*"),
    "batched": ("gemm/*", "gemm_dense/*", "attention/f16/[0-9][0-9]*", "prefill/*"),
    "short": (
        f"attention/*x{SHORT}x*",
        "prefill/*-n32/*",
        "decode/*-n32/*",
        "*tokenize/*-n512/*",
    ),
    "long": (
        f"attention/*x{LONG}x*",
        "prefill/*-n128/*",
        "prefill/*-n1024/*",
        "decode/*-n1024/*",
        "*tokenize/*-n8192/*",
    ),
    **{stage: (f"{stage}/*",) for stage in STAGES},
    "mixed_precision": (),
}  # fmt: skip
_WITH_GPU = ("full", "mixed_precision")


def gate_cases(suite: str, own: Mapping[str, Sequence[str]] | None = None) -> tuple[str, ...]:
    """The cases of a gate: those of one of GATE_SUITES; a name of `own` stands for its globs over
    the whole table, on N threads where one ends in `/tN`, and comes before these."""
    named = {**GATE_SUITES, **(own or {})}
    if suite not in named:
        raise ConfigError(f"suite: found {suite!r}, accepted is {', '.join(named)}")
    if own and suite in own:
        return _on_threads(own[suite])
    globs = named[suite]
    return tuple(case.name for case in select(globs)) if globs else ()


def _on_threads(globs: Iterable[str]) -> tuple[str, ...]:
    """The cases of globs of which each may name its number of threads."""
    names: list[str] = []
    for glob in globs:
        told = re.search(r"/t([1-9]\d{0,3})$", glob)
        names += [case.name for case in select([glob], threads=int(told[1]) if told else 1)]
    return tuple(dict.fromkeys(names))


def skipped_cases(
    suite: str, why_no_gpu: str, own: Mapping[str, Sequence[str]] | None = None
) -> tuple[tuple[str, str], ...]:
    """The cases that a suite has and this host cannot measure, each with the reason."""
    return (
        tuple((name, why_no_gpu) for name in MIXED_PRECISION)
        if suite in _WITH_GPU and suite not in (own or {})
        else ()
    )


def class_of(name: str) -> Literal["core", "other"]:
    """The class whose budget a case has: core is everything under forward and generation."""
    return "core" if name.partition("/")[0] in ("forward", "generation") else "other"


def nearest(text: str, count: int = 3) -> tuple[str, ...]:
    """The names of the table that look most like `text`."""
    names = [case.name for suite in SUITES.values() for case in suite]
    plain = re.sub(r"[*?\[\]]", "", text)
    tails = {name: max(_ratio(plain, tail) for tail in _tails(name)) for name in names}
    return tuple(sorted(names, key=lambda name: -tails[name])[:count])


def select(
    globs: Iterable[str] = (), *, suite: str | None = None, quick: bool = False, threads: int = 1
) -> tuple[Case, ...]:
    """The cases that match any glob (all of them without one), in the order of the table.

    A glob starts at any segment of the name: `gemv/*`, `*/i2_s/*`. `suite` and `quick` narrow the
    table first. Raises ConfigError for an unknown suite and for a glob that matches nothing.
    """
    if suite is not None and suite not in SUITES:
        raise ConfigError(f"suite: found {suite!r}, accepted is {', '.join(SUITES)}")
    if threads < 1:
        raise ConfigError(f"threads: found {threads}, accepted is 1 or more")
    cases = [
        Case(with_threads(case.name, threads), case.suite, case.quick)
        for name, table in SUITES.items()
        if suite in (None, name)
        for case in table
        if case.quick or not quick
    ]
    wanted = tuple(globs)
    for glob in wanted:
        if not any(matches(case.name, glob) for case in cases):
            raise ConfigError(
                f"cases: {glob!r} matches nothing; nearest: {', '.join(nearest(glob))}"
            )
    return tuple(c for c in cases if not wanted or any(matches(c.name, g) for g in wanted))


def _tails(name: str) -> list[str]:
    segments = name.split("/")
    return ["/".join(segments[i:]) for i in range(len(segments))]


def matches(name: str, glob: str) -> bool:
    """Whether the glob matches the name from any of its segments on."""
    return any(fnmatch.fnmatchcase(tail, glob) for tail in _tails(name))


def _ratio(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, a, b).ratio()
