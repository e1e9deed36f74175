"""GGUF files byte by byte, and where each part of them stands. Imports nothing that reads them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NUMBERS = {
    "uint8": (0, "B"), "int8": (1, "b"), "uint16": (2, "H"), "int16": (3, "h"),
    "uint32": (4, "I"), "int32": (5, "i"), "float32": (6, "f"), "bool": (7, "?"),
    "uint64": (10, "Q"), "int64": (11, "q"), "float64": (12, "d"),
}  # fmt: skip
STRING, ARRAY = 8, 9


@dataclass(frozen=True)
class Key:
    """A list as `value` is an array of `type`."""

    name: str | bytes
    type: str
    value: Any


@dataclass(frozen=True)
class Tensor:
    """`dims` in the order of the file: the fastest first."""

    name: str | bytes
    dims: tuple[int, ...]
    type: int
    data: bytes


def string(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def element(kind: str, value: Any) -> bytes:
    return string(value) if kind == "string" else struct.pack("<" + NUMBERS[kind][1], value)


def value(key: Key) -> bytes:
    number = STRING if key.type == "string" else NUMBERS[key.type][0]
    if not isinstance(key.value, list):
        return struct.pack("<I", number) + element(key.type, key.value)
    head = struct.pack("<IIQ", ARRAY, number, len(key.value))
    return head + b"".join(element(key.type, each) for each in key.value)


def text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode("latin-1")


def gguf_bytes(
    keys: Sequence[Key], tensors: Sequence[Tensor], version: int = 3, alignment: int = 32
) -> tuple[bytes, dict[str, int]]:
    """The file, and the places of its parts: "version", "tensors", "keys", "key NAME",
    "type NAME", "value NAME", "tensor NAME", "rank NAME", "dims NAME", "id NAME", "offset NAME",
    "data NAME", "data" and "end" (of the last tensor, padding not included)."""
    out = bytearray(b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys)))
    places = {"version": 4, "tensors": 8, "keys": 16}
    for key in keys:
        name = text(key.name)
        places[f"key {name}"] = len(out)
        out += string(key.name)
        places[f"type {name}"] = len(out)
        places[f"value {name}"] = len(out) + (16 if isinstance(key.value, list) else 4)
        out += value(key)
    offset = 0
    for tensor in tensors:
        name = text(tensor.name)
        places[f"tensor {name}"] = len(out)
        out += string(tensor.name)
        places[f"rank {name}"] = len(out)
        out += struct.pack("<I", len(tensor.dims))
        places[f"dims {name}"] = len(out)
        out += struct.pack(f"<{len(tensor.dims)}Q", *tensor.dims)
        places[f"id {name}"] = len(out)
        places[f"offset {name}"] = len(out) + 4
        out += struct.pack("<IQ", tensor.type, offset)
        offset += -(-len(tensor.data) // alignment) * alignment
    out += bytes(-len(out) % alignment)
    places["data"] = places["end"] = len(out)
    for tensor in tensors:
        places[f"data {text(tensor.name)}"] = len(out)
        out += tensor.data
        places["end"] = len(out)
        out += bytes(-len(out) % alignment)
    return bytes(out), places


def small_file(version: int = 3, alignment: int = 32) -> tuple[bytes, dict[str, int]]:
    """Every value type, alone and in an array; tensors of one to four dimensions."""
    examples = {
        "uint8": 200, "int8": -100, "uint16": 60000, "int16": -30000, "uint32": 4 * 10**9,
        "int32": -(2 * 10**9), "float32": 0.1015625, "bool": True, "uint64": 2**64 - 1,
        "int64": -(2**63), "float64": 1e300, "string": "wörter",
    }  # fmt: skip
    keys = [Key("general.architecture", "string", "bitnet-b1.58")]
    if alignment != 32:
        keys.append(Key("general.alignment", "uint32", alignment))
    for kind, example in examples.items():
        keys += [Key(f"one.{kind}", kind, example), Key(f"many.{kind}", kind, [example] * 3)]
    keys.append(Key("none", "string", []))
    tensors = [
        Tensor("a.weight", (6,), 0, bytes(range(24))),
        Tensor("b.weight", (128, 2), 36, bytes(64) + struct.pack("<f", 0.5) + bytes(28)),
        Tensor("c.weight", (2, 3, 5), 1, bytes(60)),
        Tensor("d.weight", (32, 1, 2, 1), 8, bytes(68)),
    ]
    return gguf_bytes(keys, tensors, version, alignment)
