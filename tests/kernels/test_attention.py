"""attention: every variant against float64 within its stated bound, bit-equal over threads and
splits of the batch, extreme scores, and the errors of its entry."""

import numpy as np
import pytest
from reference import floats as oracle

import bitnet_perf as bp
from bitnet_perf import _native

TYPES = {"f16": np.float16, "f32": np.float32}
VARIANTS = [
    (row.format, row.isa) for row in bp.isas() if row.family == "attention" and row.runnable
]
SHAPES = [  # tokens, heads, KV heads, positions, head_dim
    (1, 1, 1, 1, 8),
    (1, 4, 1, 2, 8),
    (3, 4, 4, 7, 16),
    (2, 6, 2, 63, 24),
    (3, 10, 2, 65, 40),
    (2, 14, 2, 129, 64),
    (1, 9, 1, 255, 72),
    (2, 20, 5, 300, 128),
]


def inputs(shape, dtype, *, shared=False, spread=1.0):
    M, heads, kv_heads, positions, head_dim = shape
    rng = np.random.default_rng([M, heads, kv_heads, positions, head_dim])
    cache = (1 if shared else M, kv_heads, positions, head_dim)
    q = (rng.standard_normal((M, heads, head_dim)) * spread).astype(np.float32)
    keys, values = (rng.standard_normal(cache).astype(dtype) for _ in range(2))
    length = rng.integers(1, positions + 1, M)
    length[-1] = positions
    return q, keys, values, length


def limit(largest_score, largest_value, head_dim, length, *, round_p=False):
    """The bound that the family's header states."""
    S, V = largest_score[..., None], largest_value[..., None]
    steps = (head_dim / 4 + 32) * S + 2 * (128 + length[:, None, None] / 128) + 64
    return V * (2.0**-24 * steps + (2.0**-11 if round_p else 0))


def check(found, given, scale, **options):
    q, keys, values, length = given
    exact, S, V = oracle.attention(q, keys, values, length, scale, **options)
    assert (found.dtype, found.shape) == (np.float32, q.shape)
    error = np.abs(found - exact)
    allowed = limit(S, V, q.shape[2], length, **options)
    assert (error <= allowed).all(), float((error / allowed).max())
    return float(error.max())


@pytest.mark.parametrize(("fmt", "isa"), VARIANTS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_every_shape(fmt, isa, shape):
    scale = shape[-1] ** -0.5
    given = inputs(shape, TYPES[fmt])
    once = _native.attention(*given, scale, isa=isa)
    assert check(once, given, scale) < 2e-6, "far below the bound, which is the worst case"
    for threads in (2, 5):
        again = _native.attention(*given, scale, isa=isa, threads=threads)
        np.testing.assert_array_equal(again, once)
    rounded = _native.attention(*given, scale, round_p=True, isa=isa)
    check(rounded, given, scale, round_p=True)
    again = _native.attention(*given, scale, round_p=True, isa=isa, threads=2)
    np.testing.assert_array_equal(again, rounded)


@pytest.mark.parametrize(("fmt", "isa"), VARIANTS)
def test_4096_positions(fmt, isa):
    given = inputs((1, 4, 1, 4096, 128), TYPES[fmt], spread=3)
    once = _native.attention(*given, 128**-0.5, isa=isa)
    check(once, given, 128**-0.5)
    np.testing.assert_array_equal(_native.attention(*given, 128**-0.5, isa=isa, threads=2), once)


@pytest.mark.parametrize(("fmt", "isa"), VARIANTS)
@pytest.mark.parametrize("round_p", [False, True])
def test_a_token_does_not_depend_on_its_batch(fmt, isa, round_p):
    q, keys, values, length = inputs((40, 8, 2, 200, 32), TYPES[fmt], shared=True)
    together = _native.attention(q, keys, values, length, 0.2, round_p=round_p, isa=isa, threads=2)
    for m in (0, 1, 17, 39):
        alone = _native.attention(
            q[m : m + 1], keys, values, length[m : m + 1], 0.2, round_p=round_p, isa=isa
        )
        np.testing.assert_array_equal(alone[0], together[m])


@pytest.mark.parametrize(("fmt", "isa"), VARIANTS)
@pytest.mark.parametrize(
    ("heads", "kv_heads", "head_dim"),
    [(3, 3, 24), (4, 2, 16), (6, 2, 40), (10, 2, 8), (20, 5, 128), (18, 1, 72)],
)
def test_tokens_that_see_one_cache_give_what_each_alone_gives(fmt, isa, heads, kv_heads, head_dim):
    """A prompt: tokens at once, and keys that only later ones see, some of them no numbers."""
    q, keys, values, _ = inputs((150, heads, kv_heads, 300, head_dim), TYPES[fmt], shared=True)
    length = np.arange(150) + 140
    length[60:] -= 20  # another start: what was seen before is seen again
    keys[..., 259:, :] = np.inf
    values[..., 258:, :] = np.nan
    sees_no_number = np.flatnonzero(length > 258)
    assert sees_no_number.tolist() == list(range(139, 150))
    together = [
        _native.attention(q, keys, values, length, 0.2, isa=isa, threads=threads)
        for threads in (1, 2, 5)
    ]
    for m in (0, 9, 10, 11, 12, 13, 59, 60, 61, 62, 63, 140, 149):
        alone = _native.attention(q[m : m + 1], keys, values, length[m : m + 1], 0.2, isa=isa)
        for found in together:
            np.testing.assert_array_equal(found[m], alone[0])
    clean = np.delete(together[0], sees_no_number, axis=0)
    assert np.isfinite(clean).all()
    assert not np.isfinite(together[0][sees_no_number]).any()


@pytest.mark.parametrize(("fmt", "isa"), VARIANTS)
@pytest.mark.parametrize(("heads", "kv_heads", "head_dim"), [(8, 2, 128), (5, 1, 24)])
def test_a_prompt_in_pieces_gives_the_same(fmt, isa, heads, kv_heads, head_dim):
    """Cut at and beside the edges of tiles, over the edge of a block of positions."""
    q, keys, values, _ = inputs((70, heads, kv_heads, 170, head_dim), TYPES[fmt], shared=True)
    length = np.arange(70) + 101
    whole = _native.attention(q, keys, values, length, 0.1, isa=isa)
    for cut in (1, 11, 13, 15, 16, 17, 33, 69):
        pieces = [
            _native.attention(q[part], keys, values, length[part], 0.1, isa=isa, threads=2)
            for part in (slice(None, cut), slice(cut, None))
        ]
        np.testing.assert_array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize(("fmt", "isa"), VARIANTS)
def test_what_stands_behind_the_length_is_not_used(fmt, isa):
    q, keys, values, length = inputs((3, 4, 2, 150, 16), TYPES[fmt])
    length[:] = (1, 64, 131)
    once = _native.attention(q, keys, values, length, 0.25, isa=isa)
    for m, n in enumerate(length):
        keys[m, :, n:] = np.nan
        values[m, :, n:] = np.inf
    np.testing.assert_array_equal(_native.attention(q, keys, values, length, 0.25, isa=isa), once)


@pytest.mark.parametrize(("fmt", "isa"), VARIANTS)
def test_extreme_scores(fmt, isa):
    q, keys, values, length = inputs((2, 4, 2, 300, 16), TYPES[fmt])
    length[:] = 300
    keys[:, :, 1:] = -100  # all but one position vanish, wherever the largest stands
    keys[:, :, 0] = 100
    keys[1, :, 0], keys[1, :, 299] = -100, 100
    q = np.abs(q) * 1000
    found = _native.attention(q, keys, values, length, 1.0, isa=isa)
    for m, at in ((0, 0), (1, 299)):
        np.testing.assert_array_equal(
            found[m].reshape(2, 2, 16), values[m, :, at][:, None].repeat(2, 1).astype(np.float32)
        )
    keys[:] = 0  # all positions alike
    given = (q, keys, values, length)
    check(_native.attention(*given, 1.0, isa=isa), given, 1.0)
    values[:] = 60000
    found = _native.attention(*given, 1.0, isa=isa)
    np.testing.assert_allclose(found, values[0, 0, 0, 0].astype(np.float32), rtol=2e-6)


@pytest.mark.parametrize(("fmt", "isa"), VARIANTS)
def test_length_1_gives_the_value(fmt, isa):
    q, keys, values, length = inputs((3, 4, 2, 5, 24), TYPES[fmt])
    length[:] = 1
    found = _native.attention(q, keys, values, length, 0.2, isa=isa)
    np.testing.assert_array_equal(found, values[:, :, 0].astype(np.float32).repeat(2, axis=1))


@pytest.mark.parametrize("isa", [isa for fmt, isa in VARIANTS if fmt == "f32"])
def test_exp_over_its_whole_range(isa):
    """Two positions, values 1 and 0: exp(-s) / (1 + exp(-s)), for s from 0 to beyond underflow."""
    s = np.concatenate([np.linspace(0, 110, 40_001), np.geomspace(1e-7, 1, 1000)])
    s = s.astype(np.float32)
    q = np.zeros((s.size, 1, 8), np.float32)
    q[:, 0, 0] = -s
    keys, values = np.zeros((2, 1, 1, 2, 8), np.float32)
    keys[0, 0, 0, 0] = 1
    values[0, 0, 0, 0] = 1
    found = _native.attention(q, keys, values, np.full(s.size, 2), 1.0, isa=isa)[:, 0, 0].astype(
        np.float64
    )
    power = np.exp(-s.astype(np.float64))
    exact = power / (1 + power)
    assert (np.abs(found - exact) <= 2.0**-21 * exact + 2.0**-147).all()


@pytest.mark.parametrize(("fmt", "isa"), VARIANTS)
def test_queries_and_probabilities_are_rounded_as_asked(fmt, isa):
    q, keys, values, length = inputs((2, 4, 2, 150, 16), TYPES[fmt])
    half = q.astype(np.float16).astype(np.float32)
    assert (half != q).any()
    np.testing.assert_array_equal(
        _native.attention(q, keys, values, length, 0.25, round_q=True, isa=isa),
        _native.attention(half, keys, values, length, 0.25, isa=isa),
    )
    # Probabilities of 1/3 are not float16: 0.33325195 each.
    keys[:] = 0
    values[:] = 1
    length[:] = 3
    found = _native.attention(q, keys, values, length, 0.25, round_p=True, isa=isa)
    third = np.float32(np.float16(1 / 3))
    np.testing.assert_array_equal(found, np.full_like(found, third + third + third))
    length[:] = 150
    found = _native.attention(q, keys, values, length, 0.25, round_p=True, isa=isa)
    np.testing.assert_allclose(found, 150 * np.float64(np.float16(1 / 150)), rtol=1e-6)


def test_variants_agree_within_twice_the_bound():
    for fmt, dtype in TYPES.items():
        given = inputs((2, 8, 2, 500, 64), dtype)
        _, S, V = oracle.attention(*given, 0.125)
        scalar = _native.attention(*given, 0.125, isa="scalar")
        for isa in [isa for listed, isa in VARIANTS if listed == fmt]:
            other = _native.attention(*given, 0.125, isa=isa)
            assert (np.abs(other - scalar) <= 2 * limit(S, V, 64, given[3])).all()


def test_other_layouts_are_copied():
    q, keys, values, length = inputs((2, 4, 2, 20, 16), np.float16)
    want = _native.attention(q, keys, values, length, 0.25)
    swapped = np.ascontiguousarray(keys.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(
        _native.attention(q.astype(">f4"), swapped, values.astype(">f2"), length, 0.25), want
    )


Q, K, N = np.ones((2, 4, 8), np.float32), np.ones((1, 2, 5, 8), np.float16), np.array([1, 5])

K3 = K.repeat(3, axis=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: _native.attention(Q[0], K, K, N, 1.0), "q: .*dimensions"),
        (lambda: _native.attention(Q, K[0], K[0], N, 1.0), "keys: .*dimensions"),
        (lambda: _native.attention(Q, K, K[:, :, :4], N, 1.0), "values: .*as keys"),
        (lambda: _native.attention(Q, K, K.astype(np.float32), N, 1.0), "values: .*as keys"),
        (lambda: _native.attention(Q, K.astype(np.float64), K, N, 1.0), "keys: .*float64"),
        (lambda: _native.attention(Q[:, :3], K, K, N, 1.0), "keys: .*divisor"),
        (lambda: _native.attention(Q[..., :4], K[..., :4], K[..., :4], N, 1.0), "keys: .* of 8"),
        (lambda: _native.attention(Q, K3, K3, N, 1.0), "keys: .*first dimension"),
        (lambda: _native.attention(Q, K, K, N[:1], 1.0), r"length: .*\[2\]"),
        (lambda: _native.attention(Q, K, K, np.array([1, 6]), 1.0), r"length\[1\]: found 6"),
        (lambda: _native.attention(Q, K, K, np.array([0, 5]), 1.0), r"length\[0\]: found 0"),
        (lambda: _native.attention(Q, K, K, N.astype(np.int32), 1.0), "length: .*int32"),
        (lambda: _native.attention(Q, K, K, N, 1.0, threads=0), "threads: "),
    ],
)  # fmt: skip
def test_wrong_arrays_are_refused(call, message):
    with pytest.raises(bp.ShapeError, match=message):
        call()
