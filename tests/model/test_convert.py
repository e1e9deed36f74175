"""Conversions keep every weight where the type can, and say what was lost where it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize as ggml_dequantize

import bitnet_perf as bp
from bitnet_perf.model.convert import quantize_file
from bitnet_perf.model.gguf import read_gguf
from bitnet_perf.model.gguf_write import TensorSource, write_gguf
from bitnet_perf.model.synthetic import HEADS, TYPES
from bitnet_perf.model.weights import EMBEDDING

MATRIX = "blk.0.ffn_down.weight"


def packed(path, name=MATRIX):
    file = read_gguf(path)
    tensor = file.tensor(name)
    return bp.Packed.from_bytes(file.tensor_data(name), tensor.type, tensor.shape)


@pytest.mark.parametrize("target", TYPES)
@pytest.mark.parametrize("source", TYPES)
def test_every_pair_of_types_keeps_the_weights(tmp_path, source, target):
    old = bp.make_model(tmp_path / "old.gguf", "tiny", source, seed=5)
    made = quantize_file(old, tmp_path / "new.gguf", target)
    assert len(made.changes) == (0 if source == target else 14)
    before, after = packed(old), packed(made.path)
    assert after.format == target
    assert np.array_equal(bp.unpack(before), bp.unpack(after))
    half = {"tq1_0", "tq2_0"}
    lost = target in half and source not in half  # float32 scale to float16
    assert made.exact != lost
    for change in made.changes:
        assert change.error == (pytest.approx(0, abs=2**-11) if lost else 0)
    assert read_gguf(made.path).metadata["general.file_type"] == TYPES[target][1]


@pytest.mark.parametrize("target", HEADS)
@pytest.mark.parametrize("source", ["f32", "f16", "q6_k"])
def test_embeddings_become_another_format(tmp_path, source, target):
    """The new bytes mean, to gguf's own reader, the old weights within the error that is told."""
    old = bp.make_model(tmp_path / "old.gguf", "tiny", "tq2_0", source, 3, vocab=300)
    made = quantize_file(old, tmp_path / "new.gguf", "tq2_0", head=target)
    before, after = (ours(path) for path in (old, made.path))
    if source == target:
        assert made.changes == ()
        return
    (change,) = made.changes
    assert (change.name, change.source, change.target) == (EMBEDDING, source, target)
    lost = np.sqrt(np.mean((before - after) ** 2) / np.mean(before**2))
    assert change.error == pytest.approx(lost, rel=1e-4, abs=1e-12)
    assert (change.error == 0) == (target in {"f32", source} or (source, target) == ("q6_k", "f32"))
    bits = {"f32": 32, "f16": 11, "bf16": 8, "q8_0": 7, "q6_k": 5, "q4_0": 2, "q4_k": 3}[target]
    assert change.error < 2.0**-bits
    bp.Model.load(made.path, threads=1).forward([1, 2])


def ours(path):
    tensor = next(each for each in GGUFReader(path).tensors if each.name == EMBEDDING)
    return np.asarray(ggml_dequantize(tensor.data, tensor.tensor_type), np.float64).reshape(-1)


def test_a_head_that_is_no_format_is_refused(tmp_path):
    old = bp.make_model(tmp_path / "old.gguf", "tiny", vocab=300)
    with pytest.raises(bp.ConfigError, match="head: found 'q5_0', accepted are f32, f16"):
        quantize_file(old, tmp_path / "new.gguf", "i2_s", head="q5_0")
    assert not (tmp_path / "new.gguf").exists()


def test_there_and_back_is_the_same_file(tmp_path):
    first = bp.make_model(tmp_path / "a.gguf", "tiny", "tq2_0", seed=1)
    between = quantize_file(first, tmp_path / "b.gguf", "tq1_0").path
    assert quantize_file(between, tmp_path / "c.gguf", "tq2_0").path.read_bytes() == (
        first.read_bytes()
    )


def test_scales_of_blocks_are_kept(tmp_path):
    """What one scale cannot say survives between the block types, and has an error elsewhere."""
    rng = np.random.default_rng(0)
    scales = rng.uniform(0.5, 2, (4, 2)).astype(np.float16)
    blocks = bp.pack(rng.integers(-1, 2, (4, 512)).astype(np.int8), "tq2_0").data.copy()
    blocks.reshape(8, 66)[:, -2:] = scales.reshape(-1, 1).view(np.uint8)
    old = write(tmp_path / "old.gguf", blocks, (4, 512), 35)
    exact = quantize_file(old, tmp_path / "tq1.gguf", "tq1_0")
    assert exact.exact
    (theirs,) = GGUFReader(exact.path).tensors
    assert theirs.tensor_type == GGMLQuantizationType.TQ1_0
    want = bp.dequantize(packed(old))
    assert np.array_equal(ggml_dequantize(theirs.data, theirs.tensor_type), want)
    lossy = quantize_file(old, tmp_path / "i2.gguf", "i2_s")
    (change,) = lossy.changes
    found = bp.dequantize(packed(lossy.path))
    error = np.sqrt(np.mean((want - found) ** 2) / np.mean(want**2))
    assert change.error == pytest.approx(float(error), rel=1e-6)
    assert change.error > 0.1


@pytest.mark.parametrize(("ggml_type", "dtype"), [(0, np.float32), (1, np.float16)])
@pytest.mark.parametrize("rule", ["absmean", "absmax_sign"])
def test_floats_are_quantized_by_the_rule(tmp_path, ggml_type, dtype, rule):
    weights = np.random.default_rng(1).normal(0, 0.02, (32, 256)).astype(dtype)
    old = write(tmp_path / "old.gguf", weights, weights.shape, ggml_type)
    made = quantize_file(old, tmp_path / "new.gguf", "i2_s", rule=rule)
    want = bp.quantize(weights, "i2_s", rule)
    assert np.array_equal(packed(made.path).data, want.data)
    assert made.changes[0].error > 0


def write(path, array, shape, ggml_type):
    data = array.tobytes()
    tensor = TensorSource(MATRIX, shape, ggml_type, len(data), lambda: [data])
    return write_gguf(path, {"general.architecture": "bitnet"}, [tensor])


def test_what_cannot_be_converted(tmp_path):
    tiny = bp.make_model(tmp_path / "x.gguf")
    with pytest.raises(bp.ConfigError, match="q4_0"):
        quantize_file(tiny, tmp_path / "y.gguf", "q4_0")
    with pytest.raises(bp.ConfigError, match="another file than the source"):
        quantize_file(tiny, tiny, "tl1")
    weights = np.zeros((32, 96), np.float32)
    odd = write(tmp_path / "odd.gguf", weights, weights.shape, 0)
    with pytest.raises(bp.ModelError, match=rf"tensor {MATRIX}: found rows of 96"):
        quantize_file(odd, tmp_path / "y.gguf", "i2_s")
    weights = np.full((32, 256), np.nan, np.float32)
    bad = write(tmp_path / "nan.gguf", weights, weights.shape, 0)
    with pytest.raises(bp.ModelError, match=rf"tensor {MATRIX}: .*nan"):
        quantize_file(bad, tmp_path / "y.gguf", "i2_s")
    assert not (tmp_path / "y.gguf").exists()
