"""16-bit floats to float32 and back, every one of them, NaN and subnormal numbers too."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from cuda_launches import DTYPES, same_bits, unset

from bitnet_perf.kernels.cuda.catalog import family, find
from bitnet_perf.kernels.cuda.emulate import SCHEDULES, launch
from bitnet_perf.kernels.cuda.geometry import geometry

CONVERT = family("convert")


def converted(kernel, x, **options):
    y = unset(len(x), DTYPES[kernel.variant.split("_")[1]])
    trace = launch(kernel, geometry(kernel, 1, len(x), 1), [x, y, len(x)], **options)
    return y, trace


def check(kernel, x, **options):
    y, _ = converted(kernel, x, **options)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = x.astype(y.dtype)
    nan = np.isnan(x.astype(np.float32))
    assert same_bits(y[~nan], expected[~nan])
    assert np.isnan(y[nan].astype(np.float32)).all()


@pytest.mark.parametrize("x", ["f16", "bf16"])
def test_every_16_bit_float(x):
    bits = np.arange(1 << 16, dtype=np.uint16)
    check(find(f"convert/{x}_f32"), bits.view(DTYPES[x]))


@pytest.mark.parametrize("y", ["f16", "bf16"])
def test_numbers_half_way_between_two_and_beside_it(y):
    kernel = find(f"convert/f32_{y}")
    numbers = np.arange(0, 1 << 16, 5, dtype=np.uint16).view(DTYPES[y]).astype(np.float32)
    numbers = np.unique(numbers[np.isfinite(numbers)])
    between = ((numbers[1:].astype(np.float64) + numbers[:-1]) / 2).astype(np.float32)
    beside = [np.nextafter(between, np.float32(side)) for side in (-np.inf, np.inf)]
    special = np.array([0x7FC00000, 0xFFC00000, 0x7F800001, 0x7FFFFFFF, 0x7F800000, 0xFF800000, 1,
                        0x80000001, 0x80000000, 0x477FF000, 0x477FEFFF], np.uint32)  # fmt: skip
    check(kernel, np.concatenate([numbers, between, *beside, special.view(np.float32)]))


@pytest.mark.parametrize("kernel", [pytest.param(k, id=k.variant) for k in CONVERT])
def test_every_count_and_schedule(kernel):
    x = np.random.default_rng(1).standard_normal(5003).astype(DTYPES[kernel.variant.split("_")[0]])
    for count in (1, 3, 4, 127, 1024, 4095, 4096, 4097, 5003):
        check(kernel, x[:count])
    for schedule in SCHEDULES:
        check(kernel, x, schedule=schedule)


def test_ml_dtypes_rounds_half_to_even():
    assert np.float32(1 + 2.0**-8).astype(ml_dtypes.bfloat16) == 1
