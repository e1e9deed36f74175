"""Checkpoints of Hugging Face that the tests write, packed as transformers packs them."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

import numpy as np
import pytest
from reference.checkpoint import (
    CONFIG,
    FFN,
    HEADS,
    KV_HEADS,
    NORMS,
    OFFLINE,
    VOCAB,
    WIDTH,
    bf16,
    tensors,
    without,
    write,
)  # fmt: skip
from safetensors.numpy import save_file

from bitnet_perf import _native
from bitnet_perf.errors import EnvironmentRefused, ModelError
from bitnet_perf.formats import Packed, unpack
from bitnet_perf.model.safetensors import read_checkpoint


def test_a_packed_checkpoint(tmp_path):
    content, wanted = tensors()
    found = read_checkpoint(write(tmp_path, CONFIG, content))
    assert set(found.names) == {
        *wanted, "token_embd.weight", "output_norm.weight",
        *(f"blk.{i}.{name}.weight" for i in range(2) for name, _ in NORMS.values()),
    }  # fmt: skip
    for name, ternary in wanted.items():
        w = found.tensor(name)
        assert isinstance(w, Packed)
        assert (w.format, w.shape, w.scale) == ("i2_s", ternary.shape, 1.25)
        assert np.array_equal(unpack(w), ternary), name
    embedding = found.tensor("token_embd.weight")
    assert isinstance(embedding, np.ndarray)
    assert embedding.dtype == np.float32
    assert np.array_equal(embedding, content["model.embed_tokens.weight"].astype(np.float32))
    for name, (short, _) in NORMS.items():
        norm = content[f"model.layers.1.{name}.weight"].astype(np.float32)
        assert np.array_equal(found.tensor(f"blk.1.{short}.weight"), norm)
    assert found.metadata == {
        "general.architecture": "bitnet-b1.58",
        "bitnet-b1.58.embedding_length": WIDTH,
        "bitnet-b1.58.block_count": 2,
        "bitnet-b1.58.feed_forward_length": FFN,
        "bitnet-b1.58.attention.head_count": HEADS,
        "bitnet-b1.58.attention.head_count_kv": KV_HEADS,
        "bitnet-b1.58.context_length": 64,
        "bitnet-b1.58.attention.layer_norm_rms_epsilon": 1e-5,
        "bitnet-b1.58.rope.freq_base": 500000.0,
        "bitnet-b1.58.vocab_size": VOCAB,
        "bitnet-b1.58.hidden_activation": "relu2",
    }


def test_the_example_of_transformers(tmp_path):
    """The bytes of the docstring of unpack_weights."""
    content, _ = tensors()
    matrix = np.zeros((2, 128), np.uint8)
    matrix[:, 0], matrix[:, 1] = (0b10100001, 0b10010000), (0b00011000, 0b00001010)
    content["model.layers.0.mlp.up_proj.weight"] = matrix
    w = read_checkpoint(write(tmp_path, CONFIG, content)).tensor("blk.0.ffn_up.weight")
    assert isinstance(w, Packed)
    assert unpack(w)[:, :2].tolist() == [
        [0, -1], [-1, 1], [-1, 1], [-1, 1], [1, 0], [0, -1], [1, -1], [1, -1],
    ]  # fmt: skip


@pytest.mark.parametrize("named", ["bitlinear", None])
def test_bitlinear_divides_by_its_scale(tmp_path, named):
    quantization = {"quant_method": "bitnet"} | ({"linear_class": named} if named else {})
    content, wanted = tensors()
    found = read_checkpoint(
        write(tmp_path, CONFIG | {"quantization_config": quantization}, content)
    )
    w = found.tensor("blk.1.ffn_down.weight")
    assert isinstance(w, Packed)
    assert w.scale == np.float32(1) / np.float32(1.25)
    assert np.array_equal(unpack(w), wanted["blk.1.ffn_down.weight"])


@pytest.mark.parametrize("dtype", ["bf16", "f16", "f32"])
def test_master_weights_are_ternarized_by_absmean(tmp_path, dtype):
    content, _ = tensors(master=True)
    weights = np.random.default_rng(8).standard_normal((FFN, WIDTH), np.float32)
    stored = {"bf16": bf16(weights), "f16": weights.astype(np.float16), "f32": weights}[dtype]
    content["model.layers.0.mlp.up_proj.weight"] = stored
    config = CONFIG | {"quantization_config": OFFLINE | {"quantization_mode": "online"}}
    w = read_checkpoint(write(tmp_path, config, content)).tensor("blk.0.ffn_up.weight")
    assert isinstance(w, Packed)
    exact = stored.astype(np.float32)
    scale = np.float32(np.abs(exact).mean(dtype=np.float64))
    assert w.scale == pytest.approx(float(scale), rel=1e-6)
    assert np.array_equal(unpack(w), np.clip(np.round(exact / scale), -1, 1))


def test_the_first_models_say_nothing_of_quantization(tmp_path):
    config = without(CONFIG, "quantization_config") | {
        "architectures": ["BitnetForCausalLM"],
        "hidden_act": "silu",
    }
    content, wanted = tensors(master=True)
    for layer in range(2):
        begin = f"model.layers.{layer}."
        content[f"{begin}self_attn.inner_attn_ln.weight"] = content.pop(
            f"{begin}self_attn.attn_sub_norm.weight"
        )
        content[f"{begin}mlp.ffn_layernorm.weight"] = content.pop(f"{begin}mlp.ffn_sub_norm.weight")
        content[f"{begin}self_attn.rotary_emb.inv_freq"] = np.ones(16, np.float32)
    found = read_checkpoint(write(tmp_path, config, content))
    assert found.metadata["general.architecture"] == "bitnet"
    assert found.metadata["bitnet.hidden_activation"] == "silu"
    assert "blk.1.attn_sub_norm.weight" in found.names
    assert "blk.0.ffn_sub_norm.weight" in found.names
    w = found.tensor("blk.0.attn_q.weight")
    assert isinstance(w, Packed)
    assert np.array_equal(unpack(w), wanted["blk.0.attn_q.weight"])


@pytest.mark.parametrize("master", [False, True])
def test_llama_has_its_heads_in_the_order_of_gguf(tmp_path, master):
    quantization = OFFLINE | {"quantization_mode": "online" if master else "offline"}
    config = CONFIG | {
        "architectures": ["LlamaForCausalLM"],
        "hidden_act": "silu",
        "quantization_config": quantization,
    }
    content, wanted = tensors(master)
    found = read_checkpoint(write(tmp_path, config, content))
    for name, heads in (("attn_q", HEADS), ("attn_k", KV_HEADS)):
        w = found.tensor(f"blk.0.{name}.weight")
        assert isinstance(w, Packed)
        rows, ternary = unpack(w), wanted[f"blk.0.{name}.weight"]
        size = len(ternary) // heads
        for head in range(heads):
            for i in range(size // 2):  # the pair (i, i + size / 2) is now (2i, 2i + 1)
                at = head * size
                assert np.array_equal(rows[at + 2 * i], ternary[at + i])
                assert np.array_equal(rows[at + 2 * i + 1], ternary[at + i + size // 2])
    w = found.tensor("blk.0.attn_v.weight")
    assert isinstance(w, Packed)
    assert np.array_equal(unpack(w), wanted["blk.0.attn_v.weight"])


@pytest.mark.parametrize("tied", [True, False])
def test_a_head_of_its_own(tmp_path, tied):
    content, _ = tensors()
    content["lm_head.weight"] = bf16(np.full((VOCAB, WIDTH), 0.5))
    found = read_checkpoint(write(tmp_path, CONFIG | {"tie_word_embeddings": tied}, content))
    assert ("output.weight" in found.names) == (not tied)
    if not tied:
        assert np.array_equal(found.tensor("output.weight"), np.full((VOCAB, WIDTH), 0.5))


def test_several_files(tmp_path):
    content, wanted = tensors()
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    names = sorted(content)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: content[name] for name in part}, tmp_path / file)
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    found = read_checkpoint(tmp_path)
    for name, ternary in wanted.items():
        w = found.tensor(name)
        assert isinstance(w, Packed)
        assert np.array_equal(unpack(w), ternary)
    save_file(content, tmp_path / "b.safetensors")
    with pytest.raises(
        ModelError, match=r"b.safetensors: tensor .* found twice, in .*a.safetensors"
    ):
        read_checkpoint(tmp_path)


UP = "model.layers.0.mlp.up_proj.weight"
WRONG_TENSORS: dict[str, tuple[dict[str, Any], str]] = {
    "code 3": ({UP: np.full((64, 128), 0xFF, np.uint8)}, rf"tensor '{UP}': .*found 2 at"),
    "no matrix": ({UP: np.zeros(128, np.uint8)}, r"found U8\[128\], accepted is a matrix"),
    "empty": ({UP: np.zeros((0, 128), np.uint8)}, r"found U8\[0, 128\], accepted is a matrix"),
    "float": ({UP: bf16(np.zeros((FFN, WIDTH)))}, r"found BF16, by config.json .* are packed"),
    "integers": ({UP: np.zeros((FFN, WIDTH), np.int64)}, r"found I64, by config.json the weights"),
    "scale 0": ({UP + "_scale": bf16([0.0])}, r"found \[0.0\], accepted is one finite scale above"),
    "scale NaN": ({UP + "_scale": bf16([np.nan])}, r"found \[nan\], accepted"),
    "two scales": ({UP + "_scale": bf16([1, 2])}, r"found \[1.0, 2.0\], accepted"),
    "type of scale": ({UP + "_scale": np.ones(1, np.int8)}, r"found I8\[1\], accepted is F32, F16"),
}


@pytest.mark.parametrize("case", WRONG_TENSORS)
def test_a_tensor_that_is_wrong_is_named(tmp_path, case):
    change, words = WRONG_TENSORS[case]
    found = read_checkpoint(write(tmp_path, CONFIG, tensors()[0] | change))
    with pytest.raises(
        ModelError, match=rf"^{re.escape(str(tmp_path))}/model.safetensors: .*{words}"
    ):
        found.tensor("blk.0.ffn_up.weight")
    assert isinstance(found.tensor("blk.1.ffn_up.weight"), Packed)


def test_weights_that_are_not_finite(tmp_path):
    content, _ = tensors(master=True)
    content[UP][3, 4] = np.inf
    config = CONFIG | {"quantization_config": OFFLINE | {"quantization_mode": "online"}}
    found = read_checkpoint(write(tmp_path, config, content))
    with pytest.raises(ModelError, match=rf"tensor '{UP}': .*inf"):
        found.tensor("blk.0.ffn_up.weight")


def test_a_packed_tensor_without_scale_and_one_that_is_not_there(tmp_path):
    content, _ = tensors()
    del content[UP + "_scale"]
    found = read_checkpoint(write(tmp_path, CONFIG, content))
    with pytest.raises(
        ModelError, match=rf"tensor '{UP}' is packed, and '{UP}_scale' is not there"
    ):
        found.tensor("blk.0.ffn_up.weight")
    for name in ("blk.7.ffn_up.weight", "blk.0.ffn_up.scale", ""):
        with pytest.raises(ModelError, match=r"no tensor .* among 24"):
            found.tensor(name)


@pytest.mark.parametrize(
    "name", ["model.layers.0.self_attn.q_proj.bias", "model.layers.0.mlp.rms_norm.weight", "x"]
)
def test_tensors_that_no_bitnet_model_has(tmp_path, name):
    content, _ = tensors()
    content[name] = bf16([1.0])
    write(tmp_path, CONFIG, content)
    with pytest.raises(ModelError, match=rf"tensor '{name}' is no part of a BitNet model"):
        read_checkpoint(tmp_path)


def test_truncation_and_bit_flips(tmp_path):
    write(tmp_path, CONFIG, {name: tensors()[0][name] for name in ("model.norm.weight", UP)})
    place = tmp_path / "model.safetensors"
    whole = place.read_bytes()
    for length in range(0, len(whole), 7):
        place.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"model.safetensors: no safetensors file"):
            read_checkpoint(tmp_path)
    for bit in range(8 * 300):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        place.write_bytes(content)
        try:
            read_checkpoint(tmp_path).tensor("output_norm.weight")
        except ModelError as error:
            assert str(error).startswith(str(tmp_path))  # noqa: PT017 - no error is right too


def test_files_that_are_not_there_or_shrink(tmp_path):
    write(tmp_path, CONFIG, tensors()[0])
    found = read_checkpoint(tmp_path)
    os.truncate(tmp_path / "model.safetensors", 5000)
    with pytest.raises(ModelError, match=r"shrank while it was read: tensor"):
        found.tensor("blk.1.ffn_up.weight")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model.safetensors: cannot be opened \(No such file"):
        read_checkpoint(tmp_path)
    with pytest.raises(ModelError, match=r"config.json: cannot be read"):
        read_checkpoint(tmp_path / "nothing")


@pytest.mark.parametrize(
    "index", ["{", "{}", '{"weight_map": {}}', '{"weight_map": {"a": "../x"}}', '{"weight_map": 1}']
)
def test_an_index_that_is_wrong(tmp_path, index):
    write(tmp_path, CONFIG, tensors()[0])
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(
        ModelError, match=r"index.json: (no index of files|found .* names of files)"
    ):
        read_checkpoint(tmp_path)


def test_packed_bytes_are_those_of_the_native_layout(tmp_path):
    found = read_checkpoint(write(tmp_path, CONFIG, tensors()[0]))
    w = found.tensor("blk.0.ffn_down.weight", threads=2)
    assert isinstance(w, Packed)
    assert w.nbytes == _native.layout("i2_s", WIDTH, FFN)[4]


def test_the_package_is_needed_and_named(tmp_path, monkeypatch):
    write(tmp_path, CONFIG, tensors()[0])
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(EnvironmentRefused, match=r"'pip install bitnet_perf\[model\]'"):
        read_checkpoint(tmp_path)
