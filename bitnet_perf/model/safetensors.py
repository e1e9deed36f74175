"""BitNet checkpoints of Hugging Face: a folder with config.json and safetensors files.

Keys and tensors get the names that a GGUF file of the model would have. Headers are checked by the
`safetensors` package; values are read, not mapped.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import EnvironmentRefused, FormatError, ModelError
from bitnet_perf.formats import Packed, pack, quantize
from bitnet_perf.model.reading import open_file, read_into
from bitnet_perf.model.safetensors_config import CheckpointConfig, read_checkpoint_config
from bitnet_perf.spans import span

__all__ = ["Checkpoint", "read_checkpoint"]

_MATRICES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}  # fmt: skip
_NORMS = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.attn_sub_norm": "attn_sub_norm", "mlp.ffn_sub_norm": "ffn_sub_norm",
    "self_attn.inner_attn_ln": "attn_sub_norm", "mlp.ffn_layernorm": "ffn_sub_norm",
}  # fmt: skip
_OUTSIDE = {
    "model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}  # fmt: skip
_IN_LAYER = re.compile(r"model\.layers\.(0|[1-9]\d{0,5})\.([\w.]+)\.(weight|weight_scale)")
_COMPUTED = re.compile(r"model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq")
_ITEM = {"U8": 1, "F16": 2, "BF16": 2, "F32": 4}


@dataclass(frozen=True)
class _Entry:
    path: Path
    name: str  # in the file
    dtype: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int


@dataclass(frozen=True, eq=False, repr=False)
class Checkpoint:
    """A checkpoint, made by `read_checkpoint`.

    path: its folder. metadata: hyper-parameters under the keys of GGUF (`general.architecture`,
    `<arch>.embedding_length`, ...). names: of its tensors, in GGUF's words
    (`blk.0.attn_q.weight`, ...); without `output.weight` where the head is the embedding.
    """

    path: Path
    metadata: Mapping[str, Any]
    names: tuple[str, ...]
    _config: CheckpointConfig
    _entries: Mapping[str, _Entry]  # and `<matrix>.scale`

    def _entry(self, name: str) -> _Entry:
        if name not in self.names:
            raise ModelError(f"{self.path}: no tensor {name!r} among {len(self.names)}")
        return self._entries[name]

    def stored_shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor as its file states it; nothing of it is read."""
        return tuple(self._entry(name).shape)

    def tensor(self, name: str, *, threads: int = 1) -> Packed | NDArray[np.float32]:
        """The tensor, read from its file now.

        Matrices of layers as i2_s of shape (N, K): packed ones with the scale that the checkpoint
        gives, others ternarized by absmean. In architecture `llama` the rows of attn_q and attn_k
        stand as in GGUF files, where neighbours are rotated. Anything else as float32.
        Raises ModelError (no such tensor, wrong types, shapes, codes or scales, NaN or infinity,
        a file that shrank).
        """
        entry = self._entry(name)
        matrix = name.split(".")[-2]
        if matrix not in _MATRICES.values():
            return _floats(entry)
        if len(entry.shape) != 2 or not all(entry.shape):
            raise _wrong(entry, "a matrix")
        self._check_type(entry)
        heads = {"attn_q": self._config.heads, "attn_k": self._config.kv_heads}.get(matrix)
        rotated = heads if self._config.architecture == "llama" else None
        try:
            if entry.dtype != "U8":
                return quantize(_in_gguf_order(_floats(entry), rotated), "i2_s", threads=threads)
            scale = self._scale(name.removesuffix("weight") + "scale", entry)
            ternary = _in_gguf_order(_unpacked(_bytes(entry)), rotated)
            return pack(ternary, "i2_s", scale, threads=threads)
        except FormatError as error:
            raise ModelError(f"{entry.path}: tensor {entry.name!r}: {error}") from None

    def _check_type(self, entry: _Entry) -> None:
        """Packed or not must be what the configuration says."""
        if (entry.dtype == "U8") != self._config.packed:
            said = "packed (uint8)" if self._config.packed else "not packed (float)"
            raise ModelError(
                f"{entry.path}: tensor {entry.name!r}: found {entry.dtype}, by config.json the "
                f"weights are {said}"
            )

    def _scale(self, name: str, weight: _Entry) -> float:
        """What the ternary weights are multiplied by."""
        if name not in self._entries:
            raise ModelError(
                f"{weight.path}: tensor {weight.name!r} is packed, and {weight.name + '_scale'!r} "
                "is not there"
            )
        entry = self._entries[name]
        values = _floats(entry).reshape(-1)
        if values.size != 1 or not (np.isfinite(values[0]) and values[0] > 0):
            raise ModelError(
                f"{entry.path}: tensor {entry.name!r}: found {values[:4].tolist()}, accepted is "
                "one finite scale above 0"
            )
        with np.errstate(over="ignore"):  # an infinite scale is refused where it is packed
            return float(np.float32(1) / values[0] if self._config.scale_divides else values[0])

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r}, {len(self.names)} tensors)"


def _wrong(entry: _Entry, accepted: str) -> ModelError:
    return ModelError(
        f"{entry.path}: tensor {entry.name!r}: found {entry.dtype}{list(entry.shape)}, accepted is "
        f"{accepted}"
    )


def _bytes(entry: _Entry) -> NDArray[np.uint8]:
    handle, _ = open_file(entry.path)
    try:
        out = np.empty(entry.nbytes, np.uint8)
        read_into(entry.path, handle, entry.offset, out, f"tensor {entry.name!r}")
    finally:
        os.close(handle)
    return out.reshape(entry.shape) if entry.dtype == "U8" else out


def _floats(entry: _Entry) -> NDArray[np.float32]:
    if entry.dtype not in {"F32", "F16", "BF16"}:
        raise _wrong(entry, "F32, F16 or BF16")
    raw = _bytes(entry)
    if entry.dtype == "BF16":
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32).reshape(entry.shape)
    found = raw.view("<f4" if entry.dtype == "F32" else "<f2")
    return found.astype(np.float32, copy=False).reshape(entry.shape)


def _unpacked(packed: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Row i * (N / 4) + p is bits 2i and 2i + 1 of row p: codes 0, 1, 2 of the weights -1, 0, 1."""
    shifted = np.stack([packed >> 2 * i & 3 for i in range(4)])
    return (shifted.reshape(-1, packed.shape[1]).astype(np.int8)) - np.int8(1)


def _in_gguf_order(rows: NDArray[Any], heads: int | None) -> NDArray[Any]:
    """Rows of each head: from halves that are rotated to neighbours that are. None: as they are."""
    if heads is None:
        return rows
    if rows.shape[0] % (2 * heads):
        raise FormatError(f"found {rows.shape[0]} rows, accepted is a multiple of {2 * heads}")
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, rows.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows.shape)


def _entries_of(path: Path) -> list[_Entry]:
    """The tensors of one file, once the package has checked its header."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise EnvironmentRefused(
            "safetensors is missing: 'pip install bitnet_perf[model]'"
        ) from error
    handle, size = open_file(path)
    try:
        with safe_open(path, "np"):
            pass
        length = np.empty(8, np.uint8)
        read_into(path, handle, 0, length, "the header")
        end = 8 + int(length.view("<u8")[0])
        header = np.empty(min(end, size) - 8, np.uint8)
        read_into(path, handle, 8, header, "the header")
        tensors = json.loads(header.tobytes())
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: no safetensors file ({error})") from error
    finally:
        os.close(handle)
    found = []
    for name, each in tensors.items():
        if name == "__metadata__":
            continue
        begin, stop = each["data_offsets"]
        entry = _Entry(path, name, each["dtype"], tuple(each["shape"]), end + begin, stop - begin)
        item = _ITEM.get(entry.dtype)
        if end + stop > size or (item and math.prod(entry.shape) * item != entry.nbytes):
            raise _wrong(entry, f"one of {entry.nbytes} bytes inside the file")
        found.append(entry)
    return found


def _files(folder: Path) -> list[Path]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if not index.exists():
        return [single]
    try:
        names = set(json.loads(index.read_bytes())["weight_map"].values())
        wrong = [each for each in names if not isinstance(each, str) or Path(each).name != each]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index}: no index of files ({error!r})") from error
    if wrong or not names:
        raise ModelError(f"{index}: found {wrong[:1]}, accepted are names of files beside it")
    return [folder / each for each in sorted(names)]


def _gguf_name(entry: _Entry) -> str | None:
    """None of what is computed from config.json instead."""
    if _COMPUTED.fullmatch(entry.name):
        return None
    if entry.name in _OUTSIDE:
        return _OUTSIDE[entry.name]
    inside = _IN_LAYER.fullmatch(entry.name)
    if inside:
        layer, module, kind = inside.groups()
        if kind == "weight" and module in (_MATRICES | _NORMS):
            return f"blk.{layer}.{(_MATRICES | _NORMS)[module]}.weight"
        if kind == "weight_scale" and module in _MATRICES:
            return f"blk.{layer}.{_MATRICES[module]}.scale"
    raise ModelError(
        f"{entry.path}: tensor {entry.name!r} is no part of a BitNet model as it is known here; "
        "without it the result would be wrong"
    )


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Open the folder of a checkpoint: config.json with model.safetensors, or with several files
    and model.safetensors.index.json.

    Raises ModelError naming the file, and the field or tensor that is wrong; EnvironmentRefused
    where the package `safetensors` is missing.
    """
    folder = Path(path)
    config = read_checkpoint_config(folder / "config.json")
    entries: dict[str, _Entry] = {}
    for file in _files(folder):
        with span("parse_header"):
            listed = _entries_of(file)
        for entry in listed:
            name = _gguf_name(entry)
            if name is None or (name == "output.weight" and config.tied):
                continue
            if name in entries:
                raise ModelError(
                    f"{entry.path}: tensor {entry.name!r}: found twice, in {entries[name].path} too"
                )
            entries[name] = entry
    names = tuple(name for name in entries if name.endswith(".weight"))
    return Checkpoint(folder, MappingProxyType(config.metadata), names, config, entries)
