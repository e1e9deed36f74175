"""The crates' scalar level as a table of kernels: what our native kernels must equal."""

import dataclasses

from bitnet_perf.errors import ShapeError
from bitnet_perf.peers.bitnet_rs.codecs import CODECS, run_oracle
from bitnet_perf.peers.bitnet_rs.common import Outcome, Refusal

WITHOUT_KERNEL = ("qk256", "inline10", "iq2_s")
OWN_META = ("block_size", "compression_ratio", "shape", "dequantize_error")


def at_scalar_level(call):
    """The same work as `call`, as the scalar level does it."""
    run = "i2s_matmul_f32" if call.codec == "matmul" else "scalar"
    sizes = {k: v for k, v in call.run_params.items() if k == "out_len"}
    return dataclasses.replace(call, run=run, run_params=sizes, hidden=False)


def scalar_kernel(call):
    """Outcome as a kernel gives it: arrays, and meta about the tensor alone."""
    try:
        outcome = run_oracle(at_scalar_level(call))
    except Refusal as refusal:
        raise ShapeError(str(refusal)) from refusal
    return Outcome(outcome.outputs, {k: v for k, v in outcome.meta.items() if k in OWN_META})


SCALAR_TABLE = {c.name: scalar_kernel for c in CODECS if c.name not in WITHOUT_KERNEL}
