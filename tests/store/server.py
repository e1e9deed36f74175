"""A PostgreSQL server of its own, on a socket in a folder of its own, for as long as the tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

HOW = "no initdb and pg_ctl here: 'apt-get install postgresql'"
SETTINGS = "-c listen_addresses= -c fsync=off -c max_connections=20 -c shared_buffers=8MB"


def programs() -> tuple[str, str] | None:
    """initdb and pg_ctl, of the PATH or of where Debian puts them; None without."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([*map(str, places), os.environ.get("PATH", "")])
    found = [shutil.which(name, path=path) for name in ("initdb", "pg_ctl")]
    return (found[0], found[1]) if found[0] and found[1] else None


@contextlib.contextmanager
def running() -> Iterator[str]:
    """The URL of a new, empty server. It refuses root, so root hands it to another user."""
    found = programs()
    assert found is not None, HOW
    initdb, pg_ctl = found
    who = None
    if os.geteuid() == 0:
        names = {entry.pw_name for entry in pwd.getpwall()}
        who = next(name for name in ("postgres", "nobody") if name in names)
    with tempfile.TemporaryDirectory(prefix="bitnet-perf-pg-") as folder:
        if who:
            entry = pwd.getpwnam(who)
            os.chown(folder, entry.pw_uid, entry.pw_gid)

        def run(*command: str) -> None:
            done = subprocess.run(
                command, cwd=folder, user=who, extra_groups=[] if who else None,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout

        data = f"{folder}/data"
        run(initdb, "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        options = f"{SETTINGS} -c unix_socket_directories={folder}"
        log = f"{folder}/log"
        run(pg_ctl, "-D", data, "-w", "-t", "30", "-l", log, "-o", options, "start")
        try:
            yield f"postgresql://tester@/postgres?host={folder}"
        finally:
            run(pg_ctl, "-D", data, "-w", "-m", "immediate", "stop")
