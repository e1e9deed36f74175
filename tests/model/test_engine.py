"""What the result of the engine must not depend on, and what it must be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bitnet_perf as bp
from bitnet_perf.model.sequence import extend_together

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = GOLDEN / "bitnet_cpp" / "tiny-i2_s.gguf"
TINY_TQ2 = GOLDEN / "llama_cpp" / "tiny-tq2_0.gguf"
TOKENS = [int(word) for word in (GOLDEN / "bitnet_cpp" / "tokens.txt").read_text().split()]

MODES = [(TINY, {}), (TINY, {"kv": "f32"}), (TINY_TQ2, {"act_quant": "q8_k"}), (TINY_TQ2, {})]


@pytest.mark.parametrize(("path", "options"), MODES)
@pytest.mark.parametrize("isa", [None, "scalar"])
def test_prefill_is_so_many_decode_steps(path, options, isa):
    model = bp.Model.load(path, isa=isa, **options)
    with model.sequence() as sequence:
        steps = np.concatenate([sequence.extend([token]) for token in TOKENS])
    assert np.array_equal(model.forward(TOKENS), steps)


@pytest.mark.parametrize("cuts", [(1, 23), (7, 8, 9), (12, 12), (23, 1)])
def test_cuts_of_a_prompt_change_nothing(cuts):
    model = bp.Model.load(TINY)
    with model.sequence() as sequence:
        ends = np.cumsum(cuts)
        parts = [sequence.extend(TOKENS[e - c : e]) for c, e in zip(cuts, ends, strict=True)]
    assert np.array_equal(np.concatenate(parts), model.forward(TOKENS))


def test_a_prompt_longer_than_a_batch():
    model = bp.Model.load(TINY)
    tokens = (TOKENS * 13)[:300]
    with model.sequence() as sequence:
        sequence.extend(tokens[:250], [249])
        tail = sequence.extend(tokens[250:])
    assert np.array_equal(model.forward(tokens)[250:], tail)


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_threads_change_nothing(threads):
    one = bp.Model.load(TINY, threads=1).forward(TOKENS)
    assert np.array_equal(one, bp.Model.load(TINY, threads=threads).forward(TOKENS))


def test_neighbours_in_a_batch_change_nothing():
    model = bp.Model.load(TINY)
    prompts = [TOKENS[:5], TOKENS[3:20], TOKENS[7:8]]
    sequences = [model.sequence() for _ in prompts]
    together = extend_together(sequences, prompts)
    for found, prompt in zip(together, prompts, strict=True):
        assert np.array_equal(found, model.forward(prompt))
    more = extend_together(sequences, [[1], [2], [3]], last_only=True)
    for found, prompt, token in zip(more, prompts, [1, 2, 3], strict=True):
        assert np.array_equal(found[0], model.forward([*prompt, token])[-1])


def test_a_failed_call_appends_nothing():
    model = bp.Model.load(TINY)
    with model.sequence() as sequence:
        first = sequence.extend(TOKENS[:4])
        with pytest.raises(bp.ModelError, match=r"tokens\[1\]: found 1024, accepted are"):
            sequence.extend([3, 1024])
        with pytest.raises(bp.ModelError, match="512"):
            sequence.extend([1] * 509)
        assert sequence.length == 4
        rest = sequence.extend(TOKENS[4:])
    assert np.array_equal(np.concatenate([first, rest]), model.forward(TOKENS))


@pytest.mark.parametrize(
    ("tokens", "error"),
    [([], bp.ModelError), ([-1], bp.ModelError), ([2**40], bp.ModelError), ([[1]], bp.ShapeError),
     ([0.5], bp.ShapeError)],
)  # fmt: skip
def test_bad_tokens(tokens, error):
    with pytest.raises(error, match="tokens"):
        bp.Model.load(TINY).forward(tokens)


def test_every_kernel_is_named():
    names = bp.Model.load(TINY, isa="scalar").kernels
    assert {name.split("/")[-1] for name in names} == {"scalar"}
    assert {"rms_norm/f32/scalar", "attention/f16/scalar", "gemm/native_i2_r4/scalar"} <= set(names)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"activation": "gelu"}, bp.ConfigError),
        ({"kv": "q8_0"}, bp.ConfigError),
        ({"act_quant": "int4"}, bp.ConfigError),
        ({"parity": "llama.cpp"}, bp.ConfigError),
        ({"device": "tpu"}, bp.ConfigError),
        ({"threads": 0}, bp.ShapeError),
        ({"isa": "x86_none"}, bp.IsaError),
        ({"isa": "arm_neon" if bp.isas()[0].isa.startswith("x86") else "x86_avx2"}, bp.IsaError),
    ],
)
def test_bad_options(options, error):
    with pytest.raises(error, match=next(iter(options))):
        bp.Model.load(TINY, **options)


def test_memory_of_the_cache_grows_with_the_text():
    model = bp.Model.load(TINY)
    with model.sequence() as sequence:
        sequence.extend(TOKENS)
        assert sequence.cache_bytes == 64 * model.config.kv_bytes_per_token
        sequence.reserve(400)
        assert sequence.cache_bytes == 400 * model.config.kv_bytes_per_token
