"""One program run with a limit: its console is kept whole, and nothing of it is left behind."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import is_running

from bitnet_perf.bench.process import run_program
from bitnet_perf.errors import EnvironmentRefused


def test_console_is_kept_whole(tmp_path: Path) -> None:
    program = (
        "import sys; sys.stdout.buffer.write(b'\\xff' + b'x' * 300000 + b'\\nend'); sys.exit(3)"
    )
    lines: list[str] = []
    done = run_program([sys.executable, "-c", program], tmp_path, os.environ, progress=lines.append)
    assert (done.status, done.timed_out) == (3, False)
    assert done.text == "\ufffd" + "x" * 300000 + "\nend"
    assert lines == ["\ufffd" + "x" * 300000]


def test_a_console_without_end_is_kept_in_bounds(tmp_path: Path) -> None:
    program = "import os\nfor _ in range(80): os.write(1, b'x' * 65536)\nos.write(1, b'\\nend\\n')"
    lines: list[str] = []
    done = run_program([sys.executable, "-c", program], tmp_path, os.environ, progress=lines.append)
    said, _, kept = done.text.partition("\n")
    assert said == f"[{80 * 65536 + 5 - 2**20} bytes before this are left out]"
    assert kept == "x" * (2**20 - 5) + "\nend\n"
    assert [lines[0].strip("x"), lines[1]] == ["", "end"]
    assert 2**20 <= len(lines[0]) <= 2**20 + 65536


def test_program_that_closes_its_console_is_waited_for(tmp_path: Path) -> None:
    program = "import os, time; os.close(1); os.close(2); time.sleep(0.3); os._exit(5)"
    assert run_program([sys.executable, "-c", program], tmp_path, os.environ).status == 5


def test_ctrl_c_while_it_is_started_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    class Slow(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            started.append(self.pid)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Slow)
    with pytest.raises(KeyboardInterrupt):
        run_program([sys.executable, "-c", "import time; time.sleep(600)"], tmp_path, os.environ)
    assert not is_running(started[0])


def test_program_that_ignores_a_polite_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bitnet_perf.bench.process._GRACE", 0.1)
    program = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print(os.getpid(), flush=True); time.sleep(600)"
    )
    seen: list[int] = []

    def interrupt(text: str) -> None:
        seen.append(int(text))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_program([sys.executable, "-c", program], tmp_path, os.environ, progress=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)


def test_program_that_cannot_start(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    with pytest.raises(EnvironmentRefused, match="cannot be started"):
        run_program([str(broken)], tmp_path, os.environ)


def test_the_peak_is_that_of_the_program_or_not_known(tmp_path: Path) -> None:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    more = own + (64 << 20)
    code = f"b = b'x' * {more}"
    done = run_program([sys.executable, "-c", code], tmp_path, dict(os.environ))
    assert done.peak is not None
    assert more < done.peak < more + (64 << 20)
    assert run_program(["true"], tmp_path, dict(os.environ)).peak is None
