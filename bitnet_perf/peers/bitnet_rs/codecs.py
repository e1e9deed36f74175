"""The one list of BitNet.rs codecs and their oracles."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bitnet_perf.peers.bitnet_rs.common import Call, Oracle, Outcome
from bitnet_perf.peers.bitnet_rs.device import device
from bitnet_perf.peers.bitnet_rs.inline10 import inline10
from bitnet_perf.peers.bitnet_rs.iq2_s import iq2_s
from bitnet_perf.peers.bitnet_rs.kernel import kernel
from bitnet_perf.peers.bitnet_rs.matmul import matmul
from bitnet_perf.peers.bitnet_rs.matmul_i2s import matmul_i2s
from bitnet_perf.peers.bitnet_rs.qk256 import qk256
from bitnet_perf.peers.bitnet_rs.quant_i2s import quant_i2s
from bitnet_perf.peers.bitnet_rs.quant_tl1 import quant_tl1
from bitnet_perf.peers.bitnet_rs.quant_tl2 import quant_tl2

PREFIX = "bitnet_rs."


class Codec(NamedTuple):
    """A codec's name, without the prefix of the recorded ids, and its oracle."""

    name: str
    oracle: Oracle


CODECS: tuple[Codec, ...] = (
    Codec("quant.i2s", quant_i2s),
    Codec("quant.tl1", quant_tl1),
    Codec("quant.tl2", quant_tl2),
    Codec("device.i2s", device),
    Codec("device.tl1", device),
    Codec("device.tl2", device),
    Codec("kernel.i2s", kernel),
    Codec("kernel.tl1", kernel),
    Codec("kernel.tl2", kernel),
    Codec("matmul_i2s", matmul_i2s),
    Codec("matmul", matmul),
    Codec("qk256", qk256),
    Codec("inline10", inline10),
    Codec("iq2_s", iq2_s),
)
NAMES = tuple(codec.name for codec in CODECS)
ORACLES: dict[str, Oracle] = {codec.name: codec.oracle for codec in CODECS}


def run_oracle(call: Call) -> Outcome:
    """Outcome of `call` by its codec's oracle; raises `Refusal` where the crate refuses."""
    with np.errstate(all="ignore"):
        return ORACLES[call.codec](call)


def at_scalar_level(call: Call) -> Call:
    """The same work as `call`, done by the crates' scalar code: what our kernels must equal."""
    run = "i2s_matmul_f32" if call.codec == "matmul" else "scalar"
    sizes = {name: value for name, value in call.run_params.items() if name == "out_len"}
    return replace(call, run=run, run_params=sizes, hidden=False)
