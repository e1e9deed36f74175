"""Copies and fills on the current stream that are calls of the CUDA runtime.

What CuPy does beside these (`fill`, `full`, `ones`, sums, assignment to a slice) is a kernel that
it compiles at first use: it wants CUDA's headers, a folder for its cache and a moment, and a report
must not depend on any of them.
"""

from __future__ import annotations

from typing import Any

from bitnet_perf.kernels.cuda.device import guarded

__all__ = ["copy_rows", "fill_bytes", "repeated"]


def fill_bytes(array: Any, value: int) -> None:
    """Every byte of a contiguous array; errors are those of CuPy."""
    array.data.memset_async(value, array.nbytes)


def copy_rows(cupy: Any, target: Any, source: Any, width: int, rows: int, *, at: int = 0) -> None:
    """The first `width` bytes of each of `rows` rows, from one contiguous array into another, there
    from byte `at` of each on. A row is what the bytes of an array divided by `rows` are."""
    runtime = cupy.cuda.runtime
    with guarded("a copy of rows"):
        runtime.memcpy2DAsync(
            target.data.ptr + at, target.nbytes // rows, source.data.ptr, source.nbytes // rows,
            width, rows, runtime.memcpyDeviceToDevice, cupy.cuda.get_current_stream().ptr,
        )  # fmt: skip


def repeated(cupy: Any, one: Any, count: int) -> Any:
    """[count] of the number in an array of one on the device, which never leaves it: what is there
    is copied behind itself."""
    with guarded("a number for all rows"):
        made = cupy.empty(count, one.dtype)
        cupy.copyto(made[:1], one)
        done = 1
        while done < count:
            more = min(done, count - done)
            cupy.copyto(made[done : done + more], made[:more])
            done += more
    return made
