"""One case run for its instructions to be counted: by a side's own Python, with the standard
library and that side's native entry alone. `counters` and `callgrind` start it as a script.

Arguments: TOOL PACKAGE NATIVE LIBRARY CASE ISA TUNED LOOP... TOOL is `perf`, `perf-accesses`,
`perf-misses` or `callgrind`; PACKAGE the folder that holds bitnet_perf/; NATIVE the folder of its
extension where that is elsewhere, LIBRARY a candidate kernel, ISA an instruction set, TUNED values
of tunables, or each of them empty; LOOP the iterations of one loop after the other. Writes `isa
WHAT_RUNS`, then with perf a line `loop COUNT` for each: instructions, accesses to the last level of
cache, or misses of it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import struct
import sys

_CALL = {"x86_64": 298, "aarch64": 241}  # number of perf_event_open
_ENABLE, _DISABLE, _RESET = 0x2400, 0x2401, 0x2403  # ioctl, linux/perf_event.h
_HARDWARE = 0  # type of perf_event_attr
_EVENTS = {"perf": 1, "perf-accesses": 2, "perf-misses": 3}  # tool -> config of perf_event_attr
_TIMES = 0b11  # read_format: time enabled, time running
_FLAGS = 1 << 0 | 1 << 5 | 1 << 6  # disabled, exclude_kernel, exclude_hv
_SIZE = 64  # of the first perf_event_attr, which every kernel takes
# struct perf_event_attr: type, size, config, sample_period, sample_type, read_format, flags, ...
_ATTR = "=IIQQQQQ"


def open_counter(tool: str = "perf") -> int:
    """A stopped counter of this thread in user mode, as a file descriptor: of what `tool` counts.

    Raises OSError as perf_event_open gives it; ENOSYS too where its number is not known.
    """
    number = _CALL.get(platform.machine())
    if sys.platform != "linux" or number is None:
        raise OSError(38, "perf_event_open is not known for this system")
    fields = struct.pack(_ATTR, _HARDWARE, _SIZE, _EVENTS[tool], 0, 0, _TIMES, _FLAGS)
    attr = ctypes.create_string_buffer(fields, _SIZE)
    libc = ctypes.CDLL(None, use_errno=True)
    this_thread, any_cpu, no_group, no_flags = map(ctypes.c_long, (0, -1, -1, 0))
    counter = libc.syscall(ctypes.c_long(number), attr, this_thread, any_cpu, no_group, no_flags)
    if counter < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(counter)


def start(counter: int) -> None:
    """Begin to count from 0."""
    fcntl.ioctl(counter, _RESET, 0)
    fcntl.ioctl(counter, _ENABLE, 0)


def stop(counter: int) -> int:
    """End counting: events since `start`; -1 where the counter had to share its place."""
    fcntl.ioctl(counter, _DISABLE, 0)
    count, enabled, running = struct.unpack("=QQQ", os.read(counter, 24))
    return count if running == enabled else -1


def say(line: str) -> None:
    """One line on standard output."""
    os.write(1, f"{line}\n".encode())


def main() -> None:
    """Check the case, then run its loops."""
    tool, package, native, library, case, isa, tuned, *loops = sys.argv[1:]
    sys.path.insert(0, package)
    if native:
        import bitnet_perf

        bitnet_perf.__path__.append(native)
    from bitnet_perf import _bench

    if tuned:
        _bench.set_tunables(tuned)
    if library:
        _bench.load_candidate(library)
    say(f"isa {_bench.work(case, isa).isa}")  # makes the inputs and checks the result
    counter = open_counter(tool) if tool in _EVENTS else -1
    for iterations in map(int, loops):
        if counter >= 0:
            start(counter)
        _bench.loop(case, iterations, isa)
        if counter >= 0:
            say(f"loop {stop(counter)}")


if __name__ == "__main__":
    main()
