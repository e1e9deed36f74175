"""Files of strangers, read field by field: bounded, and every refusal names file, field and value.

A file is at most MAX_BYTES long, unpacked, and holds at most MAX_VALUES values, so that reading it
takes some hundred megabytes whatever is in it.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Never

from bitnet_perf.errors import FormatError, MeasurementError

__all__ = [
    "MAX_BYTES",
    "MAX_NAME",
    "MAX_VALUES",
    "Document",
    "Node",
    "ResultsError",
    "escaped",
    "shown",
]

MAX_BYTES = 64 << 20
MAX_VALUES = 2_000_000  # numbers, strings, lists and objects; a sample in JSON takes 20 to 45 bytes
MAX_NAME = 1000  # characters of a name
_GZIP = b"\x1f\x8b"


class ResultsError(MeasurementError, FormatError):
    """A results file that cannot be read: it is no measurement, and not of a form that is known."""


def shown(value: Any) -> str:
    """`value` for a message: at most 60 printable characters."""
    if isinstance(value, dict | list):
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 200:  # str() refuses thousands of digits
        return f"an integer of {value.bit_length()} bits"
    text = "nothing" if value is None else ascii(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def escaped(text: str) -> str:
    """`text` on one line that steers no terminal and can be encoded: other characters as \\x.."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


class Document:
    """A file (or folder) of results: `path`, `data` (its bytes, none for a folder), `text`, `json`.

    Raises ResultsError for what is no regular file or folder, too long, or unreadable.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = escaped(os.fspath(self.path))
        self.folder = self.path.is_dir()
        self.data = b"" if self.folder else self._read()

    def _read(self) -> bytes:
        try:
            if not self.path.is_file():
                there = self.path.exists() or self.path.is_symlink()
                what = "is no regular file" if there else "does not exist"
                self.fail("", what, "a file")
            with self.path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            if data.startswith(_GZIP):
                with gzip.open(self.path) as packed:
                    data = packed.read(MAX_BYTES + 1)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            if isinstance(error, ResultsError):
                raise
            self.fail("", f"cannot be read: {escaped(str(error))}", "a file")
        if len(data) > MAX_BYTES:
            self.fail("", "larger", f"at most {MAX_BYTES} bytes, unpacked")
        values = sum(data.count(mark) for mark in b",[{")
        if values > MAX_VALUES:
            self.fail("", f"about {values} values", f"at most {MAX_VALUES}")
        return data

    @cached_property
    def text(self) -> str | None:
        """The content in UTF-8, -16 or -32; None where it is none of them."""
        try:
            return self.data.decode(json.detect_encoding(self.data)).removeprefix("\ufeff")
        except ValueError:
            return None

    @cached_property
    def _parsed(self) -> tuple[Any, str]:
        if self.text is None:
            return None, "is no text in UTF-8, -16 or -32"
        try:
            return json.loads(self.text), ""
        except (ValueError, RecursionError) as error:
            return None, f"is not valid JSON: {error}"

    @property
    def json(self) -> Any:
        """The content as JSON, with the NaN and Infinity that several tools write; None where it
        is not JSON."""
        return self._parsed[0]

    @property
    def why_no_json(self) -> str:
        """Why `json` is None; empty where it is valid."""
        return self._parsed[1]

    @property
    def root(self) -> Node:
        """The JSON value, to be read field by field."""
        if self.why_no_json:
            self.fail("", self.why_no_json, "a JSON file")
        return Node(self, "", self.json)

    def keys(self) -> frozenset[str]:
        """The keys of the JSON object that the file holds; none where it holds another thing."""
        return frozenset(self.json) if isinstance(self.json, dict) else frozenset()

    def fail(self, place: str, found: str, accepted: str) -> Never:
        """Raise ResultsError: file, field, what was found and what is accepted."""
        parts = (self.name, place, found)
        raise ResultsError(f"{': '.join(part for part in parts if part)}; accepted: {accepted}")


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value and where in which file it stands."""

    document: Document
    place: str
    value: Any

    def fail(self, accepted: str) -> Never:
        """Raise ResultsError for this value."""
        found = shown(self.value) if self.place else f"holds {shown(self.value)}"
        self.document.fail(self.place, found, accepted)

    def at(self, place: str) -> str:
        """The place of a part, for example `runs[3].values`."""
        return f"{self.place}.{place}" if self.place else place

    def __getitem__(self, key: str) -> Node:
        """A field of an object; a missing one reads as null."""
        name = key if key.isprintable() and len(key) <= 60 else shown(key)
        return Node(self.document, self.at(name), self.object().get(key))

    def __bool__(self) -> bool:
        """There is something: neither null nor missing."""
        return self.value is not None

    def object(self) -> dict[str, Any]:
        """The value, which must be an object."""
        if not isinstance(self.value, dict):
            self.fail("a JSON object")
        return self.value

    def list(self) -> Iterator[Node]:
        """The parts of the value, which must be a list."""
        if not isinstance(self.value, list):
            self.fail("a list")
        return (
            Node(self.document, f"{self.place}[{i}]", value) for i, value in enumerate(self.value)
        )

    def fields(self) -> Iterator[tuple[str, Node]]:
        """Names and values of an object."""
        return ((key, self[key]) for key in self.object())

    def text(self, accepted: str = "a non-empty string") -> str:
        """A string of some text."""
        if not isinstance(self.value, str) or not self.value:
            self.fail(accepted)
        return self.value

    def text_or_none(self) -> str | None:
        """As `text`; None where it is null, missing or empty."""
        return None if self.value in (None, "") else self.text()

    def one_of(self, *accepted: Any) -> Any:
        """One of these values."""
        if not any(type(self.value) is type(each) and self.value == each for each in accepted):
            self.fail(", ".join(map(str, accepted)))
        return self.value

    def count(self) -> int:
        """A whole number of 0 or more, below 2 ** 63."""
        if type(self.value) is not int or not 0 <= self.value < 1 << 63:
            self.fail("a whole number of 0 or more")
        return self.value

    def number(self) -> float:
        """A finite number."""
        number = _float(self.value)
        if not math.isfinite(number):
            self.fail("a finite number")
        return number

    def positive(self) -> float:
        """A finite number above zero."""
        number = _float(self.value)
        if not (math.isfinite(number) and number > 0):
            self.fail("a finite number above zero")
        return number

    def positives(self) -> tuple[float, ...]:
        """A list of one or more finite numbers above zero."""
        if not isinstance(self.value, list) or not self.value:
            self.fail("a list of numbers")
        numbers = tuple(map(_float, self.value))
        for i, number in enumerate(numbers):
            if not (math.isfinite(number) and number > 0):
                Node(self.document, f"{self.place}[{i}]", self.value[i]).positive()
        return numbers


def _float(value: Any) -> float:
    """A number of the file; NaN for what is none, infinity for what is too large."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
