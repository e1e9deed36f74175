"""Profiles: nesting, self times, stages and exports, on spans with known times and on real ones."""

import json
import sys
import threading
from collections import Counter

import numpy as np
import pytest

import bitnet_perf as bp
from bitnet_perf import _bench, _native
from bitnet_perf.stages import STAGES, Profile, profile, run_layer, span, stage_of
from bitnet_perf.stages.layer import LAYER
from bitnet_perf.stages.tree import nest

GEMV = "gemv/i2_s/scalar"
# name, thread, begin, end, bytes, ops: one operation with two kernels, a kernel alone, a thread
SPANS = [
    ("qkv", 0, 100, 1100, 0, 0),
    ("block_quantize/quant_i2s/scalar", 0, 150, 350, 7, 0),
    (GEMV, 0, 400, 1000, 64, 128),
    (GEMV, 0, 1200, 1300, 64, 128),
    (GEMV, 1, 500, 800, 64, 128),
]


@pytest.fixture
def known():
    return Profile(0, 2000, 0, nest(SPANS))


def test_spans_nest_by_thread_and_time(known):
    qkv, other_thread, alone = known.tree()
    assert [c.name for c in qkv.children] == ["block_quantize/quant_i2s/scalar", GEMV]
    assert (qkv.self_ns, qkv.children[0].self_ns) == (200, 200)
    assert (other_thread.thread, other_thread.children) == (1, ())
    assert alone.begin == 1200


def test_nesting_does_not_depend_on_the_order_of_spans():
    assert nest(reversed(SPANS)) == nest(SPANS)


def test_equal_begins_nest_the_shorter_in_the_longer():
    (root,) = nest([(GEMV, 0, 5, 7, 0, 0), ("qkv", 0, 5, 9, 0, 0)])
    assert (root.name, root.children[0].name) == ("qkv", GEMV)


def test_an_operation_is_around_a_kernel_of_the_same_times():
    (root,) = nest([(GEMV, 0, 5, 9, 0, 0), ("qkv", 0, 5, 9, 0, 0)])
    assert (root.name, root.children[0].name) == ("qkv", GEMV)


def test_layers_and_allocations_of_a_tree():
    (root,) = nest([("down", 0, 0, 9, 0, 0, 3, 5, 500), (GEMV, 0, 1, 8, 64, 128, -1, 2, 200)])
    kernel = root.children[0]
    assert (root.layer, kernel.layer) == (3, 3)
    assert (root.self_allocations, root.self_allocated) == (3, 300)
    assert (kernel.self_allocations, kernel.self_allocated) == (2, 200)
    assert root.work == (64, 128)
    (row,) = Profile(0, 10, 0, (root,)).layers()
    assert (row.layer, row.operation, row.calls, row.bytes) == (3, "down", 1, 64)


def test_self_times_of_the_stages(known):
    rows = {row.stage: row for row in known.stages()}
    assert list(rows) == list(STAGES.values())
    assert rows["Quantization"].seconds == pytest.approx(200e-9)
    assert rows["Forward Pass"].seconds == pytest.approx((200 + 600 + 100 + 300) * 1e-9)
    assert rows["Forward Pass"].share == pytest.approx(0.6)
    assert rows["Forward Pass"].calls == 4
    for title in ("Model Load", "Tokenization", "Generation"):
        assert (rows[title].seconds, rows[title].reason) == (None, "no model given")


def test_stages_and_the_rest_add_up_to_the_run(known):
    total = sum(row.seconds or 0.0 for row in known.stages()) + known.outside
    assert total == pytest.approx(known.seconds)


def test_kernels_are_summed_by_name(known):
    first = known.kernels()[0]
    assert (first.name, first.calls, first.bytes, first.ops) == (GEMV, 3, 192, 384)
    assert first.seconds == pytest.approx(1000e-9)


def test_nothing_ran():
    rows = {row.stage: row.reason for row in Profile(0, 10, 0, ()).stages()}
    assert rows["Forward Pass"] == "nothing of it ran"
    assert rows["Generation"] == "no model given"


def test_every_kernel_family_has_a_stage_or_is_a_probe_of_the_host():
    for family, _, _, _ in _native.kernels():
        if not family.startswith("probe_"):
            assert stage_of(f"{family}/x/y") in STAGES, family
        else:
            assert stage_of(f"{family}/x/y") is None


def test_chrome_trace(known, tmp_path):
    trace = json.loads(known.save(tmp_path / "trace.json").read_text())
    events = trace["traceEvents"]
    assert len(events) == len(SPANS)
    gemv = next(e for e in events if e["name"] == GEMV)
    assert (gemv["ph"], gemv["ts"], gemv["dur"], gemv["cat"]) == ("X", 0.4, 0.6, "forward")


def test_speedscope_opens_and_closes_every_frame_in_order(known, tmp_path):
    file = json.loads(known.save(tmp_path / "x.speedscope.json").read_text())
    frames = [frame["name"] for frame in file["shared"]["frames"]]
    for each in file["profiles"]:
        stack, last = [], 0
        for event in each["events"]:
            assert event["at"] >= last
            last = event["at"]
            if event["type"] == "O":
                stack.append(event["frame"])
            else:
                assert stack.pop() == event["frame"]
        assert stack == []
    assert {frames[e["frame"]] for p in file["profiles"] for e in p["events"]} == set(frames)


def test_folded_stacks_add_up(known, tmp_path):
    lines = known.save(tmp_path / "x.folded").read_text().splitlines()
    stacks = {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in lines}
    assert stacks[f"forward;qkv;{GEMV}"] == 600
    assert stacks[f"forward;{GEMV}"] == 400
    assert sum(stacks.values()) == 1400


def test_an_unknown_ending_is_refused(known, tmp_path):
    with pytest.raises(bp.MeasurementError, match=r"accepted endings are \.speedscope\.json"):
        known.save(tmp_path / "x.txt")


def test_real_kernels_are_recorded_inside_their_operation():
    case = "forward/gemv/i2_s/64x256/t1"
    _bench.loop(case, 1, "scalar")
    with profile() as recorded:
        with span("o_proj"):
            _bench.loop(case, 3, "scalar")
        _bench.loop("host/probe_read/plain/16384/t1", 1, "scalar")
    operation = recorded.tree()[0]
    assert [c.name for c in operation.children] == [GEMV] * 3
    assert operation.children[0].bytes == _bench.work(case, "scalar").bytes
    assert recorded.lost == 0
    assert recorded.outside >= 0
    forward = next(row for row in recorded.stages() if row.stage == "Forward Pass")
    assert forward.calls == 4
    assert 0 < forward.seconds < recorded.seconds


def test_spans_of_other_threads_are_recorded():
    with profile() as recorded:
        worker = threading.Thread(target=_bench.loop, args=("forward/gemv/i2_s/64x256/t1", 2))
        worker.start()
        worker.join()
        _bench.loop("forward/gemv/i2_s/64x256/t1", 1)
    assert len({node.thread for node in recorded.tree()}) == 2


def test_spans_over_the_wanted_number_are_counted_as_lost():
    case = "quantization/block_quantize/quant.i2s/32/t1"
    _bench.loop(case, 1)
    with profile(most_spans=1000) as recorded:
        _bench.loop(case, 1010)
    assert recorded.lost == 10
    assert len(recorded.tree()) == 1000


def test_a_long_profile_loses_nothing():
    """More than is there from the first span on: the log grows, and says what that took."""
    case = "quantization/block_quantize/quant.i2s/32/t1"
    _bench.loop(case, 1)  # the first loop of a process checks the result, by more calls
    with profile() as recorded:
        _bench.loop(case, 200_000)
    assert recorded.lost == 0
    names = Counter(node.name for node in recorded.tree())
    assert names["block_quantize/quant_i2s/" + _bench.work(case).isa] == 200_000
    assert set(names) - {"span_growth"} == {"block_quantize/quant_i2s/" + _bench.work(case).isa}


@pytest.mark.parametrize("most", [0, -1, 1 << 40])
def test_a_number_of_spans_out_of_range_is_refused(most):
    block = profile(most_spans=most)
    with pytest.raises(bp.ConfigError, match=f"spans: found {most}, accepted are 1 to"):
        block.__enter__()
    with profile() as recorded:  # nothing is left on
        pass
    assert recorded.tree() == ()


def test_nothing_is_recorded_outside_a_profile():
    with span("qkv"):
        _bench.loop("forward/gemv/i2_s/64x256/t1", 2)
    with profile() as recorded:
        pass
    assert recorded.tree() == ()


def test_profiles_do_not_nest_and_end_with_an_error_inside():
    with profile() as outer:
        with pytest.raises(bp.MeasurementError, match="another one"), profile():
            pass
        with pytest.raises(bp.MeasurementError, match="still recording"):
            outer.stages()
    with pytest.raises(ZeroDivisionError), profile():
        raise ZeroDivisionError
    assert not _native.spans_on()


def test_checking_a_case_does_not_start_a_profile():
    _bench.check("forward/gemv/i2_s/64x256/t1")
    assert not _native.spans_on()
    with profile() as recorded:
        _bench.loop("forward/gemv/i2_s/96x256/t1", 1)
    assert len(recorded.tree()) >= 1
    assert np.all([node.end >= node.begin for node in recorded.tree()])


@pytest.mark.parametrize("tokens", [1, 16])
def test_a_layer_quantizes_once_per_operation(tokens):
    run_layer(tokens)
    with profile() as recorded:
        run_layer(tokens, isa="scalar")
    operations = recorded.tree()
    assert [node.name for node in operations] == list(LAYER)
    family = "gemv" if tokens == 1 else "gemm"
    for node, matrices in zip(operations, LAYER.values(), strict=True):
        quantize, *products = [child.name for child in node.children]
        assert quantize.startswith("quantize_activations/q8_act/")
        assert products == [f"{family}/i2_s/scalar"] * len(matrices)
    rows = {row.stage: row for row in recorded.stages()}
    assert rows["Quantization"].calls == len(LAYER)
    assert rows["Forward Pass"].calls == len(LAYER) + sum(map(len, LAYER.values()))
    total = sum(row.seconds or 0.0 for row in rows.values()) + recorded.outside
    assert total == pytest.approx(recorded.seconds)


def test_a_profile_in_a_notebook(known):
    html = known._repr_html_()
    assert f'<td style="text-align:left">{GEMV}</td>' in html
    assert "0.001 ms" not in html.partition("</caption>")[0]
    assert "0.002 ms" in html.partition("</caption>")[0]


def test_a_profile_as_a_picture_and_a_frame(known):
    axes = known.plot()
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        row.stage for row in known.stages() if row.seconds is not None
    ]
    assert list(known.to_frame()["calls"]) == [row.calls for row in known.kernels()]


def test_what_lacks_a_package_says_how_to_get_it(known, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(bp.EnvironmentRefused, match="pip install"):
        known.to_frame()
    with pytest.raises(bp.EnvironmentRefused, match="pip install"):
        known.plot()
