"""Output of `llama-bench -o json | jsonl | csv | sql`, and of `bitnet-perf benchmark --format`.

One record a test. json and jsonl hold `samples_ns`, from which everything is computed again:
`stddev_ns` is the square root of a difference of 64-bit integers that wraps. csv and sql hold the
mean alone, and every value as text; sql puts quotes around them and escapes none.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from bitnet_perf.peers.fields import Document, Node, shown
from bitnet_perf.peers.results import Claims, Table

LABEL = "llama-bench json, jsonl, csv or sql"
KEYS = {"model_filename", "n_prompt", "n_gen", "n_threads", "avg_ns", "test_time"}
WHOLE = ("n_prompt", "n_gen", "n_depth", "n_threads", "avg_ns", "model_size")
# Settings that make another test: field, flag of llama-bench, values that the name leaves out.
SETTINGS = (
    ("n_batch", "b", ("2048",)),
    ("n_ubatch", "ub", ("512",)),
    ("type_k", "ctk", ("f16",)),
    ("type_v", "ctv", ("f16",)),
    ("n_gpu_layers", "ngl", ("-1", "99")),
    ("n_cpu_moe", "ncmoe", ("0",)),
    ("split_mode", "sm", ("layer",)),
    ("main_gpu", "mg", ("0",)),
    ("no_kv_offload", "nkvo", ("0",)),
    ("flash_attn", "fa", ("0", "-1")),
    ("devices", "dev", ("auto",)),
    ("tensor_split", "ts", ("0.00",)),
    ("use_mmap", "mmp", ("1",)),
    ("load_mode", "lm", ("auto", "mmap")),
    ("embeddings", "embd", ("0",)),
)
_CREATE = re.compile(r"CREATE TABLE IF NOT EXISTS (?:llama_bench|test) \(")  # `test` until 2025
_COLUMN = re.compile(r"  (\w+) (?:TEXT|INTEGER|REAL),?")
_INSERT = re.compile(r"INSERT INTO (?:llama_bench|test) \(([\w, ]+)\) VALUES \('(.*)'\);")


def owns(document: Document) -> bool:
    """The first record has the fields that every version of llama-bench writes."""
    value = document.json
    if value is None:
        return _first_fields(document.text or "") >= KEYS
    head = value[0] if isinstance(value, list) and value else value
    return isinstance(head, dict) and head.keys() >= KEYS


def _first_fields(text: str) -> set[str]:
    """The fields that the first line names; in sql, the columns of the table."""
    lines = _lines(text)
    _, line = next(lines, (0, ""))
    if line.startswith("{"):
        return set(_parsed(line) or ())
    if _CREATE.fullmatch(line):
        return {column[1] for _, each in lines if (column := _COLUMN.fullmatch(each))}
    if insert := _INSERT.fullmatch(line):
        return set(insert[1].split(", "))
    return {name.strip('"') for name in line.split(",", 100)}


def read(document: Document) -> Table:
    """One row a test; records of the same test, as in a file written to again, are its runs."""
    table = Table(document)
    found: dict[str, tuple[Node, list[tuple[float, ...]]]] = {}
    for record in _records(document):
        samples = _samples(table, record)
        if samples:
            found.setdefault(_case(record), (record, []))[1].append(samples)
    for case, (record, processes) in found.items():
        host = {"cpu": record["cpu_info"].value, "gpu": record["gpu_info"].value}
        table.add(case, processes, record, host=host, claims=_claims(record))
    return table


def _records(document: Document) -> Iterator[Node]:
    """The records in order, with numbers in the fields that are read as such."""
    if document.json is not None:
        root = document.root
        yield from root.list() if isinstance(root.value, list) else (root,)
        return
    text = document.text or ""
    _, first = next(_lines(text), (0, ""))
    rows = _jsonl(document) if first.startswith("{") else _sql(document, text)
    if not (first.startswith("{") or _CREATE.fullmatch(first) or _INSERT.fullmatch(first)):
        rows = _csv(document, text)
    for number, record in rows:
        yield Node(document, f"line {number}", record)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Numbers and content of the lines that are not blank."""
    for number, line in enumerate(io.StringIO(text), 1):
        if line.strip():
            yield number, line.rstrip("\r\n")


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _jsonl(document: Document) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in _lines(document.text or ""):
        record = _parsed(line)
        if record is None:
            document.fail(f"line {number}", shown(line), "a JSON object on each line")
        yield number, record


def _csv(document: Document, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = next(reader)
        for cells in reader:
            if cells and len(cells) != len(names):
                place = f"line {reader.line_num}"
                document.fail(place, f"{len(cells)} cells", f"{len(names)}, as in the first line")
            if cells:
                yield reader.line_num, _typed(zip(names, cells, strict=True))
    except csv.Error as error:
        document.fail(f"line {reader.line_num}", str(error), "CSV")


def _sql(document: Document, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in _lines(text):
        insert = _INSERT.fullmatch(line)
        if insert is None:
            if line != ");" and not _CREATE.fullmatch(line) and not _COLUMN.fullmatch(line):
                document.fail(f"line {number}", shown(line), "the statements of llama-bench -o sql")
            continue
        names, values = insert[1].split(", "), insert[2].split("', '")
        if len(names) != len(values):
            document.fail(f"line {number}", f"{len(values)} values", f"{len(names)}, as it names")
        yield number, _typed(zip(names, values, strict=True))


def _typed(cells: Iterator[tuple[str, str]]) -> dict[str, Any]:
    """Whole numbers as such; a list of samples, as `bitnet-perf benchmark` writes one, too."""
    record: dict[str, Any] = {}
    for name, text in cells:
        whole = name in WHOLE and text.isdecimal() and len(text) < 20
        record[name] = int(text) if whole else text
        if name == "samples_ns":
            record[name] = (_parsed(f'{{"of": {text}}}') or {"of": text})["of"]
    return record


def _samples(table: Table, record: Node) -> tuple[float, ...]:
    """Seconds of each repetition; none where nothing ran."""
    mean = record["avg_ns"].count()
    if record["samples_ns"]:
        if record["samples_ns"].value == [] or mean == 0:
            table.drop(record, "no repetition took any time")
            return ()
        samples = record["samples_ns"].positives()
        computed = sum(samples) / len(samples)
        if abs(computed - mean) > 1 + 1e-6 * mean:
            record["avg_ns"].fail(f"the mean of samples_ns, {computed:.10g}")
        table.drop(record["stddev_ns"], "computed from samples_ns, and wraps in 64-bit integers")
    elif mean:
        samples = (float(mean),)
        table.drop(record["stddev_ns"], "csv and sql hold no samples: avg_ns is the one sample")
    else:
        table.drop(record["avg_ns"], "0: nothing was measured")
        return ()
    return tuple(nanoseconds * 1e-9 for nanoseconds in samples)


def _case(record: Node) -> str:
    """`model.gguf/tg128/t8`, then the settings that are not what llama-bench sets by itself."""
    model = re.split(r"[\\/]", record["model_filename"].text())[-1]
    prompt, generated = record["n_prompt"].count(), record["n_gen"].count()
    parts = [f"pp{prompt}" if prompt else "", f"tg{generated}" if generated else ""]
    depth = record["n_depth"].count() if record["n_depth"] else 0
    test = "+".join(filter(None, parts)) + (f"@d{depth}" if depth else "")
    words = [f"{model}/{test}/t{record['n_threads'].count()}"]
    for field, flag, usual in SETTINGS:
        value = record[field].value
        text = str(int(value)) if isinstance(value, bool) else shown(value).strip("'")
        if value is not None and text not in usual:
            words.append(f"{flag}={text}")
    return " ".join(words)


def _claims(record: Node) -> Claims:
    """A generated token reads the whole model; a prompt is read in batches."""
    generates = not record["n_prompt"].count()
    size = record["model_size"]
    return Claims(
        commit=record["build_commit"].text_or_none(),
        tokens=record["n_gen"].count() if generates else None,
        bytes_per_token=size.count() if generates and size else None,
    )
