"""What a gate measures of both sides beside their times, and its file `evidence.json`.

Both sides answer the same questions in processes of their own, in turns: their own Python, package
and extension. What one side cannot answer (an older one has another interface) is missing with the
reason, and takes nothing from the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitnet_perf.analyze.efficiency import Gain
from bitnet_perf.analyze.evidence import Evidence, Misses, Part, SideEvidence
from bitnet_perf.bench.cache import count_cache
from bitnet_perf.bench.ceilings import measure_ceilings
from bitnet_perf.bench.counters import Subject, Unavailable
from bitnet_perf.bench.paired.calls import calls_python
from bitnet_perf.bench.paired.host import allowed_cpus
from bitnet_perf.bench.paired.sides import Ready
from bitnet_perf.errors import BitnetPerfError
from bitnet_perf.files import write_atomic
from bitnet_perf.model.gguf import read_gguf
from bitnet_perf.model.synthetic import SYNTHETIC_KEY
from bitnet_perf.report.build import Speedup
from bitnet_perf.report.stored import read_stored
from bitnet_perf.review.surveys.accuracy import data_of, formats_of, outputs_of
from bitnet_perf.review.surveys.answers import answers_of
from bitnet_perf.review.surveys.memory import (
    LAYERS,
    MORE_LAYERS,
    held_of,
    memory_of,
    profile_of,
)
from bitnet_perf.review.surveys.speed import VECTOR_CASES, speed_of, works_of

__all__ = [
    "FILE",
    "Scope",
    "load_evidence",
    "save_evidence",
    "speedups_of",
    "survey_sides",
    "unsurveyed",
]

FILE = "evidence.json"
CACHE_CASES = 4  # whose misses are counted, of one run: simulated, each takes a minute
PRODUCTS = ("gemv", "gemm")
OnProgress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Scope:
    """How much is measured.

    model: a GGUF file whose weights, output and memory by stage are judged, too. full: more sizes,
    steps and samples. cachegrind: simulate the cache where the host counts no misses, which takes
    minutes. slower: cases that became slower, the most first, whose misses are counted first.
    """

    model: Path | None = None
    full: bool = False
    cachegrind: bool = False
    slower: tuple[str, ...] = ()

    @property
    def threads(self) -> tuple[int, ...]:
        """Numbers of threads that a model runs on: 1 and all, with `full` the powers of two between
        them."""
        most = len(allowed_cpus())
        powers = [1 << bit for bit in range(most.bit_length()) if 1 << bit < most]
        return tuple(dict.fromkeys([*(powers if self.full else [1]), most]))


def unsurveyed(labels: Sequence[str], why: str) -> Evidence:
    """Evidence without a figure, for that reason."""
    sides = [SideEvidence(label=label, missing=dict.fromkeys(_ALL, why[:300])) for label in labels]
    return Evidence(base=sides[0], candidate=sides[1])


@dataclass
class _Survey:
    """What is found, filled part by part."""

    sides: Sequence[Ready]
    cases: Sequence[str]
    fields: list[dict[str, Any]]
    shared: dict[str, Any] = field(default_factory=dict)
    missing: list[dict[Part, str]] = field(default_factory=lambda: [{}, {}])
    seconds: dict[Part, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: Part) -> Iterator[None]:
        """Time a part; one that fails is missing on both sides, with the error as the reason."""
        begin = time.monotonic()
        try:
            yield
        except BitnetPerfError as error:
            for side in (0, 1):
                self.missing[side].setdefault(name, str(error)[:300])
        self.seconds[name] = time.monotonic() - begin

    def add(self, part: Part, name: str, found: Sequence[Any], whys: Sequence[str]) -> None:
        """Keep what both sides gave for a part, and why one gave nothing."""
        for side, (value, why) in enumerate(zip(found, whys, strict=True)):
            self.fields[side][name] = value
            if why:
                self.missing[side][part] = why[:300]


def survey_sides(
    base: Ready,
    candidate: Ready,
    cases: Iterable[str] = (),
    scope: Scope | None = None,
    on_progress: OnProgress | None = None,
) -> Evidence:
    """Measure everything of both sides that no paired comparison gives.

    cases: those of the comparison, whose work is told so that they can be placed under the limits
    of the host. Raises ModelError for a named model that cannot be read; whatever else fails is
    missing with its reason.
    """
    scope = scope or Scope()
    say = on_progress or (lambda _share, _what: None)
    synthetic = scope.model is None or bool(read_gguf(scope.model).metadata.get(SYNTHETIC_KEY))
    found = _Survey((base, candidate), tuple(cases), [{}, {}])
    for number, (name, what, measure) in enumerate(_PARTS):
        say(number / len(_PARTS), what)
        with found.part(name):
            measure(found, scope)
    made = [
        SideEvidence(label=side.side.label[:1000], missing=missing, **fields)
        for side, missing, fields in zip(found.sides, found.missing, found.fields, strict=True)
    ]
    return Evidence(
        base=made[0],
        candidate=made[1],
        model="" if scope.model is None else scope.model.name,
        synthetic=synthetic,
        seconds=found.seconds,
        **found.shared,
    )


def _formats(found: _Survey, scope: Scope) -> None:
    trips, agreements = formats_of(found.sides, data_of(scope.model))
    found.add("formats", "round_trips", [each for each, _ in trips], [why for _, why in trips])
    found.shared["agreements"] = agreements


def _outputs(found: _Survey, scope: Scope) -> None:
    outputs, whys = outputs_of(found.sides, scope.model, scope.threads[-1])
    found.shared["outputs"] = outputs
    for side, why in enumerate(whys):
        if why:
            found.missing[side]["outputs"] = why


def _answers(found: _Survey, scope: Scope) -> None:
    found.add("answers", "answers", *answers_of(found.sides, scope.model, scope.threads))


def _memory(found: _Survey, scope: Scope) -> None:
    layers = MORE_LAYERS if scope.full else LAYERS
    found.add("memory", "loaded", *memory_of(found.sides, scope.threads[-1], layers))


def _held(found: _Survey, scope: Scope) -> None:
    found.add("held", "held", *held_of(found.sides, scope.threads[-1]))


def _stages(found: _Survey, scope: Scope) -> None:
    made, whys = profile_of(found.sides, scope.model, scope.threads[-1], 64 if scope.full else 16)
    found.add("stages", "stages", [stages for stages, _ in made], whys)
    found.add("stages", "kernels", [kernels for _, kernels in made], whys)


def _speed(found: _Survey, scope: Scope) -> None:
    budget = 5.0 if scope.full else 1.0
    found.add("speed", "timed", *speed_of(found.sides, scope.threads, budget))


def cache_cases(cases: Iterable[str], slower: Sequence[str]) -> tuple[str, ...]:
    """The kernel cases whose cache misses are counted: what became slower, then one product of each
    kernel of the suite; the products of decode and prefill where it has none."""
    products: dict[str, str] = {}
    for case in filter(_is_counted, cases):
        family, format = case.split("/")[1:3]
        if family in PRODUCTS:
            products.setdefault(f"{family}/{format}", case)
    chosen = dict.fromkeys([*filter(_is_counted, slower), *products.values()])
    return tuple(chosen)[:CACHE_CASES] or VECTOR_CASES[:2]


def _is_counted(case: str) -> bool:
    """Whether it is of one native kernel, on one thread and in little memory."""
    parts = case.split("/")
    if len(parts) != 5 or calls_python(case):
        return False
    runs = parts[0] == "load" or parts[1] in ("decode", "prefill")
    return parts[4] == "t1" and not runs and "-" not in parts[3]


def _cache(found: _Survey, scope: Scope) -> None:
    for number, side in enumerate(found.sides):
        if side.environment is None:
            found.missing[number]["cache"] = f"{side.side.label} is no package"
            continue
        rows = []
        for case in cache_cases(found.cases, scope.slower):
            tuned = side.options.get("tuned", "")
            subject = Subject(side.environment, side.side.isa_name, None, tuned)
            counted = count_cache(subject, case)
            if isinstance(counted, Unavailable) and scope.cachegrind:
                counted = count_cache(subject, case, simulate=True)
            if isinstance(counted, Unavailable):
                found.missing[number].setdefault("cache", f"unavailable ({counted.why})")
                continue
            rows.append(
                Misses(
                    case=case, tool=counted.tool, accesses=counted.accesses, misses=counted.misses
                )
            )
        found.fields[number]["misses"] = tuple(rows)


def _limits(found: _Survey, scope: Scope) -> None:
    found.shared["works"] = works_of(found.cases)
    rounds, memory = (15, 1 << 30) if scope.full else (5, 1 << 29)
    found.shared["ceilings"] = measure_ceilings(scope.threads[-1], rounds, memory)


# Part, what is said while it runs, and what measures it.
_PARTS: tuple[tuple[Part, str, Callable[[_Survey, Scope], None]], ...] = (
    ("formats", "accuracy of the formats", _formats),
    ("outputs", "logits of both sides", _outputs),
    ("answers", "the same bits again", _answers),
    ("memory", "memory over model sizes", _memory),
    ("held", "memory that repeats leave", _held),
    ("stages", "memory by stage", _stages),
    ("speed", "vector variants and threads", _speed),
    ("cache", "cache misses", _cache),
    ("limits", "limits of the host", _limits),
)
_ALL: tuple[Part, ...] = tuple(name for name, _, _ in _PARTS)


def speedups_of(gains: Iterable[Gain]) -> tuple[Speedup, ...]:
    """The candidate's vector variants against scalar, as a report tells them."""
    return tuple(
        Speedup(gain.case, gain.isa, each.value, each.low, each.high, each.rounds)
        for gain in gains
        if (each := gain.candidate) is not None
    )


def save_evidence(evidence: Evidence, folder: str | os.PathLike[str]) -> Path:
    """Write evidence.json into `folder`, whole or not at all."""
    return write_atomic(Path(folder) / FILE, evidence.model_dump_json(indent=1) + "\n")


def load_evidence(folder: str | os.PathLike[str]) -> Evidence:
    """Read evidence.json of `folder`; FormatError names the file and the field that is refused."""
    return read_stored(Path(folder) / FILE, Evidence)
