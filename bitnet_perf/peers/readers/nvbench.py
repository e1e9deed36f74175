"""JSON of nvbench (`--json`, `--jsonbin`), form 1.

A benchmark has a state for each combination of axes and device, a state summaries by tag, their
numbers as text. `--jsonbin` keeps the isolated GPU times beside the JSON, as float32 seconds; the
summary of the file of times names it relative to the JSON.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from bitnet_perf.peers.fields import MAX_BYTES, MAX_VALUES, Document, Node, escaped
from bitnet_perf.peers.results import Table

LABEL = "nvbench JSON"
FILES = ("nv/json/bin:nv/cold/sample_times", "nv/json/bin:nv/cpu_only/sample_times")
MEANS = ("nv/cold/time/gpu/mean", "nv/cpu_only/time/cpu/mean")


def owns(document: Document) -> bool:
    """`devices` and `meta` beside `benchmarks`."""
    return {"benchmarks", "devices", "meta"} <= document.keys()


def read(document: Document) -> Table:
    """One row a state: its isolated times where they were kept, else their mean."""
    root = document.root
    form = root["meta"]["version"]["json"]
    if form["major"].value != 1:
        form["major"].fail("1")
    names = {device["id"].count(): device["name"].value for device in _parts(root["devices"])}
    table = Table(document)
    room = MAX_VALUES
    for benchmark in _parts(root["benchmarks"]):
        name = benchmark["name"].text()
        for state in _parts(benchmark["states"]):
            case = f"{name}/{state['name'].text()}"
            if state["is_skipped"].value:
                reason = state["skip_reason"].text_or_none() or "skipped without a reason"
                table.drop(state, f"{name[:100]}: {reason}")
                continue
            samples = _samples(table, state, room)
            if samples:
                room -= len(samples)
                table.add(case, [samples], state, host={"gpu": names.get(state["device"].count())})
    if len(table):
        table.drop("benchmarks[].states[].summaries", "batch times, CPU times and rates")
    return table


def _parts(node: Node) -> list[Node]:
    """A list, which nvbench writes as null where it is empty."""
    return list(node.list()) if node else []


def _samples(table: Table, state: Node, room: int) -> tuple[float, ...]:
    """Seconds of a state; none, and why, where it has none."""
    summaries = {each["tag"].text(): each for each in _parts(state["summaries"])}
    for tag in FILES:
        if tag in summaries:
            found = _file(table, summaries[tag], room)
            if found:
                return found
    for tag in MEANS:
        if tag in summaries:
            mean = _value(summaries[tag], "value")
            seconds = _number(mean)
            if not (math.isfinite(seconds) and seconds > 0):
                mean.fail("a finite number above zero, as text")
            table.drop(mean, "no times of samples (--jsonbin): the mean is the one sample")
            return (seconds,)
    table.drop(state, f"has neither {MEANS[0]} nor {MEANS[1]}")
    return ()


def _number(node: Node) -> float:
    """A float64, which nvbench writes as text."""
    try:
        return float(node.text())
    except ValueError:
        return math.nan


def _value(summary: Node, name: str) -> Node:
    found = (each["value"] for each in _parts(summary["data"]) if each["name"].value == name)
    return next(found, Node(summary.document, summary.at(f"data.{name}"), None))


def _file(table: Table, summary: Node, room: int) -> tuple[float, ...]:
    """The times beside the JSON; none, and why, where the file is missing or not below it."""
    name = _value(summary, "filename").text_or_none()
    if name is None:
        table.drop(summary, "nvbench could not write the file of times")
        return ()
    folder = table.document.path.parent.resolve()
    path = Path(table.document.path.parent, name)
    if "\0" in name or not path.resolve().is_relative_to(folder) or not path.is_file():
        table.drop(summary, f"{escaped(name[:200])}: no file of times below the folder of the JSON")
        return ()
    count = path.stat().st_size // 4
    if path.stat().st_size > MAX_BYTES or count > room:
        summary.document.fail(escaped(name[:200]), f"{count} times", f"at most {room} in all")
    seconds = np.fromfile(path, "<f4")
    if str(_value(summary, "size").value) != str(seconds.size):
        _value(summary, "size").fail(f"{seconds.size}, as there are in {escaped(name[:200])}")
    if not (np.isfinite(seconds).all() and (seconds > 0).all()):
        table.drop(summary, f"{escaped(name[:200])}: holds times that are not above zero")
        return ()
    return tuple(map(float, seconds))
