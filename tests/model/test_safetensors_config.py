"""config.json of checkpoints: what it says is understood or refused by the name of the field."""

from __future__ import annotations

import re

import pytest
from reference.checkpoint import CONFIG, OFFLINE, tensors, without, write

from bitnet_perf.errors import ModelError
from bitnet_perf.model.safetensors import read_checkpoint


def test_rope_in_the_words_of_later_versions(tmp_path):
    rope = {"rope_type": "default", "rope_theta": 1e6}
    config = without(CONFIG, "rope_theta") | {"rope_parameters": rope}
    content, _ = tensors()
    found = read_checkpoint(write(tmp_path, config, content))
    assert found.metadata["bitnet-b1.58.rope.freq_base"] == 1e6
    assert "bitnet-b1.58.rope.scaling.type" not in found.metadata
    found = read_checkpoint(write(tmp_path, CONFIG | {"rope_scaling": {"type": "yarn"}}, content))
    assert found.metadata["bitnet-b1.58.rope.scaling.type"] == "yarn"


WRONG_CONFIGS = {
    "no field": (
        without(CONFIG, "hidden_size"),
        r"field 'hidden_size': found None, accepted is an",
    ),
    "text": (CONFIG | {"vocab_size": "40"}, r"field 'vocab_size': found '40', accepted is an int"),
    "negative": (CONFIG | {"num_hidden_layers": -1}, r"'num_hidden_layers': found -1"),
    "boolean": (CONFIG | {"num_attention_heads": True}, r"'num_attention_heads': found True"),
    "epsilon": (
        CONFIG | {"rms_norm_eps": "1e-5"},
        r"'rms_norm_eps': found '1e-5', accepted is a n",
    ),
    "class": (CONFIG | {"architectures": ["GPT2"]}, r"'architectures': found \['GPT2'\], accepted"),
    "classes": (
        CONFIG | {"architectures": 3},
        r"'architectures': found 3, accepted is one of BitN",
    ),
    "method": (
        CONFIG | {"quantization_config": {"quant_method": "gptq"}},
        r"'quantization_config.quant_method': found 'gptq', accepted is 'bitnet'",
    ),
    "linear": (
        CONFIG | {"quantization_config": OFFLINE | {"linear_class": "x"}},
        r"'quantization_config.linear_class': found 'x', accepted is 'bitlinear' or 'auto",
    ),
    "list": (
        CONFIG | {"quantization_config": OFFLINE | {"quantization_mode": ["offline"]}},
        r"quantization_mode': found \['offline'\]",
    ),
    "norms": (CONFIG | {"quantization_config": OFFLINE | {"use_rms_norm": True}}, r"use_rms_norm'"),
    "no object": (CONFIG | {"quantization_config": 7}, r"'quantization_config': found 7"),
    "tied": (CONFIG | {"tie_word_embeddings": "yes"}, r"'tie_word_embeddings': found 'yes'"),
    "full precision": (
        without(CONFIG, "quantization_config") | {"architectures": ["LlamaForCausalLM"]},
        r"'quantization_config': found None, accepted is that of a BitNet model",
    ),
}


@pytest.mark.parametrize("case", WRONG_CONFIGS)
def test_a_field_that_is_wrong_is_named(tmp_path, case):
    config, words = WRONG_CONFIGS[case]
    write(tmp_path, config, tensors()[0])
    with pytest.raises(ModelError, match=rf"^{re.escape(str(tmp_path))}/config.json: .*{words}"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\udcff", "[" * 10**5, "NaN"])
def test_a_config_that_is_no_object(tmp_path, text):
    write(tmp_path, CONFIG, tensors()[0])
    (tmp_path / "config.json").write_text(text, errors="surrogateescape")
    with pytest.raises(
        ModelError, match=r"config.json: (cannot be read|found \w+, accepted is an)"
    ):
        read_checkpoint(tmp_path)
