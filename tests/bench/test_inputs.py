"""Inputs of cases that call Python: made once, right by another way, checked before a time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import bitnet_perf as bp
from bitnet_perf import _native
from bitnet_perf.bench import inputs
from bitnet_perf.bench.inputs import inputs_of, model_cases, model_file, named_file
from bitnet_perf.bench.paired.calls import LARGEST_ERROR, TOKENS, calls_python, make_call
from bitnet_perf.bench.texts import text_of
from bitnet_perf.model.gguf import read_gguf
from bitnet_perf.model.synthetic import TYPES

LOAD = "load/gguf/i2_s/tiny/t1"
TEXTS = ("tokenization/tokenize/gpt2/tiny-n100/t1", "tokenization/detokenize/gpt2/tiny-n100/t1")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BITNET_PERF_CACHE", str(tmp_path / "cache"))
    inputs_of.cache_clear()
    yield tmp_path / "cache"
    inputs_of.cache_clear()


def options(case: str, isa: str = "") -> dict[str, str]:
    return {"case": case, "isa": isa, "threads": case.rpartition("/t")[2], **inputs_of(case)}


@pytest.mark.parametrize("type_", TYPES)
def test_a_loaded_model_is_what_its_calls_give(type_):
    found = options(f"load/gguf/{type_}/tiny/t2", "scalar")
    model = make_call(found)()
    assert model.threads == 2
    error = np.abs(model.forward(TOKENS) - np.load(found["expected"])).max()
    assert error < 1e-4


@pytest.mark.parametrize("case", TEXTS)
def test_both_directions_of_a_text(case):
    found = options(case)
    known = json.loads(Path(found["expected"]).read_text())
    assert len(known["ids"]) == 100
    assert make_call(found)() == known["text" if "/detokenize/" in case else "ids"]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 999])
def test_a_text_has_as_many_tokens_as_it_is_called(count):
    metadata = read_gguf(model_file("tiny", vocab=5000)).metadata
    text, ids = text_of(metadata, count)
    assert (text, ids) == text_of(metadata, count)
    assert len(ids) == count
    tokenizer = bp.Model.load(model_file("tiny", vocab=5000)).tokenizer
    assert tokenizer.encode(text, add_special=False) == ids
    assert tokenizer.decode(ids) == text


def test_files_are_made_once(cache):
    first = [options(case) for case in (LOAD, *TEXTS)]
    times = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}
    assert len([path for path in times if path.suffix in {".gguf", ".npy", ".json"}]) == 4
    for path in times:
        os.utime(path, ns=(1, 1))
    inputs_of.cache_clear()
    assert [options(case) for case in (LOAD, *TEXTS)] == first
    contents = {path for path in cache.rglob("*") if path.is_file()}
    assert contents == times.keys()
    assert all(Path(each["model"]).stat().st_mtime_ns > 1 for each in first)  # in use


def test_another_writer_makes_another_file(monkeypatch, tmp_path):
    before = model_file("tiny")
    code = tmp_path / "code"
    code.mkdir()
    for name in inputs._WRITER:
        text = (inputs._MODEL_CODE / name).read_text()
        (code / name).write_text(text + "# changed" * (name == "gguf_write.py"))
    monkeypatch.setattr(inputs, "_MODEL_CODE", code)
    assert model_file("tiny") != before
    assert len({model_file("tiny", seed=1), model_file("tiny", head="q8_0"), before}) == 3


def test_the_models_used_longest_ago_go(monkeypatch):
    monkeypatch.setattr(inputs, "MODELS", 2)
    made = []
    for seed in range(3):
        made.append(model_file("tiny", seed=seed))
        os.utime(made[-1], (seed, seed))
    assert [path.exists() for path in made] == [False, True, True]


@pytest.mark.parametrize("name", ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up",
                                  "ffn_down"])  # fmt: skip
def test_another_weight_matrix_is_a_wrong_result(name):
    found = options(LOAD)
    other = read_gguf(model_file("tiny", seed=1)).tensor_data(f"blk.0.{name}.weight")
    with open(found["model"], "r+b") as file:
        file.seek(read_gguf(found["model"]).tensor(f"blk.0.{name}.weight").offset)
        file.write(other.tobytes())
    with pytest.raises(ArithmeticError, match="wrong logits"):
        make_call(found)


def test_nan_is_a_wrong_result():
    found = options(LOAD)
    want = np.load(found["expected"])
    want[0, 0] = np.nan
    np.save(found["expected"], want)
    with pytest.raises(ArithmeticError, match="wrong logits"):
        make_call(found)
    assert 0 < LARGEST_ERROR < 1


@pytest.mark.parametrize("case", TEXTS)
@pytest.mark.parametrize("key", ["text", "ids"])
def test_another_text_is_a_wrong_result(case, key):
    found = options(case)
    known = json.loads(Path(found["expected"]).read_text())
    known[key] = known[key][:-1]
    Path(found["expected"]).write_text(json.dumps(known))
    with pytest.raises(ArithmeticError, match="wrong"):
        make_call(found)


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("forward/gguf/i2_s/tiny/t1", "stage of gguf is 'load'"),
        ("load/gguf/i2_s/huge/t1", "shape: found 'huge', accepted are tiny, small"),
        ("load/gguf/i3_s/tiny/t1", "type: found 'i3_s'"),
        ("tokenization/tokenize/gpt2/tiny/t1", "MODEL-nTOKENS"),
        ("tokenization/tokenize/gpt2/tiny-n0/t1", "MODEL-nTOKENS"),
        ("tokenization/tokenize/gpt2/tiny-n99999999/t1", "1 to 65536 tokens"),
        ("tokenization/tokenize/gpt2/huge-n5/t1", "shape: found 'huge'"),
        ("tokenization/tokenize/llama/tiny-n5/t1", "accepted is tokenization/tokenize/gpt2/"),
    ],
)
def test_a_case_that_cannot_be_says_what_is_accepted(case, says):
    with pytest.raises(bp.ConfigError, match=says):
        inputs_of(case)


@pytest.mark.parametrize("case", [LOAD, *TEXTS])
def test_an_instruction_set_that_cannot_run_is_an_error(case):
    with pytest.raises(bp.IsaError, match="x87"):
        make_call(options(case, "x87"))


def test_the_cases_of_a_shape_run_random_weights():
    load, prefill, *decodes = model_cases("tiny")
    assert load == "load/gguf/i2_s/tiny/t1"
    assert prefill == "forward/prefill/i2_s/tiny-n32/t1"
    threads = dict.fromkeys((1, _native.default_threads()))
    assert decodes == [f"generation/decode/i2_s/tiny-n32/t{n}" for n in threads]
    assert calls_python(load)
    assert not any(map(calls_python, (prefill, *decodes)))
    assert named_file("tiny") is named_file(None) is None


@pytest.fixture
def named(tmp_path):
    path = tmp_path / "My Model-n5 (v2).gguf"
    path.write_bytes(model_file("tiny", "tl1").read_bytes())
    return path, model_cases(str(path))


def test_the_cases_of_a_file_run_it(named):
    path, (load, prefill, decode, *_) = named
    assert named_file(str(path)) == path
    name = load.split("/")[3]
    assert name.startswith("my_model_n5_v2.")
    assert prefill == f"forward/prefill/tl1/{name}-n32/t1"
    assert decode == f"generation/decode/tl1/{name}-n32/t1"
    for case in (load, prefill, decode):
        assert calls_python(case)
        assert options(case)["model"] == str(path)
    assert make_call(options(load))().config.layers == 2
    assert len(make_call(options(prefill))().tokens) == 1
    made = make_call(options(decode))()
    assert made.prompt_tokens + len(made.tokens) == 32
    assert made.tokens == make_call(options(decode, "scalar"))().tokens


def test_another_file_of_that_name_has_other_cases(named):
    path, cases = named
    path.write_bytes(model_file("tiny", "tl1", seed=1).read_bytes())
    assert not set(model_cases(str(path))) & set(cases)


def test_a_named_model_that_changed_is_a_wrong_result(named):
    path, (_, _, decode, *_) = named
    found = options(decode)
    path.write_bytes(model_file("tiny", "tl1", seed=1).read_bytes())
    with pytest.raises(ArithmeticError, match="wrong logits"):
        make_call(found)


def test_what_is_no_model_says_what_is_accepted(tmp_path):
    with pytest.raises(bp.ConfigError, match="accepted is a GGUF file or one of tiny, small"):
        model_cases(str(tmp_path / "absent.gguf"))
    (tmp_path / "x.gguf").write_bytes(b"nothing")
    with pytest.raises(bp.ModelError, match=r"x\.gguf"):
        model_cases(str(tmp_path / "x.gguf"))
    with pytest.raises(bp.ConfigError, match="gate --model FILE"):
        inputs_of("generation/decode/i2_s/unknown.00000000-n32/t1")
    with pytest.raises(bp.ConfigError, match="stage of decode is 'generation'"):
        inputs_of("forward/decode/i2_s/unknown.00000000-n32/t1")
