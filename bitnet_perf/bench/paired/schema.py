"""What a raw file must hold: the columns, the keys of `meta`, and the checks of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import FormatError

__all__ = [
    "COLUMNS",
    "LONGEST",
    "PAIRS",
    "PROCESSES",
    "check_meta",
    "check_nesting",
    "check_rows",
    "printable",
]

COLUMNS = {
    "case": "<i4",
    "look": "|i1",
    "pair": "<i4",
    "block": "<i4",
    "position": "|i1",
    "side": "|i1",
    "wall_ns": "<f8",
    "cpu_ns": "<f8",
    "switches": "<i4",
}
PAIRS = {
    "pair_case": "<i4",
    "pair_look": "|i1",
    "pair_cpu": "<i4",
    "pair_steal_ms": "<f8",
    "pair_load": "<f8",
}
LONGEST = 500  # characters of a text that is shown
NESTED = 64  # lists and objects within each other
PROCESSES = "whole processes"  # the evidence of a case whose samples are runs of a program
_CLASSES = ("core", "other")
_BOUNDS = ("compute", "streaming", "unknown")
_CANARIES = ("compute", "streaming")
_CLOCKS = ("wall", "cpu")


def printable(text: str) -> str:
    """`text` as the schema accepts it: one line that steers no terminal and can be encoded."""
    return "".join(char if char.isprintable() else " " for char in text)[:LONGEST]


def check_nesting(value: Any, levels: int = NESTED) -> None:
    """Raises ValueError where lists and objects are within each other more than `levels` deep."""
    if isinstance(value, dict | list):
        if levels == 0:
            raise ValueError(f"more than {NESTED} levels")
        for part in value.values() if isinstance(value, dict) else value:
            check_nesting(part, levels - 1)


def _is_printable(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and len(value) <= LONGEST


def check_meta(place: str, meta: Mapping[str, Any], version: int) -> None:
    """Raises FormatError naming `place` and the key that breaks the schema.

    Other keys are free, in what UTF-8 can encode and NESTED levels.
    """

    def refuse(key: str, accepted: str) -> FormatError:
        found = repr(meta[key])[:80] if key in meta else "nothing"
        return FormatError(f"{place}: meta {key!r}: found {found}, accepted is {accepted}")

    found = meta.get("version")
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise refuse("version", f"{version}")
    if found > version:
        raise FormatError(
            f"{place}: is a raw file of version {found}, newer than version {version}, which this "
            "bitnet_perf reads: read it with a newer one"
        )
    sides = meta.get("sides")
    if not (
        isinstance(sides, list)
        and len(sides) == 2
        and all(
            _is_printable(side.get("label", "") if isinstance(side, dict) else side)
            for side in sides
        )
    ):
        raise refuse(
            "sides", f"a list of two printable texts of up to {LONGEST}, or objects with a `label`"
        )
    for key in ("code", "stopped"):
        if not _is_printable(meta.get(key, "")):
            raise refuse(key, f"a printable text of up to {LONGEST}")
    if not _whole(meta.get("seed")):
        raise refuse("seed", "an integer")
    if not isinstance(meta.get("fingerprint"), str | dict):
        raise refuse("fingerprint", "an object or a text")
    if "rules" in meta and not isinstance(meta["rules"], dict):
        raise refuse("rules", "an object")
    if "clock" in meta and meta["clock"] not in _CLOCKS:
        raise refuse("clock", " or ".join(_CLOCKS))
    cases = meta.get("cases")
    if not isinstance(cases, list):
        raise refuse("cases", "a list of objects")
    _check_cases(place, cases)
    for key in ("iterations", "threads", "code_hashes"):
        if not isinstance(meta.get(key), list) or len(meta[key]) != len(cases):
            raise refuse(key, f"a list as long as 'cases' ({len(cases)})")
    for key, least in (("iterations", 0), ("threads", 1)):
        for index, value in enumerate(meta[key]):
            if not _whole(value) or value < least:
                raise FormatError(
                    f"{place}: meta {key!r}[{index}]: found {value!r}, accepted is an integer of "
                    f"at least {least}"
                )


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_cases(place: str, cases: Sequence[Any]) -> None:
    names: set[str] = set()
    for index, case in enumerate(cases):
        here = f"{place}: meta 'cases'[{index}]"
        if not isinstance(case, dict):
            raise FormatError(f"{here}: found {case!r:.80}, accepted is an object")
        name = case.get("name")
        # what is not printable could steer a terminal, or not be encoded at all
        if not name or not _is_printable(name):
            raise FormatError(
                f"{here}: 'name': found {name!r:.80}, accepted is a printable text of up to "
                f"{LONGEST}"
            )
        if name in names:
            raise FormatError(f"{here}: 'name': {name!r:.80} stands twice, accepted is once")
        names.add(name)
        for key, accepted in (
            ("class", _CLASSES),
            ("bound", (*_BOUNDS, None)),
            ("canary", (*_CANARIES, None)),
            ("clock", (*_CLOCKS, None)),
            ("only", ("base", "candidate", None)),
            ("identical", (True, False, None)),
            ("contested", (True, False, None)),
            ("evidence", (PROCESSES, None)),
        ):
            value = case.get(key)
            if not isinstance(value, str | bool | None) or value not in accepted:
                words = ", ".join(str(word) for word in accepted if word is not None)
                raise FormatError(f"{here}: {key!r}: found {value!r:.80}, accepted are {words}")
        _check_lists(here, case)


def _check_lists(here: str, case: Mapping[str, Any]) -> None:
    for key in ("counts", "command"):
        texts = case.get(key, [])
        if not isinstance(texts, list) or not all(map(_is_printable, texts)):
            raise FormatError(
                f"{here}: {key!r}: found {texts!r:.80}, accepted is a list of printable texts"
            )
    for key in ("skipped", "id"):
        if not _is_printable(case.get(key) or ""):
            raise FormatError(
                f"{here}: {key!r}: found {case[key]!r:.80}, accepted is a printable text"
            )
    isas = case.get("isas")
    if isas is not None and not (
        isinstance(isas, list) and len(isas) == 2 and all(map(_is_printable, isas))
    ):
        raise FormatError(
            f"{here}: 'isas': found {isas!r:.80}, accepted are two printable texts, or null"
        )


def check_rows(
    place: str,
    cases: Sequence[Mapping[str, Any]],
    columns: Mapping[str, NDArray[Any]],
    pairs: Mapping[str, NDArray[Any]],
) -> None:
    """Raises FormatError naming `place`, column and row of the first entry that is not accepted.

    Arrays are one-dimensional and of the types of COLUMNS and PAIRS. Checked are equal lengths,
    ranges, one case and look per pair, canaries and looks, and whole ABBA or BAAB blocks.
    """
    for group in (columns, pairs):
        first, *others = group
        for name in others:
            if len(group[name]) != len(group[first]):
                raise FormatError(
                    f"{place}: column {name!r} has {len(group[name])} entries, {first!r} has "
                    f"{len(group[first])}; accepted are equal lengths"
                )
    _check_ranges(place, len(cases), columns, pairs)
    ids, of_row = np.unique(columns["pair"], return_inverse=True)
    if len(ids) != len(pairs["pair_case"]):
        raise FormatError(
            f"{place}: column 'pair_case' has {len(pairs['pair_case'])} entries, 'pair' names "
            f"{len(ids)} pairs; accepted is one entry per pair"
        )
    for name in ("case", "look"):
        per_pair = pairs[f"pair_{name}"]
        _accept(
            place,
            name,
            columns[name],
            columns[name] == per_pair[of_row],
            "its pair's, one per pair",
        )
    canary = np.array([case.get("canary") is not None for case in cases], bool)
    _accept(
        place,
        "look",
        columns["look"],
        (columns["look"] == -1) == canary[columns["case"]],
        "-1 for the cases that are canaries, 0 to 2 for the others",
    )
    _check_blocks(place, columns)


def _check_ranges(
    place: str,
    cases: int,
    columns: Mapping[str, NDArray[Any]],
    pairs: Mapping[str, NDArray[Any]],
) -> None:
    for name, low, high in (
        ("case", 0, cases - 1),
        ("look", -1, 2),
        ("pair", 0, None),
        ("block", 0, None),
        ("position", 0, 3),
        ("side", 0, 1),
        ("switches", 0, None),
    ):
        values = columns[name]
        good = (values >= low) if high is None else (values >= low) & (values <= high)
        span = f"{low} or more" if high is None else f"{low} to {high}"
        _accept(place, name, values, good, span)
    for name, words in (("wall_ns", "finite and above 0"), ("cpu_ns", "finite and not below 0")):
        values = columns[name]
        good = np.isfinite(values) & ((values > 0) if name == "wall_ns" else (values >= 0))
        _accept(place, name, values, good, words)
    _accept(place, "pair_cpu", pairs["pair_cpu"], pairs["pair_cpu"] >= -1, "-1 or more")
    for name in ("pair_steal_ms", "pair_load"):
        values = pairs[name]
        good = np.isnan(values) | (np.isfinite(values) & (values >= 0))
        _accept(place, name, values, good, "nan, or finite and not below 0")


def _check_blocks(place: str, columns: Mapping[str, NDArray[Any]]) -> None:
    """Every (pair, block) is one row at each position, with its sides as ABBA or BAAB."""
    order = np.lexsort((columns["position"], columns["block"], columns["pair"]))
    whole = len(order) // 4 * 4
    pair, block, position, side = (
        columns[name][order][:whole].reshape(-1, 4)
        for name in ("pair", "block", "position", "side")
    )
    four = (pair == pair[:, :1]) & (block == block[:, :1]) & (position == np.arange(4))
    abba = (side[:, 0] == side[:, 3]) & (side[:, 1] == side[:, 2]) & (side[:, 0] != side[:, 1])
    for name, good, words in (
        ("position", four, "0, 1, 2 and 3, once each in a pair's block"),
        ("side", np.repeat(abba[:, None], 4, axis=1), "ABBA or BAAB in a block"),
    ):
        by_row = np.zeros(len(order), bool)  # what follows the last whole block is not accepted
        by_row[order[:whole]] = good.ravel()
        _accept(place, name, columns[name], by_row, words)


def _accept(
    place: str, name: str, values: NDArray[Any], good: NDArray[np.bool_], words: str
) -> None:
    if not good.all():
        row = int(np.argmin(good))
        raise FormatError(
            f"{place}: column {name!r}, row {row}: found {values[row]}, accepted is {words}"
        )
