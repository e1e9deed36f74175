"""What result objects share in a notebook: rows as a pandas frame, as an HTML table, a figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from bitnet_perf.errors import EnvironmentRefused

__all__ = ["figure", "frame", "html_table"]


def figure() -> Any:
    """An empty matplotlib figure; raises EnvironmentRefused where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EnvironmentRefused(
            "matplotlib: not installed; `pip install 'bitnet_perf[report]'` brings it"
        ) from error
    return Figure(figsize=(10, 5.5), layout="constrained")


def frame(rows: Iterable[Mapping[str, Any]]) -> Any:
    """A pandas DataFrame of `rows`; EnvironmentRefused where pandas is missing."""
    try:
        import pandas as pd
    except ImportError as error:
        raise EnvironmentRefused(
            "pandas: not installed; `pip install 'bitnet_perf[report]'` brings it"
        ) from error
    return pd.DataFrame(list(rows))


def html_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as HTML, every cell escaped; columns that start with '>' stand to the right."""
    right = [column.startswith(">") for column in columns]
    head = "".join(f"<th>{escape(column.removeprefix('>'))}</th>" for column in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align:{"right" if at_right else "left"}">{escape(str(cell))}</td>'
            for cell, at_right in zip(row, right, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><caption>{escape(title)}</caption><tr>{head}</tr>{body}</table>"
