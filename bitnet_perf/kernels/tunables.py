"""Choices of this process that change how fast a result is there, never the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from bitnet_perf import _native

__all__ = ["Tunable", "as_text", "set_tunables", "tunables", "tuned_values", "tuned_with"]

Value = int | str


@dataclass(frozen=True, slots=True)
class Tunable:
    """One row of `tunables()`.

    Attributes:
        name: as it stands in a configuration.
        value: what holds in this process.
        default: what holds where nothing was tuned.
        least, most: the bounds of a number, in `unit`; 0 and 0 for a word.
        words: what is accepted where it is a word; empty for a number.
        meaning: what it decides.
    """

    name: str
    value: Value
    default: Value
    least: int
    most: int
    words: tuple[str, ...]
    unit: str
    meaning: str

    def to_dict(self) -> dict[str, Any]:
        """The row as plain values, for JSON."""
        return asdict(self)


def tunables() -> tuple[Tunable, ...]:
    """Everything that may be tuned.

    Integer kernels give the same bits whatever is chosen, and so does a loaded model. The variants
    of float kernels are not among them: their bits differ within a bound, so the list decides.
    """
    found = []
    for name, value, default, least, most, words, unit, meaning in _native.tunables():
        if words:
            row = Tunable(name, words[value], words[default], 0, 0, tuple(words), unit, meaning)
        else:
            row = Tunable(name, value, default, least, most, (), unit, meaning)
        found.append(row)
    return tuple(found)


def set_tunables(values: Mapping[str, Value | None]) -> None:
    """Set tunables for this process, all of them or none; None is the default.

    Models keep what held when they were loaded of threads, layout and variants. Raises ConfigError
    naming what is accepted for an unknown name or value, IsaError for a variant that cannot run
    here.
    """
    defaults = {row.name: row.default for row in tunables()}
    given = [(n, str(defaults.get(n) if v is None else v)) for n, v in values.items()]
    _native.set_tunables(given)


def tuned_values() -> dict[str, Value]:
    """The tunables of this process that differ from their defaults."""
    return {row.name: row.value for row in tunables() if row.value != row.default}


@contextmanager
def tuned_with(values: Mapping[str, Value | None]) -> Iterator[None]:
    """These values inside the block, what held before it afterwards."""
    before = {row.name: row.value for row in tunables()}
    set_tunables(values)
    try:
        yield
    finally:
        set_tunables(before)


def as_text(values: Mapping[str, Value]) -> str:
    """The values as `_bench.set_tunables` takes them."""
    return ",".join(f"{name}={value}" for name, value in values.items())
