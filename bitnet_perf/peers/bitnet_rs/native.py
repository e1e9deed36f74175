"""Our native kernels in the shape of the recorded calls: the only place that knows both.

A function gives None where no kernel does that call: empty arrays (refused by the public API),
widths other than 2 bits, and the asymmetric variant of `quant.tl1`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import FormatError
from bitnet_perf.formats.blocks import Blocks
from bitnet_perf.kernels.blocks import (
    dequantize_blocks,
    matmul_blocks,
    matmul_i2s,
    quantize_blocks,
)
from bitnet_perf.peers.bitnet_rs.codecs import NAMES
from bitnet_perf.peers.bitnet_rs.common import Arrays, Call, Outcome, unpack2
from bitnet_perf.peers.bitnet_rs.kernel import FAMILY, buffers
from bitnet_perf.peers.bitnet_rs.matmul_i2s import sizes
from bitnet_perf.peers.bitnet_rs.quant import tensor_meta

NativeFunction = Callable[[Call], Outcome | None]


def native_table(isa: str | None = None, threads: int = 1) -> dict[str, NativeFunction]:
    """Codec -> kernel, for the codecs that have one; `isa` None is the best of this host."""
    how: dict[str, Any] = {"isa": isa, "threads": threads}
    families = {"quant": _quant, "device": _device, "kernel": _kernel}
    table: dict[str, NativeFunction] = {
        name: _bound(families[name.partition(".")[0]], how)
        for name in NAMES
        if name.partition(".")[0] in families
    }
    return table | {"matmul_i2s": _bound(_matmul_i2s, how), "matmul": _bound(_matmul, how)}


def _bound(function: Callable[..., Outcome | None], how: dict[str, Any]) -> NativeFunction:
    return lambda call: function(call, how)


def _block(call: Call) -> int | None:
    """The block size that the call asks for; None is the codec's own."""
    value = call.params.get("block_size")
    return value if isinstance(value, int) else None


def _quant(call: Call, how: dict[str, Any]) -> Outcome | None:
    x, block = call.inputs["x"], _block(call)
    bits = call.number("bits", call.number("precision_bits", 2))
    if x.size == 0 or bits != 2 or call.params.get("use_asymmetric") is True:
        return None
    levels = "bits" in call.params
    if levels and (not np.isfinite(x).any() or (block or 4) < 4):
        return None  # these functions neither refuse such data nor raise the block
    b = quantize_blocks(x, call.codec, block, **how)
    if levels:
        return _levels(b, how)
    outputs: Arrays = {"data": b.data, "scales": b.scales}
    meta = tensor_meta("", b.block, b.data, b.scales, b.shape)
    del meta["qtype"]
    try:
        outputs["dequantized"] = dequantize_blocks(b, **how)
    except FormatError as error:
        return Outcome(outputs, meta | {"dequantize_error": str(error)})
    if "dequantize_block_size" in call.params:
        other = call.number("dequantize_block_size", b.block)
        outputs["dequantized_other"] = dequantize_blocks(b, other, **how)
    return Outcome(outputs, meta)


def _levels(b: Blocks, how: dict[str, Any]) -> Outcome:
    flat = replace(b, shape=(int(np.prod(b.shape)),))
    levels = unpack2(b.data)[: flat.shape[0]].astype(np.int8) - np.int8(2)
    values = dequantize_blocks(flat, **how)
    outputs: Arrays = {"levels": levels, "levels_scalar": levels, "scales": b.scales}
    return Outcome(outputs | {"dequantized": values})


def _device(call: Call, how: dict[str, Any]) -> Outcome | None:
    x = call.inputs["x"].reshape(-1)
    if x.size == 0:
        return None
    b = quantize_blocks(x, call.codec, _block(call), **how)
    values = dequantize_blocks(b, **how)
    outputs: Arrays = {"data": b.data, "scales": b.scales, "dequantized": values}
    return Outcome(outputs, {"block_size": b.block, "shape": list(b.shape)})


def _kernel(call: Call, how: dict[str, Any]) -> Outcome | None:
    x = call.inputs["x"].reshape(-1)
    if x.size == 0:
        return None
    data, scales = buffers(call, x.size, call.number("block_size", FAMILY[call.codec][1]))
    quantize_blocks(x, call.codec, _block(call), out=(data, scales), **how)
    return Outcome({"data": data, "scales": scales})


def _matmul_i2s(call: Call, how: dict[str, Any]) -> Outcome | None:
    a, b = call.inputs["a"], call.inputs["b"]
    m, n, k = sizes(call)
    if m * n * k == 0:
        return None
    # as recorded where the sizes do not fit: the kernel says so
    a = a.reshape(m, k) if a.size == m * k else a
    b = b.reshape(k, n) if b.size == k * n else b
    c_len = call.number("c_len", m * n)
    out = np.zeros((m, n) if c_len == m * n else c_len, np.float32)
    return Outcome({"c": matmul_i2s(a, b, out=out, **how)})


def _matmul(call: Call, how: dict[str, Any]) -> Outcome | None:
    m, n, k = (call.number(name, 0) for name in "mnk")
    block = call.number("block_size", 0)
    shapes = {"x": (m, k), "w": (n, -(-k // 4)), "scales": (n, -(-k // block) if block > 0 else 1)}
    arrays: list[NDArray[Any]] = []
    for name, shape in shapes.items():
        array, need = call.inputs[name], shape[0] * shape[1]
        # longer buffers are accepted, and what lies behind is not read
        fits = array.size >= need > 0
        arrays.append(array.reshape(-1)[:need].reshape(shape) if fits else array)
    c_len = call.number("c_len", m * n)
    out = np.zeros((m, n) if c_len >= m * n else c_len, np.float32)
    x, codes, scales = arrays
    return Outcome({"c": matmul_blocks(x, codes, scales, block, out=out, **how)})
