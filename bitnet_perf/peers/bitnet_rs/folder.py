"""Reader of a folder of recorded outputs: `index.json` and one `.npz` file per case.

Everything that is not of that form is refused with a `FormatError` that names file and field.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bitnet_perf.errors import FormatError
from bitnet_perf.peers.bitnet_rs.codecs import NAMES, PREFIX
from bitnet_perf.peers.bitnet_rs.common import Arrays, Call

LARGEST_ARRAY = 1 << 28  # bytes; the folders hold kilobytes
LARGEST_JSON = 1 << 28


class DamagedError(FormatError):
    """Bytes of an archive member that do not pass its checksum."""


class ArrayInfo(BaseModel):
    """What the index says of one array; sha256 is over the little-endian bytes in C order."""

    model_config = ConfigDict(frozen=True)
    dtype: str
    shape: list[int]
    sha256: str


class Result(BaseModel):
    """One run: array names of its outputs, or the text of a refusal."""

    model_config = ConfigDict(frozen=True)
    status: Literal["ok", "error", "panic"]
    outputs: dict[str, str] = Field(default_factory=dict)
    meta: dict[str, Any] | None = None
    run_params: dict[str, Any] | None = None
    error: str | None = None


class Case(BaseModel):
    """One case: inputs and parameters that its runs share."""

    model_config = ConfigDict(frozen=True)
    id: str = Field(min_length=1)
    file: str
    codec: str
    params: dict[str, Any]
    input_kind: str = ""
    inputs: dict[str, str]
    arrays: dict[str, ArrayInfo]
    results: dict[str, Result]

    def call(self, run: str, arrays: Arrays) -> Call:
        """The oracle's view of one run."""
        # Runs are named after the provider instead of the CPU level where its features were hidden.
        hidden = "fallback" in self.results or "features hidden" in self.input_kind
        return Call(
            codec=self.codec.removeprefix(PREFIX),
            run=run,
            inputs={name: arrays[key] for name, key in self.inputs.items()},
            params=self.params,
            run_params=self.results[run].run_params or {},
            hidden=hidden,
        )


class Index(BaseModel):
    """`index.json`."""

    model_config = ConfigDict(frozen=True)
    format: Literal[1]
    provenance: dict[str, Any] = Field(default_factory=dict)
    cases: list[Case]


def one_line(error: Exception) -> str:
    """The text of an error without line breaks, cut at 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def read_json(path: Path) -> Any:
    """Parsed JSON of a file; raises FormatError that names the file."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise FormatError(f"{path}: larger than {LARGEST_JSON} bytes, which no record is")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: not JSON: {one_line(error)}") from error


def first_problem(path: Path, error: ValidationError) -> FormatError:
    """The first problem of a file that does not fit its model, as one line."""
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"]) or "the whole file"
    found = repr(problem["input"])
    found = found if len(found) <= 60 else found[:57] + "..."
    return FormatError(" ".join(f"{path}: {place}: {problem['msg']}; found {found}".split()))


def read_index(folder: Path) -> Index:
    """`index.json` of a folder; codecs, file names and array names checked."""
    path = folder / "index.json"
    try:
        index = Index.model_validate(read_json(path))
    except ValidationError as error:
        raise first_problem(path, error) from error
    seen: set[str] = set()
    for case in index.cases:
        place = f"{path}: case {case.id}"
        if case.id in seen:
            raise FormatError(f"{place}: id: appears twice; ids are unique")
        seen.add(case.id)
        if case.codec.removeprefix(PREFIX) not in NAMES:
            accepted = ", ".join(NAMES)
            raise FormatError(f"{place}: codec: found {case.codec!r}; accepted are {accepted}")
        if Path(case.file).name != case.file or case.file in ("", ".", "..") or "\0" in case.file:
            raise FormatError(f"{place}: file: found {case.file!r}; a name in the folder is needed")
        used = {*case.inputs.values()}
        used.update(key for result in case.results.values() for key in result.outputs.values())
        for key in sorted(used - case.arrays.keys()):
            raise FormatError(f"{place}: arrays: no entry for {key!r}, which a run or input names")
    return index


def read_arrays(folder: Path, case: Case) -> Arrays:
    """All arrays of one case, by the names of the index.

    Raises DamagedError where the bytes of an array do not pass their checksum, FormatError for
    everything else.
    """
    path = folder / case.file
    place = f"{path}: case {case.id}"
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            return {key: _read_array(archive, members, key, place) for key in case.arrays}
    except FileNotFoundError as error:
        raise FormatError(f"{place}: file: does not exist") from error
    except FormatError:
        raise
    except (OSError, zipfile.BadZipFile, RuntimeError, ValueError) as error:
        raise FormatError(f"{place}: not a readable .npz file: {one_line(error)}") from error


def _read_array(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], key: str, place: str
) -> NDArray[Any]:
    info = members.get(f"{key}.npy")
    if info is None:
        raise FormatError(
            f"{place}: no array {key!r}; found {', '.join(sorted(members)) or 'none'}"
        )
    if info.file_size > LARGEST_ARRAY:
        raise FormatError(f"{place}: {key}: {info.file_size} bytes; accepted are {LARGEST_ARRAY}")
    try:
        content = archive.read(info)
    except (EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DamagedError(f"{place}: {key}: damaged: {error}") from error
    try:
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (ArithmeticError, EOFError, MemoryError, SyntaxError, TypeError, ValueError) as error:
        raise FormatError(f"{place}: {key}: not a plain array: {one_line(error)}") from error
    if array.dtype.kind not in "iuf":
        raise FormatError(f"{place}: {key}: dtype {array.dtype}; integers and floats are accepted")
    return np.asarray(array)


def sha256(array: NDArray[Any]) -> str:
    """Hash of the little-endian bytes in C order, as the index holds it."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return hashlib.sha256(little.tobytes()).hexdigest()


def broken_arrays(case: Case, arrays: Arrays) -> dict[str, str]:
    """Arrays that are not what the index says: name -> what differs.

    The hash of a float array with a NaN proves nothing: payloads differ between builds.
    """
    found: dict[str, str] = {}
    for key, info in case.arrays.items():
        array = arrays[key]
        has_nan = array.dtype.kind == "f" and bool(np.isnan(array).any())
        if array.dtype.str != info.dtype:
            found[key] = f"{key}: dtype {array.dtype.str}, index.json says {info.dtype}"
        elif list(array.shape) != info.shape:
            found[key] = f"{key}: shape {list(array.shape)}, index.json says {info.shape}"
        elif not has_nan and sha256(array) != info.sha256:
            found[key] = f"{key}: sha256 differs from index.json"
    return found
