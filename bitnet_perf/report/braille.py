"""Lines of a plot for a terminal, in characters of braille: each holds two by four dots."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["plot", "sparkline"]

BARS = "▁▂▃▄▅▆▇█"
PLAIN_BARS = "_.-:=+*#"
# The bit of each dot of a character, by row and column (Unicode, block 2800).
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
ROWS, COLUMNS = 4, 2


def sparkline(values: Sequence[float], width: int, *, plain: bool = False) -> str:
    """The last `width` values as bars between the least and the greatest of them.

    `plain` keeps to ASCII.
    """
    shown = values[-width:]
    bars = PLAIN_BARS if plain else BARS
    places = _places(shown, len(bars))
    return "".join(bars[place] for place in places)


def plot(
    values: Sequence[float],
    width: int,
    height: int,
    marks: Collection[int] = (),
    *,
    plain: bool = False,
) -> list[str]:
    """`height` lines of `width` characters with a dot for each value, the greatest at the top; and
    where there are `marks` (indices) one more line, with ^ below each of them."""
    rows = _places(values, height * ROWS)
    columns = [_column(index, len(values), width * COLUMNS) for index in range(len(values))]
    cells = [[0] * width for _ in range(height)]
    for row, column in zip(rows, columns, strict=True):
        from_top = height * ROWS - 1 - row
        dot = DOTS[from_top % ROWS][column % COLUMNS]
        cells[from_top // ROWS][column // COLUMNS] |= dot
    lines = ["".join(_character(cell, plain=plain) for cell in line) for line in cells]
    if marks:
        below = [" "] * width
        for index in marks:
            below[columns[index] // COLUMNS] = "^"
        lines.append("".join(below).rstrip())
    return lines


def _places(values: Sequence[float], count: int) -> list[int]:
    """For each value the step, 0 to count - 1, on the way from the least to the greatest."""
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    if high <= low:
        return [0] * len(values)
    return [round((count - 1) * ((value - low) / (high - low))) for value in values]


def _column(index: int, count: int, columns: int) -> int:
    return round((columns - 1) * index / (count - 1)) if count > 1 else 0


def _character(cell: int, *, plain: bool) -> str:
    if plain:
        return "*" if cell else " "
    return chr(0x2800 + cell) if cell else " "
