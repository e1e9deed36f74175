"""A worker process of one side: started, asked with a time limit, and always ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from bitnet_perf.errors import MeasurementError

__all__ = ["Worker", "WorkerFailed", "WorkerLacksCase", "start_pair", "wait_for"]

SCRIPT = Path(__file__).with_name("worker.py")
LETTERS = "AB"
# What measured code may depend on; everything else of the environment stays out of a worker.
PASSED_ON = ("PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
LAST_WORDS = 400  # characters of stderr that an error shows
KEPT = 64 << 10  # bytes of stderr that are kept, the last ones; also what a pipe holds
END_LIMIT = 10.0  # seconds until a process has ended that closed its pipe, or was killed


class WorkerFailed(MeasurementError):
    """A worker that died, hung or gave a wrong result; `side` is 0 (base) or 1 (candidate)."""

    def __init__(self, side: int, message: str) -> None:
        super().__init__(message)
        self.side = side


class WorkerLacksCase(WorkerFailed):
    """One side, or both (`sides`), do not have the case."""

    def __init__(self, side: int, message: str) -> None:
        super().__init__(side, message)
        self.sides = [side]


class Worker:
    """One process that serves the requests of worker.py. Leaving its `with` block ends it."""

    def __init__(
        self, side: int, python: str, options: Mapping[str, str], tokens: tuple[int, int]
    ) -> None:
        """Start it; `tokens` are the file descriptors to give the token with and take it from."""
        self.side = side
        ask_end, self._ask = os.pipe()
        self._reply, reply_end = os.pipe()
        ends = {"requests": ask_end, "replies": reply_end, "give": tokens[0], "take": tokens[1]}
        words = {**options, "letter": LETTERS[side], **ends}
        try:
            self._process = subprocess.Popen(
                [python, "-I", "-S", str(SCRIPT), *(f"{k}={v}" for k, v in words.items())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                bufsize=0,
                pass_fds=tuple(ends.values()),
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
                start_new_session=True,
            )
        except OSError as error:
            for end in (self._ask, self._reply):
                os.close(end)
            raise WorkerFailed(side, f"{python}: cannot be started ({error.strerror})") from error
        finally:
            os.close(ask_end)
            os.close(reply_end)
        self._partial = b""
        self._printed = b""
        assert self._process.stderr is not None
        self.console: int | None = self._process.stderr.fileno()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def replies(self) -> int:
        """The file descriptor that becomes readable when it has something to say."""
        return self._reply

    def ask(self, *fields: object) -> None:
        """Send one request."""
        with contextlib.suppress(BrokenPipeError):  # it says why when it is heard
            os.write(self._ask, ("\t".join(map(str, fields)) + "\n").encode())

    def hear(self) -> list[str] | None:
        """The fields of its reply where it is whole, None where more must come."""
        data = os.read(self._reply, 1 << 16)
        if not data:
            raise WorkerFailed(self.side, self._last_words())
        self._partial += data
        if not self._partial.endswith(b"\n"):
            return None
        status, *fields = self._partial.decode(errors="replace").rstrip("\n").split("\t")
        self._partial = b""
        if status == "ok":
            return fields
        if status == "unknown":
            raise WorkerLacksCase(self.side, fields[0])
        kind, message = [*fields, "", ""][:2]
        raise WorkerFailed(self.side, f"{kind}: {message}")

    def read_console(self, seconds: float = 0.0) -> None:
        """Wait so long for what it prints and keep the end of it; `console` is None at its end."""
        if self.console is None:
            time.sleep(seconds)
        elif select.select([self.console], [], [], seconds)[0]:
            data = os.read(self.console, KEPT)
            self._printed = (self._printed + data)[-KEPT:]
            self.console = self.console if data else None

    def _last_words(self) -> str:
        end = time.monotonic() + END_LIMIT
        while self._process.poll() is None:
            if time.monotonic() > end:
                return f"it closed its pipe and has not ended in {END_LIMIT:g} s: it hangs"
            self.read_console(0.01)
        self.read_console()
        code = self._process.returncode
        how = f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        said = " ".join(self._printed.decode(errors="replace").split())[-LAST_WORDS:]
        return f"the worker died ({how}){': ' + said if said else ''}"

    def end(self) -> None:
        """End its whole process group, whatever state it is in.

        Raises WorkerFailed where the kernel does not let go of it in END_LIMIT seconds.
        """
        for end in (self._ask, self._reply):
            with contextlib.suppress(OSError):
                os.close(end)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._process.stderr is not None:
            self._process.stderr.close()
        try:
            self._process.wait(END_LIMIT)
        except subprocess.TimeoutExpired as error:
            raise WorkerFailed(
                self.side, f"the kernel does not end process {self.pid} in {END_LIMIT:g} s"
            ) from error

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()


def start_pair(
    pythons: Sequence[str], options: Sequence[Mapping[str, str]], order: Sequence[int]
) -> tuple[Worker, Worker]:
    """Start base and candidate in `order`, with pipes between them for the token."""
    to_candidate, to_base = os.pipe(), os.pipe()
    tokens = ((to_candidate[1], to_base[0]), (to_base[1], to_candidate[0]))
    started: dict[int, Worker] = {}
    try:
        for side in order:
            started[side] = Worker(side, pythons[side], options[side], tokens[side])
    except BaseException:
        for worker in started.values():
            worker.end()
        raise
    finally:  # so that the end of one worker is seen by the other
        for end in (*to_candidate, *to_base):
            os.close(end)
    return started[0], started[1]


def wait_for(workers: Sequence[Worker], limit: float) -> list[list[str]]:
    """The replies of all `workers`, in their order.

    Raises WorkerFailed where one fails or `limit` seconds pass, WorkerLacksCase after all have
    answered, with every side that lacks the case.
    """
    found: dict[int, list[str]] = {}
    lacking: WorkerLacksCase | None = None
    end = time.monotonic() + limit
    while len(found) < len(workers):
        waiting = {w.replies: w for w in workers if w.side not in found}
        printing = {w.console: w for w in workers if w.console is not None}
        left = end - time.monotonic()
        ready, _, _ = select.select([*waiting, *printing], [], [], max(0.0, left))
        if not ready or left < 0:
            late = next(iter(waiting.values()))
            raise WorkerFailed(late.side, f"no answer within {limit:.0f} s: it hangs")
        for descriptor in ready:
            if descriptor in printing:
                printing[descriptor].read_console()
                continue
            worker = waiting[descriptor]
            try:
                fields = worker.hear()
            except WorkerLacksCase as error:
                fields = []
                error.sides = sorted({*error.sides, *(lacking.sides if lacking else ())})
                lacking = error
            if fields is not None:
                found[worker.side] = fields
    if lacking is not None:
        raise lacking
    return [found[w.side] for w in workers]
