"""bp.matmul and bp.matmul_int: results, independence of batch and threads, bad input."""

import multiprocessing
import threading

import numpy as np
import pytest
from reference import matmul as oracle

import bitnet_perf as bp
from bitnet_perf.formats.convert import held_in
from bitnet_perf.kernels import numba_backend

PRODUCTS = [row for row in bp.isas() if row.family in {"gemv", "gemm"} and row.runnable]
FORMATS = sorted({row.format for row in PRODUCTS})
FILE_FORMATS = [name for name in FORMATS if not name.startswith("native_")]


def isas_of(name, family="gemm"):
    return [row.isa for row in PRODUCTS if (row.format, row.family) == (name, family)]


GEMM = [(name, isa) for name in FORMATS for isa in isas_of(name)]


def weights(name, N=96, K=384, scale=0.5, seed=3):
    ternary = np.random.default_rng(seed).integers(-1, 2, (N, K), np.int8)
    if name.startswith("native_"):
        return ternary, held_in(bp.pack(ternary, "i2_s", scale=scale), name, 1)
    return ternary, bp.pack(ternary, name, scale=scale)


def activations(M=5, K=384, seed=4):
    return np.random.default_rng(seed).standard_normal((M, K)).astype(np.float32)


def block_scaled(name, N=37, K=1025, seed=5):
    """tq weights whose blocks have different scales, from bytes of a uniform pack."""
    rng = np.random.default_rng(seed)
    ternary = rng.integers(-1, 2, (N, K), np.int8)
    raw = bp.pack(ternary, name).data.copy()
    blocks = -(-K // 256)
    d = rng.uniform(0.01, 2.0, (N, blocks)).astype(np.float16)
    raw.reshape(N * blocks, -1)[:, -2:] = d.reshape(-1, 1).view(np.uint8).reshape(-1, 2)
    return ternary, d, bp.Packed.from_bytes(raw, name, shape=(N, K))


@pytest.mark.parametrize(("name", "isa"), GEMM)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("M", [5, 21, 270])  # row by row, one block of tokens, two
def test_results_are_the_oracles_bits(name, isa, threads, M):
    ternary, w = weights(name)
    x = activations(M)
    q, s, _ = oracle.quantize(x)
    want = oracle.scaled(q, ternary, s, 0.5)
    np.testing.assert_array_equal(bp.matmul(x, w, isa=isa, threads=threads), want)
    if isa in isas_of(name, "gemv"):
        np.testing.assert_array_equal(bp.matmul(x[2], w, isa=isa, threads=threads), want[2])
        np.testing.assert_array_equal(bp.matmul(x[:1], w, isa=isa, threads=threads), want[:1])
    found = bp.matmul_int(bp.quantize_activations(x), w, isa=isa, threads=threads)
    np.testing.assert_array_equal(found, oracle.sums(q, ternary))


@pytest.mark.parametrize("name", [n for n in FILE_FORMATS if n.startswith("tq")])
@pytest.mark.parametrize("prepared", [False, True])
def test_block_scales_are_summed_in_order(name, prepared):
    ternary, d, w = block_scaled(name)
    assert w.scale is None
    x = activations(6, 1025)
    q, s, _ = oracle.quantize(x)
    pad = -ternary.shape[1] % 256
    want = oracle.block_scaled(
        np.pad(q, ((0, 0), (0, pad))), np.pad(ternary, ((0, 0), (0, pad))), s, d, 256
    )
    w = bp.prepare(w) if prepared else w
    for isa in isas_of(w.format):
        for threads in (1, 2):
            y = bp.matmul(x, w, isa=isa, threads=threads)
            np.testing.assert_array_equal(y, want, err_msg=isa)
            if isa in isas_of(w.format, "gemv"):
                np.testing.assert_array_equal(bp.matmul(x[1], w, isa=isa), want[1], err_msg=isa)
        np.testing.assert_array_equal(bp.matmul_int(q, w, isa=isa), oracle.sums(q, ternary))


def test_isa_none_takes_the_row_marked_chosen():
    for family in ("gemv", "gemm"):
        for name in FORMATS:
            rows = [r for r in bp.isas() if (r.family, r.format) == (family, name)]
            assert [r.chosen for r in rows].count(True) == 1
            assert next(r for r in rows if r.runnable).chosen
    _, w = weights("i2_s")
    x = activations()
    np.testing.assert_array_equal(bp.matmul(x, w), bp.matmul(x, w, isa="scalar"))


def test_out_is_written_and_returned():
    _, w = weights("i2_s")
    x = activations()
    out = np.full((5, 96), np.nan, np.float32)
    assert bp.matmul(x, w, out=out) is out
    np.testing.assert_array_equal(out, bp.matmul(x, w))


def bad_outs():
    yield np.zeros((5, 95), np.float32), "float32\\[5, 96\\]"
    yield np.zeros((5, 96), np.float64), "float64"
    yield np.zeros((96, 5), np.float32).T, "strided"
    yield np.zeros(96, np.float32), "float32\\[5, 96\\]"
    yield [[0.0]], "NumPy array"
    frozen = np.zeros((5, 96), np.float32)
    frozen.flags.writeable = False
    yield frozen, "read-only"


@pytest.mark.parametrize(("out", "says"), list(bad_outs()))
def test_a_wrong_out_is_refused(out, says):
    _, w = weights("i2_s")
    with pytest.raises(bp.ShapeError, match=f"out: .*{says}"):
        bp.matmul(activations(), w, out=out)


def test_an_out_over_an_input_is_refused_and_nothing_is_written():
    memory = np.ones((5, 384), np.float32)
    before = memory.copy()
    _, w = weights("i2_s")
    with pytest.raises(bp.ShapeError, match=r"out: .*overlaps"):
        bp.matmul(memory, w, out=memory.reshape(-1)[: 5 * 96].reshape(5, 96))
    np.testing.assert_array_equal(memory, before)
    q = bp.quantize_activations(memory)
    shared = q.values.reshape(-1)[: 4 * 5 * 96].view(np.float32).reshape(5, 96)
    with pytest.raises(bp.ShapeError, match=r"out: .*overlaps"):
        bp.matmul(q, w, out=shared)


@pytest.mark.parametrize(
    ("x", "error", "says"),
    [
        (np.zeros((5, 383), np.float32), bp.ShapeError, "x: .*K = 384"),
        (np.zeros((0, 384), np.float32), bp.ShapeError, "x: .*empty"),
        (np.zeros((1, 5, 384), np.float32), bp.ShapeError, "x: .*3 dimensions"),
        (np.zeros((5, 384)), bp.ShapeError, "x: .*float64"),
        (np.zeros((5, 384), np.int8), bp.ShapeError, "x: .*int8"),
        (None, bp.ShapeError, "x: "),
    ],
)
def test_wrong_activations_are_refused(x, error, says):
    with pytest.raises(error, match=says):
        bp.matmul(x, weights("i2_s")[1])


def test_other_wrong_arguments_are_refused():
    _, w = weights("i2_s")
    x = activations()
    for threads in (0, -1):
        with pytest.raises(bp.ShapeError, match="threads: "):
            bp.matmul(x, w, threads=threads)
    with pytest.raises(bp.FormatError, match="w: found ndarray"):
        bp.matmul(x, np.zeros((3, 384), np.int8))
    with pytest.raises(bp.IsaError, match=r"isa: 'sse9' .*scalar"):
        bp.matmul(None, w, isa="sse9")  # named before anything else is looked at
    with pytest.raises(bp.ShapeError, match="x: "):
        bp.matmul_int(x, w)
    q = bp.quantize_activations(x)
    with pytest.raises(bp.ShapeError, match=r"x\.scale: "):
        bp.matmul(bp.Activations(q.values, q.scale[:2], q.sum), w)


def test_numba_absent_is_listed_and_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(numba_backend.importlib.util, "find_spec", lambda _: None)
    rows = [row for row in bp.isas() if row.isa == "numba"]
    assert [row.family for row in rows] == ["gemv", "gemm"]
    assert all(not row.runnable and "pip install bitnet_perf[numba]" in row.reason for row in rows)
    with pytest.raises(bp.IsaError, match=r"pip install bitnet_perf\[numba\]"):
        bp.matmul(activations(), weights("i2_s")[1], isa="numba")


def test_numba_is_exact_and_refuses_what_it_does_not_have():
    pytest.importorskip("numba", reason="numba is missing: pip install bitnet_perf[numba]")
    for K in (1, 127, 128, 2176):
        for weight, value in ((1, 127), (1, -128), (-1, -128), (0, 5)):
            w = np.full((3, K), weight, np.int8)
            q = np.full((2, K), value, np.int8)
            found = bp.matmul_int(q, bp.pack(w, "i2_s"), isa="numba", threads=2)
            np.testing.assert_array_equal(found, oracle.sums(q, w))
    with pytest.raises(bp.IsaError, match="accepted is i2_s"):
        bp.matmul(activations(), weights("tq2_0")[1], isa="numba")
    with pytest.raises(bp.ShapeError, match="out: "):
        bp.matmul(activations(), weights("i2_s")[1], isa="numba", out=np.zeros(3, np.float32))


def test_calls_from_several_threads_at_once():
    _, w = weights("i2_s", 512, 1024)
    x = activations(17, 1024)
    want = bp.matmul(x, w)
    found = [[] for _ in range(4)]

    def work(results):
        for i in range(50):
            results.append(np.array_equal(bp.matmul(x[i % 17], w, threads=2), want[i % 17]))
            results.append(np.array_equal(bp.matmul(x, w, threads=3), want))

    workers = [threading.Thread(target=work, args=(each,)) for each in found]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert [sum(each) for each in found] == [100] * 4


def in_child(queue, w, x):
    queue.put(bp.matmul(x, w, threads=2))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_team_of_its_own():
    _, w = weights("i2_s", 512, 1024)
    x = activations(1, 1024)
    want = bp.matmul(x, w, threads=2)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    for _ in range(3):
        child = context.Process(target=in_child, args=(queue, w, x))
        child.start()
        np.testing.assert_array_equal(queue.get(), want)
        child.join(30)
        assert child.exitcode == 0
    np.testing.assert_array_equal(bp.matmul(x, w, threads=2), want)
