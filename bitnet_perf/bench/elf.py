"""What an ELF file brings into memory, and what an object file's code is wherever it is linked.

64-bit little-endian files (x86-64, aarch64), after the System V ABI. A reader of our own: the four
structures that it needs are fixed for ever, and it runs wherever two sides are compared.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

from bitnet_perf.errors import FormatError

__all__ = ["Section", "object_hash", "read_sections"]

_NOTE, _NOBITS, _SYMTAB, _RELA = 7, 8, 2, 4  # types of sections
_ALLOC = 2  # flag: part of the memory of a running program


@dataclass(frozen=True, slots=True)
class Section:
    """A section header with its bytes (none for .bss); `size` is what it takes in memory."""

    name: str
    type: int
    flags: int
    address: int
    size: int
    link: int
    info: int
    data: bytes

    @property
    def loaded(self) -> bool:
        """Whether it is part of the running program: code, data, exception tables, relocations and
        names of imported symbols are; build id, compiler's comment, symbol table and debugging
        information are not."""
        return bool(self.flags & _ALLOC) and self.type != _NOTE


def read_sections(path: Path) -> list[Section]:
    """All sections in the order of the file. Raises FormatError for what is no such file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror or error})") from error
    if data[:6] != b"\x7fELF\x02\x01" or len(data) < 64:
        raise FormatError(f"{path}: no 64-bit little-endian ELF file")
    offset, entry, count, names = (
        *struct.unpack_from("<Q", data, 0x28),
        *struct.unpack_from("<HHH", data, 0x3A),
    )
    try:
        if count == 0 and offset:  # more than 65,279: the true number stands in the first header
            count = struct.unpack_from("<Q", data, offset + 0x20)[0]
        if names == 0xFFFF:
            names = struct.unpack_from("<I", data, offset + 0x28)[0]
        if offset + count * entry > len(data):
            raise FormatError(f"{path}: its section headers reach past its end")
        headers = [
            struct.unpack_from("<IIQQQQIIQQ", data, offset + place * entry)
            for place in range(count)
        ]
        table = _content(path, data, headers[names]) if headers else b""
    except (struct.error, IndexError) as error:
        raise FormatError(f"{path}: its section headers cannot be read ({error})") from error
    return [
        Section(
            name=_text(table, header[0]),
            type=header[1],
            flags=header[2],
            address=header[3],
            size=header[5],
            link=header[6],
            info=header[7],
            data=_content(path, data, header),
        )
        for header in headers
    ]


def object_hash(path: Path) -> str:
    """A hash of the code and data of a relocatable object: its loaded sections and, for each place
    that the linker fills in, what it refers to. Where it is linked to changes nothing.

    Raises FormatError for what is no 64-bit little-endian ELF file.
    """
    sections = read_sections(path)
    symbols = _symbols(path, sections)
    digest = hashlib.sha256()
    for section in sections:
        if section.loaded:
            digest.update(repr((section.name, section.type, section.size)).encode())
            digest.update(section.data)
        elif section.type == _RELA and _is_loaded(sections, section.info):
            try:
                for place, info, addend in struct.iter_unpack("<QQq", section.data):
                    target = symbols[info >> 32]
                    digest.update(repr((place, info & 0xFFFFFFFF, target, addend)).encode())
            except (struct.error, IndexError) as error:
                raise FormatError(f"{path}: {section.name} cannot be read ({error})") from error
    return digest.hexdigest()[:16]


def _is_loaded(sections: list[Section], number: int) -> bool:
    return number < len(sections) and sections[number].loaded


def _symbols(path: Path, sections: list[Section]) -> list[str]:
    """What each symbol stands for: its name, or section and offset where it has none or a local
    one that the compiler numbered."""
    found = []
    for section in sections:
        if section.type != _SYMTAB:
            continue
        try:
            names = sections[section.link].data
            for name, info, _, home, value, _ in struct.iter_unpack("<IBBHQQ", section.data):
                text = _text(names, name)
                local = info >> 4 == 0 and 0 < home < len(sections)
                found.append(f"{sections[home].name}+{value}" if local else text)
        except (struct.error, IndexError) as error:
            raise FormatError(f"{path}: its symbols cannot be read ({error})") from error
    return found


def _content(path: Path, data: bytes, header: tuple[int, ...]) -> bytes:
    begin, size = header[4], header[5]
    if header[1] in {0, _NOBITS}:
        return b""
    if begin + size > len(data):
        raise FormatError(f"{path}: a section reaches past the end of the file")
    return data[begin : begin + size]


def _text(table: bytes, place: int) -> str:
    return table[place : table.find(b"\0", place)].decode("utf-8", errors="replace")
