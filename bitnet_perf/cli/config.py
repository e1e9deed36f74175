"""`bitnet-perf config`: the settings that hold here, and where each came from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    SetOption,
    console,
    emit,
    shows_text,
    table,
)


def command(
    *,
    show: Annotated[bool, typer.Option("--show", help="Every setting and its source.")] = False,
    folder: Annotated[
        Path, typer.Option("--folder", help="Where: its file, or the nearest upwards.")
    ] = Path(),
    set_: SetOption = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Check the settings of a project, and show them.

    A flag comes before the environment (BITNET_PERF_BUDGETS_GUARD for `guard` of `[budgets]`), that
    before bitnet-perf.toml, or `[tool.bitnet-perf]` of pyproject.toml, that before the default.
    Exit code 2 for what is not accepted, with its line.

    Examples: `bitnet-perf config --show`, `bitnet-perf config --show --set budgets.guard=0.01`
    """
    from bitnet_perf.config.load import load_settings, parse_flags
    from bitnet_perf.config.tuned import tuned_settings

    found = load_settings(folder, parse_flags(set_ or ()))
    rows = found.rows()
    file = None if found.file is None else str(found.file)
    note = tuned_settings(found).note
    emit({"file": file, "settings": [row.to_dict() for row in rows], "note": note}, json_to)
    if not shows_text(json_to, quiet):
        return
    out = console()
    if show:
        cells = ((row.key, row.text, row.origin) for row in rows)
        out.print(table("Settings", ["key", "value", "from"], cells))
    given = sum(row.origin != "default" for row in rows)
    said = f"{file or 'no file'}: {given} of {len(rows)} settings are given"
    out.print(said, markup=False, soft_wrap=True)
    if note:
        out.print(note, markup=False, soft_wrap=True)
