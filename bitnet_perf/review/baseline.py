"""A results file that is named as a baseline, read as it stands; `analyze.baselines` judges it."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from bitnet_perf.analyze.evidence import BaselineFile, ConsoleOf
from bitnet_perf.bench.paired.schema import printable
from bitnet_perf.errors import ConfigError, FormatError, MeasurementError
from bitnet_perf.peers.cargo_console import classify
from bitnet_perf.peers.read import read_results

__all__ = ["read_baseline"]

LARGEST = 4 << 20  # bytes of a console
LONGEST = 500  # characters of a reason


def read_baseline(path: str | os.PathLike[str], *, force: bool = False) -> BaselineFile:
    """What `read_results` reads of `path`, or the recorded console of a `cargo bench` (it ends with
    a line `exit status N`).

    A file that holds no measurement is read as one that says why. Raises ConfigError where there is
    no such file, and with `force` the error of the reader, because nothing can be used.
    """
    place = Path(path)
    if not place.exists():
        raise ConfigError(f"baseline: found no file {str(place)!r}, accepted is a results file")
    name = printable(place.name)[:LONGEST]
    console = _console(place)
    if console is not None:
        return BaselineFile(name=name, forced=force, consoles=(console,))
    try:
        return BaselineFile(name=name, forced=force, rows=read_results(place).rows)
    except (MeasurementError, FormatError) as error:
        if force:
            raise
        why = printable(str(error).replace(str(place), place.name))[:LONGEST]
        return BaselineFile(name=name, forced=force, why=why)


def _console(path: Path) -> ConsoleOf | None:
    """A recorded console; None for every other file."""
    if path.is_dir() or path.stat().st_size > LARGEST or path.suffix == ".json":
        return None
    try:
        found = classify(path.read_text(encoding="utf-8", errors="replace"))
    except FormatError:
        return None
    return ConsoleOf.model_validate({key: _cut(value) for key, value in asdict(found).items()})


def _cut(value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
    if isinstance(value, tuple):
        return tuple(printable(each)[:LONGEST] for each in value)
    return None if value is None else printable(value)[:LONGEST]
