"""The profile of a model that runs: all five stages, and no time that is in none of them."""

from __future__ import annotations

import json

import pytest

import bitnet_perf as bp
from bitnet_perf.stages import profile, totals
from bitnet_perf.stages.export import chrome
from bitnet_perf.stages.tree import nest

FORWARD = [
    "embed", "attn_norm", "qkv", "rope", "attention", "attn_sub_norm", "o_proj", "ffn_norm",
    "gate_up", "act", "ffn_sub_norm", "down", "output_norm", "lm_head",
]  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = bp.make_model(tmp_path_factory.mktemp("model") / "tiny.gguf")
    with profile() as found:
        bp.Model.load(path, threads=1).generate("abc", 4, stop=())
    return found.result()


def test_all_five_stages_ran(recorded):
    assert all(row.seconds for row in recorded.stages())


def test_the_stages_and_what_is_in_none_are_the_whole_run(recorded):
    parts = sum(row.seconds for row in recorded.stages())
    assert parts + recorded.outside == pytest.approx(recorded.seconds)
    stray = [node.name for root in recorded.tree() for node in root.walk() if node.stage is None]
    assert stray == []


def test_every_operation_of_a_layer_has_a_span(recorded):
    calls = {row.name: row.calls for row in recorded.kernels()}
    steps = 4  # a prefill and three decode steps
    for name in FORWARD:
        layers = 1 if name in ("embed", "output_norm", "lm_head") else 2
        assert calls[name] == steps * layers, name
    for name in ("model_load", "open", "tensor_table", "tokenizer", "encode", "prefill_loop"):
        assert calls[name] == 1, name
    assert calls["decode_loop"] == 3
    assert calls["sampling"] == calls["stop_test"] == steps
    assert calls["weight_repack"] == 14


def test_quantization_inside_the_forward_pass_is_counted_once(recorded):
    found = next(row for row in recorded.kernels() if row.name.startswith("quantize_activations/"))
    assert found.stage == "quantization"
    assert found.calls == 4 * 2 * 4  # steps, layers, inputs of products in a layer


def test_spans_of_kernels_state_their_work(recorded):
    for row in recorded.kernels():
        if "/" in row.name:
            assert row.bytes > 0, row.name


def test_totals_add_up_over_equal_stacks():
    spans = [
        ("decode_loop", 0, 0, 100, 0, 0),
        ("qkv", 0, 10, 50, 0, 0),
        ("gemv/i2_s/scalar", 0, 20, 40, 7, 9),
        ("decode_loop", 0, 200, 260, 0, 0),
        ("qkv", 0, 210, 230, 0, 0),
        ("gemv/i2_s/scalar", 0, 215, 225, 7, 9),
    ]
    (root,) = totals(nest(spans))
    rows = [
        (len(stack), each.name, each.calls, each.bytes, each.ops) for stack, each in root.walk()
    ]
    assert rows == [
        (1, "decode_loop", 2, 14, 18),
        (2, "qkv", 2, 14, 18),
        (3, "gemv/i2_s/scalar", 2, 14, 18),
    ]
    assert root.seconds == pytest.approx(160e-9)
    assert root.self_seconds == pytest.approx(100e-9)


def test_every_operation_of_a_layer_names_it(recorded):
    rows = recorded.layers()
    assert {row.layer for row in rows} == {0, 1}
    first, second = ([row.operation for row in rows if row.layer == n] for n in (0, 1))
    assert first == second
    assert first[0] == "attn_norm"
    assert {"qkv", "attention", "gate_up", "down"} <= set(first)
    assert all(row.calls == 4 for row in rows)  # a prefill and three steps
    events = json.loads(chrome(recorded))["traceEvents"]
    down = [event["args"]["layer"] for event in events if event["name"] == "down"]
    assert down == [0, 1] * 4


def test_memory_of_a_model_is_that_of_its_load(recorded):
    rows = {row.stage: row for row in recorded.stages()}
    load = rows["Model Load"]
    assert load.allocations > 0
    weights = sum(each.bytes for each in recorded.kernels() if each.name == "page_in")
    assert load.allocated >= 0.99 * weights > 0  # the files' scales are not kept
    # Of the workspace and of what the threads of a product share, at their first widths.
    assert rows["Forward Pass"].allocations <= 4
    if recorded.peak_reason:
        assert load.peak_rss is None
        assert load.peak_reason == recorded.peak_reason
    else:
        assert load.allocated < load.peak_rss <= recorded.peak.resident


def test_a_decode_step_allocates_nothing(recorded):
    steps = [node for root in recorded.tree() for node in root.walk() if node.name == "decode_loop"]
    assert [node.allocations for node in steps[1:]] == [0] * (len(steps) - 1)
