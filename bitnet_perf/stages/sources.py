"""The one table from what a span is called to the files that implement it.

An operation's files stand in the order of their part in it, the main one first. A kernel
`family/format/isa` needs no line: its folder and file are named after it.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from bitnet_perf.kernels.cuda.catalog import find

__all__ = ["SHARED", "SOURCES", "files_of", "nearness"]

_ENGINE = "csrc/engine/"
_STEP = "bitnet_perf/kernels/cuda/plans/step.py"  # the list of launches of a GPU
_MODEL = "bitnet_perf/model/"
_FORWARD = (_ENGINE + "engine.cpp", _ENGINE + "chain.cpp", _ENGINE + "weights.cpp")
_READ = (_MODEL + "gguf.py", "csrc/gguf/reader.cpp", "csrc/bind/gguf.cpp")
_WORDS = (_MODEL + "tokenizer.py", _MODEL + "vocabulary.py", _MODEL + "sentencepiece.py")
_LOOP = (_MODEL + "generation.py", _MODEL + "sequence.py", "csrc/bind/engine.cpp")

# Operation -> its files.
SOURCES: dict[str, tuple[str, ...]] = {
    "model_load": (_MODEL + "model.py", _MODEL + "weights.py", "csrc/bind/load.cpp"),
    "open": (*_READ, _MODEL + "gguf_types.py", _MODEL + "reading.py"),
    "parse_header": (*_READ, _MODEL + "safetensors.py"),
    "tensor_table": (_MODEL + "weights.py", _MODEL + "checkpoint.py", _MODEL + "gguf_types.py"),
    "weight_repack": (_ENGINE + "load.cpp", "csrc/bind/load.cpp", _MODEL + "checkpoint.py"),
    "page_in": (_ENGINE + "load.cpp", "csrc/bind/load.cpp", _MODEL + "safetensors.py"),
    "quantize": ("csrc/kernels/pack/quantize.cpp", "bitnet_perf/formats/convert.py"),
    "pack": ("csrc/kernels/pack/pack.cpp", "bitnet_perf/formats/convert.py"),
    "dequantize": ("csrc/kernels/unpack/unpack.cpp", "bitnet_perf/formats/convert.py"),
    "embed": _FORWARD,
    "attn_norm": _FORWARD,
    "qkv": _FORWARD,
    "rope": _FORWARD,
    "attention": (*_FORWARD, _ENGINE + "kv_cache.cpp"),
    "attn_sub_norm": _FORWARD,
    "o_proj": _FORWARD,
    "ffn_norm": _FORWARD,
    "gate_up": _FORWARD,
    "act": _FORWARD,
    "ffn_sub_norm": _FORWARD,
    "down": _FORWARD,
    "output_norm": _FORWARD,
    "lm_head": _FORWARD,
    "tokenizer": _WORDS,
    "encode": _WORDS,
    "decode": _WORDS,
    "generation_loop": _LOOP,
    "prefill_loop": (_ENGINE + "engine.cpp", *_LOOP),
    "decode_loop": (_ENGINE + "engine.cpp", *_LOOP),
    "sampling": (_ENGINE + "sample.cpp", _MODEL + "sampling.py", "csrc/bind/sample.cpp"),
    "stop_test": _LOOP,
    "kv_cache_growth": (_ENGINE + "kv_cache.cpp", _ENGINE + "kv_cache.hpp"),
}

# Folders and files that much or all native code is made of.
SHARED = ("csrc/core/", "csrc/formats/", "csrc/kernels/", "cmake/", "CMakeLists.txt")

_KINDS = ("dense", "float", "lut")  # of kernels that share a file beside an instruction set
_DRIVERS = {"gemm": "gemv", "gemm_dense": "gemv_dense"}  # family -> whose code drives it, too
# How much of a change in a span a changed file explains.
_OWN, _OWN_FORMAT, _OWN_FAMILY, _LATER, _AROUND, _COMMON = 1.0, 0.6, 0.4, 0.5, 0.2, 0.1


def files_of(operation: str, kernel: str = "") -> tuple[str, ...]:
    """The files that implement a span, the main one first: those of the kernel where one is named,
    then those of the operation; empty for an operation that is not in the table."""
    found = SOURCES.get(operation, ())
    family, codec, isa = (*kernel.split("/"), "", "")[:3]
    if isa.startswith("sm_"):
        return (f"cuda/{find(f'{family}/{codec}').file}", _STEP, *found)
    if isa:
        found = (f"csrc/kernels/{family}/{codec.replace('.', '_')}/{isa}.cpp", *found)
    return found


def nearness(path: str, operation: str, kernel: str = "") -> float:
    """How near a file is to a span: 1 where it is its main file, 0 where it has no part in it."""
    if kernel:
        part = _to_kernel(path, *(*kernel.split("/"), "", "")[:3])
        return max(part, _AROUND if path in SOURCES.get(operation, ()) else 0.0)
    files = SOURCES.get(operation, ())
    if path in files:
        return _OWN if path == files[0] else _LATER
    if not any(each.startswith("csrc/") for each in files):
        return 0.0
    return _COMMON if path.startswith(SHARED) and _is_shared(path) else 0.0


def _to_kernel(path: str, family: str, codec: str, isa: str) -> float:
    codec = codec.replace(".", "_")
    where, stem = PurePosixPath(path).parent.as_posix(), PurePosixPath(path).stem
    root = f"csrc/kernels/{family}"
    if path == f"{root}/{codec}/{isa}.cpp":
        return _OWN
    target, _, rest = _named(stem)
    if target and (target != isa or rest not in ("", codec, *_KINDS)):
        return 0.0
    if where == f"{root}/{codec}":
        return _OWN_FORMAT
    if where in (root, f"csrc/kernels/{_DRIVERS.get(family, family)}"):
        return _OWN_FORMAT if target else _OWN_FAMILY
    if path.startswith(SHARED) and _is_shared(path):
        return _AROUND if target or stem == codec else _COMMON
    return 0.0


def _is_shared(path: str) -> bool:
    """Whether it is no file of one family of kernels."""
    return not path.startswith("csrc/kernels/") or path.count("/") == 2


def _named(stem: str) -> tuple[str, str, str]:
    """Of a file name such as x86_avx2_tl1: the instruction set, "_", and what else it names. All
    are empty where it names no instruction set."""
    match = re.match(r"(scalar|(?:x86|arm)_[a-z0-9]+)(?:(_)(\w+))?$", stem)
    return (match[1], match[2] or "", match[3] or "") if match else ("", "", "")
