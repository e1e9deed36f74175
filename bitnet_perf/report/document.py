"""The report as data: five sections of text, tables and evidence lines; JSON and Markdown.

The JSON form is versioned (`version`); `schema()` publishes it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bitnet_perf.errors import FormatError
from bitnet_perf.report.escape import escape, fence, prose

__all__ = ["TITLES", "Block", "Lines", "Report", "Section", "Table", "Text", "schema"]

TITLES = (
    "1. Regression Summary",
    "2. Hotspot Analysis",
    "3. Impact Assessment",
    "4. Recommendations",
    "5. Action Items",
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(_Frozen):
    """One paragraph."""

    kind: Literal["text"] = "text"
    text: str


class Lines(_Frozen):
    """Lines that are copied as they are: evidence, or commands to run."""

    kind: Literal["lines"] = "lines"
    language: Literal["evidence", "shell"]
    lines: tuple[str, ...]


class Table(_Frozen):
    """A table; columns whose name starts with '>' hold numbers and stand to the right."""

    kind: Literal["table"] = "table"
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @model_validator(mode="after")
    def _as_wide_as_its_columns(self) -> Table:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"row {number} has {len(row)} cells, accepted are {len(self.columns)}"
                )
        return self


Block = Annotated[Text | Lines | Table, Field(discriminator="kind")]


class Section(_Frozen):
    """One of the five sections."""

    title: str
    blocks: tuple[Block, ...]


class Report(_Frozen):
    """A whole report. `run` names the run whose measurements it holds, `host` where that was."""

    version: Literal[1] = 1
    run: str
    date: str
    host: dict[str, str]
    verdict: str
    route: str
    evidence: tuple[str, ...]
    sections: tuple[Section, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return self.model_dump(mode="json")

    def markdown(self) -> str:
        """The report for a pull request."""
        _check_titles(self)
        head = [f"# Performance report: {escape(self.verdict)}", ""]
        head += [f"Run `{self.run}`, {self.date}. Next: `{self.route}`.", ""]
        return (
            "\n".join(head + [line for s in self.sections for line in _section(s)]).rstrip() + "\n"
        )


def schema() -> dict[str, Any]:
    """JSON schema of a report."""
    return Report.model_json_schema()


def _check_titles(report: Report) -> None:
    titles = tuple(section.title for section in report.sections)
    if titles != TITLES:
        raise FormatError(f"sections: found {titles}, accepted is {TITLES}")


def _section(section: Section) -> list[str]:
    lines = [f"## {section.title}", ""]
    for block in section.blocks:
        lines += [*_block(block), ""]
    return lines


def _block(block: Text | Lines | Table) -> list[str]:
    if isinstance(block, Text):
        return [prose(block.text)]
    if isinstance(block, Lines):
        return fence(block.lines, "sh" if block.language == "shell" else "text")
    names = [column.removeprefix(">") for column in block.columns]
    rule = [" ---: " if column.startswith(">") else " --- " for column in block.columns]
    rows = ["| " + " | ".join(escape(cell) for cell in row) + " |" for row in block.rows]
    return [
        f"**{escape(block.title)}**",
        "",
        "| " + " | ".join(map(escape, names)) + " |",
        "|" + "|".join(rule) + "|",
        *rows,
    ]
