"""Bytes of model files, read and never mapped: a file that shrinks is an error, not a signal."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import ModelError

__all__ = ["open_file", "read_into"]


def open_file(path: Path) -> tuple[int, int]:
    """(descriptor, size) of a regular file. ModelError naming the path for anything else."""
    # O_NONBLOCK because opening a pipe would wait.
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"{path}: cannot be opened ({reason})") from error
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise ModelError(f"{path}: found a folder or device, accepted is a file")
    return handle, found.st_size


def read_into(path: Path, handle: int, offset: int, out: NDArray[np.uint8], what: str) -> None:
    """Fill `out`, uint8[n], from the bytes at `offset`; `what` says what they are.

    Raises ModelError where the file ends before or cannot be read.
    """
    done = 0
    while done < out.size:
        try:
            got = os.preadv(handle, [out.data[done:]], offset + done)
        except OSError as error:
            raise ModelError(
                f"{path}: {what} cannot be read at byte {offset + done} ({error.strerror})"
            ) from error
        if got == 0:
            raise ModelError(
                f"{path}: the file shrank while it was read: {what} needs bytes {offset} to "
                f"{offset + out.size}, the file now ends at or before byte {offset + done}"
            )
        done += got
