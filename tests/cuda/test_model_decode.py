"""A model on the GPU, on the emulator: its logits are those of the CPU's engine."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_models import MINI, PROMPT, agree, nmse, pair_of, run

from bitnet_perf.model import synthetic

SUB_NORMS = ("attn_sub_norm", "ffn_sub_norm")
TOKENS = [*PROMPT, 9, 77, 9]
VARIANTS = {
    "relu2, sub norms": ("i2_s", {}),
    "silu, neighbours": ("tl2", {"activation": "silu", "rope_interleaved": True}),
    "no sub norms": ("tl1", {"without": SUB_NORMS, "activation": "silu"}),
}
HEAD = 5e-4  # NMSE that int8 adds to a head: two errors of 2^-2 (amax / 127)^2 / 3 in the mean


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Paths of small models by the type of their matrices."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(synthetic.SHAPES, "mini", MINI)
        return {
            type: synthetic.make_model(folder / f"{type}.gguf", "mini", type, seed=3)
            for type in ("i2_s", "tl1", "tl2")
        }


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_are_those_of_the_cpu(made, variant):
    type, changes = VARIANTS[variant]
    both = pair_of(made[type], **changes)
    found = run(both.gpu, TOKENS, cuts=[5, 1, 1, 1])  # a prompt in two pieces, three tokens
    assert agree(found, both.expected(TOKENS))
    own = run(both.cpu, TOKENS)
    assert nmse(found, own).max() < HEAD
    order = np.sort(own, axis=1)
    clear = order[:, -1] - order[:, -2] > 0.1 * own.std(axis=1)
    assert clear.any()
    assert np.array_equal(found.argmax(axis=1)[clear], own.argmax(axis=1)[clear])
