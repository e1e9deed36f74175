"""Files that are no usable model: one error that names the key or tensor."""

from __future__ import annotations

import os

import numpy as np
import pytest

import bitnet_perf as bp
from bitnet_perf.model.gguf import read_gguf
from bitnet_perf.model.gguf_write import TensorSource, write_gguf


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return bp.make_model(tmp_path_factory.mktemp("model") / "tiny.gguf", vocab=300)


def rewritten(tiny, path, *, keys=None, drop=(), change=None, rename=None, add=()):
    """The model again, with keys, tensors and bytes changed."""
    file = read_gguf(tiny)
    metadata = {**file.metadata, **(keys or {})}
    tensors = []
    for tensor in file.tensors:
        if tensor.name in drop:
            continue
        data = file.tensor_data(tensor.name)
        if change and tensor.name in change:
            change[tensor.name](data)
        name = (rename or {}).get(tensor.name, tensor.name)
        shape = tensor.shape
        tensors.append(
            TensorSource(name, shape, tensor.ggml_type, data.nbytes, lambda data=data: [data])
        )
    metadata = {key: value for key, value in metadata.items() if value is not None}
    return write_gguf(path, metadata, [*tensors, *add])


def set_floats(at, value):
    def change(data):
        data[at : at + 4] = np.frombuffer(np.float32(value).tobytes(), np.uint8)

    return change


ARCH = "bitnet-b1.58"
GATE = "blk.1.ffn_gate.weight"  # i2_s [512, 256]: its scale stands at byte 32768


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"general.architecture": "gpt2"}, "type 36 of architecture 'gpt2'"),
        ({f"{ARCH}.context_length": -1}, f"{ARCH}.context_length: found -1"),
        ({f"{ARCH}.block_count": None}, f"{ARCH}.block_count: not in the file; it has {ARCH}"),
        ({f"{ARCH}.block_count": 3}, "tensor blk.2.attn_norm.weight: not in the file"),
        ({f"{ARCH}.block_count": 1}, "tensor blk.1.attn_norm.weight: no part of a model of 1"),
        ({f"{ARCH}.embedding_length": 0}, f"{ARCH}.embedding_length: found 0"),
        ({f"{ARCH}.embedding_length": 512}, "token_embd.weight: found shape"),
        ({f"{ARCH}.feed_forward_length": 1024}, "ffn_gate.weight: .*512, 256"),
        ({f"{ARCH}.attention.head_count": 3}, "head_count_kv: found 2"),
        ({f"{ARCH}.attention.head_count": "4"}, "head_count: found '4'"),
        ({f"{ARCH}.attention.layer_norm_rms_epsilon": 0.0}, "epsilon: found 0.0"),
        ({f"{ARCH}.attention.layer_norm_rms_epsilon": float("nan")}, "epsilon: found nan"),
        ({f"{ARCH}.rope.dimension_count": 65}, "rope.dimension_count: found 65"),
        ({f"{ARCH}.rope.scaling.type": "yarn"}, "rope.scaling.type: found 'yarn'"),
        ({f"{ARCH}.vocab_size": 301}, f"{ARCH}.vocab_size: found 301, accepted is 300"),
        ({"tokenizer.ggml.tokens": ["a", "b"]}, "tokenizer.ggml.tokens: found 2 tokens"),
        ({f"{ARCH}.hidden_activation": "gelu"}, "hidden_activation: found 'gelu'"),
    ],
)
def test_keys_that_cannot_be(tiny, tmp_path, keys, text):
    path = rewritten(tiny, tmp_path / "bad.gguf", keys=keys)
    with pytest.raises(bp.ModelError, match=text):
        bp.Model.load(path)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"drop": ["output_norm.weight"]}, "tensor output_norm.weight: not in the file"),
        ({"drop": ["token_embd.weight"]}, "no tensor 'token_embd.weight'; there are"),
        ({"rename": {GATE: "blk.1.ffn_gate.bias"}}, f"tensor {GATE}: not in the file"),
        (
            {"change": {"output_norm.weight": set_floats(8, np.inf)}},
            r"tensor output_norm.weight: found inf at \[2\]",
        ),
        ({"change": {GATE: set_floats(32768, np.nan)}}, f"tensor {GATE}: found scale nan at"),
        (
            {"change": {GATE: lambda data: data.__setitem__(100, 0xFF)}},
            f"tensor {GATE}: found byte 255 at offset",
        ),
    ],
)
def test_tensors_that_cannot_be(tiny, tmp_path, arguments, text):
    path = rewritten(tiny, tmp_path / "bad.gguf", **arguments)
    with pytest.raises(bp.ModelError, match=text):
        bp.Model.load(path)


def test_a_bias_is_not_left_out_silently(tiny, tmp_path):
    bias = TensorSource("blk.0.attn_q.bias", (256,), 0, 1024, lambda: [bytes(1024)])
    path = rewritten(tiny, tmp_path / "bad.gguf", add=[bias])
    with pytest.raises(bp.ModelError, match=r"attn_q\.bias: no part of a model"):
        bp.Model.load(path)


def test_a_scale_tensor_multiplies(tiny, tmp_path):
    """`blk.N.<matrix>.scale` beside a matrix of scale s is a matrix of scale s * that."""
    half = np.array([0.5], np.float32)
    source = TensorSource("blk.1.ffn_gate.scale", (1,), 0, 4, lambda: [half])
    beside = bp.Model.load(rewritten(tiny, tmp_path / "a.gguf", add=[source]))

    def halve(data):
        scale = data[32768:32772].view(np.float32)
        scale *= np.float32(0.5)

    inside = bp.Model.load(rewritten(tiny, tmp_path / "b.gguf", change={GATE: halve}))
    assert np.array_equal(beside.forward([1, 2]), inside.forward([1, 2]))


def test_a_scale_of_zero_is_a_matrix_of_zeros(tiny, tmp_path):
    path = rewritten(tiny, tmp_path / "zero.gguf", change={GATE: set_floats(32768, 0.0)})
    assert np.isfinite(bp.Model.load(path).forward([1, 2])).all()


def test_weights_that_overflow_are_named(tiny, tmp_path):
    change = {GATE: set_floats(32768, 3e38)}
    model = bp.Model.load(rewritten(tiny, tmp_path / "huge.gguf", change=change))
    with pytest.raises(bp.ModelError, match=r"blk\.1: the input of ffn_down is NaN or infinite"):
        model.forward([1, 2])


def test_the_activation_of_the_file_and_of_the_caller(tiny, tmp_path):
    silu = rewritten(tiny, tmp_path / "silu.gguf", keys={f"{ARCH}.hidden_activation": "silu"})
    assert bp.Model.load(tiny).config.activation == "relu2"
    assert bp.Model.load(silu).config.activation == "silu"
    assert bp.Model.load(silu, activation="relu2").config.activation == "relu2"


def test_a_file_that_shrinks_while_it_is_loaded(tiny, tmp_path):
    path = rewritten(tiny, tmp_path / "short.gguf")
    file = read_gguf(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(bp.ModelError, match="shrank"):
        file.tensor_data("output_norm.weight")
    with pytest.raises(bp.ModelError):
        bp.Model.load(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(bp.ModelError, match=r"none\.gguf: cannot be opened"):
        bp.Model.load(tmp_path / "none.gguf")
