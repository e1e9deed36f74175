"""A bounded reader of `.npz` files: sizes are known and judged before anything is allocated.

NumPy's own reader trusts the declared shapes, evaluates headers as Python and may unpickle. Here
the directory of the archive is bounded before it is read, every header is parsed by one pattern,
and a member whose size differs from what its header declares is refused.
"""

from __future__ import annotations

import io
import math
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import FormatError

__all__ = ["LIMIT", "META_LIMIT", "pack_npz", "read_npz"]

LIMIT = 256 << 20  # bytes of all arrays together, and of the file
META_LIMIT = 4 << 20  # bytes of a uint8 array: text that becomes many small objects
_MEMBERS = 64
_DIRECTORY = 16 << 10  # bytes
_HEADER = 4096  # bytes of one array's header
_END = struct.Struct("<4s4H2LH")  # end of the central directory, without comment
_ITEM = (
    rb"\s*(?:'descr'\s*:\s*'(?P<descr%d>[<>|=]?[a-zA-Z]\d{0,3})'"
    rb"|'fortran_order'\s*:\s*(?P<order%d>True|False)"
    rb"|'shape'\s*:\s*\((?P<shape%d>[\d\s,]{0,64})\))\s*"
)
_DICT = re.compile(rb"\{" + rb",".join(_ITEM % ((n,) * 3) for n in range(3)) + rb",?\s*\}\s*")


def read_npz(path: str | os.PathLike[str], dtypes: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The one-dimensional arrays of `path`, read-only: exactly the names and types of `dtypes`.

    Holds at most LIMIT bytes of arrays, uint8 arrays at most META_LIMIT, decided before they are
    allocated. Raises FormatError naming file and member for anything else than a regular `.npz`
    file of these arrays: truncated, foreign, encrypted, pickled, too large, other types or shapes.
    """
    name = os.fspath(path)
    try:
        with open(os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return _read(name, file, dtypes)
    except OSError as error:
        reason = error.strerror or str(error)
        raise FormatError(f"{name}: cannot be read ({reason}); accepted is a .npz file") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        # RuntimeError: encrypted, or a compression that is not known here
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{name}: is no whole .npz file ({error})") from error


def _read(name: str, file: BinaryIO, dtypes: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    _judge_file(name, file)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        names = [member.filename.removesuffix(".npy") for member in members]
        _judge_names(name, names, dtypes)
        total = sum(member.file_size for member in members)
        if total > LIMIT:
            raise FormatError(f"{name}: holds {total} bytes, accepted are {LIMIT}")
        arrays = {}
        for key, member in zip(names, members, strict=True):
            if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise FormatError(
                    f"{name}: {key!r} is compressed by method {member.compress_type}, "
                    "accepted are stored and deflated"
                )
            with archive.open(member) as stream:
                arrays[key] = _array(f"{name}: {key!r}", stream, member.file_size, dtypes[key])
    return arrays


def _judge_file(name: str, file: BinaryIO) -> None:
    """Refuse what is no plain file, or whose directory would take much memory to read."""
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise FormatError(f"{name}: is no regular file; accepted is a .npz file")
    if not _END.size <= status.st_size <= LIMIT:
        raise FormatError(
            f"{name}: has {status.st_size} bytes; accepted is a .npz file of up to {LIMIT}"
        )
    tail = min(status.st_size, _END.size + 20)
    file.seek(-tail, os.SEEK_END)
    end = file.read(tail)
    signature, _, _, _, count, size, _, comment = _END.unpack(end[-_END.size :])
    if signature != b"PK\5\6" or comment:
        raise FormatError(f"{name}: does not end as a .npz file does; it is truncated or foreign")
    if end.startswith(b"PK\6\7") or count > _MEMBERS or size > _DIRECTORY:
        raise FormatError(f"{name}: lists {count} members in {size} bytes, too many for these data")
    file.seek(0)


def _judge_names(name: str, found: list[str], dtypes: Mapping[str, Any]) -> None:
    twice = sorted({key for key in found if found.count(key) > 1})
    if twice:
        raise FormatError(f"{name}: {twice[0]!r} stands twice")
    for key in found:
        if key not in dtypes:
            raise FormatError(f"{name}: {key!r} is not known; accepted are {', '.join(dtypes)}")
    for key in dtypes:
        if key not in found:
            raise FormatError(f"{name}: {key!r} is missing")


def _array(place: str, stream: Any, size: int, dtype: Any) -> NDArray[Any]:
    """The array of one member of `size` bytes, whose header must say just that."""
    wanted = np.dtype(dtype)
    start = stream.read(8)
    if start not in {b"\x93NUMPY\1\0", b"\x93NUMPY\2\0", b"\x93NUMPY\3\0"}:
        raise FormatError(f"{place} does not begin as a NumPy array does (versions 1 to 3)")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > _HEADER:
        raise FormatError(f"{place} has a header of {length} bytes, accepted are {_HEADER}")
    found = _DICT.fullmatch(stream.read(length))
    groups = found.groupdict() if found else {}
    fields = {key[:-1]: value for key, value in groups.items() if value is not None}
    if set(fields) != {"descr", "order", "shape"}:
        raise FormatError(f"{place} has a header that is not descr, fortran_order and shape")
    descr = fields["descr"].decode()
    if descr != wanted.str:
        raise FormatError(f"{place} has dtype {descr!r}, accepted is {wanted.str!r} ({wanted})")
    shape = [int(part) for part in fields["shape"].split(b",") if part.strip()]
    if len(shape) != 1:
        raise FormatError(f"{place} has {len(shape)} dimensions, accepted is 1")
    data = size - 8 - width - length
    if shape[0] * wanted.itemsize != data:
        raise FormatError(
            f"{place} declares {shape[0]} entries of {wanted.str}, holds {max(data, 0)} bytes"
        )
    if wanted == np.uint8 and data > META_LIMIT:
        raise FormatError(f"{place} has {data} bytes, accepted are {META_LIMIT}")
    content = stream.read(data)
    if len(content) != data or stream.read(1):
        raise FormatError(f"{place} is truncated: {len(content)} of {data} bytes")
    return np.frombuffer(content, wanted)


def pack_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of a compressed `.npz` file. Raises FormatError above the reader's limits."""
    total = math.fsum(array.nbytes + _HEADER for array in arrays.values())
    if total > LIMIT:
        raise FormatError(f"arrays: {total:.0f} bytes, accepted are {LIMIT} in one file")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(arrays))  # type: ignore[arg-type]
    return buffer.getvalue()
