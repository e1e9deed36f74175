"""Peaks of memory over pieces of a run."""

import mmap

import pytest

from bitnet_perf import memory
from bitnet_perf.memory import PeakWatch

MEBIBYTE = 1 << 20


def touch(size):
    """Pages that are there and gone again."""
    with mmap.mmap(-1, size) as pages:
        for at in range(0, size, mmap.PAGESIZE):
            pages[at] = 1


@pytest.fixture
def watch():
    made = PeakWatch()
    if made.reason:
        pytest.skip(made.reason)
    yield made
    made.close()


def test_a_piece_tells_what_was_resident_in_it_and_not_before(watch):
    touch(200 * MEBIBYTE)
    with watch.piece() as quiet:
        pass
    with watch.piece() as outer:
        with watch.piece() as busy:
            touch(200 * MEBIBYTE)
        with watch.piece() as after:
            pass
    assert busy.resident - quiet.resident > 150 * MEBIBYTE
    assert outer.resident >= busy.resident
    assert busy.resident - after.resident > 150 * MEBIBYTE


def test_python_objects_are_traced_on_request():
    watch = PeakWatch(python=True)
    with watch.piece() as found:
        bytearray(50 * MEBIBYTE)
    watch.close()
    assert 50 * MEBIBYTE <= found.python < 60 * MEBIBYTE


def test_a_host_that_does_not_tell_is_named(monkeypatch):
    monkeypatch.setattr(memory, "forget_peak", lambda: False)
    watch = PeakWatch()
    with watch.piece() as found:
        pass
    assert found.resident is None
    assert "/proc" in watch.reason
