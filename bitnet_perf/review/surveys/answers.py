"""Whether a side gives the same bits again: in another run, on more threads, on another ISA."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bitnet_perf.analyze.evidence import Answer
from bitnet_perf.bench.inputs import model_file
from bitnet_perf.bench.paired.calls import TOKENS
from bitnet_perf.bench.paired.sides import Ready
from bitnet_perf.review.surveys.ask import NoAnswer, ask_side, well_formed

__all__ = ["answers_of"]

RUNS = 2  # of a model, on each number of threads
NEW = 12  # tokens that are generated
FIELDS = ("what", "isa", "threads", "run", "digest")


def answers_of(
    sides: Sequence[Ready], model: Path | None, threads: Sequence[int]
) -> tuple[list[tuple[Answer, ...]], list[str]]:
    """Digests of a model's output and of kernels, by side; why one has none."""
    asked: dict[str, Any] = {"model": str(model or model_file("small")), "runs": RUNS, "new": NEW}
    asked |= {"threads": list(threads), "tokens": TOKENS}
    found: list[tuple[Answer, ...]] = []
    whys = []
    for side in sides:
        try:
            rows = ask_side(side, "answers", asked).get("answers")
            listed = rows if isinstance(rows, list) else []
            found.append(tuple(well_formed(Answer, _fields(row)) for row in listed))
            whys.append("" if found[-1] else "it gave no answers")
        except NoAnswer as error:
            found.append(())
            whys.append(str(error))
    return found, whys


def _fields(row: object) -> object:
    return dict(zip(FIELDS, row, strict=False)) if isinstance(row, list) else row
