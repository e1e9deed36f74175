"""Hostile archives: refused before anything is allocated, whatever they declare."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitnet_perf.bench.paired.npz import LIMIT, META_LIMIT, pack_npz, read_npz
from bitnet_perf.errors import FormatError

DTYPES = {"meta": np.uint8, "a": "<f8"}
PLAIN = {"meta": np.frombuffer(b"{}", np.uint8), "a": np.arange(3.0)}


def header(text: str, *, version: bytes = b"\1\0", length: int | None = None) -> bytes:
    """The start of an array file that holds this header."""
    encoded = text.encode()
    return b"\x93NUMPY" + version + struct.pack("<H", length or len(encoded)) + encoded


def entry(shape: str = "(3,)", descr: str = "'<f8'", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def archive(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def with_a(content: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    return archive({"meta.npy": npy(PLAIN["meta"]), "a.npy": content}, method)


def patched(content: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """`content` with `value` at `offset` in its last record of this signature."""
    start = content.rindex(signature) + offset
    return content[:start] + value + content[start + len(value) :]


def twice() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in ("meta.npy", "a.npy", "b.npy"):
            file.writestr(name, npy(PLAIN["a"]))
    return buffer.getvalue().replace(b"b.npy", b"a.npy")


DATA = np.arange(3.0).tobytes()
WHOLE = with_a(npy(PLAIN["a"]))
BOMB = bytes(96 << 20)  # of zeros, in 100 kB
CENTRAL, END = b"PK\1\2", b"PK\5\6"

# name: (the file, words of the refusal)
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "has 0 bytes"),
    "no zip": (lambda: b"no archive at all" * 9, "truncated or foreign"),
    "a comment": (lambda: WHOLE + b"x", "truncated or foreign"),
    "huge shape": (lambda: with_a(header(entry("(10000000000,)")) + DATA), "declares 10000000000"),
    "overflowing shape": (lambda: with_a(header(entry(f"({2**64},)")) + DATA), "declares 18446744"),
    "product of shapes": (lambda: with_a(header(entry("(65536, 65536, 65536)"))), "3 dimensions"),
    "no dimension": (lambda: with_a(header(entry("()")) + DATA[:8]), "0 dimensions"),
    "negative": (lambda: with_a(header(entry("(-3,)")) + DATA), "header that is not"),
    "too short": (lambda: with_a(header(entry("(4,)")) + DATA), "declares 4 entries"),
    "too long": (lambda: with_a(header(entry("(2,)")) + DATA), "declares 2 entries"),
    "bomb": (lambda: with_a(header(entry()) + BOMB, zipfile.ZIP_DEFLATED), "holds 100663296 bytes"),
    "bomb that lies": (
        lambda: patched(
            with_a(header(entry()) + BOMB, zipfile.ZIP_DEFLATED),
            CENTRAL,
            24,
            struct.pack("<L", len(header(entry()) + DATA)),
        ),
        "no whole .npz",
    ),
    "bomb of text": (
        lambda: archive(
            {"meta.npy": npy(np.zeros(META_LIMIT + 1, np.uint8)), "a.npy": npy(PLAIN["a"])},
            zipfile.ZIP_DEFLATED,
        ),
        f"accepted are {META_LIMIT}",
    ),
    "huge header": (
        lambda: with_a(header(entry().rstrip() + " " * 60_000)),
        "header of 600",
    ),
    "code in the header": (
        lambda: with_a(header(entry(descr="__import__('os').getcwd()")) + DATA),
        "header that is not",
    ),
    "deep header": (lambda: with_a(header("(" * 4000)), "header that is not"),
    "a key twice": (
        lambda: with_a(header("{'shape': (3,), 'descr': '<f8', 'shape': (3,)}") + DATA),
        "header that is not",
    ),
    "pickle": (lambda: with_a(npy(np.array([{}], object))), "dtype '|O'"),
    "big-endian": (lambda: with_a(npy(np.arange(3.0).astype(">f8"))), "dtype '>f8'"),
    "structured": (lambda: with_a(npy(np.zeros(3, "i4,f4"))), "header that is not"),
    "later version": (lambda: with_a(header(entry(), version=b"\4\0") + DATA), "does not begin"),
    "no array": (lambda: with_a(b"text"), "does not begin"),
    "cut in the header": (lambda: with_a(header(entry(), length=500)), "holds 0 bytes"),
    "more members": (lambda: archive({f"{n}.npy": b"" for n in range(65)}), "lists 65 members"),
    "a name too many": (
        lambda: archive({"meta.npy": npy(PLAIN["meta"]), "a.npy": b"", "b.npy": b""}),
        "'b' is not known",
    ),
    "a name too few": (lambda: archive({"meta.npy": npy(PLAIN["meta"])}), "'a' is missing"),
    "a name twice": (twice, "'a' stands twice"),
    "other compression": (
        lambda: with_a(npy(PLAIN["a"]), zipfile.ZIP_LZMA),
        "compressed by method 14",
    ),
    "encrypted": (lambda: patched(WHOLE, CENTRAL, 8, b"\1\0"), "no whole .npz"),
    "large directory": (
        lambda: patched(WHOLE, END, 12, struct.pack("<L", 1 << 30)),
        "in 1073741824 bytes",
    ),
    "directory elsewhere": (
        lambda: patched(WHOLE, END, 16, struct.pack("<L", 1 << 31)),
        "cannot be read",
    ),
    "64-bit directory": (
        lambda: WHOLE[:-22] + b"PK\6\7" + bytes(16) + WHOLE[-22:],
        "too many for these data",
    ),
    "size of a member": (
        lambda: patched(WHOLE, CENTRAL, 24, struct.pack("<L", 0xFFFFFFF0)),
        "accepted are 268435456",
    ),
    "wrong checksum": (lambda: patched(WHOLE, CENTRAL, 16, bytes(4)), "no whole .npz"),
    "member elsewhere": (
        lambda: patched(WHOLE, CENTRAL, 42, struct.pack("<L", 5)),
        "no whole .npz",
    ),
    "broken deflate": (
        lambda: with_a(npy(np.zeros(5000)), zipfile.ZIP_DEFLATED).replace(b"\x00" * 6, b"\xff" * 6),
        "",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_refused(tmp_path, name):
    make, words = HOSTILE[name]
    path = tmp_path / "hostile.npz"
    path.write_bytes(make())
    with pytest.raises(FormatError) as refused:
        read_npz(path, DTYPES)
    assert str(refused.value).startswith(f"{path}: ")
    assert words in str(refused.value)


# Loads every file it is named with 48 MiB of address space beyond what the imports took.
CHILD = """
import resource, sys
from bitnet_perf.bench.paired.npz import read_npz
from bitnet_perf.errors import FormatError
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (48 << 20),) * 2)
try:
    bytearray(64 << 20)
except MemoryError:
    print("bounded")
for path in sys.argv[1:]:
    try:
        read_npz(path, {"meta": "|u1", "a": "<f8"})
    except FormatError:
        print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/statm is Linux's")
@pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer reserves address space"
)
def test_memory_stays_bounded(tmp_path):
    paths = []
    for name, (make, _) in HOSTILE.items():
        paths.append(tmp_path / f"{name}.npz")
        paths[-1].write_bytes(make())
    sparse = tmp_path / "sparse.npz"  # an empty file of a terabyte
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
    ran = subprocess.run(
        [sys.executable, "-c", CHILD, *paths, sparse], check=True, capture_output=True, text=True
    )
    assert ran.stdout.split() == ["bounded"] + ["refused"] * (len(paths) + 1)


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "pipe", "no regular file"),
        (tmp_path, "cannot be read"),
        (tmp_path / "none.npz", "cannot be read"),
        (Path("/dev/zero"), "no regular file"),
    ):
        with pytest.raises(FormatError, match=words):
            read_npz(path, DTYPES)


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "cut.npz"
    for length in range(len(WHOLE)):
        path.write_bytes(WHOLE[:length])
        with pytest.raises(FormatError):
            read_npz(path, DTYPES)
    path.write_bytes(WHOLE)
    assert read_npz(path, DTYPES)["a"].tolist() == [0, 1, 2]


def test_what_numpy_writes_is_read(tmp_path):
    path = tmp_path / "plain.npz"
    for write in (np.savez, np.savez_compressed):
        write(path, **PLAIN)
        for name, array in read_npz(path, DTYPES).items():
            np.testing.assert_array_equal(array, PLAIN[name])
            assert not array.flags.writeable
    path.write_bytes(pack_npz(PLAIN))
    assert set(read_npz(path, DTYPES)) == set(PLAIN)
    for version in ((1, 0), (2, 0), (3, 0)):
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, PLAIN["a"], version=version)
        path.write_bytes(with_a(buffer.getvalue()))
        assert read_npz(path, DTYPES)["a"].tolist() == [0, 1, 2]


def test_keys_of_a_header_in_any_order(tmp_path):
    path = tmp_path / "order.npz"
    path.write_bytes(
        with_a(header("{ 'shape':(3,),'fortran_order' : True, 'descr': '<f8' }") + DATA)
    )
    assert read_npz(path, DTYPES)["a"].tolist() == [0, 1, 2]


def test_too_much_is_not_written():
    huge = np.broadcast_to(np.float64(0), (LIMIT // 8,))
    with pytest.raises(FormatError, match=f"accepted are {LIMIT}"):
        pack_npz({"a": huge})
