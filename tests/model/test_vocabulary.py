"""Wrong `tokenizer.ggml.*` keys are refused by name; synthetic vocabularies are right ones."""

import numpy as np
import pytest
from model.golden import LLAMA3, MISTRAL, PREFIX

from bitnet_perf.errors import ConfigError, ModelError
from bitnet_perf.model.synthetic_vocab import synthetic_metadata
from bitnet_perf.model.tokenizer import from_metadata
from bitnet_perf.model.vocabulary import read_vocabulary

BPE = synthetic_metadata(300, 1)


def changed(key, value, base=BPE):
    keys = {**base, PREFIX + key: value}
    return {k: v for k, v in keys.items() if v is not None}


def entry(key, place, value, base=BPE):
    items = list(base[PREFIX + key])
    items[place] = value
    return changed(key, items, base)


MERGES = BPE[PREFIX + "merges"]
WRONG = {
    "model missing": (changed("model", None), "model: missing; known are gpt2, llama"),
    "model": (changed("model", "bert"), "model: 'bert'"),
    "model type": (changed("model", 3), "model: 3 is not str"),
    "pre": (changed("pre", "qwen2"), "pre: 'qwen2' is not one of llama-bpe"),
    "tokens missing": (changed("tokens", None), "tokens: missing; of the tokenizer there are"),
    "no tokens": (changed("tokens", []), "tokens: there are none"),
    "tokens text": (changed("tokens", "abc"), "tokens: str is not an array"),
    "tokens scalar": (changed("tokens", np.uint32(3)), "tokens: uint32 is not an array"),
    "model array": (changed("model", np.zeros(2)), r"model: array\(\[0., 0.\]\) is not str"),
    "tokens number": (entry("tokens", 7, 7), "tokens: entry 7 is 7, not str"),
    "duplicate": (entry("tokens", 299, "a"), "tokens: 'a' stands at 97 and again at 299"),
    "byte missing": (entry("tokens", 65, "zzzzz"), "tokens: 1 of the 256 byte tokens are missing"),
    "types": (changed("token_type", [1] * 299), "token_type: 299 entries for 300 tokens"),
    "type": (entry("token_type", 5, 1.5), "token_type: entry 5 is 1.5, not int"),
    "merges missing": (changed("merges", None), "merges: missing"),
    "merge of one": (entry("merges", 2, "ab"), "merges: entry 2 is 'ab', not two tokens"),
    "merge of three": (entry("merges", 2, "a b c"), "merges: entry 2 is 'a b c', not two tokens"),
    "merge unknown": (entry("merges", 0, "a nope"), "merges: entry 0, 'a nope', needs 'nope'"),
    "merge result": (entry("merges", 0, "! !"), "merges: entry 0, '! !', needs '!!'"),
    "merge twice": (entry("merges", 3, MERGES[0]), "merges: entry 3, .* stands there before"),
    "bos": (changed("bos_token_id", 300), "bos_token_id: 300 is outside the 300 tokens"),
    "eos": (changed("eos_token_id", -1), "eos_token_id: -1 is outside"),
    "eot": (changed("eot_token_id", 2**32 - 1), "eot_token_id: 4294967295 is outside"),
    "bos type": (changed("bos_token_id", True), "bos_token_id: True is not int"),
    "bos missing": (changed("bos_token_id", None), "bos_token_id: missing, and add_bos_token"),
    "add_bos": (changed("add_bos_token", 1), "add_bos_token: 1 is not bool"),
    "scores missing": (changed("scores", None, MISTRAL), "scores: missing"),
    "scores": (changed("scores", [0.0], MISTRAL), "scores: 1 entries for 2547 tokens"),
    "nan": (entry("scores", 3, float("nan"), MISTRAL), "scores: entry 3 is nan"),
    "types missing": (changed("token_type", None, MISTRAL), "token_type: missing"),
    "byte token": (entry("tokens", 5, "<0x100>", MISTRAL), "tokens: 1 of the 256 byte tokens"),
}


@pytest.mark.parametrize(("keys", "message"), WRONG.values(), ids=WRONG)
def test_wrong_keys_are_named(keys, message):
    with pytest.raises(ModelError, match=r"tokenizer\.ggml\." + message):
        from_metadata(keys)


@pytest.mark.parametrize("base", [LLAMA3, MISTRAL, BPE], ids=["llama3", "mistral", "synthetic"])
def test_arrays_may_be_tuples_and_numpy(base):
    keys = {
        key: np.array(value, np.float32 if key.endswith("scores") else np.int32)
        if key.endswith(("scores", "token_type"))
        else tuple(value)
        if isinstance(value, list)
        else np.uint32(value)
        if key.endswith("_id")
        else value
        for key, value in base.items()
    }
    assert read_vocabulary(keys) == read_vocabulary(base)


def test_an_empty_token_is_no_text():
    keys = entry("tokens", 299, "", entry("token_type", 299, 1))
    words = read_vocabulary(keys)
    assert words.tokens[299] == "[EMPTY_299]"
    assert "token 299 is empty" in words.warnings[0]


def test_a_start_that_is_not_known_is_not_added():
    words = read_vocabulary(changed("bos_token_id", None, changed("add_bos_token", None)))
    assert not words.add_bos
    assert "bos_token_id: missing" in words.warnings[0]


@pytest.mark.parametrize("size", [258, 259, 1000, 32000])
def test_synthetic_vocabularies(size):
    keys = synthetic_metadata(size, 7)
    tokenizer = from_metadata(keys)
    assert tokenizer.vocab_size == len(keys[PREFIX + "tokens"]) == size
    assert len(keys[PREFIX + "merges"]) == size - 258
    assert (tokenizer.bos_id, tokenizer.eos_ids, tokenizer.warnings) == (size - 2, {size - 1}, ())
    text = "any text: größer 🦙\n" + "".join(keys[PREFIX + "tokens"][256 : min(300, size - 2)])
    ids = tokenizer.encode(text)
    assert ids[0] == size - 2
    assert tokenizer.decode(ids) == text
    assert size < 1000 or max(ids[1:]) > 255
    every = tokenizer.decode(range(256, size - 2))
    assert every.isascii()


def test_synthetic_vocabularies_follow_the_seed():
    assert synthetic_metadata(400, 3) == synthetic_metadata(400, 3)
    assert synthetic_metadata(400, 3) != synthetic_metadata(400, 4)


def test_a_synthetic_vocabulary_has_room_for_bytes_and_ends():
    with pytest.raises(ConfigError, match="vocab_size: 257"):
        synthetic_metadata(257, 0)
