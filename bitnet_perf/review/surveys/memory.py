"""Memory of both sides, each figure from a fresh process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bitnet_perf.analyze.evidence import Held, KernelTime, Loaded, StageMemory
from bitnet_perf.bench.inputs import model_file
from bitnet_perf.bench.paired.sides import Ready
from bitnet_perf.review.surveys.ask import NoAnswer, ask_side, well_formed

__all__ = ["LAYERS", "held_of", "memory_of", "profile_of"]

LAYERS = (8, 16, 32, 64)  # of the models that memory is measured over: 14 to 103 MB
MORE_LAYERS = (8, 16, 24, 32, 48, 64, 96, 128)
VOCABULARY = 1024  # their embedding is a small part of them
NEW = 4  # tokens decoded after the load
REPEATS = 16


def memory_of(
    sides: Sequence[Ready], threads: int, layers: Sequence[int] = LAYERS
) -> tuple[list[tuple[Loaded, ...]], list[str]]:
    """Peaks of loading and decoding models of growing size, by side; why one has none."""
    first = str(model_file("tiny"))
    found: list[list[Loaded]] = [[] for _ in sides]
    whys = ["" for _ in sides]
    for count in layers:
        path = model_file("small", vocab=VOCABULARY, layers=count)
        asked: dict[str, Any] = {"model": str(path), "first": first}
        asked |= {"threads": threads, "new": NEW}
        for number, side in enumerate(sides):
            if whys[number]:
                continue
            try:
                answer = ask_side(side, "memory", asked)
                sizes = {"layers": count, "model": path.stat().st_size}
                found[number].append(well_formed(Loaded, {**answer, **sizes}))
            except NoAnswer as error:
                whys[number] = str(error)
    return [tuple(each) for each in found], whys


def held_of(sides: Sequence[Ready], threads: int) -> tuple[list[tuple[Held, ...]], list[str]]:
    """Memory after each of some repeats, by side; why one has none."""
    asked: dict[str, Any] = {"model": str(model_file("tiny")), "threads": threads}
    asked |= {"new": 8 * NEW, "repeats": REPEATS}
    found: list[tuple[Held, ...]] = []
    whys = []
    for side in sides:
        try:
            answer = ask_side(side, "held", asked)
            found.append(tuple(well_formed(Held, row) for row in answer.get("held", ())))
            whys.append("")
        except NoAnswer as error:
            found.append(())
            whys.append(str(error))
    return found, whys


def profile_of(
    sides: Sequence[Ready], model: Path | None, threads: int, new: int
) -> tuple[list[tuple[tuple[StageMemory, ...], tuple[KernelTime, ...]]], list[str]]:
    """Memory by stage, and kernels of a prefill and `new` decode steps, by side."""
    asked: dict[str, Any] = {"model": str(model or model_file("small"))}
    asked |= {"threads": threads, "new": new}
    found = []
    whys = []
    for side in sides:
        stages: tuple[StageMemory, ...] = ()
        kernels: tuple[KernelTime, ...] = ()
        why = ""
        try:
            answer = ask_side(side, "stages", asked)
            stages = tuple(well_formed(StageMemory, row) for row in answer.get("stages", ()))
            kernels = tuple(well_formed(KernelTime, row) for row in answer.get("kernels", ()))
        except NoAnswer as error:
            why = str(error)
        found.append((stages, kernels))
        whys.append(why)
    return found, whys
