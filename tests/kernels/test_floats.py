"""The float families: every variant against float64 within its stated bound, bit-equal
over threads and splits of the batch, and the errors of their entries."""

import numpy as np
import pytest
from reference import floats as oracle

import bitnet_perf as bp
from bitnet_perf import _native

WIDTHS = [1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 31, 33, 64, 100, 2560, 4096, 6912]
LARGE = 40_000  # values from which drivers use more than one thread


def isas(family, fmt="f32"):
    return [
        row.isa for row in bp.isas() if row.family == family and row.format == fmt and row.runnable
    ]


def normal(*shape, seed=0, scale=1.0):
    values = np.random.default_rng([seed, *shape]).standard_normal(shape) * scale
    return values.astype(np.float32)


def same_bits(a, b):
    np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32))


def within(found, exact, limit):
    assert found.dtype == np.float32
    error = np.abs(found.astype(np.float64) - exact)
    worst = np.unravel_index(np.argmax(error - limit), error.shape)
    assert (error <= limit).all(), f"{found[worst]} at {worst}, exact {exact[worst]}"


def norm_limit(exact):
    return 2.0**-22 * np.abs(exact) + 2.0**-148


@pytest.mark.parametrize("isa", isas("rms_norm"))
@pytest.mark.parametrize("K", WIDTHS)
def test_rms_norm_every_size(isa, K):
    weight = normal(K, seed=1)
    for M in (1, 2, 17):
        x = normal(M, K) * np.float32(10.0) ** np.arange(-(M // 2), (M + 1) // 2)[:, None]
        x = x.astype(np.float32)
        found = _native.rms_norm(x, weight, 1e-5, isa)
        exact = oracle.rms_norm(x, weight, 1e-5)
        within(found, exact, norm_limit(exact))


@pytest.mark.parametrize("isa", isas("rms_norm"))
def test_rms_norm_of_huge_and_tiny_rows(isa):
    weight = normal(37, seed=1)
    rows = [normal(37) * np.float32(s) for s in (1e37, 1e30, 1e19, 1e-10, 1e-30, 1e-42)]
    x = np.stack([*rows, np.zeros(37, np.float32)]).astype(np.float32)
    for eps in (1e-5, 1e-12, 2.0**-126):
        exact = oracle.rms_norm(x, weight, eps)
        within(_native.rms_norm(x, weight, eps, isa), exact, norm_limit(exact))


@pytest.mark.parametrize("isa", isas("rms_norm"))
def test_rms_norm_is_bit_equal_over_threads_batch_and_place(isa):
    x, weight = normal(50, 1003), normal(1003, seed=1)
    assert x.size > LARGE
    once = _native.rms_norm(x, weight, 1e-5, isa)
    same_bits(_native.rms_norm(x, weight, 1e-5, isa, threads=2), once)
    same_bits(_native.rms_norm(x, weight, 1e-5, isa, threads=5), once)
    for m in (0, 1, 49):
        same_bits(_native.rms_norm(x[m], weight, 1e-5, isa), once[m])
    out = x.copy()
    assert _native.rms_norm(out, weight, 1e-5, isa, 2, out) is out
    same_bits(out, once)


@pytest.mark.parametrize("isa", isas("rope"))
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize(
    ("head_dim", "half"),
    [(2, 1), (3, 1), (6, 3), (8, 4), (10, 5), (16, 7), (16, 8), (20, 9), (128, 64), (128, 33)],
)
def test_rope_is_the_same_bits_everywhere(isa, interleaved, head_dim, half):
    for M, heads, beyond in ((1, 1, 0), (3, 5, 0), (2, 4, 7)):
        x = normal(M, heads * head_dim + beyond)
        angle = normal(M, half, seed=1, scale=10)
        cos, sin = np.cos(angle), np.sin(angle)
        found = _native.rope(x, cos, sin, heads, head_dim, interleaved, isa)
        exact = oracle.rope(x, cos, sin, heads, head_dim=head_dim, interleaved=interleaved)
        same_bits(found, exact)


@pytest.mark.parametrize("isa", isas("rope"))
def test_rope_is_bit_equal_over_threads_and_batch(isa):
    M, heads, head_dim = 40, 25, 64
    x, cos, sin = normal(M, heads * head_dim), normal(M, 32, seed=1), normal(M, 32, seed=2)
    assert x.size > LARGE
    once = _native.rope(x, cos, sin, heads, head_dim, False, isa)
    same_bits(_native.rope(x, cos, sin, heads, head_dim, False, isa, threads=3), once)
    for m in (0, 39):
        row = slice(m, m + 1)
        same_bits(_native.rope(x[row], cos[row], sin[row], heads, head_dim, False, isa), once[row])


SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 1e19, -1e19, 3e38, -3e38, np.inf, -np.inf, np.nan],
    np.float32,
)


@pytest.mark.parametrize("isa", isas("relu2_mul"))
@pytest.mark.parametrize("count", WIDTHS)
def test_relu2_mul_is_the_same_bits_everywhere(isa, count):
    gate, up = normal(count), normal(count, seed=1)
    positive = np.where(gate > 0, gate, np.float32(0))
    same_bits(_native.relu2_mul(gate, up, isa), positive * positive * up)


@pytest.mark.parametrize("isa", isas("relu2_mul"))
def test_relu2_mul_of_special_values(isa):
    up = np.full(SPECIAL.size, 2.0, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        positive = np.where(SPECIAL > 0, SPECIAL, np.float32(0))
        same_bits(_native.relu2_mul(SPECIAL, up, isa), positive * positive * up)


@pytest.mark.parametrize("isa", isas("add"))
@pytest.mark.parametrize("count", [*WIDTHS, LARGE + 13])
def test_add_is_the_same_bits_everywhere(isa, count):
    x, y = normal(count), normal(count, seed=1)
    same_bits(_native.add(x, y, isa), x + y)
    same_bits(_native.add(x, y, isa, threads=3), x + y)


def silu_limit(exact, up):
    return 2.0**-21 * np.abs(exact) + 2.0**-121 * np.abs(up.astype(np.float64)) + 2.0**-148


@pytest.mark.parametrize("isa", isas("silu_mul"))
@pytest.mark.parametrize("count", WIDTHS)
def test_silu_mul_every_size(isa, count):
    gate, up = normal(count, scale=4), normal(count, seed=1)
    exact = oracle.silu_mul(gate, up)
    within(_native.silu_mul(gate, up, isa), exact, silu_limit(exact, up))


@pytest.mark.parametrize("isa", isas("silu_mul"))
def test_silu_mul_over_the_whole_range(isa):
    bits = np.arange(0, 1 << 32, 1021, dtype=np.uint64).astype(np.uint32)
    gate = bits.view(np.float32)
    gate = gate[np.isfinite(gate)]
    gate = np.concatenate([gate, np.linspace(-110, 110, 1_000_001, dtype=np.float32)])
    up = np.ones_like(gate)
    with np.errstate(over="ignore"):
        exact = oracle.silu_mul(gate, up)
    within(_native.silu_mul(gate, up, isa), exact, silu_limit(exact, up))
    special = _native.silu_mul(SPECIAL, np.ones_like(SPECIAL), isa)
    assert special[np.isposinf(SPECIAL)] == np.inf
    assert np.isnan(special[np.isnan(SPECIAL)]).all()


@pytest.mark.parametrize("family", ["relu2_mul", "silu_mul"])
def test_gated_results_are_bit_equal_over_threads_and_places(family):
    run = getattr(_native, family)
    gate, up = normal(LARGE + 13, scale=4), normal(LARGE + 13, seed=1)
    for isa in isas(family):
        once = run(gate, up, isa)
        same_bits(run(gate, up, isa, threads=2), once)
        same_bits(run(gate, up, isa, threads=5), once)
        for start in (1, 3, 4, 7):
            part = slice(start, start + 101)
            same_bits(run(gate[part], up[part], isa), once[part])
        for mine in (gate.copy(), up.copy()):
            pair = (mine, up) if (mine == gate).all() else (gate, mine)
            assert run(*pair, isa, 2, mine) is mine
            same_bits(mine, once)


@pytest.mark.parametrize("isa", isas("argmax"))
@pytest.mark.parametrize("count", [*WIDTHS, 1024, 1025, LARGE + 13])
def test_argmax_is_the_first_largest(isa, count):
    x = normal(count)
    ties = np.round(x)
    for row in (x, ties, -np.abs(ties), np.full(count, -3e38, np.float32), np.sort(x), x[::-1]):
        for threads in (1, 3):
            assert _native.argmax(row, isa, threads) == (int(np.argmax(row)), -1)


@pytest.mark.parametrize("isa", isas("argmax"))
@pytest.mark.parametrize("count", [1, 7, 8, 40, 1025, LARGE + 13])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_argmax_finds_the_first_value_that_is_no_number(isa, count, bad):
    for place in {0, count // 3, count // 2, count - 1}:
        x = normal(count)
        x[[place, count - 1]] = bad
        for threads in (1, 3):
            assert _native.argmax(x, isa, threads)[1] == place


def softmax_limit(exact):
    return 2.0**-51 * exact + 2.0**-1074


@pytest.mark.parametrize("isa", isas("softmax"))
@pytest.mark.parametrize("count", [*WIDTHS, 1023, 1024, 1025, LARGE + 13])
def test_softmax_every_size(isa, count):
    x = normal(count, scale=4)
    largest = float(x.max())
    found, sums, smallest = _native.softmax(x, largest, 0.7, isa)
    exact = oracle.softmax_numerators(x, largest, 0.7)
    assert (np.abs(found - exact) <= softmax_limit(exact)).all()
    starts = np.arange(0, count, 1024)
    np.testing.assert_allclose(sums, np.add.reduceat(found, starts), rtol=1024 * 2.0**-53)
    assert smallest.tolist() == np.minimum.reduceat(found, starts).tolist()
    for threads in (2, 5):
        for one, other in zip(
            (found, sums, smallest), _native.softmax(x, largest, 0.7, isa, threads), strict=True
        ):
            assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("isa", isas("softmax"))
def test_softmax_over_the_whole_range(isa):
    """Down to subnormal numerators and 0; 1 from the largest on, never more."""
    x = np.concatenate([np.linspace(-760, 3, 400_001), -np.logspace(-40, 38, 20_000)])
    x = x.astype(np.float32)
    for temperature in (1.0, 1e-320, 1e-3, 1e300):
        found, _, _ = _native.softmax(x, 0.0, temperature, isa)
        exact = oracle.softmax_numerators(x, 0.0, temperature)
        assert (np.abs(found - exact) <= softmax_limit(exact)).all()
        assert found.max() == 1
        assert (found[x >= 0] == 1).all()


X = np.ones((2, 8), np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: _native.rms_norm(X, np.ones(7, np.float32), 1e-5), r"weight: .*\[8\]"),
        (lambda: _native.rms_norm(X, X[0], 0.0), "eps: "),
        (lambda: _native.rms_norm(X, X[0], float("nan")), "eps: "),
        (lambda: _native.rms_norm(X.astype(np.float64), X[0], 1e-5), "x: .*float64"),
        (lambda: _native.rms_norm(X, X[0], 1e-5, out=X.reshape(-1)[:8]), "out: "),
        (lambda: _native.rms_norm(X, X[0], 1e-5, threads=0), "threads: "),
        (lambda: _native.rope(X, X, X, 1, 8), "cos: .*4 columns"),
        (lambda: _native.rope(X, X[:, :4], X[:, :3], 1, 8), r"sin: .*\[2, 4\]"),
        (lambda: _native.rope(X, X[:1, :4], X[:1, :4], 1, 8), r"cos: .*\[2, 4\]"),
        (lambda: _native.rope(X, X[:, :2], X[:, :2], 3, 4), "heads, head_dim: "),
        (lambda: _native.rope(X, X[:, :2], X[:, :2], 0, 4), "heads, head_dim: "),
        (lambda: _native.relu2_mul(X, X[:1]), r"up: .*\[2, 8\]"),
        (lambda: _native.silu_mul(X[0], X[0, :7]), r"up: .*\[8\]"),
        (lambda: _native.silu_mul(X[:1], X[1:], out=X.reshape(-1)[1:9][None]), "out: .*gate"),
        (lambda: _native.add(X, X[0]), r"y: .*\[2, 8\]"),
        (lambda: _native.add(np.zeros((0, 3), np.float32), X), "x: .*empty"),
        (lambda: _native.argmax(X), "x: found 2 dimensions"),
        (lambda: _native.softmax(X[0], 1.0, 0.0), "temperature: "),
        (lambda: _native.softmax(X[0], float("inf")), "largest: "),
    ],
)  # fmt: skip
def test_wrong_arrays_are_refused(call, message):
    with pytest.raises(bp.ShapeError, match=message):
        call()


def test_an_unknown_variant_is_refused():
    with pytest.raises(bp.IsaError, match="isa: 'sse9'"):
        _native.add(X, X, "sse9")
