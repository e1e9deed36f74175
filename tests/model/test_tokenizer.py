"""Ids against llama.cpp's, round trips, special tokens, tokenizer.json."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from model.golden import FOLDER, LLAMA3, LLAMA3_IDS, MISTRAL, MISTRAL_IDS, PREFIX, TEXTS

from bitnet_perf.errors import ConfigError, EnvironmentRefused, ModelError
from bitnet_perf.model.gguf import read_gguf
from bitnet_perf.model.sentencepiece import merge
from bitnet_perf.model.tokenizer import from_file, from_metadata

SPACE = "\u2581"
TOKENIZERS = {pre: from_metadata({**LLAMA3, PREFIX + "pre": pre}) for pre in LLAMA3_IDS}
TOKENIZERS["sentencepiece"] = from_metadata(MISTRAL)
GOLDEN = {**LLAMA3_IDS, "sentencepiece": MISTRAL_IDS["llama"]}
SPECIAL = ["<|begin_of_text|>", "<|eot_id|>", "<|end_of_text|>", "<s>", "</s>", "<unk>"]


def id_of(keys, token):
    return keys[PREFIX + "tokens"].index(token)


@pytest.mark.parametrize("name", GOLDEN)
def test_ids_are_llama_cpps(name):
    assert len(TEXTS) == len(GOLDEN[name]) > 400
    got = [TOKENIZERS[name].encode(text, add_special=False) for text in TEXTS]
    wrong = [(text, a, b) for text, a, b in zip(TEXTS, got, GOLDEN[name], strict=True) if a != b]
    assert not wrong


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_ids_give_the_texts(name):
    for text, ids in zip(TEXTS, GOLDEN[name], strict=True):
        expected = text.replace(SPACE, " ") if name == "sentencepiece" else text
        assert TOKENIZERS[name].decode(ids, skip_special=False) == expected


@pytest.mark.parametrize("name", ["bitnet_cpp/tiny-i2_s", "llama_cpp/tiny-tq2_0"])
def test_the_keys_of_files(name):
    file = read_gguf(FOLDER.parent / f"{name}.gguf")
    tokenizer = from_metadata(file.metadata)
    ends = {1009, list(file.metadata[PREFIX + "tokens"]).index("<|eot_id|>")}
    assert (tokenizer.vocab_size, tokenizer.bos_id, tokenizer.eos_ids) == (1024, 1008, ends)
    assert tokenizer.warnings == ()
    ids = tokenizer.encode("any text")
    assert ids[0] == 1008
    assert tokenizer.decode(ids) == "any text"


def test_pre_tokenizers_differ():
    rows = list(LLAMA3_IDS.values())
    assert all(a != b for n, a in enumerate(rows) for b in rows[:n])


@pytest.mark.parametrize("name", GOLDEN)
@given(parts=st.lists(st.text() | st.sampled_from([*SPECIAL, " ", "\n", "  "]), max_size=6))
@settings(max_examples=200, deadline=None)
def test_any_text_comes_back(name, parts):
    text = "".join(parts)
    tokenizer = TOKENIZERS[name]
    ids = tokenizer.encode(text, add_special=False)
    expected = text.replace(SPACE, " ") if name == "sentencepiece" else text
    assert tokenizer.decode(ids, skip_special=False) == expected


def slow_merge(text, scores):
    """The definition: the best pair, leftmost of equals, looked for anew each time."""
    pieces = list(text)
    while True:
        joins = [a + b for a, b in pairwise(pieces)]
        known = [(scores[join], -at) for at, join in enumerate(joins) if join in scores]
        if not known:
            return pieces
        at = -max(known)[1]
        pieces[at : at + 2] = [joins[at]]


@given(
    text=st.text("abc", max_size=30),
    scores=st.dictionaries(st.text("abc", min_size=2, max_size=5), st.integers(-2, 2)),
)
@settings(max_examples=500, deadline=None)
def test_merging_is_the_definition_ties_included(text, scores):
    assert merge(text, scores) == slow_merge(text, scores)


def test_equal_scores_go_left_to_right_whatever_the_pair():
    """'ab' and 'bc' score the same: 'abc' begins with 'ab', 'bcab' with 'bc'; with ranks one of the
    two pairs would come first in both."""
    scores = {"ab": -1.0, "bc": -1.0, "ca": -1.0}
    assert merge("abc", scores) == ["ab", "c"]
    assert merge("bcab", scores) == ["bc", "ab"]
    assert merge("cabc", scores) == ["ca", "bc"]


def small(model="llama", **changes):
    """A vocabulary that can be worked out by hand."""
    if model == "llama":
        tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
        tokens += [SPACE, "a", "b", SPACE + "a", "ab"]
        keys = {"scores": [0.0] * 259 + [-9.0, -9.0, -9.0, -1.0, -2.0]}
        types = [2, 3, 3, *[6] * 256, *[1] * 5]
    else:
        tokens = [*LLAMA3[PREFIX + "tokens"][:256], "he", "hel", "hello", "<s>", "</s>", "[user]"]
        assert len(set(tokens)) == 262
        keys = {"merges": ["h e", "he l"], "pre": "llama-bpe"}
        types = [*[1] * 259, 3, 3, 4]
    keys |= {"model": model, "tokens": tokens, "token_type": types}
    keys |= {"bos_token_id": tokens.index("<s>"), "eos_token_id": tokens.index("</s>")}
    return {PREFIX + key: value for key, value in (keys | changes).items() if value is not None}


def texts_of(keys, **options):
    """Tokens of what `encode` gives."""
    text = options.pop("text")
    return [keys[PREFIX + "tokens"][at] for at in from_metadata(keys).encode(text, **options)]


@pytest.mark.parametrize(
    ("changes", "text", "tokens"),
    [
        ({}, "ab", ["<s>", SPACE + "a", "b"]),
        ({}, "", ["<s>"]),
        ({"add_space_prefix": False}, "ab", ["<s>", "ab"]),
        ({"add_bos_token": False}, "ab", [SPACE + "a", "b"]),
        ({"add_eos_token": True}, "ab", ["<s>", SPACE + "a", "b", "</s>"]),
        ({}, "é", ["<s>", SPACE, "<0xC3>", "<0xA9>"]),
        ({}, "a</s>a", ["<s>", SPACE + "a", "</s>", SPACE + "a"]),
        ({}, "<s>a", ["<s>", "<s>", SPACE + "a"]),
    ],
)
def test_sentencepiece_by_hand(changes, text, tokens):
    assert texts_of(small(**changes), text=text) == tokens


@pytest.mark.parametrize(
    ("changes", "text", "tokens"),
    [
        ({}, "hello", ["<s>", "hello"]),  # no merge leads to it: llama-3 looks whole words up
        ({"pre": "gpt-2"}, "hello", ["hel", "l", "o"]),  # neither does gpt-2 start with bos
        ({"pre": "gpt-2", "add_bos_token": True}, "hel", ["<s>", "hel"]),
        ({"pre": "llama3"}, "hel</s>he", ["<s>", "hel", "</s>", "he"]),
        ({}, "he[user]", ["<s>", "he", "[user]"]),
        ({"token_type": None}, "</s>", ["<s>", "<", "/", "s", ">"]),
    ],
)
def test_byte_level_by_hand(changes, text, tokens):
    assert texts_of(small("gpt2", **changes), text=text) == tokens


def test_specials_are_left_out_of_a_text_and_user_defined_tokens_are_not():
    tokenizer = from_metadata(small("gpt2"))
    ids = tokenizer.encode("<s>he[user]</s>")
    assert tokenizer.decode(ids) == "he[user]"
    assert tokenizer.decode(ids, skip_special=False) == "<s><s>he[user]</s>"


def test_the_longest_special_token_is_found_first():
    tokens = [*small("gpt2")[PREFIX + "tokens"], "[user]a", "[user]ab"]
    keys = small("gpt2", tokens=tokens, token_type=[*small("gpt2")[PREFIX + "token_type"], 4, 4])
    found = texts_of(keys, text="[user]abc[user]a[user]", add_special=False)
    assert found == ["[user]ab", "c", "[user]a", "[user]"]


def test_bytes_that_are_no_text():
    tokenizer = from_metadata(small())
    assert tokenizer.decode([id_of(small(), "<0xC3>")]) == "\ufffd"


def test_what_ends_a_generation():
    assert TOKENIZERS["llama-bpe"].eos_ids == {
        id_of(LLAMA3, name) for name in ("<|end_of_text|>", "<|eot_id|>")
    }
    assert from_metadata(small("gpt2", eot_token_id=257)).eos_ids == {257, 260}
    tokens = [*small("gpt2")[PREFIX + "tokens"], "<|end|>"]
    for kind, ends in ((1, {260}), (3, {260, 262})):  # a word of the text is no end
        types = [*small("gpt2")[PREFIX + "token_type"], kind]
        keys = small("gpt2", tokens=tokens, token_type=types)
        assert from_metadata(keys).eos_ids == ends
    assert TOKENIZERS["sentencepiece"].eos_ids == {2}
    assert TOKENIZERS["sentencepiece"].bos_id == 1


def test_without_pre_tokenizer_it_is_llama_3s_with_a_warning():
    keys = small("gpt2", pre=None)
    tokenizer = from_metadata(keys)
    assert [line.split(":")[0] for line in tokenizer.warnings] == ["tokenizer.ggml.pre"]
    assert tokenizer.encode("hello") == from_metadata(small("gpt2")).encode("hello")
    assert from_metadata(small("gpt2")).warnings == ()


@pytest.mark.parametrize("ids", [[-1], [0, 264], [10**20]])
def test_ids_outside_the_vocabulary(ids):
    with pytest.raises(ConfigError, match=rf"ids: entry {len(ids) - 1} is {ids[-1]}.*0 to 263"):
        from_metadata(small()).decode(ids)


def test_lone_surrogates():
    with pytest.raises(ConfigError, match="text: a lone surrogate stands at 1"):
        TOKENIZERS["llama-bpe"].encode("a\ud800")


def test_the_package_is_needed_for_byte_level_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(EnvironmentRefused, match=r"pip install 'bitnet_perf\[model\]'"):
        from_metadata(small("gpt2"))
    with pytest.raises(EnvironmentRefused, match="tokenizers: not installed"):
        from_file("tokenizer.json")
    assert from_metadata(small()).encode("a")


def test_the_package_is_imported_where_it_is_used():
    code = "import sys, bitnet_perf.model.tokenizer; print('tokenizers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


@pytest.fixture
def saved(tmp_path):
    """A tokenizer.json made with the package itself."""
    words = small("gpt2")[PREFIX + "tokens"]
    model = tokenizers.models.BPE(
        {token: at for at, token in enumerate(words[:259])},
        [("h", "e"), ("he", "l")],
        ignore_merges=True,
    )
    whole = tokenizers.Tokenizer(model)
    whole.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    whole.decoder = tokenizers.decoders.ByteLevel()
    whole.add_special_tokens(["<s>", "</s>", "<|eot_id|>"])
    whole.post_processor = tokenizers.processors.TemplateProcessing("<s> $A", None, [("<s>", 259)])
    path = tmp_path / "tokenizer.json"
    whole.save(str(path))
    return path


def configure(path, **settings):
    path.with_name("tokenizer_config.json").write_text(json.dumps(settings))


def test_tokenizer_json(saved):
    configure(saved, bos_token="<s>", eos_token={"content": "</s>"})
    tokenizer = from_file(saved)
    assert (tokenizer.vocab_size, tokenizer.bos_id, tokenizer.warnings) == (262, 259, ())
    assert tokenizer.eos_ids == {260, 261}
    assert tokenizer.encode("hello</s>") == [259, 258, 260]
    assert tokenizer.encode("hello</s>", add_special=False) == [258, 260]
    assert tokenizer.decode([259, 258, 260]) == "hello"
    assert tokenizer.decode([259, 258, 260], skip_special=False) == "<s>hello</s>"


def test_tokenizer_json_alone(saved):
    tokenizer = from_file(saved)
    assert (tokenizer.bos_id, tokenizer.eos_ids) == (259, {260, 261})
    assert "tokenizer_config.json: missing" in tokenizer.warnings[0]


def test_tokenizer_json_of_llama_3_gives_the_same_ids(tmp_path):
    """Written as its authors write it: one expression, special tokens added to the model's."""
    ids = {token: at for at, token in enumerate(LLAMA3[PREFIX + "tokens"])}
    merges = [tuple(merge.split(" ")) for merge in LLAMA3[PREFIX + "merges"]]
    whole = tokenizers.Tokenizer(tokenizers.models.BPE(ids, merges, ignore_merges=True))
    expression = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(expression), "isolated")
    level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    whole.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([split, level])
    whole.decoder = tokenizers.decoders.ByteLevel()
    whole.add_special_tokens([token for token in ids if token.startswith("<|") and len(token) > 2])
    whole.save(str(tmp_path / "tokenizer.json"))
    tokenizer = from_file(tmp_path / "tokenizer.json")
    wrong = [
        text
        for text, ids in zip(TEXTS, LLAMA3_IDS["llama-bpe"], strict=True)
        if tokenizer.encode(text) != ids or tokenizer.decode(ids, skip_special=False) != text
    ]
    assert not wrong


def test_wrong_files(saved, tmp_path):
    with pytest.raises(ModelError, match=r"none\.json: not a tokenizer\.json"):
        from_file(tmp_path / "none.json")
    configure(saved, bos_token="<bos>")
    with pytest.raises(ModelError, match="no token '<bos>'"):
        from_file(saved)
    configure(saved, eos_token=3)
    with pytest.raises(ModelError, match="eos_token is 3"):
        from_file(saved)
    saved.with_name("tokenizer_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"tokenizer_config\.json: cannot be read"):
        from_file(saved)
    saved.write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json: not a tokenizer\.json"):
        from_file(saved)
