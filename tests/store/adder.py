"""`python adder.py '[[URL, NAME, COUNT, KILL], ...]'`: a process for each, all at once, adds COUNT
sources of NAME and one of all, or dies by SIGKILL before the KILLth statement that inserts."""

from __future__ import annotations

import datetime
import json
import os
import signal
import sys

from sqlalchemy import Engine, event

from bitnet_perf.store.history import Store
from bitnet_perf.store.records import Host, Point, Source

TIME = datetime.datetime(2026, 1, 2, 3, 4, 5, 678, datetime.UTC)
HOST = Host("host", "a CPU", {"cpu": "a CPU"})


def source(name: str) -> Source:
    return Source(name, "raw", f"{name}.npz", TIME, dropped=("one", "two"))


def points(name: str, count: int = 3) -> list[Point]:
    case = f"forward/gemv/{name}/64x64/t1"
    return [Point(case, "c" * 40, HOST, "scalar", "gcc", 1, 1e-6 * (n + 1), TIME)
            for n in range(count)]  # fmt: skip


def work(url: str, name: str, count: int, kill: int = 0) -> None:
    left = kill

    @event.listens_for(Engine, "before_cursor_execute")
    def die(_connection, _cursor, statement, *_):
        nonlocal left
        if statement.startswith("INSERT") and left:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    store = Store(url, create=True)
    for number in range(count):
        store.add(source(f"{name}{number}"), points(f"{name}{number}"))
    store.add(source("all"), points("all"))


def main(jobs: list[list]) -> None:
    children = []
    for job in jobs:
        child = os.fork()
        if child == 0:
            try:
                work(*job)
            except BaseException as error:
                print(error, file=sys.stderr)
                os._exit(1)
            os._exit(0)
        children.append(child)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
