"""Ctrl-C at a moment that suits: not between the start of a process and the note of who ends it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["interrupt_held"]


@contextmanager
def interrupt_held() -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C back until what is yielded is called, or the block is left; then it comes.

    Python runs handlers in the main thread alone, so elsewhere there is nothing to hold.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield lambda: None
        return
    came: list[tuple[Any, ...]] = []

    def release() -> None:
        signal.signal(signal.SIGINT, handler)
        while came:
            handler(*came.pop())

    signal.signal(signal.SIGINT, lambda *told: came.append(told))
    try:
        yield release
    finally:
        release()
