"""The raw file of a paired comparison: every sample of every process pair, version 1.

A `.npz` file without pickles. `meta` is UTF-8 JSON in a uint8 array; the columns of COLUMNS hold
one row per sample, those of PAIRS one entry per process pair, in ascending order of pair id. The
file is the truth of a comparison: everything else can be computed from it again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.bench.paired.npz import META_LIMIT, pack_npz, read_npz
from bitnet_perf.bench.paired.schema import (
    COLUMNS,
    PAIRS,
    check_meta,
    check_nesting,
    check_rows,
)
from bitnet_perf.errors import FormatError
from bitnet_perf.files import write_atomic

__all__ = ["CANARY", "VERSION", "PairRecord", "Raw", "Samples", "clock_of"]

VERSION = 1
CANARY = -1  # the look of a canary's pairs
# Cases that time a whole run of the engine: a user waits for the wall clock.
_END_TO_END = ("generation/", "load/", "forward/prefill/")

IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PairRecord:
    """One fresh process pair as the driver measured it.

    `case`: index into the cases. `look`: 0, 1, 2, or -1 (canary). `cpu`: the vCPU, -1 where not
    pinned. `steal_ms`, `load`: nan where the host does not tell. The arrays have one entry per
    sample: block, position (0 to 3), side (0 base, 1 candidate), wall and CPU time in nanoseconds
    per iteration, and involuntary context switches.
    """

    case: int
    look: int
    cpu: int
    steal_ms: float
    load: float
    block: IntArray
    position: IntArray
    side: IntArray
    wall_ns: FloatArray
    cpu_ns: FloatArray
    switches: IntArray


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of some pairs as blocks of four, in order of position.

    side, wall_ns, cpu_ns: [blocks, 4]; `starts`: int64 [pairs + 1], the blocks of pair p are
    `starts[p]:starts[p + 1]`.
    """

    starts: NDArray[np.int64]
    side: NDArray[np.int8]
    wall_ns: FloatArray
    cpu_ns: FloatArray

    @property
    def pairs(self) -> int:
        """How many process pairs these are."""
        return len(self.starts) - 1


@dataclass(frozen=True, eq=False)
class Raw:
    """A raw file in memory, valid by the schema; its arrays are read-only.

    `meta` keeps the keys that this version does not know. `columns` and `pairs` hold the arrays of
    COLUMNS and PAIRS. `build` and `load` are the two ways to get one.
    """

    meta: Mapping[str, Any]
    columns: Mapping[str, NDArray[Any]]
    pairs: Mapping[str, NDArray[Any]]

    @classmethod
    def build(cls, meta: Mapping[str, Any], records: Sequence[PairRecord]) -> Raw:
        """A raw file of these records; pair ids are 0, 1, ... in their order.

        `meta` has the keys of the schema, `version` aside. Raises FormatError for what `load` would
        refuse, with column and row.
        """
        try:
            text = json.dumps({**meta, "version": VERSION}, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise FormatError(f"meta: {error}; accepted is what JSON can hold") from error
        lengths = [len(record.block) for record in records]
        joined: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        for record, length in zip(records, lengths, strict=True):
            for name in ("block", "position", "side", "wall_ns", "cpu_ns", "switches"):
                values = np.asarray(getattr(record, name))
                if values.shape != (length,):
                    raise FormatError(
                        f"records: {name!r} of a pair has shape {list(values.shape)}, its 'block' "
                        f"has [{length}]; accepted is one entry per sample"
                    )
                joined[name].append(values)
        columns = {
            name: np.concatenate([*parts, np.empty(0, COLUMNS[name])]) if parts else np.empty(0)
            for name, parts in joined.items()
        }
        for name, per_pair in (
            ("case", [record.case for record in records]),
            ("look", [record.look for record in records]),
            ("pair", list(range(len(records)))),
        ):
            columns[name] = np.repeat(np.asarray(per_pair, np.int64), lengths)
        pairs = {
            name: np.asarray([getattr(record, name.removeprefix("pair_")) for record in records])
            for name in PAIRS
        }
        return cls._checked(
            "records",
            _parse("records", text),
            {name: _cast(name, columns[name], dtype) for name, dtype in COLUMNS.items()},
            {name: _cast(name, pairs[name], dtype) for name, dtype in PAIRS.items()},
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Raw:
        """The raw file at `path`.

        Memory stays within three times npz.LIMIT whatever the file says. Raises FormatError with
        file, column and row for a file that is truncated, foreign or newer, or breaks the schema.
        """
        name = os.fspath(path)
        arrays = read_npz(path, {"meta": np.uint8, **COLUMNS, **PAIRS})
        return cls._checked(
            name,
            _parse(name, arrays["meta"].tobytes()),
            {key: arrays[key] for key in COLUMNS},
            {key: arrays[key] for key in PAIRS},
        )

    @classmethod
    def _checked(
        cls,
        place: str,
        meta: Mapping[str, Any],
        columns: Mapping[str, NDArray[Any]],
        pairs: Mapping[str, NDArray[Any]],
    ) -> Raw:
        check_meta(place, meta, VERSION)
        check_rows(place, meta["cases"], columns, pairs)
        for array in (*columns.values(), *pairs.values()):
            array.flags.writeable = False
        return cls(meta, columns, pairs)

    def packed(self) -> bytes:
        """The file's content, the same bytes for the same data.

        Raises FormatError where the data exceed what `load` accepts.
        """
        text = json.dumps(self.meta).encode()
        if len(text) > META_LIMIT:
            raise FormatError(f"meta: {len(text)} bytes of JSON, accepted are {META_LIMIT}")
        meta = np.frombuffer(text, np.uint8)
        return pack_npz({"meta": meta, **self.columns, **self.pairs})

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file, atomically, and give its path back.

        Raises EnvironmentRefused where the path cannot be written (then it is as it was), and
        FormatError where the data exceed what `load` accepts.
        """
        return write_atomic(path, self.packed())

    def cases(self) -> list[Mapping[str, Any]]:
        """The case objects of `meta`, canaries included, in order."""
        return list(self.meta["cases"])

    @cached_property
    def _blocks(self) -> Samples:
        """All samples as blocks in order of pair id, block and position."""
        columns = self.columns
        order = np.lexsort((columns["position"], columns["block"], columns["pair"]))
        _, counts = np.unique(columns["pair"], return_counts=True)
        starts = np.concatenate([[0], np.cumsum(counts // 4)]).astype(np.int64)
        side, wall, cpu = (
            columns[name][order].reshape(-1, 4) for name in ("side", "wall_ns", "cpu_ns")
        )
        return Samples(starts, side, wall, cpu)

    def looks(self, case: int) -> tuple[int, ...]:
        """The looks that were taken of a case, ascending."""
        return tuple(np.unique(self.pairs["pair_look"][self.pairs["pair_case"] == case]).tolist())

    def samples(self, case: int, look: int) -> Samples:
        """The samples of the pairs of one (case, look), in ascending order of pair id."""
        every = self._blocks
        chosen = np.flatnonzero(
            (self.pairs["pair_case"] == case) & (self.pairs["pair_look"] == look)
        )
        counts = np.diff(every.starts)[chosen]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        spans = [np.arange(every.starts[p], every.starts[p + 1]) for p in chosen]
        rows = np.concatenate([np.empty(0, np.int64), *spans])
        return Samples(starts, every.side[rows], every.wall_ns[rows], every.cpu_ns[rows])


def clock_of(meta: Mapping[str, Any], case: Mapping[str, Any], threads: int) -> str:
    """The primary clock of a case, "wall" or "cpu".

    What the case or else the file names as `clock`; else wall for several threads and end-to-end
    cases. A single-threaded kernel is judged by its thread's CPU time, which does not run while a
    shared host runs somebody else.
    """
    named = case.get("clock") or meta.get("clock")
    if named:
        return str(named)
    return "wall" if threads > 1 or case["name"].startswith(_END_TO_END) else "cpu"


def _cast(name: str, values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """The values in the column's type, exactly: what does not fit is refused."""
    with np.errstate(invalid="ignore"):
        cast = values.astype(dtype)
    wrong = np.flatnonzero(
        (cast != values) & ~(np.isnan(cast) if cast.dtype.kind == "f" else False)
    )
    if wrong.size:
        row = int(wrong[0])
        raise FormatError(
            f"records: column {name!r}, row {row}: found {values[row]}, accepted is what "
            f"{np.dtype(dtype)} holds"
        )
    return cast


def _parse(name: str, text: bytes) -> Mapping[str, Any]:
    """The JSON object `meta`: no NaN, no infinity, no text that UTF-8 cannot encode."""

    def refuse(word: str) -> None:
        raise FormatError(f"{name}: 'meta' holds {word}, which JSON does not know")

    try:
        meta = json.loads(text.decode(), parse_constant=refuse)
        json.dumps(meta, ensure_ascii=False, allow_nan=False).encode()
        check_nesting(meta)
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{name}: 'meta' is no UTF-8 JSON ({error})") from error
    if not isinstance(meta, dict):
        raise FormatError(f"{name}: 'meta' is a JSON {type(meta).__name__}, accepted is an object")
    return meta
