"""Launches that begin before the end of the one before them on their stream.

CuPy has no call for it: the same loaded kernel goes to the driver's cuLaunchKernelEx, with the
attribute of programmatic stream serialization (CUDA Driver API, CUlaunchAttributeID).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from bitnet_perf.kernels.cuda.geometry import Geometry

__all__ = ["FIRST_CAPABILITY", "LaunchFailed", "begin"]

FIRST_CAPABILITY = (9, 0)  # older GPUs refuse the attribute


class LaunchFailed(RuntimeError):
    """The driver refused a launch; `status` as CUDA's runtime numbers it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def begin(function: Any, how: Geometry, arguments: Sequence[Any], stream: int) -> None:
    """Launch a `cupy.RawKernel` on the stream at this address.

    arguments: CuPy arrays, and NumPy numbers of the width of their parameter. Raises LaunchFailed.
    """
    driver = _driver()
    # The driver copies what these point to before it returns.
    held = [
        np.array([each]) if isinstance(each, np.generic) else np.array([each.data.ptr], np.uint64)
        for each in arguments
    ]
    pointers = np.array([each.ctypes.data for each in held], np.uint64)
    config = driver.CUlaunchConfig()
    config.gridDimX, config.gridDimY, config.gridDimZ = how.grid
    config.blockDimX, config.blockDimY, config.blockDimZ = how.block
    config.sharedMemBytes = how.shared
    config.hStream = driver.CUstream(stream)
    config.attrs, config.numAttrs = [_attribute()], 1
    (status,) = driver.cuLaunchKernelEx(
        config, driver.CUfunction(function.kernel.ptr), pointers.ctypes.data, 0
    )
    if status != driver.CUresult.CUDA_SUCCESS:
        raise LaunchFailed(int(status), status.name)


@functools.cache
def _driver() -> Any:
    from cuda.bindings import driver

    return driver


@functools.cache
def _attribute() -> Any:
    driver = _driver()
    made = driver.CUlaunchAttribute()
    made.id = driver.CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
    made.value.programmaticStreamSerializationAllowed = 1
    return made
