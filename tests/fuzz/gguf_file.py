"""GGUF files from mutated bytes, guided by coverage (atheris).

    python tests/fuzz/gguf_file.py -max_total_time=20 CORPUS

An input that begins with "GGUF" is a file. Any other is a list of patches to a small valid file:
each one byte that picks a part of its structure, one that picks a number or says that eight bytes
follow. ModelError is the only refusal. Where the `gguf` package reads the file too, both find the
same. An empty corpus folder is filled with valid files first.
"""

from __future__ import annotations

import gc
import struct
import sys
import tempfile
from pathlib import Path
from types import FunctionType

import atheris
import gguf
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from reference.gguf_file import small_file

from bitnet_perf.errors import ModelError
from bitnet_perf.model.gguf import GgufFile, read_gguf

# Imports cannot be instrumented where an editable installation has a loader of its own.
for each in gc.get_objects():
    if isinstance(each, FunctionType) and (each.__module__ or "").startswith("bitnet_perf.model"):
        atheris.instrument_func(each)

VALID = [small_file(version, alignment) for version in (2, 3) for alignment in (8, 32, 256)]
SMALL, PLACES = VALID[-1]
PARTS = list(PLACES.values())
NUMBERS = [0, 1, 2, 3, 8, 9, 31, 32, 36, 38, 39, 255, 2**16, 2**31, 2**32, 2**61, 2**63, 2**64 - 1]
FOLDER = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
PLACE = Path(FOLDER.name) / "input.gguf"


def content_of(data: bytes) -> bytes:
    if data.startswith(b"GGUF"):
        return data
    out = bytearray(SMALL)
    at = 0
    while at + 2 <= len(data):
        place = PARTS[data[at] % len(PARTS)] + data[at] // len(PARTS)
        width = (1, 4, 8)[data[at + 1] % 3]
        choice = data[at + 1] // 3
        at += 2
        if choice < len(NUMBERS):
            new = struct.pack("<Q", NUMBERS[choice])
        else:
            new = data[at : at + 8].ljust(8, b"\0")
            at += 8
        out[place : place + width] = new[:width]
    return bytes(out)


def check(file: GgufFile) -> None:
    """What the reader promises of every file that it accepts."""
    end = 0
    for tensor in sorted(file.tensors, key=lambda each: each.offset):
        if tensor.offset < end or tensor.offset % file.alignment or tensor.nbytes < 1:
            raise AssertionError(f"{tensor}: in the wrong place")
        end = tensor.offset + tensor.nbytes
        known = not tensor.type.startswith("ggml_")
        if known and file.tensor_data(tensor.name).size != tensor.nbytes:
            raise AssertionError(f"{tensor}: not all of its bytes")
    if end > file.nbytes:
        raise AssertionError("a tensor outside the file")


def compare(file: GgufFile) -> None:
    """The package's reader refuses other things; what it reads must be the same."""
    try:
        oracle = gguf.GGUFReader(file.path)
        wanted = {
            name: oracle.fields[name].contents()
            for name, value in file.metadata.items()
            if _full(value)
        }
    except Exception:
        return
    for name, value in wanted.items():
        found = file.metadata[name]
        if not np.array_equal(np.asarray(found), np.asarray(value), equal_nan=_is_float(found)):
            raise AssertionError(f"key {name!r}: found {found!r}, the package finds {value!r}")
    for tensor, other in zip(file.tensors, oracle.tensors, strict=True):
        same = (tensor.name, tensor.offset) == (other.name, other.data_offset)
        if tensor.type.upper() == other.tensor_type.name:
            same = same and tensor.nbytes == other.n_bytes
        if not same:
            raise AssertionError(f"found {tensor}, the package finds {other}")


def _full(value: object) -> bool:
    return not isinstance(value, tuple | np.ndarray) or len(value) > 0


def _is_float(value: object) -> bool:
    return np.asarray(value).dtype.kind == "f"


def one_input(data: bytes) -> None:
    PLACE.write_bytes(content_of(data))
    try:
        file = read_gguf(PLACE)
    except ModelError as error:
        if not str(error).isprintable():
            raise AssertionError("the message could steer a terminal") from None
        return
    check(file)
    compare(file)


def main() -> None:
    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("-")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for number, (content, _) in enumerate(VALID):
            (folder / f"valid-{number}").write_bytes(content)
        for part in range(len(PARTS)):
            (folder / f"patch-{part}").write_bytes(bytes([part, 2 + 3 * 17]))
    # The valid files are kept although they cover the same code, and at their full length.
    atheris.Setup([*sys.argv, "-keep_seed=1", "-len_control=0", "-max_len=4096"], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
