"""Small models on the emulated GPU beside the CPU's engine with the same int8 head."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from reference.cuda_w2a8 import quantize_q8_act

from bitnet_perf import _native
from bitnet_perf.kernels.cuda.launch import Emulated
from bitnet_perf.model import synthetic
from bitnet_perf.model.config import read_config
from bitnet_perf.model.gguf import read_gguf
from bitnet_perf.model.gpu_engine import GpuEngine
from bitnet_perf.model.model import _engine_config
from bitnet_perf.model.sequence import TokenSequence
from bitnet_perf.model.weights import AS_STORED, EMBEDDING, load_weights

# As small as a model with grouped heads can be that the kernels take.
MINI = synthetic.ModelShape(
    layers=2, width=128, ffn=256, heads=2, kv_heads=1, vocab=260, context=96, rope_base=10000.0,
    like="nothing real",
)  # fmt: skip
PROMPT = [5, 250, 17, 17, 101]
MEDIAN, WORST = 1e-6, 3e-3  # of a row's NMSE; a rounding of int8 that falls the other way: 1e-4


def make_mini(folder, type="i2_s", head="f16"):
    """The path of a file of MINI in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(synthetic.SHAPES, "mini", MINI)
        return synthetic.make_model(folder / f"{type}-{head}.gguf", "mini", type, head, seed=3)


class Given:
    """An engine that is handed its weights, some of them left out or another in their place."""

    def __init__(self, engine, without=(), head=None):
        self.engine, self.without, self.head = engine, without, head

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def set_norm(self, layer, name, values):
        if name not in self.without:
            self.engine.set_norm(layer, name, values)

    def set_dense(self, name, data, format, N, K):
        if name == "output" and self.head is not None:
            data, format = self.head.view(np.uint8).reshape(-1), "f32"
        self.engine.set_dense(name, data, format, N, K)


@dataclass
class Pair:
    """The same model twice. `hidden`: an engine of the CPU whose first logits are the input of the
    head; `head`: float32 of the file."""

    gpu: GpuEngine
    cpu: object
    hidden: object
    head: np.ndarray
    width: int

    def expected(self, tokens):
        """Logits after each token, of the CPU's engine with the int8 head."""
        h = run(self.hidden, tokens)[:, : self.width]
        amax = np.maximum(np.abs(self.head).max(axis=1), np.float32(1e-5))
        weights = np.rint(self.head * (np.float32(127) / amax)[:, None]).astype(np.int64)
        values, scale, _ = quantize_q8_act(h)
        sums = (values.astype(np.int64) @ weights.T).astype(np.float32)
        return sums / scale[:, None] * (amax / np.float32(127))


def run(engine, tokens, cuts=None):
    """Logits after each token, the tokens in pieces."""
    with TokenSequence(engine) as sequence:
        ends = np.cumsum(cuts or [len(tokens)])
        begins = [0, *ends[:-1]]
        return np.concatenate(
            [sequence.extend(tokens[b:e]) for b, e in zip(begins, ends, strict=True)]
        )


def pair_of(path, *, without=(), chunk=4, runner=None, **changes):
    """Engines of the model at `path` with another configuration."""
    file = read_gguf(path)
    tensor = file.tensor(EMBEDDING)
    config = replace(read_config(file.metadata, tensor.shape[0]), **changes)
    unit = np.zeros(tensor.shape, np.float32)
    np.fill_diagonal(unit, 1)
    gpu = GpuEngine(config, runner or Emulated(), tensor.type, chunk=chunk)
    cpu, hidden = (_native.Engine(_engine_config(config)) for _ in range(2))
    load_weights(Given(gpu, without), file, config.layers, layout=AS_STORED)
    load_weights(Given(cpu, without), file, config.layers)
    load_weights(Given(hidden, without, unit), file, config.layers)
    ids = np.arange(tensor.shape[0], dtype=np.int32)
    head = _native.embed(file.tensor_data(tensor.name), tensor.type, *tensor.shape, ids)
    return Pair(gpu, cpu, hidden, head, config.width)


def nmse(found, expected):
    """Of each row."""
    wide = found.astype(np.float64) - expected
    return (wide**2).sum(axis=1) / (expected.astype(np.float64) ** 2).sum(axis=1)


def agree(found, expected):
    """Whether logits are the same but for what one rounding of int8 does."""
    error = nmse(found, expected)
    return bool(np.median(error) <= MEDIAN and error.max() <= WORST)
