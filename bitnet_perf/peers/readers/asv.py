"""Results of asv (airspeed velocity), version 2: `results/MACHINE/COMMIT-ENVIRONMENT.json`.

`results` maps a benchmark to a row of `result_columns`; `result` and `samples` hold one entry for
each combination of the parameters, the last of them fastest. Null is a failure, NaN a benchmark
that skipped itself. Units stand in `results/benchmarks.json`; where that is not there, asv's naming
of benchmarks tells them.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator

from bitnet_perf.peers.fields import MAX_NAME, Document, Node
from bitnet_perf.peers.results import BYTE, SECOND, Claims, Table

LABEL = "asv results"
# The last part of a benchmark's name tells its type; asv_runner has one of these for each.
TYPES = (
    (re.compile(r"(Time[A-Z_].+)|(time_.+)|(Timeraw[A-Z_].+)|(timeraw_.+)", re.S), SECOND),
    (re.compile(r"(Mem[A-Z_].+)|(mem_.+)|(PeakMem[A-Z_].+)|(peakmem_.+)", re.S), BYTE),
)
UNITS = {"seconds": SECOND, "bytes": BYTE}


def owns(document: Document) -> bool:
    """A commit and columns of results."""
    return {"commit_hash", "result_columns", "results"} <= document.keys()


def read(document: Document) -> Table:
    """One row for each combination of parameters; samples are of one process, as far as is told."""
    root = document.root
    if root["version"].value != 2:
        root["version"].fail("2 (`asv update` writes it)")
    machine = root["params"]
    host = {"cpu": machine["cpu"].value, "cores": _count(machine["num_cpu"])}
    table = Table(document, host | {"os": machine["os"].value})
    columns = [column.text() for column in root["result_columns"].list()]
    if "result" not in columns:
        root["result_columns"].fail("a list that names result")
    claims = Claims(commit=root["commit_hash"].text_or_none())
    units = _units(document)
    for name, row in root["results"].fields():
        cells = dict(zip(columns, row.list(), strict=False))  # a row ends where the rest is null
        unit = units.get(name) or _by_name(name)
        if unit is None:
            table.drop(row, "no benchmarks.json beside it tells the unit, nor does the name")
        elif not cells.get("result"):
            table.drop(row, "failed")
        else:
            _add(table, name, cells, unit, claims)
    return table


def _add(table: Table, name: str, cells: dict[str, Node], unit: str, claims: Claims) -> None:
    values = list(cells["result"].list())
    raw = list(cells["samples"].list()) if cells.get("samples") else []
    cases = list(itertools.islice(_cases(name, cells.get("params")), len(values) + 1))
    if len(cases) != len(values) or (raw and len(raw) != len(values)):
        accepted = "a result, and samples or none of them, for every combination of parameters"
        cells["result"].fail(accepted)
    for i, (case, value) in enumerate(zip(cases, values, strict=True)):
        if value.value is None:
            table.drop(value, "failed")
        elif isinstance(value.value, float) and math.isnan(value.value):
            table.drop(value, "skipped itself")
        elif raw and raw[i]:
            table.add(case, [raw[i].positives()], value, unit=unit, claims=claims)
        else:
            one = value.positive() if unit == SECOND else value.number()
            table.add(case, [[one]], value, unit=unit, claims=claims)
            table.drop(value, "no samples (--record-samples): the result is the one sample")


def _cases(name: str, params: Node | None) -> Iterator[str]:
    """Names as asv prints them: `bench.time_sum(100, 'a')`."""
    axes = [[value.text() for value in axis.list()] for axis in params.list()] if params else []
    if not axes:
        yield name
        return
    if params and sum(max(map(len, axis), default=0) for axis in axes) > MAX_NAME:
        params.fail(f"parameters of at most {MAX_NAME} characters")
    for values in itertools.product(*axes):
        yield f"{name}({', '.join(values)})"


def _units(document: Document) -> dict[str, str]:
    """Units by name from the `benchmarks.json` of the same results, if it is there."""
    path = document.path.parent.parent / "benchmarks.json"
    if not path.is_file():
        return {}
    found = {}
    for name, benchmark in Document(path).root.fields():
        if isinstance(benchmark.value, dict):  # the version of the form stands among them
            unit = benchmark["unit"].text()
            found[name] = UNITS.get(unit, unit)
    return found


def _by_name(name: str) -> str | None:
    last = name.rsplit(".", 1)[-1][:200]
    return next((unit for pattern, unit in TYPES if pattern.fullmatch(last)), None)


def _count(node: Node) -> int | None:
    """asv writes the number of CPUs as text."""
    text = node.value
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 9 else None
