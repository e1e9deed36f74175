"""GGUF files that are cut, bent or made to deceive: ModelError that says where, never more."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from reference.gguf_file import Key, Tensor, gguf_bytes, small_file

from bitnet_perf import _native
from bitnet_perf.errors import ModelError
from bitnet_perf.model import gguf as reader
from bitnet_perf.model.gguf import read_gguf

SMALL, PLACES = small_file()
F32 = Tensor("a", (8,), 0, bytes(32))


def read_all(path: Path, content: bytes | None = None) -> str:
    """'' where the file is read to the last tensor, else the words of its ModelError."""
    if content is not None:
        path.write_bytes(content)
    try:
        file = read_gguf(path)
        for tensor in file.tensors:
            if not tensor.type.startswith("ggml_"):
                assert file.tensor_data(tensor.name).size == tensor.nbytes
    except ModelError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 - no error is right too
        return str(error).removeprefix(f"{path}: ")
    return ""


def patched(at: int, new: bytes, content: bytes = SMALL) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def u32(number: int) -> bytes:
    return struct.pack("<I", number)


def u64(number: int) -> bytes:
    return struct.pack("<Q", number)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("alignment", [1, 8, 32, 256])
def test_the_small_file_is_valid(tmp_path, version, alignment):
    content, places = small_file(version, alignment)
    assert read_all(tmp_path / "x.gguf", content) == ""
    file = read_gguf(tmp_path / "x.gguf")
    assert (file.version, file.alignment) == (version, alignment)
    assert file.metadata["one.uint64"] == 2**64 - 1
    assert file.metadata["many.string"] == ("wörter",) * 3
    assert file.metadata["none"] == ()
    assert file.metadata["many.bool"].dtype == np.bool_
    assert file.metadata["many.int64"].tolist() == [-(2**63)] * 3
    assert not file.metadata["many.int64"].flags.writeable
    assert [tensor.shape for tensor in file.tensors] == [(6,), (2, 128), (5, 3, 2), (1, 2, 1, 32)]
    assert [tensor.type for tensor in file.tensors] == ["f32", "i2_s", "f16", "q8_0"]
    assert file.by_name["a.weight"].offset == places["data"]
    assert file.tensor_data("a.weight").tolist() == list(range(24))


def test_truncation_at_every_byte(tmp_path):
    for length in range(len(SMALL)):
        said = read_all(tmp_path / "x.gguf", SMALL[:length])
        if length >= PLACES["end"]:  # only padding is missing
            assert said == "", length
        else:
            assert re.search(r"(tensor|key|magic|version|number of)", said), (length, said)
            assert f"byte {length}" in said or "bytes: the next tensor or the end" in said, said


def test_every_bit_of_the_header_flipped(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(SMALL)
    errors = 0
    with path.open("r+b", buffering=0) as file:
        for bit in range(8 * PLACES["data"]):
            at, byte = bit // 8, SMALL[bit // 8]
            os.pwrite(file.fileno(), bytes([byte ^ 1 << bit % 8]), at)
            errors += read_all(path) != ""
            os.pwrite(file.fileno(), bytes([byte]), at)
    assert read_all(path) == ""
    assert errors > 4000  # values and most letters of names may be anything


def test_every_prefix_asks_for_more_until_it_is_the_header():
    header = PLACES["offset d.weight"] + 8
    for length in range(len(SMALL) + 1):
        found = _native.parse_gguf(SMALL[:length], len(SMALL))
        assert (found is None) == (length < header), length
    with pytest.raises(ModelError, match=r"prefix: found 5 bytes of a file of 4"):
        _native.parse_gguf(b"GGUF\0", 4)


HOSTILE = {
    "magic": (patched(0, b"GGML"), r'magic at byte 0: found "GGML", accepted is "GGUF"'),
    "magic that is no text": (patched(0, b"\xff\0\n\x1b"), r'found "\\xff\\x00\\x0a\\x1b"'),
    "big-endian magic": (patched(0, b"FUGG"), r"magic: found a big-endian file"),
    "big-endian": (patched(4, b"\0\0\0\3"), r"version at byte 4: found that of a big-endian file"),
    "version 1": (patched(4, u32(1)), r"version at byte 4: found 1, accepted are versions 2 and 3"),
    "version 4": (patched(4, u32(4)), r"version at byte 4: found 4, accepted"),
    "tensors": (patched(8, u64(2**64 - 1)), r"number of tensors: found 18446744073709551615"),
    "keys": (patched(16, u64(2**61)), r"number of keys: found 2305843009213693952 at byte 24"),
    "long name": (
        patched(PLACES["key one.uint8"], u64(2**63)),
        rf"key 1: found a name of {2**63} bytes at byte {PLACES['key one.uint8']}",
    ),
    "empty name": (
        patched(PLACES["tensor a.weight"], u64(0)),
        rf"tensor 0: found a name of 0 bytes at byte {PLACES['tensor a.weight']}",
    ),
    "value type": (
        patched(PLACES["type one.int16"], u32(13)),
        rf'key "one.int16": found value type 13 at byte {PLACES["type one.int16"]}, accepted are 0',
    ),
    "element type": (
        patched(PLACES["type many.int16"] + 4, u32(2**31)),
        rf'"many.int16": found value type 2147483648 at byte {PLACES["type many.int16"] + 4}',
    ),
    "array of arrays": (
        patched(PLACES["type many.int16"] + 4, u32(9)),
        rf'"many.int16": found an array of arrays at byte {PLACES["type many.int16"] + 4}',
    ),
    "boolean": (
        patched(PLACES["value one.bool"], b"\2"),
        rf'key "one.bool": found boolean 2 at byte {PLACES["value one.bool"]}, accepted are 0 and',
    ),
    "boolean in an array": (
        patched(PLACES["value many.bool"] + 2, b"\xff"),
        rf'"many.bool": found boolean 255 at byte {PLACES["value many.bool"] + 2}',
    ),
    "array of numbers": (
        patched(PLACES["value many.int64"] - 8, u64(2**61)),
        rf'key "many.int64", elements: found {2**61} at byte {PLACES["value many.int64"]}',
    ),
    "a few numbers too many": (
        patched(PLACES["value many.int64"] - 8, u64(len(SMALL) // 8)),
        rf'"many.int64", elements: found {len(SMALL) // 8} at byte {PLACES["value many.int64"]}, ',
    ),
    "array of strings": (
        patched(PLACES["value many.string"] - 8, u64(2**60)),
        rf'key "many.string", elements: found {2**60} at byte {PLACES["value many.string"]}',
    ),
    "string": (
        patched(PLACES["value one.string"], u64(2**64 - 1)),
        rf'key "one.string": needs {2**64 - 1} bytes at byte {PLACES["value one.string"] + 8}',
    ),
    "string that is not UTF-8": (
        patched(PLACES["value one.string"] + 9, b"\xff"),
        rf'key "one.string": found "w\\xff.*" at byte {PLACES["value one.string"] + 8}, .*UTF-8',
    ),
    "name that is not UTF-8": (
        patched(PLACES["key one.int8"] + 8, b"\xc0"),
        rf"a key's name: found .* at byte {PLACES['key one.int8'] + 8}, accepted is UTF-8",
    ),
    "key twice": (
        gguf_bytes([Key("k", "bool", True), Key("j", "int8", 1), Key("k", "int8", 1)], [])[0],
        r'key "k": found twice, at byte 24 and at byte 52, accepted is once',
    ),
    "tensor twice": (
        gguf_bytes([], [F32, F32])[0],
        r'tensor "a": found twice, at byte 24 and at byte 57, accepted is once',
    ),
    "no dimension": (
        patched(PLACES["rank a.weight"], u32(0)),
        rf'tensor "a.weight": found 0 dimensions at byte {PLACES["rank a.weight"]}',
    ),
    "five dimensions": (patched(PLACES["rank a.weight"], u32(5)), r"found 5 dimensions"),
    "dimension 0": (
        patched(PLACES["dims b.weight"] + 8, u64(0)),
        rf'"b.weight": found dimension 0 at byte {PLACES["dims b.weight"] + 8}, accepted are 1 to',
    ),
    "large dimension": (
        patched(PLACES["dims a.weight"], u64(2**63)),
        rf"found dimension {2**63} at byte {PLACES['dims a.weight']}, accepted are 1 to "
        rf"{8 * len(SMALL)} ",
    ),
    "product of dimensions": (
        patched(PLACES["dims b.weight"], u64(2**32) * 2),
        rf'tensor "b.weight": found dimension {2**32} at byte {PLACES["dims b.weight"]}',
    ),
    "product that overflows to little": (
        patched(PLACES["dims c.weight"], u64(2) + u64(2**62) + u64(4)),
        rf'tensor "c.weight": found dimension {2**62} at byte {PLACES["dims c.weight"] + 8}',
    ),
    "offset that is not aligned": (
        patched(PLACES["offset b.weight"], u64(33)),
        r'tensor "b.weight" at byte \d+: found offset 33, accepted are multiples of the alignment',
    ),
    "offset outside": (
        patched(PLACES["offset b.weight"], u64(2**20)),
        rf'tensor "b.weight" at byte \d+: found offset {2**20} in the data from byte '
        rf"{PLACES['data']} on, the file ends at byte {len(SMALL)}",
    ),
    "offset that overflows": (
        patched(PLACES["offset b.weight"], u64(2**64 - 32)),
        rf'tensor "b.weight" at byte \d+: found offset {2**64 - 32} in the data',
    ),
    "one place for two": (
        patched(PLACES["offset d.weight"], SMALL[PLACES["offset c.weight"] :][:8]),
        r'tensor "d.weight" at byte \d+: found at byte \d+, it overlaps with tensor "c.weight"',
    ),
    "overlap": (
        patched(PLACES["offset c.weight"], u64(64)),
        r"tensor 'b.weight' \(described at byte \d+, data at byte \d+\): found type 36 of "
        r"architecture 'bitnet-b1.58', shape \[2, 128\], in a place of 32 bytes: it is none of "
        r"i2_s \(96 bytes\)",
    ),
    "longer than its place": (
        patched(PLACES["dims a.weight"], u64(9)),
        r"tensor 'a.weight' .*: found f32 of shape \[9\], 36 bytes: the next tensor or the end of "
        r"the file comes after 32",
    ),
    "a block that is cut": (
        patched(PLACES["dims d.weight"], u64(31)),
        r"tensor 'd.weight' .*: found q8_0 of shape \[1, 2, 1, 31\], accepted are rows of a "
        r"multiple of 32",
    ),
    "alignment 0": (
        gguf_bytes([Key("general.alignment", "uint32", 0)], [F32])[0],
        r'key "general.alignment" at byte 24: found 0 .*accepted is a power of two as uint32',
    ),
    "alignment 24": (gguf_bytes([Key("general.alignment", "uint32", 24)], [F32])[0], "found 24, "),
    "alignment as int32": (
        gguf_bytes([Key("general.alignment", "int32", 32)], [F32])[0],
        r'key "general.alignment" at byte 24: found 0 or no uint32',
    ),
    "alignment beyond the file": (
        gguf_bytes([Key("general.alignment", "uint32", 32)], [F32])[0].replace(
            u32(4) + u32(32), u32(4) + u32(2**31)
        ),
        rf"found offset 0 in the data from byte {2**31} on, the file ends at byte",
    ),
    "name that could steer a terminal": (
        gguf_bytes([Key("\x1b[31m" + "x" * 90, "int8", 1)] * 2, [])[0],
        r'key "\\x1b\[31mx{75}\.\.\.": found twice',
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_wrong_is_named_with_its_place(tmp_path, case):
    content, words = HOSTILE[case]
    said = read_all(tmp_path / "x.gguf", content)
    assert re.search(words, said), said
    assert said.isprintable()


def test_an_empty_file(tmp_path):
    assert re.match(r"magic: needs 4 bytes at byte 0", read_all(tmp_path / "x.gguf", b""))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), r"found a folder or device, accepted is a file"),
        (os.mkfifo, r"found a folder or device, accepted is a file"),
        (
            lambda path: path.symlink_to("nowhere"),
            r"cannot be opened \(No such file or dir",
        ),
        (lambda path: path.symlink_to("/dev/zero"), r"found a folder or device"),
    ],
    ids=["folder", "pipe", "nothing", "device"],
)
def test_what_is_no_file(tmp_path, make, words):
    path = tmp_path / "x.gguf"
    make(path)
    with pytest.raises(ModelError, match=rf"^{re.escape(str(path))}: {words}"):
        read_gguf(path)


def test_a_path_that_cannot_be():
    with pytest.raises(ModelError, match="embedded null"):
        read_gguf("a\0b")


def test_a_file_that_shrinks_or_vanishes(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(SMALL)
    file = read_gguf(path)
    os.truncate(path, file.tensor("b.weight").offset + 5)
    with pytest.raises(ModelError, match=r"shrank while it was read: tensor 'b.weight' needs"):
        file.tensor_data("b.weight")
    assert file.tensor_data("a.weight").tolist() == list(range(24))
    path.unlink()
    assert file.tensor_data("a.weight").tolist() == list(range(24))


def test_a_file_that_shrinks_while_its_header_is_read(tmp_path, monkeypatch):
    path = tmp_path / "x.gguf"
    path.write_bytes(SMALL[:1000])
    opened = reader.open_file
    monkeypatch.setattr(reader, "open_file", lambda place: (opened(place)[0], len(SMALL)))
    with pytest.raises(ModelError, match=r"shrank while it was read: the header needs bytes 0 to"):
        read_gguf(path)


def test_no_handle_is_left_open(tmp_path):
    def handles() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = handles()
    (tmp_path / "good").write_bytes(SMALL)
    (tmp_path / "bad").write_bytes(SMALL[:99])
    for _ in range(3):
        file = read_gguf(tmp_path / "good")
        assert handles() == before + 1
        del file
        assert handles() == before
        for place in (tmp_path / "bad", tmp_path):
            with pytest.raises(ModelError):
                read_gguf(place)
            assert handles() == before


def test_a_header_longer_than_the_first_prefix(tmp_path, monkeypatch):
    words = [f"token {i}" for i in range(3000)]
    content, _ = gguf_bytes([Key("t", "string", words), Key("n", "int32", list(range(999)))], [F32])
    (tmp_path / "x.gguf").write_bytes(content)
    monkeypatch.setattr(reader, "_FIRST_PREFIX", 24)
    file = read_gguf(tmp_path / "x.gguf")
    assert file.metadata["t"] == tuple(words)
    assert file.metadata["n"].tolist() == list(range(999))


MEMORY = """
import struct, sys
from pathlib import Path
from bitnet_perf.errors import ModelError
from bitnet_perf.model.gguf import read_gguf

def peak():
    words = Path("/proc/self/status").read_text().split()
    return int(words[words.index("VmHWM:") + 1]) * 1024

good, *files = sys.argv[1:]
read_gguf(good)
before = peak()
for name in files:
    try:
        read_gguf(name)
    except ModelError:
        pass
print(peak() - before)
"""


def peak_memory(*paths: Path) -> int:
    """Bytes by which reading the others raises the peak of a process that has read the first."""
    out = subprocess.run(
        [sys.executable, "-c", MEMORY, *paths], check=True, capture_output=True, text=True
    )
    return int(out.stdout)


def test_claims_cost_no_memory(tmp_path):
    (tmp_path / "good").write_bytes(SMALL)
    paths = [tmp_path / "good"]
    counts = ("tensors", "keys", "key one.int8", "tensor a.weight", "dims a.weight")
    values = ("value one.string", "offset a.weight")
    places = [PLACES[name] for name in (*counts, *values)]
    places += [PLACES[f"value many.{kind}"] - 8 for kind in ("uint8", "string", "bool", "float64")]
    for number, place in enumerate(places):
        for claim in (2**20, 2**31, 2**40, 2**63, 2**64 - 1):
            paths.append(tmp_path / f"{number}-{claim}")
            paths[-1].write_bytes(patched(place, u64(claim)))
            with paths[-1].open("r+b") as file:  # sparse: even the size of the file is a claim
                file.truncate(2**22)
    assert peak_memory(*paths) < 32 * 2**20


def test_memory_is_bounded_by_the_size_of_the_file(tmp_path):
    """The worst of headers: as many keys, strings and tensors as fit."""
    (tmp_path / "good").write_bytes(SMALL)
    many, _ = gguf_bytes(
        [Key(f"{i:05x}", "uint8", 1) for i in range(100_000)]
        + [Key("strings", "string", [f"{i % 9999:04d}" for i in range(100_000)])],
        [Tensor(f"{i:05x}", (1,), 24, b"x") for i in range(20_000)],
        alignment=32,
    )
    (tmp_path / "many").write_bytes(many)
    assert peak_memory(tmp_path / "good", tmp_path / "many") < 16 * len(many)
