"""Programs that disturb a host on purpose, so that a comparison can be tried beside them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bitnet_perf.errors import EnvironmentRefused, MeasurementError

__all__ = ["ENVIRONMENTS", "disturbed"]

START_LIMIT = 30.0  # seconds until a program must have begun

# PR_SET_PDEATHSIG: what disturbs ends with the program that started it, however that ends. Where
# that one (argv[1]) is gone already, the signal will not come.
_FOLLOW = f"""import ctypes, os, sys
ctypes.CDLL(None).prctl(1, {int(signal.SIGKILL)})
if os.getppid() != int(sys.argv[1]): os._exit(0)
"""
_BEGUN = "os.write(1, b'b')\n"
_CPU = _FOLLOW + _BEGUN + "while True: pass\n"
_MEMORY = (
    _FOLLOW
    + "n = 128 << 20\nview = memoryview(bytearray(2 * n))\n"
    + _BEGUN
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
    """Run the programs of `environment` as long as the block takes; they are ended with it.

    The block begins when all of them have. Raises EnvironmentRefused where one does not begin, and
    MeasurementError where one ended before the block did: then less was disturbed than is said.
    """
    started: list[subprocess.Popen[bytes]] = []
    try:
        for program in ENVIRONMENTS[environment]:
            words = [sys.executable, "-I", "-S", "-c", program, str(os.getpid())]
            started.append(subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True))
        for process in started:
            _wait_until_begun(process, environment)
        yield
        if any(process.poll() is not None for process in started):
            raise MeasurementError(f"{environment}: a program that disturbs ended too early")
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _wait_until_begun(process: subprocess.Popen[bytes], environment: str) -> None:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_LIMIT)
    if not ready or process.stdout.read(1) != b"b":
        raise EnvironmentRefused(
            f"{environment}: a program that disturbs did not begin; it needs Linux and 256 MiB"
        )
