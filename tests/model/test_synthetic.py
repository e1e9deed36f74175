"""Synthetic models: every type and head loads and runs, the same seed gives the same file."""

from __future__ import annotations

import hashlib
from itertools import product

import numpy as np
import pytest
from gguf import GGUFReader
from gguf.quants import dequantize

import bitnet_perf as bp
from bitnet_perf.model.gguf import read_gguf
from bitnet_perf.model.synthetic import EMBEDDING_DEVIATION, HEADS, SHAPES, TYPES


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("type", "head"), list(product(TYPES, ("f16", "q6_k"))))
def test_every_type_runs(tmp_path, type, head):
    path = bp.make_model(tmp_path / "x.gguf", "tiny", type, head)
    logits = bp.Model.load(path).forward([1, 2, 3])
    assert logits.shape == (3, SHAPES["tiny"].vocab)
    assert np.isfinite(logits).all()
    assert 0.01 < logits.std() < 10


@pytest.mark.parametrize("head", HEADS)
def test_every_head_runs_and_has_the_stated_spread(tmp_path, head):
    path = bp.make_model(tmp_path / "x.gguf", "tiny", "tq2_0", head)
    tensor = next(t for t in GGUFReader(path).tensors if t.name == "token_embd.weight")
    values = dequantize(tensor.data, tensor.tensor_type)
    assert values.shape == (1024, 256)
    assert abs(values.std() / EMBEDDING_DEVIATION - 1) < 0.15
    assert abs(values.mean()) < EMBEDDING_DEVIATION / 5  # q4_0 reaches from -8 to 7
    assert np.isfinite(bp.Model.load(path).forward([5])).all()


def test_the_same_seed_gives_the_same_file(tmp_path):
    first, again, other = (
        digest(bp.make_model(tmp_path / name, seed=seed, threads=threads))
        for name, seed, threads in (("a", 3, 1), ("b", 3, 2), ("c", 4, 1))
    )
    assert first == again != other


def test_types_of_one_seed_hold_the_same_weights(tmp_path):
    """The formats differ, the model is one: logits of both block formats are equal bits."""
    found = [
        bp.Model.load(bp.make_model(tmp_path / type, "tiny", type, seed=2)).forward([7, 8])
        for type in ("tq1_0", "tq2_0")
    ]
    assert np.array_equal(found[0], found[1])


def test_it_says_that_it_is_synthetic(tmp_path):
    assert read_gguf(bp.make_model(tmp_path / "x.gguf")).metadata["bitnet_perf.synthetic"] is True


def test_another_vocabulary(tmp_path):
    path = bp.make_model(tmp_path / "x.gguf", vocab=300)
    model = bp.Model.load(path)
    assert model.config.vocab == 300
    assert model.tokenizer.decode(model.tokenizer.encode("abc")) == "abc"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"shape": "70b"}, bp.ConfigError),
        ({"type": "q4_0"}, bp.ConfigError),
        ({"head": "q2_k"}, bp.ConfigError),
        ({"shape": "3b", "type": "i2_s"}, bp.ConfigError),
        ({"vocab": 10}, bp.ConfigError),
    ],
)
def test_what_cannot_be_made(tmp_path, arguments, error):
    with pytest.raises(error):
        bp.make_model(tmp_path / "x.gguf", **arguments)
    assert not list(tmp_path.iterdir())
