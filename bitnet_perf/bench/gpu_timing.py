"""Times of GPU launches: graphs over buffers that rotate, one launch behind a flush of the L2, and
the whole of a call as the host sees it.

    primary   event, graph of 20 to 100 launches, event; median over at least 50 replays
    flushed   write twice the L2, event, one launch, event; median of as many
    host      clock, call, wait for the stream, clock; median of as many

Replays go on for as long as a look at the clock takes, a thread of its own; those around a look at
less than 75 % of the default are thrown away and done again.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.bench.gpu_clocks import Clocks
from bitnet_perf.bench.gpu_cycles import Stamps
from bitnet_perf.errors import MeasurementError
from bitnet_perf.kernels.cuda.copies import fill_bytes
from bitnet_perf.kernels.cuda.device import guarded

__all__ = [
    "GpuTime",
    "SlowClock",
    "copies_for",
    "paired_blocks",
    "replayed",
    "replayer",
    "singles",
    "time_calls",
]

Call = Callable[[], None]

LAUNCHES = (20, 100)  # of a graph
REPLAYS, BATCH, WARM = 50, 5, 3
BLOCKS = 20  # of a pair of sides
MOST_BATCHES = 2 * REPLAYS // BATCH  # those thrown away included
SLOW_CLOCK = 0.75
ROTATION = 5  # times the L2 that launches walk through before they meet a buffer again
MOST_COPIES = 1000


class SlowClock(MeasurementError):
    """A case whose replays were all too slow of clock: it has no time, which is no fault of it."""


@dataclass(frozen=True, slots=True)
class GpuTime:
    """Seconds of one launch. `low` and `high` are quartiles of `samples` replays; `cold`: whether
    the buffers fill five times the L2; `clock` the slowest that was seen, MHz (0: unknown), of
    `default`; `discarded` replays were too slow of clock."""

    seconds: float
    low: float
    high: float
    samples: int
    launches: int
    cold: bool
    flushed: float
    host: float
    clock: int
    default: int
    discarded: int


def copies_for(footprint: int, l2: int) -> int:
    """How many sets of buffers of `footprint` bytes fill five times the L2, at most 1000."""
    return max(1, min(MOST_COPIES, -(-ROTATION * l2 // max(1, footprint))))


def time_calls(calls: Sequence[Call], footprint: int, clocks: Clocks, what: str) -> GpuTime:
    """Times `calls`, the same launch on one set of buffers each, of `footprint` bytes.

    Raises MeasurementError where the clock stays below 75 % of its default, and what `guarded`
    raises.
    """
    import cupy

    with guarded(what):
        l2, stream = _l2(cupy), _own_stream(cupy)
        with stream:
            _run_all(stream, calls)
            graphs, launches = _graphs(stream, calls)
            kept, watched = replayed(cupy, graphs, clocks, what)
            flushed = statistics.median(_flushed(cupy, calls, l2, REPLAYS))
            host = statistics.median(_host(stream, calls, REPLAYS))
    low, middle, high = statistics.quantiles([each / launches for each in kept], n=4)
    return GpuTime(
        middle, low, high, len(kept), launches, len(calls) * footprint >= ROTATION * l2, flushed,
        host, *watched,
    )  # fmt: skip


def replayer(calls: Sequence[Call], what: str) -> Callable[[int], float]:
    """A function of a number of launches to the seconds that they take: so many replays of graphs
    over `calls`, divided by the launches of a graph."""
    import cupy

    with guarded(what):
        stream = _own_stream(cupy)
        with stream:
            _run_all(stream, calls)
            graphs, launches = _graphs(stream, calls)
    turn = _round(graphs)

    def seconds(loops: int) -> float:
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        with guarded(what), stream:
            begin.record()
            for _ in range(loops):
                next(turn).launch()
            end.record()
            end.synchronize()
            elapsed = cupy.cuda.get_elapsed_time(begin, end)
        return float(elapsed) / 1e3 / launches

    return seconds


def singles(calls: Sequence[Call], mode: str, what: str) -> Callable[[int], float]:
    """A function of a number of launches to their seconds, one by one: `flushed` behind a write of
    twice the L2, by events; `host` by the clock of the host until each is done."""
    import cupy

    with guarded(what):
        l2, stream = _l2(cupy), _own_stream(cupy)
        with stream:
            _run_all(stream, calls)

    def seconds(loops: int) -> float:
        with guarded(what), stream:
            if mode == "flushed":
                return sum(_flushed(cupy, calls, l2, loops))
            return sum(_host(stream, calls, loops))

    return seconds


def paired_blocks(
    base: Sequence[Call], candidate: Sequence[Call], seed: int, stamps: Stamps
) -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float64]]:
    """Sides (0 base, 1 candidate), milliseconds and cycles of [blocks, 4] samples: A B B A or B A A
    B by chance, each a replay of a graph between two events and two stamps.

    Stamps and events are a few microseconds of each sample, on both sides alike: a slowdown of 5 %
    in a graph of 100 us is told as 5 % less a twentieth of that.
    """
    import cupy

    orders = [(0, 1, 1, 0) if flip else (1, 0, 0, 1)
              for flip in np.random.default_rng(seed).random(BLOCKS) < 0.5]  # fmt: skip
    times, cycles = np.empty((2, BLOCKS, 4))
    with guarded("pairs of sides"):
        stream = _own_stream(cupy)
        with stream:
            turns = []
            for calls in (base, candidate):
                _run_all(stream, calls)
                turns.append(_round(_graphs(stream, calls)[0]))
            for turn in turns:
                for _ in range(WARM):
                    next(turn).launch()
            for block, order in enumerate(orders):
                stamps.clear()
                marks = [_mark(cupy, stamps, 0)]
                for place, side in enumerate(order):
                    next(turns[side]).launch()
                    marks.append(_mark(cupy, stamps, place + 1))
                marks[-1].synchronize()
                times[block] = [cupy.cuda.get_elapsed_time(*p) for p in pairwise(marks)]
                cycles[block] = stamps.between()
    return np.array(orders, np.int8), times, cycles


def _l2(cupy: Any) -> int:
    """Bytes of the cache of the current device."""
    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
    return int(properties["l2CacheSize"])


def _own_stream(cupy: Any) -> Any:
    """A stream behind all that the current one has under way."""
    cupy.cuda.get_current_stream().synchronize()
    return cupy.cuda.Stream(non_blocking=True)


def _run_all(stream: Any, calls: Sequence[Call]) -> None:
    """Each once, to its end: kernels are loaded, which a capture could not do."""
    for call in calls:
        call()
    stream.synchronize()


def _mark(cupy: Any, stamps: Stamps, place: int) -> Any:
    """An event behind all that was launched, and behind it a stamp."""
    event = cupy.cuda.Event()
    event.record()
    stamps.put(place)
    return event


def _graphs(stream: Any, calls: Sequence[Call]) -> tuple[list[Any], int]:
    """Graphs that together go round all calls, at least twenty launches each."""
    launches = max(LAUNCHES[0], min(LAUNCHES[1], len(calls)))
    count = -(-len(calls) // launches)
    made = []
    for graph in range(count):
        stream.begin_capture()
        for at in range(graph * launches, (graph + 1) * launches):
            calls[at % len(calls)]()
        made.append(stream.end_capture())
    return made, launches


def replayed(
    cupy: Any, graphs: Sequence[Any], clocks: Clocks, what: str
) -> tuple[list[float], tuple[int, int, int]]:
    """Seconds of each of 50 replays that are kept, behind others; the slowest clock,
    its default, and how many went."""
    turn = _round(graphs)
    for _ in range(WARM):
        next(turn).launch()
    kept: list[float] = []
    slowest, default, discarded = 0, 0, 0
    with ThreadPoolExecutor(1) as observer:
        for _ in range(MOST_BATCHES):
            found = _batch(cupy, turn)  # what the clock has to rise for
            reading = observer.submit(clocks.read)
            found += _batch(cupy, turn)
            while not reading.done():
                found = [*found, *_batch(cupy, turn)][-REPLAYS:]
            clock = reading.result()
            if clock.below(SLOW_CLOCK):
                discarded += len(found)
                continue
            slowest = min(filter(None, (slowest, clock.now)), default=0)
            default = clock.default
            kept += found
            if len(kept) >= REPLAYS:
                return kept[:REPLAYS], (slowest, default, discarded)
    raise SlowClock(
        f"{what}: the clock of the GPU was below {SLOW_CLOCK:.0%} of its default "
        f"in {discarded} of {discarded + len(kept)} replays ({clock.now} of {clock.default} MHz)"
    )


def _batch(cupy: Any, turn: Iterator[Any]) -> list[float]:
    """Seconds of each of some replays, under way one behind the other."""
    pairs = [(cupy.cuda.Event(), cupy.cuda.Event()) for _ in range(BATCH)]
    for begin, end in pairs:
        begin.record()
        next(turn).launch()
        end.record()
    pairs[-1][1].synchronize()
    return [cupy.cuda.get_elapsed_time(*pair) / 1e3 for pair in pairs]


def _round(graphs: Sequence[Any]) -> Iterator[Any]:
    while True:
        yield from graphs


def _flushed(cupy: Any, calls: Sequence[Call], l2: int, count: int) -> list[float]:
    other = cupy.empty(2 * l2, "uint8")
    times = []
    for at in range(count):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        fill_bytes(other, at % 2)
        begin.record()
        calls[at % len(calls)]()
        end.record()
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(begin, end) / 1e3)
    return times


def _host(stream: Any, calls: Sequence[Call], count: int) -> list[float]:
    times = []
    for at in range(count):
        begin = time.perf_counter()
        calls[at % len(calls)]()
        stream.synchronize()
        times.append(time.perf_counter() - begin)
    return times
