"""What a tuning run measures: the products of a layer, the candidates of each tunable, their times.

Decode is the products of one token, over copies of the weights that no cache holds; prefill those
of many tokens, over weights that stay warm. Few tokens (a batch of texts) read cold weights too.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bitnet_perf import _native
from bitnet_perf.bench.cases import COLD
from bitnet_perf.bench.paired.sides import Ready
from bitnet_perf.bench.turns import Clock, Taken, Turn, take_turns
from bitnet_perf.errors import ConfigError
from bitnet_perf.kernels.tunables import as_text, tunables
from bitnet_perf.model.gguf import read_gguf
from bitnet_perf.model.weights import (
    DENSE_FORMATS,
    EMBEDDING,
    HEAD,
    MATRICES,
    TERNARY_FORMATS,
)

__all__ = [
    "AHEAD_OF",
    "CROSSOVERS",
    "SHAPE",
    "Crossover",
    "Option",
    "Part",
    "Times",
    "Work",
    "crossover_parts",
    "layout_of",
    "options_of",
    "parts_of",
    "runs",
    "threads_of",
    "time_options",
    "work_of",
]

SHAPE = "2b4t"  # of the model where none is named
TOKENS = 128  # of a prefill
MOST_PRODUCT = 1 << 32  # M * N * K of a case
LEAST_SHARE = 0.1  # of the weights of a layer: shapes with less are left out
SETS = 3  # of fresh processes
ROUNDS = 7
SAMPLE = 0.002  # seconds
SET_SECONDS = 4.0  # after which no more rounds of a set are begun
NEAR = 0.10  # a candidate that is further behind after a set is not measured again
AHEAD = (0, 1024, 2048, 4096, 6144, 8192, 12288)  # bytes, beside the default
SMALL_LAYOUTS = ("tq1_0", "tl2")  # below 2 bits a weight: fewer bytes, more work
BY_LIST = "list"
OURS = "native"  # the layout of ours for the instruction set in use
LAYOUTS = ("native_i2_r16", "native_i2_r4")

Value = int | str
Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Work:
    """Whose layers are measured. shapes: (N, K, how many of a layer), the heaviest first; head: its
    shape and format; format: how the file holds the ternary matrices."""

    subject: str
    shapes: tuple[tuple[int, int, int], ...]
    head: tuple[int, int, str]
    format: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the work: products of so many `tokens` with each shape of a layer, or with a head;
    `cold`: over weights that no cache holds."""

    name: str
    shapes: tuple[tuple[int, int, int], ...]
    tokens: int
    cold: bool
    head: str = ""

    def cases(self, layout: str, threads: int) -> list[tuple[str, int]]:
        """The cases, each with how often a layer has it."""
        family, rows = ("gemv", "") if self.tokens == 1 else ("gemm", f"{self.tokens}x")
        if self.head:
            family, layout = "gemv_dense", self.head
        end = f"{COLD if self.cold and not self.head else ''}/t{threads}"
        return [
            (f"forward/{family}/{layout}/{rows}{n}x{k}{end}", count) for n, k, count in self.shapes
        ]

    def rate(self, layout: str, seconds: float) -> tuple[float, str]:
        """What that time comes to: weights read, or operations."""
        if self.tokens > 1:
            work = sum(2 * self.tokens * n * k * count for n, k, count in self.shapes)
            return work / seconds / 1e9, "Gop/s"
        size = (
            sum(_native.dense_bytes(self.head, n, k) for n, k, _ in self.shapes)
            if self.head
            else sum(_native.layout(layout, n, k)[4] * count for n, k, count in self.shapes)
        )
        return size / seconds / 1e9, "GB/s"


@dataclass(frozen=True, slots=True)
class Option:
    """One candidate of a tunable, beside the values `chosen` so far; `tuned` are set in a process
    that all such candidates share."""

    value: Value
    chosen: Values
    tuned: dict[str, int] = field(default_factory=dict)
    isa: str = ""

    def turns(self, part: Part, ready: Ready) -> list[tuple[Turn, int]]:
        """Its cases of a part, each with how often a layer has it."""
        kind = "gemv" if part.tokens == 1 else "gemm"
        isa = self.isa or ("" if part.head else str(self.chosen[f"{kind}_isa"]))
        numbers = {name: value for name, value in self.chosen.items() if isinstance(value, int)}
        side = replace(ready, options={**ready.options, "tuned": as_text(numbers)})
        return [
            (Turn(side, case, "" if isa == BY_LIST else isa, tuned=self.tuned), count)
            for case, count in part.cases(self.layout, threads_of(self.chosen, part))
        ]

    @property
    def layout(self) -> str:
        """How the weights are held."""
        return layout_of(self.chosen)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of a part by set of processes and round; `why` where there are none."""

    seconds: tuple[tuple[float, ...], ...] = ()
    why: str = ""

    @property
    def median(self) -> float:
        """The median over all rounds."""
        return statistics.median(value for each in self.seconds for value in each)


@dataclass(frozen=True, slots=True)
class Crossover:
    """A number of tokens from which on a kernel works another way. isas: the variants that have it,
    the first that runs here is measured; layout: of the weights; tokens: sizes to measure."""

    tunable: str
    layout: str
    isas: tuple[str, ...]
    tokens: tuple[int, ...]
    cold: bool


_FEW, _SOME, _MORE = (2, 3, 4, 6, 8, 12, 16), (4, 6, 8, 12, 16, 24), (16, 24, 32, 48, 64, 96, 128)
CROSSOVERS = (
    Crossover("amx_tokens", "native_i2_r16", ("x86_amx",), _FEW, True),
    Crossover("line_panel_tokens", "native_i2_r16", ("x86_avx512vnni",), _SOME, True),
    Crossover("avx512_panel_tokens", "native_i2_r4", ("x86_avx512vnni",), _MORE, False),
    Crossover("panel_tokens", "native_i2_r4", ("x86_avxvnni", "x86_avx2"), _SOME, True),
)
# Distances of prefetches, each with the layouts whose products read it.
AHEAD_OF: dict[str, Callable[[str], bool]] = {
    "prefetch_bytes": lambda layout: layout != "native_i2_r16",
    "near_prefetch_bytes": lambda layout: layout == "native_i2_r16",
    "far_prefetch_bytes": lambda layout: layout == "native_i2_r16",
}


def layout_of(chosen: Values) -> str:
    """The layout that weights are held in where these are chosen."""
    layout = str(chosen["weights_layout"])
    return _native.native_layout() if layout == OURS else layout


def work_of(model: str | None) -> Work:
    """The layers of a GGUF file or of a shape that `make_model` knows, SHAPE without either. Raises
    ModelError for what is no model file, ConfigError for one that no kernel here multiplies."""
    known = {row[0]: row for row in _native.model_shapes()}
    if model is None or model in known:
        _, _, width, ffn, heads, kv, vocab, *_ = known[model or SHAPE]
        keys = width // heads * kv
        layer = [(width, width), (keys, width), (keys, width), (width, width)]
        layer += [(ffn, width), (ffn, width), (width, ffn)]
        return Work(model or SHAPE, _counted(layer), (vocab, width, "q6_k"), "i2_s")
    file = read_gguf(Path(model))
    tensors = [file.tensor(f"blk.0.{name}.weight") for name in MATRICES]
    head = file.by_name.get(HEAD) or file.tensor(EMBEDDING)
    found = {tensor.type for tensor in tensors}
    if len(found) != 1 or not found <= TERNARY_FORMATS or head.type not in DENSE_FORMATS:
        raise ConfigError(
            f"model: found layers of {', '.join(sorted(found))} and a head of {head.type}, "
            f"accepted is one of {', '.join(sorted(TERNARY_FORMATS))} with one of "
            f"{', '.join(DENSE_FORMATS)}"
        )
    shapes = [(each.shape[0], each.shape[1]) for each in tensors]
    return Work(
        Path(model).name, _counted(shapes), (head.shape[0], head.shape[1], head.type), found.pop()
    )


def _counted(shapes: Sequence[tuple[int, int]]) -> tuple[tuple[int, int, int], ...]:
    whole = sum(n * k for n, k in shapes)
    counted = [(n, k, shapes.count((n, k))) for n, k in dict.fromkeys(shapes)]
    kept = [(n, k, count) for n, k, count in counted if n * k * count >= LEAST_SHARE * whole]
    return tuple(sorted(kept, key=lambda each: -each[0] * each[1] * each[2]))


def parts_of(work: Work) -> dict[str, Part]:
    """The parts by name: decode, prefill, head."""
    rows, columns, head = work.head
    return {
        "decode": Part("decode", work.shapes, 1, True),
        "prefill": Part("prefill", work.shapes, _tokens(work, TOKENS), False),
        "head": Part("head", ((rows, columns, 1),), 1, True, head),
    }


def crossover_parts(work: Work, crossover: Crossover) -> list[Part]:
    """A part for each number of tokens, of the heaviest shape."""
    return [
        Part(f"{tokens} tokens", work.shapes[:1], tokens, crossover.cold)
        for tokens in crossover.tokens
        if tokens == _tokens(work, tokens)
    ]


def _tokens(work: Work, most: int) -> int:
    """As many tokens as a case may have."""
    return max(1, min([most, *(MOST_PRODUCT // (n * k) for n, k, _ in work.shapes)]))


def threads_of(chosen: Values, part: Part) -> int:
    """The threads that a part runs on."""
    allowed = _native.default_threads()
    kind = "decode" if part.tokens == 1 else "prefill"
    return min(int(chosen[f"{kind}_threads"]) or allowed, allowed)


def options_of(name: str, chosen: Values, work: Work) -> list[Option]:
    """The candidates of a tunable that is no crossover, its default first."""
    row = next(each for each in tunables() if each.name == name)
    values: list[Value] = [row.default]
    if name.endswith("_threads"):
        allowed = _native.default_threads()
        fewer = {max(1, allowed * quarters // 4) for quarters in (1, 2, 3)} | {1}
        values += sorted(fewer - {allowed}, reverse=True)
    elif name.endswith("_isa"):
        values += _variants(name.removesuffix("_isa"), layout_of(chosen))
    elif name == "weights_layout":
        vectors = [each for each in LAYOUTS if _native.select("gemv", each) != "scalar"]
        others = (*vectors, work.format, *SMALL_LAYOUTS)
        values += [each for each in others if each != _native.native_layout()]
    else:
        ahead = [int(row.default), *AHEAD]
        return [Option(value, chosen, {name: value}) for value in dict.fromkeys(ahead)]
    return [Option(value, {**chosen, name: value}) for value in dict.fromkeys(values)]


def _variants(family: str, layout: str) -> list[str]:
    """The vector variants that run here, less the one that the list takes."""
    first = _native.select(family, layout, "")
    others = [isa for f, format, isa, _ in _native.kernels() if (f, format) == (family, layout)]
    return [isa for isa in others if runs(family, layout, isa) and isa not in (first, "scalar")]


def runs(family: str, format: str, isa: str) -> bool:
    """Whether this host runs that kernel."""
    return (family, format, isa, "") in _native.kernels()


def time_options(
    parts: Sequence[Part],
    options: Sequence[Option],
    ready: Ready,
    end: float,
    say: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Times]]:
    """The times of each option by name of part, the first option being the default. Those that are
    NEAR no more after a set are left out of the next; no set begins after `end` (monotonic) but
    the first."""
    found: list[dict[str, list[tuple[float, ...]]]] = [{p.name: [] for p in parts} for _ in options]
    whys: dict[int, str] = {}
    alive = list(range(len(options)))
    for number in range(SETS):
        if number and time.monotonic() > end:
            break
        for part in parts:
            say(f"{part.name}, set {number + 1}")
            _take_set(part, options, [n for n in alive if n not in whys], ready, (found, whys))
        alive = [n for n in alive if n not in whys and _near(found[0], found[n])]
        if alive in ([], [0]):
            break
    return [
        {name: Times(tuple(sets), whys.get(n, "")) for name, sets in each.items()}
        for n, each in enumerate(found)
    ]


def _take_set(
    part: Part,
    options: Sequence[Option],
    alive: Sequence[int],
    ready: Ready,
    into: tuple[list[dict[str, list[tuple[float, ...]]]], dict[int, str]],
) -> None:
    """One set of fresh processes, shape after shape: what a layer takes in each round."""
    found, whys = into
    alive = random.sample(alive, len(alive))  # neither place in memory nor in a round is fixed
    all_turns = {n: options[n].turns(part, ready) for n in alive}
    several = any(threads_of(options[n].chosen, part) > 1 for n in alive)
    clock: Clock = "wall" if several else "cpu"
    taken: dict[int, list[tuple[Taken, int]]] = {n: [] for n in alive}
    for place in range(len(part.shapes)):
        turns = [all_turns[n][place][0] for n in alive]
        times = take_turns(turns, ROUNDS, SAMPLE, clock, SET_SECONDS)
        for n, each in zip(alive, times, strict=True):
            taken[n].append((each, all_turns[n][place][1]))
    for n, by_shape in taken.items():
        why = next((t.why for t, _ in by_shape if not t.seconds), "")
        if why:
            whys[n] = why
            continue
        rounds = min(len(t.seconds) for t, _ in by_shape)
        found[n][part.name].append(
            tuple(sum(t.seconds[r] * count for t, count in by_shape) for r in range(rounds))
        )


def _near(
    default: Mapping[str, list[tuple[float, ...]]], option: Mapping[str, list[tuple[float, ...]]]
) -> bool:
    return all(
        statistics.median(option[name][-1]) <= (1 + NEAR) * statistics.median(sets[-1])
        for name, sets in default.items()
        if sets and option[name]
    )
