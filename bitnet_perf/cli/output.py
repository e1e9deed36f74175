"""What every command shares: tables, JSON, progress, errors and exit codes."""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bitnet_perf.errors import (
    BitnetPerfError,
    ConfigError,
    EnvironmentRefused,
    FormatError,
    IsaError,
    MeasurementError,
    ModelError,
    ShapeError,
)
from bitnet_perf.files import write_atomic

WIDTH = 100  # columns that a table may use

JsonOption = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE|-", help="Write the result as JSON to FILE, or - (stdout)."
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="Where the model runs: cpu, or cuda, the GPU.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting, before all other sources."),
]

# Commands that run no kernel, or (tune) not with what the settings hold.
NO_KERNELS = frozenset(
    ("publish", "make-model", "report", "tune", "import", "history", "config", "doctor")
)

# The base of every usage error (BadParameter < UsageError < ClickException), wherever it lives.
_USAGE: type[BaseException] = typer.BadParameter.__mro__[2]

# One line per kind of failure; the first that fits decides.
_EXIT_CODES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], int], ...] = (
    ((KeyboardInterrupt, typer.Abort), 130),
    (_USAGE, 2),
    ((ConfigError, FormatError, IsaError, ModelError, ShapeError), 2),
    (EnvironmentRefused, 5),
    (MeasurementError, 6),
    (BaseException, 70),
)


def use_settings(words: Sequence[str]) -> None:
    """Set what the settings of this folder hold for this host, for a command that runs kernels."""
    if not words or words[0].startswith("-") or words[0] in NO_KERNELS or "--help" in words:
        return
    from bitnet_perf.config.tuned import use_tuned

    use_tuned()


def exit_code(error: BaseException) -> int:
    """The exit code of an error; a crash is 70, so that it never reads as a regression."""
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 70
    return next(code for kinds, code in _EXIT_CODES if isinstance(error, kinds))


def fail(error: BaseException) -> None:
    """Print one clear message about `error` on stderr."""
    if isinstance(error, typer.Exit | SystemExit):
        return
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        message = "interrupted"
    elif isinstance(error, _USAGE) and hasattr(error, "format_message"):
        message = error.format_message()
    elif isinstance(error, BitnetPerfError):
        message = str(error)
    elif isinstance(error, OSError):
        message = f"{error.filename or 'system'}: {error.strerror or error}"
    else:
        message = "internal error, please report it\n" + "".join(traceback.format_exception(error))
    if message:  # a bare `bitnet-perf` has shown its help
        print(f"bitnet-perf: {message}", file=sys.stderr)


def console(*, stderr: bool = False) -> Console:
    """A console that colours only on terminals and never uses more than WIDTH columns; in a file or
    a pipe it uses them all."""
    probe = Console(stderr=stderr, highlight=False)
    width = min(probe.width, WIDTH) if probe.is_terminal or "COLUMNS" in os.environ else WIDTH
    return Console(stderr=stderr, highlight=False, width=width)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; columns whose name starts with '>' are numbers and stand to the right."""
    result = Table(
        title=escape(title),
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        min_width=min(len(title), WIDTH),
    )
    for column in columns:
        right = column.startswith(">")
        result.add_column(
            column.removeprefix(">"),
            justify="right" if right else "left",
            no_wrap=right,
            overflow="fold",
        )
    for row in rows:
        result.add_row(*(escape(str(cell)) for cell in row))
    return result


def seconds_text(seconds: float) -> str:
    """A time with three digits and its unit: 1.23 us."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def emit(result: dict[str, Any], json_to: str | None) -> None:
    """Write `result` as JSON where it was asked for."""
    if json_to is None:
        return
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if json_to == "-":
        sys.stdout.write(text)
    else:
        write_atomic(json_to, text)


def publish(write: Callable[[], object], code: int) -> int:
    """Write files of a result that was shown; `code`, or 7 where that fails: the verdict stands."""
    try:
        write()
    except (BitnetPerfError, OSError) as error:
        fail(error)
        return 7
    return code


def picture_format(path: Path, option: str = "--plot") -> str:
    """The format that the name asks for; what cannot be drawn is refused before any measuring."""
    if path.suffix not in {".svg", ".png"}:
        raise ConfigError(
            f"{option}: found {str(path)!r}, accepted is a name ending in .svg or .png"
        )
    from bitnet_perf.notebook import figure

    figure()  # refuses where matplotlib is missing
    return path.suffix[1:]


def save_picture(draw: Callable[[Any], object], path: Path) -> None:
    """Let `draw` fill the axes of a new figure, and write it to `path` (.svg or .png)."""
    from bitnet_perf.notebook import figure

    drawing = figure()
    draw(drawing.subplots())
    image = io.BytesIO()
    # A long legend is taller than the axes: the picture grows with it.
    drawing.savefig(image, format=picture_format(path), bbox_inches="tight")
    write_atomic(path, image.getvalue())


def shows_text(json_to: str | None, quiet: bool) -> bool:
    """Whether text for people goes to stdout: not beside JSON there, not when quiet."""
    return not quiet and json_to != "-"


@contextmanager
def progress(title: str, quiet: bool) -> Iterator[Callable[[float, str], None]]:
    """A progress bar on stderr where that is a terminal; call what it gives with (share, what)."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[what]}"),
        console=Console(stderr=True),
        transient=True,
        disable=quiet or not sys.stderr.isatty() or "CI" in os.environ,
    )
    with bar:
        task = bar.add_task(title, total=1.0, what="")
        yield lambda share, what: bar.update(task, completed=share, what=what)
