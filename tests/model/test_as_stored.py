"""Weights in the layout of the file give the logits of the layout that `load` makes."""

from __future__ import annotations

import numpy as np
import pytest

import bitnet_perf as bp
from bitnet_perf.model.as_stored import load_as_stored
from bitnet_perf.model.synthetic import TYPES


@pytest.mark.parametrize("type_", TYPES)
def test_logits_are_equal_to_the_bit(tmp_path, type_):
    path = bp.make_model(tmp_path / "x.gguf", "tiny", type_, vocab=300)
    stored, loaded = load_as_stored(path, threads=1), bp.Model.load(path, threads=1)
    assert {name.split("/")[1] for name in stored.kernels if name.startswith("gemv/")} == {type_}
    assert type_ not in {name.split("/")[1] for name in loaded.kernels}
    tokens = [1, 2, 299, 7]
    assert np.array_equal(stored.forward(tokens), loaded.forward(tokens))
