"""Plots of characters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bitnet_perf.report.braille import plot, sparkline

VALUES = st.lists(st.floats(1e-9, 1e9), max_size=300)


def dots(lines):
    return sum((ord(char) - 0x2800).bit_count() for line in lines for char in line if char > "~")


def test_a_diagonal_is_a_diagonal():
    assert plot(range(8), 4, 2) == ["  ⡠⠊", "⡠⠊  "]
    assert plot([1.0, 2.0, 1.0], 2, 1, plain=True) == ["**"]


def test_marks_stand_below_their_values():
    lines = plot([1.0] * 5 + [2.0] * 5, 10, 2, [5])
    assert len(lines) == 3
    assert lines[-1].index("^") == 5
    assert lines[0].strip()
    assert not lines[0][:5].strip()


@given(VALUES, st.integers(1, 40), st.integers(1, 10), st.booleans())
def test_every_plot_fits_and_shows_every_height(values, width, height, plain):
    lines = plot(values, width, height, plain=plain)
    assert [len(line) for line in lines] == [width] * height
    assert "".join(lines).isascii() == plain or not values
    if not plain:
        assert (dots(lines) > 0) == bool(values)
        assert dots(lines) <= len(values)
    if len(set(values)) > 1:
        assert lines[0].strip()
        assert lines[-1].strip()


def test_a_dot_for_every_value_where_there_is_room():
    assert dots(plot([float(n % 7) for n in range(60)], 60, 4)) == 60


@given(VALUES, st.integers(1, 30), st.booleans())
def test_sparklines_show_the_last_values(values, width, plain):
    line = sparkline(values, width, plain=plain)
    assert len(line) == min(width, len(values))
    assert line.isascii() == plain or not line


def test_a_sparkline_goes_from_least_to_greatest():
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([5, 5], 8) == "▁▁"
    assert sparkline([], 8) == ""
