"""What was tuned on this host: from the settings into the process, and into the file."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitnet_perf.bench.fingerprint import this_host
from bitnet_perf.config.lines import lines_of
from bitnet_perf.config.load import FILE, PROJECT, TABLE, Loaded, load_settings
from bitnet_perf.errors import ConfigError
from bitnet_perf.files import write_atomic
from bitnet_perf.kernels.tunables import set_tunables

__all__ = ["Used", "tuned_settings", "use_tuned", "with_tuned", "write_tuned"]

NAME = "tuned"


@dataclass(frozen=True, slots=True)
class Used:
    """Tunables that the settings hold for this host, and in words what they hold for another."""

    values: Mapping[str, int | str] = field(default_factory=dict)
    note: str = ""


def tuned_settings(loaded: Loaded) -> Used:
    """Which values of [tuned] are for this host: those of a file where its `host` is this one,
    those of flags and of the environment always."""
    table = loaded.settings.tuned
    given = table.values()
    if not given:
        return Used()
    here = this_host()
    if table.host == here:
        return Used(given)
    name = "" if loaded.file is None else loaded.file.name
    of_file = {key for key in given if loaded.places.get((NAME, key), "").startswith(f"{name}:")}
    place = loaded.places.get((NAME,)) or name
    whose = f"measured on another host ({table.host})" if table.host else "without the host"
    note = (
        f"{place}: [{NAME}] is {whose}, this one is {here}: {', '.join(sorted(of_file))} not used; "
        "`bitnet-perf tune --apply` measures here"
    )
    return Used({k: v for k, v in given.items() if k not in of_file}, note if of_file else "")


def use_tuned(folder: str | os.PathLike[str] = ".") -> Used:
    """Set the tunables of this process to what the settings of `folder` hold for this host.

    Values of another host are not used, which the note says. Raises ConfigError for settings that
    are not accepted, IsaError for a variant that cannot run here.
    """
    used = tuned_settings(load_settings(folder))
    set_tunables(used.values)
    return used


def write_tuned(folder: Path, values: Mapping[str, int | str]) -> tuple[Path, str | None]:
    """Write the values, with the key of this host, as the table [tuned] of the settings that hold
    in `folder` (of a new file where none do); the file, and its text before (None: there was none).

    Whole or not at all; everything else in the file stays as it is. Raises ConfigError where the
    table is not written as one.
    """
    path = load_settings(folder).file or folder / FILE
    before = path.read_text(encoding="utf-8") if path.is_file() else None
    prefix = TABLE if path.name == PROJECT else ()
    write_atomic(path, with_tuned(before or "", values, this_host(), (*prefix, NAME), str(path)))
    return path, before


def with_tuned(
    text: str, values: Mapping[str, int | str], host: str, table: tuple[str, ...], path: str
) -> str:
    """The text of a TOML file with that table in the place of the one it has, or at its end."""
    header = f"[{'.'.join(table)}]"
    written = [header, f"host = {json.dumps(host)}"]
    written += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    lines = text.splitlines()
    at = lines_of(text).get(table)
    if at is None:
        new = [*lines, *([""] if lines else []), *written]
    elif not lines[at - 1].strip().startswith("["):
        raise ConfigError(f"{path}:{at}: {NAME} is no table of its own, accepted is {header}")
    else:
        end = next((n for n in range(at, len(lines)) if lines[n].startswith("[")), len(lines))
        while end > at and not lines[end - 1].strip():
            end -= 1
        new = [*lines[: at - 1], *written, *lines[end:]]
    made = "\n".join(new) + "\n"
    wanted = {"host": host, **values}
    if _without(made, table) != _without(text, table) or _at(made, table) != wanted:
        raise ConfigError(f"{path}: {header} cannot be replaced in it: write it as {header} alone")
    return made


def _at(text: str, table: tuple[str, ...]) -> Any:
    found: Any = tomllib.loads(text)
    for name in table:
        found = found[name]
    return found


def _without(text: str, table: tuple[str, ...]) -> Any:
    """What a TOML file holds beside the table."""
    whole = tomllib.loads(text)
    found: Any = whole
    for name in table[:-1]:
        found = found.setdefault(name, {})
    found.pop(table[-1], None)
    return whole
