"""A model on the GPU, on the emulator: its logits are those of the CPU's engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cuda_models import PROMPT, agree, make_mini, nmse, pair_of, run

from bitnet_perf.kernels.cuda.launch import Emulated
from bitnet_perf.kernels.cuda.plans import layer, step
from bitnet_perf.kernels.cuda.plans.plan import H200
from bitnet_perf.kernels.cuda.plans.step import Step
from bitnet_perf.model import gpu_engine, gpu_weights
from bitnet_perf.model.gguf import read_gguf
from bitnet_perf.model.sequence import TokenSequence
from bitnet_perf.model.weights import EMBEDDING

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
    return {type: make_mini(folder, type) for type in ("i2_s", "tl1", "tl2")}


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


def test_a_head_of_its_own_in_blocks_goes_up_in_pieces(tmp_path, monkeypatch):
    """An embedding of q8_0 stands in float32 there; the same bytes again are another head."""
    path = make_mini(tmp_path, head="q8_0")
    both = pair_of(path)
    assert both.gpu.weights.sizes.table == "f32"
    tied = run(both.gpu, PROMPT[:1])
    assert agree(tied, both.expected(PROMPT[:1]))
    for part in ("weights", "scales"):
        both.gpu.weights.arrays[f"head.{part}"][...] = 0
    monkeypatch.setattr(gpu_weights, "PIECE", 100 * 128)
    data = read_gguf(path).tensor_data(EMBEDDING)
    both.gpu.set_dense("output", data, "q8_0", 260, 128)
    assert np.array_equal(run(both.gpu, PROMPT[:1]), tied)


@pytest.fixture(scope="module")
def both(made):
    return pair_of(made["i2_s"])


def greedy(engine, prompt, count):
    """(tokens, logits after each): a prompt, then what its logits choose, one at a time."""
    tokens = list(prompt)
    with TokenSequence(engine) as sequence:
        rows = [*sequence.extend(prompt)]
        for _ in range(count):
            tokens.append(int(rows[-1].argmax()))
            rows += [*sequence.extend(tokens[-1:])]
    return tokens, np.array(rows)


def test_a_step_finds_its_token_on_the_device(both, monkeypatch):
    """The host writes a token and its position only where they are not those of the step before."""
    written = []
    monkeypatch.setattr(Emulated, "write", lambda _, array, host: (
        written.append(host), array.__setitem__(..., host)))  # fmt: skip
    tokens, found = greedy(both.gpu, PROMPT[:1], 3)
    assert len(written) == 2  # the first token, the first length
    assert agree(found, both.expected(tokens))
    with TokenSequence(both.gpu) as one, TokenSequence(both.gpu) as other:
        rows = [(each, each.extend([token])) for token in (5, 9) for each in (one, other)]
    assert np.array_equal(rows[0][1], rows[1][1])
    assert np.array_equal(rows[2][1], rows[3][1])


def test_a_prompt_is_so_many_steps(both):
    tokens = PROMPT[:5]
    steps = run(both.gpu, tokens, cuts=[1] * 5)
    with TokenSequence(both.gpu) as sequence:
        assert np.array_equal(sequence.extend(tokens[:3], [0, 2]), steps[[0, 2]])
        assert sequence.length == 3
        assert np.array_equal(sequence.extend(tokens[3:]), steps[3:])  # two: those of gemv


def test_attention_of_a_long_text_is_in_parts(made, monkeypatch):
    """More positions than one part takes, in a prompt and a token; the others have none."""
    monkeypatch.setattr(layer, "LEAST_POSITIONS", 32)
    both = pair_of(made["i2_s"], chunk=66)
    tokens = np.random.default_rng(4).integers(0, 260, 67).tolist()
    expected = both.expected(tokens)[-2:]
    with TokenSequence(both.gpu) as sequence:
        rows = [sequence.extend(tokens[:66], [65]), sequence.extend(tokens[66:])]
        decode, _ = both.gpu.decode_step(0)
        (parts,) = {each.geometry.grid[0] for each in decode.plan.launches
                    if each.kernel.family == "attention_decode"}  # fmt: skip
    assert parts == 3
    assert agree(np.concatenate(rows), expected)


@pytest.mark.parametrize("norms", [SUB_NORMS, ()])
def test_a_layer_is_ten_launches(norms):
    sizes = step.Sizes(
        layers=30, width=2560, ffn=6912, heads=20, kv_heads=5, head_dim=128, vocab=128256,
        rope_dim=128, neighbours=False, activation="relu2", eps=1e-5, scale=0.1, positions=4096,
        table="f16", sub_norms=frozenset((i, name) for i in range(30) for name in norms),
    )  # fmt: skip
    made = step.decode(sizes, 4096, H200)
    last = [place.operation for place in made.places if place.layer == 29]
    assert len(last) == 10
    assert len(made.places) == len(made.plan.launches) == 30 * 10 + 5


def test_a_cache_that_grows_keeps_what_it_holds(both, monkeypatch):
    expected = both.expected(PROMPT[:4])
    monkeypatch.setattr(gpu_engine, "LEAST_CAPACITY", 2)
    both.gpu._spare = None
    with TokenSequence(both.gpu) as sequence:
        rows = [*sequence.extend(PROMPT[:3]), *sequence.extend(PROMPT[3:4])]
        assert sequence.cache_bytes == 6 * both.gpu.config.kv_bytes_per_token
    assert agree(np.array(rows), expected)
    both.gpu._spare = None


def without(*kernels, operation=""):
    """A list of launches without some."""

    def change(made):
        kept = [
            (launch, place) for launch, place in zip(made.plan.launches, made.places, strict=True)
            if launch.kernel.family not in kernels or operation not in ("", place.operation)
        ]  # fmt: skip
        launches, places = zip(*kept, strict=True)
        return Step(replace(made.plan, launches=launches), places)

    return change


def renamed(names, family=""):
    """Other names of arrays in a list of launches; lists are joined, so twice must be as once."""

    def change(made):
        launches = tuple(
            replace(each, arguments=tuple(
                names.get(a, a) if isinstance(a, str) and each.kernel.family.startswith(family)
                else a for a in each.arguments
            ))
            for each in made.plan.launches
        )  # fmt: skip
        return replace(made, plan=replace(made.plan, launches=launches))

    return change


BUGS = {
    "the cache of another layer": renamed({"blk.1.keys": "blk.0.keys"}),
    "values for keys": renamed({"blk.1.keys": "blk.1.values"}, "rope_store"),
    "no residual connection": renamed({"x": "branch"}, "norm_q8"),
    "the block before in place of the sum": renamed({"branch": "attended"}, "norm_q8"),
    "the position stays": without("advance"),
    "no rotation, no key, no value": without("rope_store"),
    "another rotation": renamed({"cos": "sin"}, "rope_store"),
    "no norm": without("norm_q8", operation="ffn_sub_norm"),
    "the norm of another layer": renamed({"blk.1.attn_norm": "blk.0.attn_norm"}),
    "keys for values": renamed({"blk.1.values": "blk.1.keys"}, "attention"),
    "up for gate": renamed({"gate_up": "up"}, "norm_q8"),
    "the scales of another product": renamed({"blk.0.down.scales": "blk.0.output.scales"}),
    "the norm of another block": renamed({"blk.1.ffn_norm": "blk.1.attn_norm"}),
    "a norm that does not quantize": without("norm_q8", operation="attn_sub_norm"),
    "the scale of the sums": renamed({"x_scales": "cos"}, "gemv"),
    "the sums of nobody": renamed({"x_sums": "length"}, "gemv"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_faults_of_the_list_are_caught(both, monkeypatch, bug):
    whole = step._List.step
    monkeypatch.setattr(step._List, "step", lambda made: BUGS[bug](whole(made)))
    both.gpu._spare = None
    tokens, found = greedy(both.gpu, PROMPT[:1], 2 if "position" in bug else 1)
    both.gpu._spare = None
    assert not agree(found, both.expected(tokens))


def test_another_order_of_q_k_v_is_caught(made, monkeypatch):
    turned = (step.Joined("qkv", ("attn_k", "attn_q", "attn_v")), *step.JOINED[1:])
    monkeypatch.setattr(gpu_weights, "JOINED", turned)
    both = pair_of(made["i2_s"])
    assert not agree(run(both.gpu, PROMPT[:2]), both.expected(PROMPT[:2]))
