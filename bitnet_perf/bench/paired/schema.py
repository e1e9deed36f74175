"""What a raw file must hold: the columns, the keys of `meta`, and the checks of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import FormatError

__all__ = ["COLUMNS", "PAIRS", "check_meta", "check_rows"]

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
_CLASSES = ("core", "other")
_BOUNDS = ("compute", "streaming", "unknown")
_CANARIES = ("compute", "streaming")
_CLOCKS = ("wall", "cpu")


def check_meta(place: str, meta: Mapping[str, Any], version: int) -> None:
    """Raises FormatError naming `place` and the key that breaks the schema; others are free."""

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
        and all(isinstance(side, str | dict) for side in sides)
    ):
        raise refuse("sides", "a list of the two sides, texts or objects")
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
        if not isinstance(name, str) or not name or not name.isprintable() or len(name) > 500:
            raise FormatError(
                f"{here}: 'name': found {name!r:.80}, accepted is a printable text of up to 500"
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
        ):
            value = case.get(key)
            if not isinstance(value, str | bool | None) or value not in accepted:
                words = ", ".join(str(word) for word in accepted if word is not None)
                raise FormatError(f"{here}: {key!r}: found {value!r:.80}, accepted are {words}")
        counts = case.get("counts", [])
        if not isinstance(counts, list) or not all(
            isinstance(line, str) and line.isprintable() and len(line) <= 500 for line in counts
        ):
            raise FormatError(
                f"{here}: 'counts': found {counts!r:.80}, accepted is a list of printable texts"
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
