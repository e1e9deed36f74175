"""The folder of what is built or made once and kept, with locks and a limit in size."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from bitnet_perf.errors import EnvironmentRefused

__all__ = ["COMPLETE", "NAMED_IN", "cache_folder", "keep_newest", "locked", "remove"]

NAMED_IN = ("BITNET_PERF_CACHE", "XDG_CACHE_HOME")  # environment variables, the first that is set
COMPLETE = "environment.json"  # of an environment: written last, removed first


def cache_folder(*parts: str) -> Path:
    """A folder of the cache, made where it is missing: under BITNET_PERF_CACHE, or bitnet_perf in
    XDG_CACHE_HOME or ~/.cache. Raises EnvironmentRefused where it cannot be written."""
    named, outer = (os.environ.get(name) for name in NAMED_IN)
    root = Path(named) if named else Path(outer or "~/.cache") / "bitnet_perf"
    try:
        folder = root.expanduser().absolute().joinpath(*parts)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: no home folder is known
        raise EnvironmentRefused(
            f"{root.joinpath(*parts)}: the cache cannot be made ({error}); name a "
            "folder that can be written in BITNET_PERF_CACHE"
        ) from error
    return folder


@contextlib.contextmanager
def locked(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[int]:
    """Hold the lock file `path` alone among all processes of this host; gives its descriptor.

    A process that dies gives it up. A child that gets the descriptor holds it with its parent.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_wait is not None:
                on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise EnvironmentRefused(
                f"{path}: this file system has no locks ({error}); name a folder on a local disk "
                "in BITNET_PERF_CACHE"
            ) from error
        yield descriptor
    finally:
        os.close(descriptor)


def keep_newest(folder: Path, count: int, locks: Path | None = None) -> None:
    """Remove all but the `count` entries of `folder` that were used last (by modification time).

    An entry whose lock, the file of its name in `locks`, is held by another process stays.
    """
    entries = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process removes too
            entries.append((path.stat().st_mtime, path))
    for _, path in sorted(entries, reverse=True)[count:]:
        if locks is None:
            remove(path)
            continue
        with contextlib.suppress(BlockingIOError), open(locks / path.name, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)


def remove(path: Path) -> None:
    """Remove a file or folder that may be there, and may be in another process's hands."""
    if path.is_dir() and not path.is_symlink():
        (path / COMPLETE).unlink(missing_ok=True)  # what is cut here is believed by nobody
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
