"""Cycles of the multiprocessors between launches, read by a kernel of ours from their counters.

A cycle counter stops where the clock does, so cycles stay the same where the clock moves, and the
time does not; of work that waits for memory it is the other way round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import MeasurementError
from bitnet_perf.kernels.cuda.catalog import find
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.launch import OnDevice
from bitnet_perf.kernels.cuda.plans.plan import Array, Launch

__all__ = ["Stamps"]


class Stamps:
    """Five moments around four samples, on the multiprocessors that blocks of the stamp ran on.

    A sample is what lies between two stamps: that of the later one is in it, about 2 us of launch
    on every sample alike. Multiprocessors begin a stamp up to a microsecond apart; the median over
    those that were in both is taken.
    """

    MOMENTS = 5

    def __init__(self, runner: OnDevice) -> None:
        self.runner = runner
        count = runner.machine.multiprocessors
        kernel = find("clock_stamp/u64")
        how = Geometry((count, 1, 1), (kernel.threads, 1, 1), 0)
        self.launch = Launch(kernel, how, ("cycles", np.int32(count)))
        self.none = np.zeros((self.MOMENTS, count), np.uint64)
        self.cycles = runner.make(Array(self.none.shape, "uint64"))

    def clear(self) -> None:
        """Forget all moments."""
        self.runner.write(self.cycles, self.none)

    def put(self, moment: int) -> None:
        """A stamp on the current stream."""
        self.runner.launch(self.launch, {"cycles": self.cycles[moment]})

    def between(self) -> NDArray[np.float64]:
        """float64[4]: cycles from each moment to the next; waits for the stream.

        Raises MeasurementError where no multiprocessor was in both.
        """
        found = self.runner.get(self.cycles)
        both = (found[:-1] > 0) & (found[1:] > 0)
        if not both.any(axis=1).all():
            raise MeasurementError(
                "cycles: no multiprocessor has a stamp before and after a sample"
            )
        passed = np.where(both, (found[1:] - found[:-1]).astype(np.float64), np.nan)
        return np.asarray(np.nanmedian(passed, axis=1), np.float64)
