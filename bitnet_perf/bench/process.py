"""One program run to its end, with a limit in time, its console read as it comes, and nothing
that it started left behind."""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bitnet_perf.bench.interrupts import interrupt_held
from bitnet_perf.errors import EnvironmentRefused

__all__ = ["Finished", "run_program"]

_TICK = 0.1  # seconds between two looks at the clock while the program is silent
_PIECE = 65536  # bytes; also the capacity of a pipe
_PIPE = 1 + 1024 * 1024 // _PIECE  # pieces in the largest pipe that Linux gives
_KEPT = 1 << 20  # bytes at the end of a console, or of one line of it, that are kept
KIB = 1024  # the unit of ru_maxrss
_GRACE = 2.0  # seconds between SIGTERM and SIGKILL


@dataclass(frozen=True, slots=True)
class Finished:
    """`status` as in `subprocess` (negative: the signal that ended it); `text` is standard output
    and error together, the last MiB where it is longer, which its first line then says; `timed_out`
    tells that the limit was reached. `peak` is what the program had resident at most, in bytes;
    None where that is no more than this process had, which Linux counts for what it starts."""

    status: int
    seconds: float
    text: str
    timed_out: bool
    peak: int | None = None


def run_program(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    timeout: float | None = None,
    progress: Callable[[str], None] | None = None,
    *,
    descriptors: Sequence[int] = (),
) -> Finished:
    """Run `command` in `folder`; `progress` gets every line of its console, the program inherits
    the open files `descriptors`.

    The program gets a process group of its own, and the whole group is ended when the limit is
    reached, when `progress` raises, on Ctrl-C, and, should anything be left, at the end. Raises
    EnvironmentRefused when the program cannot be started.
    """
    begin = time.monotonic()
    console = _Console(progress)
    timed_out, peak = True, None
    with interrupt_held() as release:
        process = _start(command, folder, environment, descriptors)
        try:
            release()
            assert process.stdout is not None
            timed_out = not _follow(process, process.stdout.fileno(), console, begin, timeout)
        finally:
            peak = _end_group(process, politely=timed_out)
    seconds = time.monotonic() - begin
    return Finished(process.returncode, seconds, console.close(), timed_out, peak)


def _start(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    descriptors: Sequence[int],
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=descriptors,
        )
    except OSError as error:
        raise EnvironmentRefused(
            f"{command[0]}: cannot be started: {error}; accepted: a program of this host"
        ) from error


class _Console:
    """Bytes as they come, handed on as whole lines; the last of them are kept."""

    def __init__(self, progress: Callable[[str], None] | None) -> None:
        self._progress = progress
        self._end = bytearray()
        self._left_out = 0
        self._line = b""

    def read(self, pipe: int) -> bool:
        """Take one piece from the pipe; False at its end."""
        data = os.read(pipe, _PIECE)
        self._end += data
        if len(self._end) > 2 * _KEPT:
            self._shorten()
        if self._progress is not None:
            *lines, rest = (self._line + data).split(b"\n")
            self._line = rest[-_KEPT:]
            for line in lines:
                self._progress(line.decode(errors="replace"))
        return bool(data)

    def close(self) -> str:
        self._shorten()
        said = f"[{self._left_out} bytes before this are left out]\n" if self._left_out else ""
        return said + self._end.decode(errors="replace")

    def _shorten(self) -> None:
        surplus = max(0, len(self._end) - _KEPT)
        self._left_out += surplus
        del self._end[:surplus]


def _follow(
    process: subprocess.Popen[bytes],
    pipe: int,
    console: _Console,
    begin: float,
    timeout: float | None,
) -> bool:
    """Read the console until the program has ended (True) or the limit is reached (False)."""
    is_open = True
    while not _has_ended(process):
        if timeout is not None and time.monotonic() - begin >= timeout:
            return False
        if is_open and select.select([pipe], [], [], _TICK)[0]:
            is_open = console.read(pipe)
        elif not is_open:
            time.sleep(_TICK)
    for _ in range(_PIPE):  # what it had written last, and no more than a pipe can hold
        if not (is_open and select.select([pipe], [], [], 0)[0]):
            break
        is_open = console.read(pipe)
    return True


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the program has ended, without reaping it: its number stays its own until then."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _end_group(process: subprocess.Popen[bytes], politely: bool) -> int | None:
    """End what is left of the program's process group, then reap the program; its `peak`."""
    try:
        if politely:
            os.killpg(process.pid, signal.SIGTERM)
            deadline = time.monotonic() + _GRACE
            while not _has_ended(process) and time.monotonic() < deadline:
                time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.stdout is not None:
            process.stdout.close()
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used.ru_maxrss * KIB if used.ru_maxrss > own else None
