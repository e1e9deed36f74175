"""What a worker makes of spans, memory and Python functions."""

from __future__ import annotations

import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_perf import _bench, _native, memory
from bitnet_perf.bench.paired.recorded import (
    ROOT,
    Lacking,
    Recorder,
    Sample,
    functions,
    live_bytes,
    resident,
    settle,
    short_file,
    waited_ns,
)

GEMV = "gemv/i2_s/scalar"
CASE = "forward/gemv/i2_s/64x256/t1"


def test_self_times_and_counts_by_stack():
    rows = [
        (ROOT, 0, 0, 1000, 0, 0, -1, 9, 900),
        ("qkv", 0, 100, 600, 0, 0, 0, 5, 500),
        (GEMV, 0, 150, 350, 64, 128, -1, 1, 100),
        (GEMV, 0, 400, 500, 64, 128, -1, 2, 150),
        ("qkv", 0, 700, 800, 0, 0, 1, 0, 0),
        (GEMV, 1, 200, 900, 64, 128),  # of another thread
    ]
    sample = Sample(rows)
    assert (sample.wall, sample.elsewhere) == (1000, 1)
    assert sample.calls == {(): [400], ("qkv",): [200, 100], ("qkv", GEMV): [200, 100]}
    assert sample.counts == {
        (): [1, 0, 0, 4, 400],
        ("qkv",): [2, 0, 0, 2, 250],
        ("qkv", GEMV): [2, 128, 256, 3, 250],
    }


def test_spans_of_an_older_recorder_have_no_allocations():
    sample = Sample([(ROOT, 0, 0, 10, 0, 0), ("qkv", 0, 2, 6, 1, 2)])
    assert sample.counts == {(): [1, 0, 0, 0, 0], ("qkv",): [1, 1, 2, 0, 0]}


def test_of_equal_times_the_kernel_is_inside():
    rows = [(GEMV, 0, 0, 10, 1, 1), ("qkv", 0, 0, 10, 0, 0), (ROOT, 0, 0, 10, 0, 0)]
    assert list(Sample(rows).calls) == [(), ("qkv",), ("qkv", GEMV)]


@st.composite
def forests(draw, begin=0, end=1 << 20, depth=0):
    """Spans that nest, within [begin, end]."""
    spans = []
    cuts = sorted(draw(st.lists(st.integers(begin, end), max_size=6)))
    for low, high in zip(cuts[::2], cuts[1::2], strict=False):
        spans.append((draw(st.sampled_from(["qkv", "down", GEMV])), 0, low, high, 1, 2))
        if depth < 3:
            spans += draw(forests(low, high, depth + 1))
    return spans


@settings(deadline=None)
@given(forests())
def test_self_times_add_up_to_the_sample(spans):
    sample = Sample([*spans, (ROOT, 0, 0, 1 << 20, 0, 0)])
    assert sum(map(sum, sample.calls.values())) == sample.wall == 1 << 20
    assert sum(row[0] for row in sample.counts.values()) == len(spans) + 1
    assert sample.elsewhere == 0


MS = 1_000_000


def taken(*durations, cpu=None, waited=None):
    """Samples of two calls of these nanoseconds, with the CPU time of each (else all of it) and the
    time it waited (else not known)."""
    made = []
    for number, (first, second) in enumerate(durations):
        end = first + second
        rows = [(ROOT, 0, 0, end, 0, 0), ("qkv", 0, 0, first, 0, 0), ("down", 0, first, end, 0, 0)]
        made.append((Sample(rows), (cpu or {}).get(number, end), (waited or {}).get(number, -1)))
    return made


@pytest.mark.parametrize("known", ["cpu", "waited"])
def test_time_away_is_taken_out_of_the_call_that_it_made_longer(known):
    away = {"cpu": {5: 3 * MS}, "waited": {5: 4 * MS}}[known]
    samples = taken(*[(MS, 2 * MS)] * 5, (MS, 6 * MS), **{known: away})
    assert settle(samples) == [0] * 5 + [4 * MS]
    assert samples[5][0].calls == {(): [0], ("qkv",): [MS], ("down",): [2 * MS]}


def test_no_more_is_taken_out_than_the_process_was_away():
    samples = taken(*[(MS, 2 * MS)] * 5, (MS, 6 * MS), cpu={5: 6 * MS})
    assert settle(samples)[5] == MS
    slow = taken(*[(MS, 2 * MS)] * 5, (MS, 6 * MS))  # it ran all the time: slow, not interrupted
    assert settle(slow) == [0] * 6
    ready = taken(*[(MS, 2 * MS)] * 5, (MS, 6 * MS), cpu={5: MS}, waited={5: 0})  # it slept
    assert settle(ready) == [0] * 6


def test_waiting_that_belongs_to_a_call_stays():
    samples = taken(*[(MS, 5 * MS)] * 6, cpu=dict.fromkeys(range(6), 2 * MS))
    assert settle(samples) == [0] * 6


def test_what_is_always_interrupted_is_scaled_to_the_time_it_ran():
    samples = taken(*[(2 * MS, 8 * MS)] * 4, waited=dict.fromkeys(range(4), 5 * MS))
    assert settle(samples) == [5 * MS] * 4
    assert samples[0][0].calls == {(): [0], ("qkv",): [MS], ("down",): [4 * MS]}


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9 * MS), st.integers(1, 9 * MS)), min_size=1, max_size=8),
    st.lists(st.floats(0, 1.1), min_size=8, max_size=8),
    st.booleans(),
)
def test_what_is_taken_out_and_what_stays_is_the_sample(durations, shares, known):
    away = {n: int(sum(each) * shares[n]) for n, each in enumerate(durations)}
    cpu = {n: sum(each) - away[n] for n, each in enumerate(durations)}
    samples = taken(*durations, cpu=cpu, waited=away if known else None)
    for n, (out, (sample, _, _)) in enumerate(zip(settle(samples), samples, strict=True)):
        whole = sum(map(sum, sample.calls.values()))
        assert whole + out == sample.wall
        assert whole > 0
        assert 0 <= out <= away[n]
        assert all(call >= 0 for calls in sample.calls.values() for call in calls)
        if known:
            assert out >= min(away[n], sample.wall - 1) - 3  # nanoseconds that do not divide


def test_a_recorder_takes_samples_of_native_code():
    _bench.work(CASE, "scalar")
    recorder = Recorder(lambda count: _bench.loop(CASE, count, "scalar"), memory)
    recorder.sample(3)
    recorder.sample(3)
    found = recorder.collected()
    assert found["stacks"] == [(), (GEMV,)]
    whole = [sum(row) + away for row, away in zip(found["self_ns"], found["away_ns"], strict=True)]
    assert whole == found["wall_ns"]
    assert found["counts"][1][0] == 1.0
    assert [len(row) for row in found["grown"]] == [3, 3]
    assert (found["lost"], found["elsewhere"]) == (0, 0)
    assert not _native.spans_on()


def test_what_a_sample_keeps_is_seen():
    kept = []

    def leaks(count):
        kept.extend(bytearray(100_000) for _ in range(count))
        return 1, 1, 0

    recorder = Recorder(leaks, memory)
    for _ in range(3):
        recorder.sample(2)
    grown = recorder.collected()["grown"]
    assert all(row[2] >= 2 for row in grown)  # Python objects
    if live_bytes()() > 0:
        assert all(200_000 <= row[1] < 210_000 for row in grown)


def test_cycles_are_garbage_and_no_growth():
    def makes_cycles(count):
        for _ in range(count):
            one: list = []
            one.append(one)
        return 1, 1, 0

    recorder = Recorder(makes_cycles, memory)
    recorder.sample(10)
    recorder.sample(1000)
    assert recorder.collected()["grown"][1][2] < 100


def test_a_side_without_the_recorder_says_so(monkeypatch):
    monkeypatch.delattr(_native, "begin_span")
    with pytest.raises(Lacking, match=r"records no spans .*begin_span"):
        Recorder(lambda _: (1, 1, 0), memory)


def test_functions_stand_with_their_files_and_what_they_call():
    def helper(text):
        return sum(map(ord, text))

    def sample(count):
        for _ in range(count):
            helper("abc")
        return 1000, 600, 0

    root = __file__.rpartition("/")[0]
    found = functions(sample, 5, [root])
    assert (found["wall_ns"], found["away_ns"]) == (1000, 400)
    rows = {row[2].rpartition(".")[2]: row for row in found["rows"]}
    file, line, name, calls, taken = rows["helper"]
    assert (file, calls) == ("test_recorded.py", 1.0)
    assert line == helper.__code__.co_firstlineno
    assert name.endswith("<locals>.helper")
    assert taken > 0
    (inside,) = [
        row for row in found["rows"] if "helper > <built-in method builtins.sum>" in row[2]
    ]
    assert inside[:2] == ["test_recorded.py", line]


def test_many_functions_are_summed():
    made = [types.FunctionType(compile(f"def f{n}(): pass", f"{n}.py", "exec").co_consts[0], {})
            for n in range(300)]  # fmt: skip

    def sample(_):
        for each in made:
            each()
        return 1, 1, 0

    rows = functions(sample, 1, [])["rows"]
    assert len(rows) == 201
    assert rows[-1][2].endswith("other functions")
    assert sum(row[3] for row in rows) >= 300


def test_files_are_named_from_the_side_they_belong_to():
    assert short_file("/a/b/bitnet_perf/model/x.py", ["/a/b"]) == "bitnet_perf/model/x.py"
    assert short_file("/usr/lib/python3/json/decoder.py", ["/a/b"]) == "json/decoder.py"
    assert short_file("<string>", []) == "<string>"


def test_memory_that_is_not_told_is_0(monkeypatch):
    monkeypatch.setattr("builtins.open", lambda *_, **__: (_ for _ in ()).throw(OSError()))
    assert resident() == 0
    assert waited_ns() == -1
