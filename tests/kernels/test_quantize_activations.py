"""quantize_activations/q8_act: every variant against NumPy, bit for bit, and its errors."""

import numpy as np
import pytest
from reference import matmul as oracle

import bitnet_perf as bp

ISAS = [
    row.isa
    for row in bp.isas()
    if (row.family, row.format) == ("quantize_activations", "q8_act") and row.runnable
]


def check(x, isa, **options):
    q = bp.quantize_activations(x, isa=isa, **options)
    values, scale, total = oracle.quantize(np.atleast_2d(np.asarray(x, np.float32)))
    assert (q.values.dtype, q.scale.dtype, q.sum.dtype) == (np.int8, np.float32, np.int32)
    assert q.values.shape == x.shape
    np.testing.assert_array_equal(np.atleast_2d(q.values), values)
    np.testing.assert_array_equal(q.scale, scale)
    np.testing.assert_array_equal(q.sum, total)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("K", [1, 7, 8, 31, 32, 33, 63, 64, 65, 127, 2560, 6912])
def test_every_size(isa, K):
    rng = np.random.default_rng(K)
    for M in (1, 2, 17):
        x = (rng.standard_normal((M, K)) * 10.0 ** rng.integers(-6, 6, (M, 1))).astype(np.float32)
        check(x, isa)
        check(x, isa, threads=2)
    check(x[0], isa)


@pytest.mark.parametrize("isa", ISAS)
def test_ties_tiny_and_huge_values(isa):
    ties = (np.arange(-127, 127) + 0.5).astype(np.float32)
    check(np.append(ties, np.float32(127)), isa)
    check(np.zeros(40, np.float32), isa)
    check(np.full(40, -0.0, np.float32), isa)
    check(np.full(40, 1e-42, np.float32), isa)
    check(np.full(40, 9e-6, np.float32), isa)
    largest = np.finfo(np.float32).max
    check(np.array([largest, -largest, largest / 3, 1.0] * 9, np.float32), isa)


@pytest.mark.parametrize("isa", ISAS)
def test_every_half_and_bfloat16_number(isa):
    bits = np.arange(1 << 16, dtype=np.uint16)
    half = bits.view(np.float16)
    check(half[np.isfinite(half)].reshape(-1, 64), isa)
    dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is missing: pip install ml-dtypes")
    brain = bits.view(dtypes.bfloat16)
    check(brain[np.isfinite(brain.astype(np.float32))].reshape(-1, 64), isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [(0, 0), (1, 5), (2, 99), (2, 64)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_not_finite_is_an_error_with_its_place(isa, bad, at, dtype):
    x = np.ones((3, 100), dtype)
    x[at] = bad
    with pytest.raises(bp.FormatError, match=rf"x\[{at[0]}, {at[1]}\]: "):
        bp.quantize_activations(x, isa=isa)
    with pytest.raises(bp.FormatError, match=rf"x\[{at[1]}\]: "):
        bp.quantize_activations(x[at[0]], isa=isa)


def test_other_layouts_are_copied():
    x = np.random.default_rng(1).standard_normal((6, 200)).astype(np.float32)
    check(np.asfortranarray(x), None)
    check(x[::2, ::3], None)
    check(x.astype(">f4"), None)
    check(x.astype(np.float16).astype(">f2"), None)
    raw = np.zeros(x.nbytes + 1, np.uint8)
    raw[1:] = x.view(np.uint8).reshape(-1)
    check(raw[1:].view(np.float32).reshape(x.shape), None)


@pytest.mark.parametrize(
    "x",
    [np.zeros(4), np.zeros(4, np.int8), np.zeros((0, 4), np.float32), np.zeros((), np.float32),
     np.zeros((2, 2, 2), np.float32), np.zeros(4, np.uint16), "text", None, object()],
)  # fmt: skip
def test_wrong_arrays_are_refused(x):
    with pytest.raises(bp.ShapeError, match="x: "):
        bp.quantize_activations(x)


def test_wrong_isa_and_threads_are_refused():
    x = np.ones(4, np.float32)
    with pytest.raises(bp.IsaError, match="isa: 'sse9'"):
        bp.quantize_activations(x, isa="sse9")
    with pytest.raises(bp.ShapeError, match="threads: "):
        bp.quantize_activations(x, threads=0)
