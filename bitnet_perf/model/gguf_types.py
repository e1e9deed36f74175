"""What the type number of a GGUF tensor means, and how many bytes such a tensor has.

Programs disagree about some numbers: bitnet.cpp gave 36 to 39 to its own formats, llama.cpp had
36 to 38 for interleaved IQ4_NL (retired) and now means MXFP4 by 39. These are decided by
architecture and exact size, never by a guess.

What no file can tell: an ARM build of bitnet.cpp packs `i2_s` in groups of 64 weights instead of
128, under the same number and in as many bytes. Here `i2_s` is always the layout of 128.
"""

from __future__ import annotations

import math

from bitnet_perf import _native
from bitnet_perf.errors import FormatError, ModelError, ShapeError

__all__ = ["ARCHITECTURES", "decide_type"]

# Architectures that bitnet.cpp alone writes, and those that it shares with llama.cpp: under llama
# both store ternary weights of that architecture (Falcon-E, Llama3-8B-1.58).
_OWN = ("bitnet-b1.58", "bitnet-25")
ARCHITECTURES = (*_OWN, "bitnet", "llama")

# What llama.cpp means by the numbers that clash: (name, weights of a block, bytes of a block).
_LLAMA_CPP = {
    36: ("iq4_nl_4_4", 32, 18),
    37: ("iq4_nl_4_8", 32, 18),
    38: ("iq4_nl_8_8", 32, 18),
    39: ("mxfp4", 32, 17),
}
# What bitnet.cpp means by them: our formats of these numbers.
_BITNET_CPP = {row[1]: row[0] for row in _native.formats() if row[1] in _LLAMA_CPP}

# Number: (name, weights of a block, bytes of a block), of what is stored in files. Those that can
# only be listed are named here; source: ggml.h.
_BLOCKS = {
    3: ("q4_1", 32, 20),
    6: ("q5_0", 32, 22),
    7: ("q5_1", 32, 24),
    10: ("q2_k", 256, 84),
    11: ("q3_k", 256, 110),
    13: ("q5_k", 256, 176),
    16: ("iq2_xxs", 256, 66),
    17: ("iq2_xs", 256, 74),
    18: ("iq3_xxs", 256, 98),
    19: ("iq1_s", 256, 50),
    20: ("iq4_nl", 32, 18),
    21: ("iq3_s", 256, 110),
    22: ("iq2_s", 256, 82),
    23: ("iq4_xs", 256, 136),
    24: ("i8", 1, 1),
    25: ("i16", 1, 2),
    26: ("i32", 1, 4),
    27: ("i64", 1, 8),
    28: ("f64", 1, 8),
    29: ("iq1_m", 256, 56),
    31: ("q4_0_4_4", 32, 18),
    32: ("q4_0_4_8", 32, 18),
    33: ("q4_0_8_8", 32, 18),
    40: ("nvfp4", 64, 36),
    41: ("q1_0", 128, 18),
    42: ("q2_0", 64, 18),
}
_BLOCKS |= {number: (name, block, size) for name, number, block, size in _native.dense_formats()}
_BLOCKS |= {
    number: (name, block, _native.layout(name, 1, block)[4])
    for name, number, _, block, _ in _native.formats()
    if number >= 0 and number not in _LLAMA_CPP
}


def _ternary_bytes(format: str, shape: tuple[int, ...]) -> int | None:
    """Bytes of a ternary tensor in a file; None where the format does not admit the shape."""
    if len(shape) != 2:
        return None
    try:
        padded, _, _, _, nbytes = _native.layout(format, *shape)
    except (ShapeError, FormatError):
        return None
    return nbytes if padded == shape[1] else None  # rows are not padded in files


def _block_bytes(shape: tuple[int, ...], weights: int, size: int) -> int | None:
    """Bytes of rows of whole blocks; None where a row does not end with a block."""
    return None if shape[-1] % weights else math.prod(shape) // weights * size


def _decide_clash(
    ggml_type: int, shape: tuple[int, ...], room: int, alignment: int, architecture: str | None
) -> tuple[str, int]:
    ternary, (other, weights, size) = _BITNET_CPP.get(ggml_type), _LLAMA_CPP[ggml_type]
    sizes = {}
    if ternary is not None and architecture in ARCHITECTURES:
        sizes[ternary] = _ternary_bytes(ternary, shape)
    if ternary is None or architecture not in _OWN:
        sizes[other] = _block_bytes(shape, weights, size)
    fits = {
        name: nbytes
        for name, nbytes in sizes.items()
        if nbytes is not None and 0 <= room - nbytes < alignment
    }
    if len(fits) == 1:
        return fits.popitem()
    candidates = " or ".join(
        f"{name} ({'not of this shape' if nbytes is None else f'{nbytes} bytes'})"
        for name, nbytes in sizes.items()
    )
    raise ModelError(
        f"found type {ggml_type} of architecture {architecture!r}, shape {list(shape)}, in a place "
        f"of {room} bytes: it {'may be' if fits else 'is none of'} {candidates}"
    )


def decide_type(
    ggml_type: int, shape: tuple[int, ...], room: int, alignment: int, architecture: str | None
) -> tuple[str, int]:
    """(name, bytes) of a tensor.

    shape: rows first. room: bytes up to the next tensor or the end of the file; less than
    `alignment` of them may be padding. A number that programs use differently is decided by the
    candidates' exact sizes; bitnet.cpp's meanings are candidates only in ARCHITECTURES, and the
    only ones in its own.
    A number that nobody is known to use is named `ggml_<number>` and said to fill its room.
    Raises ModelError: no candidate fits or more than one does, the tensor is larger than its
    room, a row does not end with a block.
    """
    if ggml_type in _LLAMA_CPP:
        return _decide_clash(ggml_type, shape, room, alignment, architecture)
    if ggml_type not in _BLOCKS:
        return f"ggml_{ggml_type}", room
    name, weights, size = _BLOCKS[ggml_type]
    nbytes = _block_bytes(shape, weights, size)
    if nbytes is None:
        raise ModelError(
            f"found {name} of shape {list(shape)}, accepted are rows of a multiple of {weights}"
        )
    if nbytes > room:
        raise ModelError(
            f"found {name} of shape {list(shape)}, {nbytes} bytes: the next tensor or the end of "
            f"the file comes after {room}"
        )
    return name, nbytes
