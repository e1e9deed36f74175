"""Reader of a Criterion result tree, the folder that `cargo bench` leaves in `target/criterion`.

Criterion (versions 0.3 to 0.7) keeps per benchmark a folder `new` with `benchmark.json` (names),
`estimates.json` (nanoseconds, `slope` null when sampling was flat) and `sample.json` (iterations
and nanoseconds of every sample), beside `base` (the run before) and `change` (its own comparison).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bitnet_perf.peers.fields import Document, Node, ResultsError
from bitnet_perf.peers.results import Table

__all__ = ["CriterionRow", "CriterionTree", "read_criterion"]

LABEL = "Criterion folders"
FILES = ("benchmark.json", "estimates.json", "sample.json")
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


def owns(document: Document) -> bool:
    """A folder of that name, one that holds it, or one with a benchmark of the last run."""
    root = document.path
    return document.folder and (
        root.name == "criterion"
        or (root / "criterion").is_dir()
        or next(benchmark_folders(root), None) is not None
    )


def read(document: Document) -> Table:
    """One row a benchmark of the last run; all samples of one are of one process."""
    tree = read_criterion(document.path)
    table = Table(document)
    for row in tree.rows:
        table.add(row.id, [row.samples], row.source)
    for line in tree.dropped:
        place, _, reason = line.partition(": ")
        table.drop(place, reason)
    return table


def read_criterion(path: str | os.PathLike[str], baseline: str = "new") -> CriterionTree:
    """Read every benchmark below `path`, a `criterion` folder or the folder that holds one.

    `baseline` names the saved run to read: "new" (the last one), "base" (the one before it) or a
    name given to `--save-baseline`. Raises MeasurementError, naming file, field and reason, for
    anything that Criterion would not have written, and when no benchmark is found.
    """
    root = Path(path)
    if (root / "criterion").is_dir():
        root = root / "criterion"
    if not root.is_dir():
        raise ResultsError(f"path: {root} is not a folder; accepted: a Criterion tree")
    rows: dict[str, CriterionRow] = {}
    dropped: list[str] = []
    for folder in benchmark_folders(root, baseline):
        row = read_benchmark(folder, root)
        if row.id in rows:
            raise ResultsError(
                f"{row.source}: full_id: {row.id!r} also stands in {rows[row.id].source}; "
                "accepted: one benchmark per full_id"
            )
        rows[row.id] = row
        dropped += _siblings(folder, root)
    if not rows:
        raise ResultsError(
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
    """Read the three files of one benchmark; raises MeasurementError as `read_criterion` does."""
    names, numbers, sample = (_load(folder / name, root) for name in FILES)
    samples, sampling = _samples(sample)
    middle = numbers["median"]["point_estimate"]
    row = CriterionRow(
        id=names["full_id"].text(),
        group=names["group_id"].text(),
        function=_text_or_none(names["function_id"]),
        value=_text_or_none(names["value_str"]),
        throughput=_throughput(names["throughput"]),
        sampling=sampling,
        samples=samples,
        median=middle.positive() * _NS,
        mean=numbers["mean"]["point_estimate"].positive() * _NS,
        slope=numbers["slope"]["point_estimate"].positive() * _NS if numbers["slope"] else None,
        source=str(folder.relative_to(root)),
    )
    if not math.isclose(row.median, median(samples), rel_tol=1e-6):
        raise ResultsError(
            f"{numbers.document.name}: median: {middle.value!r} ns, but {FILES[2]} gives "
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
        return Document(path).data
    except ResultsError:
        return None


def _load(path: Path, root: Path) -> Node:
    """One JSON object from a regular file inside `root`."""
    try:
        if not path.resolve(strict=True).is_relative_to(root.resolve()):
            raise ResultsError(f"{path}: is a link that leaves {root}; accepted: a file inside it")
    except FileNotFoundError:
        raise ResultsError(f"{path}: is missing; accepted: {', '.join(FILES)} together") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise ResultsError(f"{path}: cannot be read: {error}; accepted: a JSON file") from error
    root_node = Document(path).root
    root_node.object()
    return root_node


def _text_or_none(node: Node) -> str | None:
    return node.text() if node else None


def _throughput(node: Node) -> tuple[str, int] | None:
    """Criterion writes null or {"Elements": n}, {"Bytes": n}, {"BytesDecimal": n}, {"Bits": n}."""
    accepted = 'null or one unit, {"Elements": n}'
    if not node:
        return None
    if not isinstance(node.value, dict) or len(node.value) != 1:
        node.fail(accepted)
    ((unit, amount),) = node.value.items()
    if isinstance(amount, dict):  # ElementsAndBytes
        unit, amount = "Elements", amount.get("elements")
    if type(amount) is not int or amount < 0:
        node.fail(accepted)
    return unit, amount


def _samples(sample: Node) -> tuple[tuple[float, ...], str]:
    """Seconds per iteration, and how Criterion sampled; before 0.3.3 it did not say: linear."""
    mode: str = sample["sampling_mode"].one_of("Linear", "Flat") if sample["sampling_mode"] else ""
    iters, times = sample["iters"], sample["times"]
    counts, nanoseconds = iters.positives(), times.positives()
    if len(counts) != len(nanoseconds):
        raise ResultsError(
            f"{times.document.name}: times: {len(nanoseconds)} values for {len(counts)} iters; "
            "accepted: equal lengths"
        )
    seconds = (t * _NS / n for n, t in zip(counts, nanoseconds, strict=True))
    return tuple(seconds), mode or "Linear"
