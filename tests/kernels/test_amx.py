"""gemm on AMX: the sizes of its blocks, and that its tiles are nobody else's matter."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from reference import formats, matmul

import bitnet_perf as bp
from bitnet_perf import _native
from bitnet_perf.formats.convert import held_in

NAME, ISA = "native_i2_r4", "x86_amx"
WHY = next(row[3] for row in _native.kernels() if row[:3] == ("gemm", NAME, ISA))
pytestmark = pytest.mark.skipif(bool(WHY), reason=WHY)

# A thread has a signal stack that no tile data fits on, so the kernel refuses tiles.
REFUSED = """
import ctypes, sys

class Stack(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

memory = ctypes.create_string_buffer(4096)
stack = Stack(ctypes.addressof(memory), 0, 4096)
assert ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None) == 0
from bitnet_perf import _native, cli
from bitnet_perf.errors import IsaError

try:
    _native.select("gemm", "native_i2_r4", "x86_amx")
except IsaError as error:
    print(error)
print("chosen", _native.select("gemm", "native_i2_r4"))
print([row[0] for row in _native.isas() if row[4]])
sys.exit(cli.main(["info"]))
"""


def product(M, N, K, name=NAME):
    """Packed weights, activations and the sums wanted."""
    rng = np.random.default_rng(M * N + K)
    w = rng.integers(-1, 2, (N, K), np.int8)
    q = rng.integers(-128, 128, (M, K)).astype(np.int8)
    return formats.pack(name, w, 1.0), q, matmul.sums(q, w)


def run(data, q, want, threads=1, name=NAME):
    return _native.gemm(data, name, want.shape[1], q.shape[1], q, ISA, threads)


@pytest.mark.parametrize("name", [NAME, "native_i2_r16"])
@pytest.mark.parametrize("M", [31, 32, 33, 48, 49, 127, 128, 129, 161, 300])
def test_sums_are_exact_around_the_blocks_of_tokens(M, name):
    for N, K in ((1, 128), (33, 640), (31, 641), (64, 1280), (52, 1700)):
        case = product(M, N, K, name)
        for threads in (1, 3):
            found = run(*case, threads, name)
            np.testing.assert_array_equal(found, case[2], err_msg=f"{N}x{K}")


def test_blocks_with_scales_are_right():
    rng = np.random.default_rng(7)
    w = held_in(bp.pack(rng.integers(-1, 2, (40, 700), np.int8), "tq2_0", scale=0.5), NAME, 1)
    x = rng.standard_normal((20, 700)).astype(np.float32)
    want = bp.matmul(x, w, isa="scalar")
    np.testing.assert_array_equal(bp.matmul(x, w, isa=ISA), want)


def in_child(queue, case):
    queue.put([run(*case, threads) for threads in (1, 2)])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_tiles():
    case = product(40, 96, 1280)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    np.testing.assert_array_equal(run(*case), case[2])
    for _ in range(3):
        child = context.Process(target=in_child, args=(queue, case))
        child.start()
        for found in queue.get():
            np.testing.assert_array_equal(found, case[2])
        child.join(30)
        assert child.exitcode == 0
    np.testing.assert_array_equal(run(*case), case[2])


def test_a_signal_in_a_product_harms_nothing():
    case, inner = product(128, 640, 2560), product(16, 64, 640)
    caught = []

    def handler(*_):
        caught.append(run(*inner))

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 2e-4, 2e-4)
    try:
        while len(caught) < 50:
            np.testing.assert_array_equal(run(*case), case[2])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for found in caught:
        np.testing.assert_array_equal(found, inner[2])


def test_threads_run_products_side_by_side():
    cases = [product(33 + i, 96, 1280) for i in range(4)]
    wrong = []

    def work(case):
        for _ in range(20):
            if not np.array_equal(run(*case), case[2]):
                wrong.append(case[1].shape)

    threads = [threading.Thread(target=work, args=(case,)) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_refusal_is_told_and_another_variant_runs():
    done = subprocess.run(
        [sys.executable, "-c", REFUSED],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONFAULTHANDLER": ""},
    )
    assert done.returncode == 0, done.stderr
    reason = (
        "the kernel refuses tile data: No space left on device, "
        "the signal stack of a thread is too small for it"
    )
    told, chosen, run_here, info = done.stdout.split("\n", 3)
    assert told.startswith(f"isa: '{ISA}' of gemm/{NAME} cannot run here ({reason})")
    assert (chosen, ISA in run_here) == ("chosen x86_avx512vnni", False)
    assert f"{NAME} {ISA} no: {reason}" in " ".join(info.split())
