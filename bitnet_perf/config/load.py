"""Settings from their four sources, each with where it came from.

A flag comes before the environment (BITNET_PERF_HISTORY_URL for `url` of [history]), that before
the file (bitnet-perf.toml, or [tool.bitnet-perf] of pyproject.toml), that before the default.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bitnet_perf.analyze.accepted import Accept
from bitnet_perf.config import lines
from bitnet_perf.config.settings import Settings
from bitnet_perf.errors import ConfigError

__all__ = ["FILE", "PROJECT", "TABLE", "Loaded", "Row", "load_settings", "parse_flags",
           "without_password"]  # fmt: skip

FILE = "bitnet-perf.toml"
PROJECT = "pyproject.toml"
TABLE = ("tool", "bitnet-perf")  # of PROJECT
PREFIX = "BITNET_PERF_"
NO_SETTINGS = ("BITNET_PERF_CACHE", "BITNET_PERF_GOLDEN")  # variables that say where folders are
LARGEST = 1 << 20  # bytes of a file


@dataclass(frozen=True, slots=True)
class Row:
    """A setting: its key with dots, its value (plain JSON, no password), where that is from."""

    key: str
    value: Any
    origin: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"key": self.key, "value": self.value, "origin": self.origin}

    @property
    def text(self) -> str:
        """The value for people."""
        if isinstance(self.value, dict):
            return "; ".join(f"{name} {value}" for name, value in self.value.items())
        if isinstance(self.value, list):
            return ", ".join(self.value)
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return "none" if self.value is None else str(self.value)


@dataclass
class _Source:
    """What one source says: `tree` as TOML would hold it, and a place in words for each path."""

    tree: dict[str, Any] = field(default_factory=dict)
    places: dict[lines.Path, str] = field(default_factory=dict)

    def put(self, path: tuple[str, ...], value: object, place: str) -> None:
        """Set one key of the tree."""
        table = self.tree
        for name in path[:-1]:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{place}: {'.'.join(path)}: {name} has a value of its own")
        table[path[-1]] = value
        self.places[path] = place


@dataclass(frozen=True)
class Loaded:
    """Checked settings; `file` is the one that was read, None where there is none."""

    settings: Settings
    file: Path | None
    places: Mapping[lines.Path, str]

    def rows(self) -> tuple[Row, ...]:
        """Every setting, in the order of the tables."""
        rows = []
        for path, value in _leaves(self.settings):
            origin = self.places.get(path)
            if origin is None and path[0] == "accept":  # entries of one list
                origin = self.places.get(path[:1])
            rows.append(Row(".".join(map(str, path)), _plain(value), origin or "default"))
        return tuple(rows)


def load_settings(
    folder: str | os.PathLike[str] = ".",
    flags: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    """The settings that hold in `folder`: of the nearest folder upwards with a FILE or a PROJECT.

    flags: keys with dots to values, None where a flag was not given. Raises ConfigError that names
    file and line, variable or flag: for what is no TOML, unknown keys (with the nearest), values
    that are not accepted, and two files that both hold settings.
    """
    file, from_file = _read(Path(folder))
    sources = [
        from_file,
        _from_environment(os.environ if environment is None else environment),
        _from_flags(flags or {}),
    ]
    tree: dict[str, Any] = {}
    places: dict[lines.Path, str] = {}
    for source in sources:
        _check_keys(source.tree, Settings, (), source.places)
        _merge(tree, source.tree)
        places |= source.places
    try:
        return Loaded(Settings.model_validate(tree), file, places)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = tuple(first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"{_place(path, places)}: {'.'.join(map(str, path))}: found "
            f"{without_password(repr(first['input']))[:80]}: {what}"
        ) from error


def parse_flags(words: Iterable[str]) -> dict[str, object]:
    """The flags of `--set KEY=VALUE`; ConfigError for a word without `=`."""
    found: dict[str, object] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"--set: found {word!r}, accepted is KEY=VALUE")
        found[key.strip()] = value.strip()
    return found


def _read(folder: Path) -> tuple[Path | None, _Source]:
    """The file of the nearest folder that has one, and what it says."""
    start = folder.absolute()
    for place in (start, *start.parents):
        own, project = place / FILE, place / PROJECT
        found = [(path, table) for path, table in ((own, ()), (project, TABLE)) if path.is_file()]
        held = [(path, _source(path, table)) for path, table in found]
        held = [(path, source) for path, source in held if path == own or source.tree]
        if len(held) == 2:
            raise ConfigError(
                f"{own} and [tool.bitnet-perf] of {project}: both hold settings, accepted is one"
            )
        if held:
            return held[0]
        if found or (place / ".git").exists():
            break
    return None, _Source()


def _source(path: Path, table: tuple[str, ...]) -> _Source:
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigError(f"{path}: is larger than {LARGEST >> 10} KiB, which is accepted")
        text = path.read_text(encoding="utf-8")
        tree: Any = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: no TOML ({error})") from error
    for name in table:
        tree = tree.get(name, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"{path}: {name}: found {tree!r:.80}, accepted is a table")
    if not tree:
        return _Source()
    depth = len(table)
    found = {p[depth:]: n for p, n in lines.lines_of(text).items() if p[:depth] == table}
    return _Source(tree, {p: f"{path.name}:{n}" for p, n in found.items()})


def _from_environment(environment: Mapping[str, str]) -> _Source:
    names = {_variable(path): tuple(map(str, path)) for path, _ in _leaves(Settings())}
    suites = f"{PREFIX}SUITES_"
    source = _Source()
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name in NO_SETTINGS:
            continue
        if name.startswith(suites) and name != suites:
            source.put(("suites", name.removeprefix(suites).lower()), _globs(value), name)
        elif name in names:
            source.put(names[name], value, name)
        else:
            known = [*names, *NO_SETTINGS]
            raise ConfigError(f"{name}: unknown variable; {_nearest(name, known)}")
    return source


def _from_flags(flags: Mapping[str, object]) -> _Source:
    source = _Source()
    for key, value in flags.items():
        if value is not None:
            path = tuple(key.split("."))
            listed = path[0] == "suites" and isinstance(value, str)
            source.put(path, _globs(str(value)) if listed else value, "flag")
    return source


def _globs(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _variable(path: Iterable[object]) -> str:
    return PREFIX + "_".join(str(name).upper() for name in path)


def _leaves(table: BaseModel, path: lines.Path = ()) -> list[tuple[lines.Path, Any]]:
    """(path, value) of every setting below a table; a suite and a trade-off are one each."""
    found: list[tuple[lines.Path, Any]] = []
    for name in type(table).model_fields:
        value = getattr(table, name)
        if name == "accept":
            found += [((name, number), entry) for number, entry in enumerate(value)]
        elif isinstance(value, BaseModel):
            found += _leaves(value, (*path, name))
        elif isinstance(value, dict):
            found += [((*path, name, key), each) for key, each in value.items()]
        else:
            found.append(((*path, name), value))
    return found


def _check_keys(
    tree: Mapping[str, Any],
    model: type[BaseModel],
    path: lines.Path,
    places: Mapping[lines.Path, str],
) -> None:
    """Raises ConfigError for a key that the model does not have, with the nearest it has."""
    for name, value in tree.items():
        here = (*path, name)
        known = model.model_fields.get(name)
        if known is None:
            raise ConfigError(
                f"{_place(here, places)}: {'.'.join(map(str, here))}: unknown key; "
                f"{_nearest(name, model.model_fields)}"
            )
        below = known.annotation
        entries: list[tuple[lines.Path, Any]] = [(here, value)]
        if name == "accept" and isinstance(value, list):
            below, entries = Accept, [((*here, n), each) for n, each in enumerate(value)]
        for at, each in entries:
            if isinstance(below, type) and issubclass(below, BaseModel) and isinstance(each, dict):
                _check_keys(each, below, at, places)


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, 1, 0.0)
    return f"nearest is {near[0]} (known: {', '.join(sorted(names))})"


def _merge(into: dict[str, Any], tree: Mapping[str, Any]) -> None:
    for name, value in tree.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = dict(value) if isinstance(value, dict) else value


def _place(path: lines.Path, places: Mapping[lines.Path, str]) -> str:
    """The place of a key, or of the nearest table above it that has one, or of those below it."""
    for length in range(len(path), 0, -1):
        if path[:length] in places:
            return places[path[:length]]
    below = [place for at, place in places.items() if at[: len(path)] == path]
    return ", ".join(dict.fromkeys(below))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, str):
        return without_password(value)
    return list(value) if isinstance(value, tuple) else value


def without_password(text: str) -> str:
    """The text with *** for the password of a URL in it."""
    text = re.sub(r"(://[^:/?#@\s]*:).*@", r"\1***@", text)
    return re.sub(r"(password=)[^&\s'\"]*", r"\1***", text)
