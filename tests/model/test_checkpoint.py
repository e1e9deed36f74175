"""A checkpoint runs: its logits are those of a plain NumPy forward pass over what was written."""

from __future__ import annotations

import numpy as np
import pytest
from reference import model as oracle
from reference.checkpoint import (
    CONFIG,
    HEADS,
    KV_HEADS,
    NAMES,
    NORMS,
    bf16,
    tensors,
    without,
    write,
)

import bitnet_perf as bp

TOKENS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]


def reference(content, ternary, scale, *, head=None, interleaved=False):
    """What was written, under the names of GGUF."""
    floats = {
        "token_embd": content["model.embed_tokens.weight"].astype(np.float32),
        "output_norm": content["model.norm.weight"].astype(np.float32),
    }
    for layer in range(2):
        for name, (short, _) in NORMS.items():
            key = f"model.layers.{layer}.{name}.weight"
            if key in content:
                floats[f"blk.{layer}.{short}"] = content[key].astype(np.float32)
    if head is not None:
        floats["output"] = head
    matrices = {name.removesuffix(".weight"): (w, scale) for name, w in ternary.items()}
    return oracle.Weights(HEADS, KV_HEADS, 1e-5, 500000.0, matrices, floats, 2, interleaved)


def nmse(found, want):
    return ((found - want) ** 2).sum(axis=1) / (want**2).sum(axis=1)


@pytest.mark.parametrize("activation", ["relu2", "silu"])
@pytest.mark.parametrize("kv", ["f16", "f32"])
@pytest.mark.parametrize("isa", [None, "scalar"])
def test_logits_are_the_oracles(tmp_path, activation, kv, isa):
    content, ternary = tensors()
    folder = write(tmp_path, CONFIG, content)
    model = bp.Model.load(folder, activation=activation, kv=kv, isa=isa)
    found = model.forward(TOKENS)
    how = oracle.Arithmetic(activation, half_kv=kv == "f16")
    want = oracle.forward(reference(content, ternary, 1.25), TOKENS, how)
    error = nmse(found, want)
    assert np.median(error) < 1e-9
    assert error.max() < 2e-3  # one int8 value that rounds the other way


@pytest.mark.parametrize("heads", [32, 64])
def test_heads_that_are_no_whole_vectors(tmp_path, heads):
    """bitnet_b1_58-3B has heads of 100; here they are 4 and 2 wide."""
    content, ternary = tensors()
    config = {**CONFIG, "num_attention_heads": heads, "num_key_value_heads": heads // 2}
    model = bp.Model.load(write(tmp_path, config, content))
    weights = reference(content, ternary, 1.25)
    weights.heads, weights.kv_heads = heads, heads // 2
    want = oracle.forward(weights, TOKENS, oracle.Arithmetic("relu2"))
    error = nmse(model.forward(TOKENS), want)
    assert np.median(error) < 1e-9
    assert error.max() < 2e-3
    with model.sequence() as sequence:
        steps = np.concatenate([sequence.extend([token]) for token in TOKENS])
        assert sequence.cache_bytes == 64 * model.config.kv_bytes_per_token
    assert np.array_equal(model.forward(TOKENS), steps)


def test_master_weights_run_as_their_ternary_values(tmp_path):
    content, ternary = tensors(master=True)
    config = without(CONFIG, "quantization_config")
    model = bp.Model.load(write(tmp_path, config, content), kv="f32")
    scales = {
        name: float(np.abs(content[key].astype(np.float32)).mean())
        for key, name in (
            (f"model.layers.{i}.{long}.weight", f"blk.{i}.{short}.weight")
            for i in range(2)
            for long, short in NAMES.items()
        )
    }
    weights = reference(content, ternary, 1.0)
    weights.ternary = {
        name.removesuffix(".weight"): (w, scales[name]) for name, w in ternary.items()
    }
    want = oracle.forward(weights, TOKENS, oracle.Arithmetic("relu2", half_kv=False))
    assert np.median(nmse(model.forward(TOKENS), want)) < 1e-9


def test_a_head_of_its_own(tmp_path):
    content, ternary = tensors()
    head = np.random.default_rng(2).standard_normal(
        content["model.embed_tokens.weight"].shape
    ).astype(np.float32)  # fmt: skip
    content["lm_head.weight"] = head
    config = {**CONFIG, "tie_word_embeddings": False}
    model = bp.Model.load(write(tmp_path, config, content), kv="f32")
    want = oracle.forward(
        reference(content, ternary, 1.25, head=head), TOKENS,
        oracle.Arithmetic("relu2", half_kv=False),
    )  # fmt: skip
    assert np.median(nmse(model.forward(TOKENS), want)) < 1e-9
    names = model.kernels
    assert any(name.startswith("embed/bf16/") for name in names)
    assert any(name.startswith("gemv_dense/f32/") for name in names)


def test_a_checkpoint_without_a_tokenizer_generates_from_ids(tmp_path):
    content, _ = tensors()
    model = bp.Model.load(write(tmp_path, CONFIG, content))
    made = model.generate([1, 2], 4)
    assert len(made.tokens) == 4
    assert made.text == ""
    with pytest.raises(bp.ModelError, match=r"tokenizer\.json"):
        model.generate("text", 4)


def test_what_is_missing_is_named(tmp_path):
    content, _ = tensors()
    del content["model.layers.1.input_layernorm.weight"]
    with pytest.raises(bp.ModelError, match=r"blk\.1\.attn_norm\.weight: not in the file"):
        bp.Model.load(write(tmp_path, CONFIG, content))


def test_a_norm_that_is_not_finite(tmp_path):
    content, _ = tensors()
    norm = content["model.norm.weight"].astype(np.float32)
    norm[7] = np.inf
    content["model.norm.weight"] = bf16(norm)
    with pytest.raises(bp.ModelError, match=r"output_norm\.weight: found inf at \[7\]"):
        bp.Model.load(write(tmp_path, CONFIG, content))
