"""A question to a side, answered in a fresh process of its own Python, within a time limit."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bitnet_perf.bench.paired.process import PASSED_ON, SCRIPT
from bitnet_perf.bench.paired.sides import Ready
from bitnet_perf.bench.process import run_program
from bitnet_perf.errors import EnvironmentRefused, MeasurementError

__all__ = ["NoAnswer", "ask_side", "well_formed"]

Record = TypeVar("Record", bound=BaseModel)

CHILD = Path(__file__).with_name("child.py")
LIMIT = 120.0  # seconds of one question
LARGEST = 16 << 20  # bytes of an answer
SHOWN = 200  # characters of an error


class NoAnswer(MeasurementError):
    """A side that cannot answer, and why."""


def ask_side(
    ready: Ready, ask: str, arguments: Mapping[str, object], limit: float = LIMIT
) -> dict[str, Any]:
    """The answer of a function of child.py to these arguments, within `limit` seconds. Raises
    NoAnswer, whatever prevents one."""
    if ready.environment is None:
        raise NoAnswer(f"{ready.side.label} is no package")
    with tempfile.TemporaryDirectory(prefix="bitnet-perf-") as name:
        folder = Path(name)
        told = ("root", "native", "tuned")
        places = {key: ready.options[key] for key in told if key in ready.options}
        question = {**places, **arguments, "worker": str(SCRIPT), "ask": ask}
        question["answer"] = str(folder / "answer")
        (folder / "question").write_text(json.dumps(question), encoding="utf-8")
        command = [ready.python, "-I", "-S", str(CHILD), str(folder / "question")]
        environment = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        try:
            done = run_program(command, folder, environment, limit)
        except EnvironmentRefused as error:
            raise NoAnswer(str(error)[:SHOWN]) from error
        if done.timed_out:
            raise NoAnswer(f"no answer within {limit:g} s")
        if done.status != 0:
            said = done.text.strip().splitlines() or [f"it ended with status {done.status}"]
            raise NoAnswer(said[-1][-SHOWN:])
        return _read(folder / "answer")


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise NoAnswer(f"its answer is larger than {LARGEST >> 20} MiB")
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise NoAnswer("its answer cannot be read") from error
    if not isinstance(found, Mapping):
        raise NoAnswer("its answer is no JSON object")
    return dict(found)


def well_formed(record: type[Record], fields: object) -> Record:
    """The record that a side's answer makes; NoAnswer where it makes none."""
    try:
        return record.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise NoAnswer(f"its answer is refused: {place}: {first['msg']}"[:SHOWN]) from error
