"""The report as data: five sections of text, tables and evidence lines.

Cells and texts are made of plain words, of `Figure`s, which name the record that they stand in, and
of what others said (`Told`). Plain words cannot state a measurement: a number with a unit among
them is refused. The JSON form is versioned (`version`); `schema()` publishes it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bitnet_perf.errors import FormatError

__all__ = [
    "TITLES", "Block", "Figure", "Lines", "Part", "Report", "Section", "Table", "Text", "Told",
    "Words", "figures_of", "heading", "lean", "parts", "schema", "text_of",
]  # fmt: skip

TITLES = (
    "1. Regression Summary",
    "2. Hotspot Analysis",
    "3. Impact Assessment",
    "4. Recommendations",
    "5. Action Items",
)
# A number with a unit of measurement, as it would stand in a sentence or a cell.
_MEASURED = re.compile(
    r"(?<![\w.])[+\-\u2212]?\d+(?:[.,]\d+)?(?:\s?%|\s?(?:x|\u00d7|ns|us|µs|ms|s|sec|seconds|min|minutes"
    r"|[KMG]i?B(?:/s)?|bytes(?:/s)?|Gop/s|tokens/s(?:ec)?|points)(?![\w/\u00d7]))"
)
_NUMBER = re.compile(r"[+-]?\d+(?:\.(?P<decimals>\d+))?(?:e(?P<power>[+-]\d+))?(?![\d.])")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Frozen):
    """A number and where it stands: `text` shows `value` rounded, and `unit` where the column does
    not name it; `file` and `row` are the record that it follows from, or the setting."""

    text: str
    value: float = Field(allow_inf_nan=False)
    unit: str
    file: str = Field(min_length=1)
    row: str = Field(min_length=1)

    @model_validator(mode="after")
    def _shows_its_value(self) -> Figure:
        found = _NUMBER.match(self.text)
        rest = self.text[found.end() :].strip() if found else self.text
        if found is None or rest not in ("", self.unit):
            raise ValueError(f"figure {self.text!r}: accepted is a number and {self.unit!r}")
        places = len(found["decimals"] or "") - int(found["power"] or 0)
        shown = float(found[0])
        slack = 0.5 * 10.0**-places * (1 + 1e-9) + 1e-11 * abs(self.value)
        if not math.isclose(shown, self.value, rel_tol=0, abs_tol=slack):
            raise ValueError(f"figure {self.text!r}: shows another number than {self.value!r}")
        return self


class Told(_Frozen):
    """What another wrote (a name, a message of a program), or a sentence that the analysis of a
    record gives; numbers in it are theirs. `file` and `row` say whose."""

    told: str
    file: str = Field(min_length=1)
    row: str = ""


Part = str | Figure | Told
Words = Part | tuple[Part, ...]


def parts(words: Words) -> tuple[Part, ...]:
    """The parts of a text or a cell."""
    return words if isinstance(words, tuple) else (words,)


def _shown(part: Part) -> str:
    if isinstance(part, str):
        return part
    return part.text if isinstance(part, Figure) else part.told


def text_of(words: Words) -> str:
    """What people read."""
    return "".join(map(_shown, parts(words)))


def _check(place: str, *several: Words) -> None:
    """Refuse plain words that state a measurement. A part is judged with its neighbours, so that a
    number cannot be put together from two."""
    for words in several:
        plain = "".join(part if isinstance(part, str) else "\0" for part in parts(words))
        found = _MEASURED.search(plain)
        if found is not None:
            raise ValueError(
                f"{place}: found {found[0].strip()!r} in plain words, accepted is a figure with "
                "the record that it stands in"
            )


class Text(_Frozen):
    """One paragraph."""

    kind: Literal["text"] = "text"
    text: Words

    @model_validator(mode="after")
    def _states_nothing_unmeasured(self) -> Text:
        _check("text", self.text)
        return self


class Lines(_Frozen):
    """Lines that are copied as they are: evidence, or commands to run."""

    kind: Literal["lines"] = "lines"
    language: Literal["evidence", "shell"]
    lines: tuple[Words, ...]

    @model_validator(mode="after")
    def _states_nothing_unmeasured(self) -> Lines:
        if self.language == "evidence":
            _check("line", *self.lines)
        return self


class Table(_Frozen):
    """A table; columns whose name starts with '>' hold numbers and stand to the right, those with
    '$' commands. `detail`: a reader in a hurry may leave it folded."""

    kind: Literal["table"] = "table"
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Words, ...], ...]
    detail: bool = False

    @model_validator(mode="after")
    def _as_wide_as_its_columns(self) -> Table:
        _check(f"table {self.title!r}", self.title, *self.columns)
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"row {number} has {len(row)} cells, accepted are {len(self.columns)}"
                )
            _check(f"table {self.title!r}, row {number}", *row)
        return self


Block = Annotated[Text | Lines | Table, Field(discriminator="kind")]


class Section(_Frozen):
    """One of the five sections."""

    title: str
    blocks: tuple[Block, ...]


class Report(_Frozen):
    """A whole report. `run` names the run whose measurements it holds, `host` where that was,
    `records` the SHA-256 of the files that its figures follow from."""

    version: Literal[2] = 2
    run: str
    date: str
    host: dict[str, str]
    verdict: str
    route: str
    evidence: tuple[Words, ...]
    sections: tuple[Section, ...]
    records: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _states_nothing_unmeasured(self) -> Report:
        _check("evidence", *self.evidence)
        _check("verdict", self.verdict, self.route)
        return self

    @property
    def lines(self) -> tuple[str, ...]:
        """The evidence as text."""
        return tuple(map(text_of, self.evidence))

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return self.model_dump(mode="json")

    def checked(self) -> Report:
        """This report; FormatError where its sections are not the five."""
        titles = tuple(section.title for section in self.sections)
        if titles != TITLES:
            raise FormatError(f"sections: found {titles}, accepted is {TITLES}")
        return self


def figures_of(report: Report) -> Iterator[tuple[str, Figure]]:
    """Every figure with the place where it stands, in the order of the report."""
    for line in report.evidence:
        yield from _figures(f"evidence: {text_of(line)[:60]}", line)
    for section in report.sections:
        for number, block in enumerate(section.blocks):
            place = f"{section.title}: "
            if isinstance(block, Table):
                for row in block.rows:
                    for column, cell in zip(block.columns, row, strict=True):
                        name = f"{block.title}: {text_of(row[0])}: {heading(column)}"
                        yield from _figures(place + name, cell)
            elif isinstance(block, Text):
                yield from _figures(f"{place}block {number}", block.text)
            else:
                for line in block.lines:
                    yield from _figures(f"{place}block {number}", line)


def heading(column: str) -> str:
    """The name of a column without what it holds."""
    return column.removeprefix(">").removeprefix("$")


def lean(table: Table) -> tuple[Table, ...]:
    """The table without columns that are empty in every row; nothing without rows."""
    if not table.rows:
        return ()
    kept = [n for n, _ in enumerate(table.columns) if any(text_of(row[n]) for row in table.rows)]
    columns = tuple(table.columns[n] for n in kept)
    rows = tuple(tuple(row[n] for n in kept) for row in table.rows)
    return (Table(title=table.title, columns=columns, rows=rows, detail=table.detail),)


def _figures(place: str, words: Words) -> Iterator[tuple[str, Figure]]:
    for part in parts(words):
        if isinstance(part, Figure):
            yield place, part


def schema() -> dict[str, Any]:
    """JSON schema of a report."""
    return Report.model_json_schema()
