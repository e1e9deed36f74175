"""Reader of a Criterion result tree, the folder that `cargo bench` leaves in `target/criterion`.

Criterion (versions 0.3 to 0.7) keeps per benchmark a folder `new` with `benchmark.json` (names),
`estimates.json` (nanoseconds, `slope` null when sampling was flat) and `sample.json` (iterations
and nanoseconds of every sample), beside `base` (the run before) and `change` (its own comparison).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bitnet_perf.errors import FormatError

__all__ = ["CriterionRow", "CriterionTree", "read_criterion"]

FILES = ("benchmark.json", "estimates.json", "sample.json")
MAX_BYTES = 32 * 1024 * 1024  # a sample of 100 is 3 kB; this admits a million and no memory bomb
_NS = 1e-9


@dataclass(frozen=True, slots=True)
class CriterionRow:
    """One benchmark of a Criterion tree; every time is in seconds per iteration.

    `id` is Criterion's `full_id`; `throughput` is (unit, amount per iteration), for example
    ("Elements", 4096); `samples` holds `times[i] / iters[i]`; `slope` is None for flat sampling.
    """

    id: str
    group: str
    function: str | None
    value: str | None
    throughput: tuple[str, int] | None
    sampling: str
    samples: tuple[float, ...]
    median: float
    mean: float
    slope: float | None
    source: str

    def to_dict(self) -> dict[str, Any]:
        """The row as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CriterionTree:
    """Rows of one tree ordered by id, and one line for everything that was seen and not read."""

    rows: tuple[CriterionRow, ...]
    dropped: tuple[str, ...]


def read_criterion(path: str | os.PathLike[str], baseline: str = "new") -> CriterionTree:
    """Read every benchmark below `path`, a `criterion` folder or the folder that holds one.

    `baseline` names the saved run to read: "new" (the last one), "base" (the one before it) or a
    name given to `--save-baseline`. Raises FormatError, naming file, field and reason, for
    anything that Criterion would not have written, and when no benchmark is found.
    """
    root = Path(path)
    if (root / "criterion").is_dir():
        root = root / "criterion"
    if not root.is_dir():
        raise FormatError(f"path: {root} is not a folder; accepted: a Criterion tree")
    rows: dict[str, CriterionRow] = {}
    dropped: list[str] = []
    for folder in benchmark_folders(root, baseline):
        row = read_benchmark(folder, root)
        if row.id in rows:
            raise FormatError(
                f"{row.source}: full_id: {row.id!r} also stands in {rows[row.id].source}; "
                "accepted: one benchmark per full_id"
            )
        rows[row.id] = row
        dropped += _siblings(folder, root)
    if not rows:
        raise FormatError(
            f"path: no */{baseline}/benchmark.json below {root}; accepted: a Criterion tree"
        )
    return CriterionTree(tuple(rows[key] for key in sorted(rows)), tuple(dropped))


def benchmark_folders(root: Path, baseline: str = "new") -> Iterator[Path]:
    """The folders named `baseline` below `root` that hold a result file, in sorted order.

    Symbolic links to folders are not followed, `report` folders are skipped.
    """
    for name, folders, files in os.walk(root):
        folders[:] = sorted(folder for folder in folders if folder != "report")
        if os.path.basename(name) == baseline and not {*FILES}.isdisjoint(files):
            yield Path(name)


def read_benchmark(folder: Path, root: Path) -> CriterionRow:
    """Read the three files of one benchmark; raises FormatError as `read_criterion` does."""
    names, estimates, sample = (folder / name for name in FILES)
    head = _load(names, root)
    numbers = _load(estimates, root)
    samples, sampling = _samples(_load(sample, root), sample)
    row = CriterionRow(
        id=_text(head, "full_id", names),
        group=_text(head, "group_id", names),
        function=_text_or_none(head, "function_id", names),
        value=_text_or_none(head, "value_str", names),
        throughput=_throughput(head.get("throughput"), names),
        sampling=sampling,
        samples=samples,
        median=_estimate(numbers, "median", estimates),
        mean=_estimate(numbers, "mean", estimates),
        slope=None if numbers.get("slope") is None else _estimate(numbers, "slope", estimates),
        source=str(folder.relative_to(root)),
    )
    if not math.isclose(row.median, median(samples), rel_tol=1e-6):
        raise FormatError(
            f"{estimates}: median: {row.median / _NS!r} ns, but {sample.name} gives "
            f"{median(samples) / _NS!r} ns; accepted: files of one run"
        )
    return row


def _siblings(folder: Path, root: Path) -> list[str]:
    """What stands beside `folder` and is not read: saved runs and Criterion's own comparison."""
    lines = []
    for other in sorted(folder.parent.iterdir()):
        if other == folder or not other.is_dir() or other.name == "report":
            continue
        place = other.relative_to(root)
        if other.name == "change":
            lines.append(f"{place}: Criterion's comparison of two whole runs, no measurement")
        elif (other / "sample.json").is_file():
            same = all(_content(other / name) == _content(folder / name) for name in FILES)
            kind = f"identical copy of {folder.name}" if same else f"another run than {folder.name}"
            lines.append(f"{place}: {kind}")
    return lines


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError:
        return None


def _load(path: Path, root: Path) -> dict[str, Any]:
    """One JSON object from a regular file inside `root`."""
    try:
        if not path.resolve(strict=True).is_relative_to(root.resolve()):
            raise FormatError(f"{path}: is a link that leaves {root}; accepted: a file inside it")
        if not path.is_file():
            raise FormatError(f"{path}: is no regular file; accepted: a JSON file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FormatError(f"{path}: {size} bytes; accepted: at most {MAX_BYTES}")
        value = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise FormatError(f"{path}: is missing; accepted: {', '.join(FILES)} together") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, or nesting too deep
        raise FormatError(f"{path}: cannot be read: {error}") from error
    except FormatError:
        raise
    except ValueError as error:  # bad JSON, bad UTF-8, a number of thousands of digits
        raise FormatError(f"{path}: is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise FormatError(f"{path}: holds {_shown(value)}; accepted: a JSON object")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"the number {name} is not JSON")


def _text(data: dict[str, Any], field: str, path: Path) -> str:
    value = data.get(field)
    if not isinstance(value, str) or not value:
        raise FormatError(f"{path}: {field}: {_shown(value)}; accepted: a non-empty string")
    return value


def _text_or_none(data: dict[str, Any], field: str, path: Path) -> str | None:
    return None if data.get(field) is None else _text(data, field, path)


def _throughput(value: Any, path: Path) -> tuple[str, int] | None:
    """Criterion writes null or {"Elements": n}, {"Bytes": n}, {"BytesDecimal": n}, {"Bits": n}."""
    if value is None:
        return None
    if isinstance(value, dict) and len(value) == 1:
        ((unit, amount),) = value.items()
        if type(amount) is int and amount >= 0:
            return unit, amount
        if isinstance(amount, dict) and type(amount.get("elements")) is int:  # ElementsAndBytes
            return "Elements", amount["elements"]
    raise FormatError(
        f'{path}: throughput: {_shown(value)}; accepted: null or one unit, {{"Elements": n}}'
    )


def _estimate(data: dict[str, Any], field: str, path: Path) -> float:
    value = data.get(field)
    if not isinstance(value, dict):
        raise FormatError(
            f"{path}: {field}: {_shown(value)}; accepted: an object with point_estimate"
        )
    return _positive(value.get("point_estimate"), f"{field}.point_estimate", path) * _NS


def _samples(data: dict[str, Any], path: Path) -> tuple[tuple[float, ...], str]:
    mode = data.get("sampling_mode", "Linear")  # absent before Criterion 0.3.3, when all was linear
    if mode not in ("Linear", "Flat"):
        raise FormatError(f"{path}: sampling_mode: {_shown(mode)}; accepted: Linear, Flat")
    iters, times = _list(data, "iters", path), _list(data, "times", path)
    if len(iters) != len(times):
        raise FormatError(
            f"{path}: times: {len(times)} values for {len(iters)} iters; accepted: equal lengths"
        )
    return tuple(
        _positive(t, f"times[{i}]", path) * _NS / _positive(n, f"iters[{i}]", path)
        for i, (n, t) in enumerate(zip(iters, times, strict=True))
    ), mode


def _list(data: dict[str, Any], field: str, path: Path) -> list[Any]:
    values = data.get(field)
    if not isinstance(values, list) or not values:
        raise FormatError(f"{path}: {field}: {_shown(values)}; accepted: a list of numbers")
    return values


def _positive(value: Any, field: str, path: Path) -> float:
    """A finite number above zero, in the file's own unit."""
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not (math.isfinite(number) and number > 0):
        raise FormatError(f"{path}: {field}: {_shown(value)}; accepted: a finite number above zero")
    return number


def _shown(value: Any) -> str:
    """`value` for a message: JSON, at most 60 characters."""
    if isinstance(value, dict | list):
        return f"{type(value).__name__} of {len(value)}"
    text = "nothing" if value is None else ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
