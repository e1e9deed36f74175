"""Programs that disturb a host on purpose, so that a comparison can be tried beside them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ENVIRONMENTS", "disturbed"]

# PR_SET_PDEATHSIG: what disturbs ends with the program that started it, however that ends.
_FOLLOW = f"import ctypes; ctypes.CDLL(None).prctl(1, {int(signal.SIGKILL)})\n"
_CPU = _FOLLOW + "while True: pass\n"
_MEMORY = (
    _FOLLOW
    + "n = 128 << 20\nview = memoryview(bytearray(2 * n))\n"
    + "while True: view[:n] = view[n:]\n"
)

# Environment -> the programs that run in it.
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "quiet": (),
    "1 CPU hog": (_CPU,),
    "4 CPU hogs": (_CPU,) * 4,
    "memory hog": (_MEMORY,),
}


@contextmanager
def disturbed(environment: str) -> Iterator[None]:
    """Run the programs of `environment` as long as the block takes; they are ended with it."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for program in ENVIRONMENTS[environment]:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", program], start_new_session=True
                )
            )
        yield
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
