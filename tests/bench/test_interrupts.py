"""Ctrl-C is neither lost nor early while it is held."""

import os
import signal
import threading

import pytest

from bitnet_perf.bench.interrupts import interrupt_held


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_it_comes_when_it_is_let():
    steps = []

    def block() -> None:
        with interrupt_held() as release:
            press()
            steps.append("held")
            release()
            steps.append("not reached")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert steps == ["held"]


def test_it_comes_at_the_end_of_the_block_and_as_ever_after_it():
    steps = []
    before = signal.getsignal(signal.SIGINT)

    def block() -> None:
        with interrupt_held():
            press()
            press()
            steps.append("held")
        steps.append("not reached")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert steps == ["held"]
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        press()


def test_without_it_nothing_comes_and_elsewhere_nothing_is_held():
    ended = []

    def block() -> None:
        with interrupt_held() as release:
            release()
            ended.append(threading.current_thread().name)

    block()
    thread = threading.Thread(target=block, name="other")
    thread.start()
    thread.join()
    assert ended == ["MainThread", "other"]
