"""Threads that are not alike, by simulation and without a clock: chunks claimed one by one, those
of a thread's own range first, as csrc/core/team.cpp does it, beside ranges that nobody else takes
from. docs/threads.md tells what follows."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

TEAM = Path(__file__).parents[2] / "csrc" / "core" / "team.hpp"
CHUNKS_A_THREAD = int(re.search(r"std::int64_t\{(\d+)\} \* threads", TEAM.read_text())[1])

Cost = Callable[[int, int], Fraction]  # of a chunk on a thread: its time at speed 1


def claimed(
    chunks: int, speeds: Sequence[Fraction], cost: Cost, order: Callable[[int], list[int]]
) -> Fraction:
    """When the last of `chunks` ends: a thread that is free takes the first of `order(thread)` that
    nobody took."""
    free = [(Fraction(0), thread) for thread in range(len(speeds))]
    left, end = set(range(chunks)), Fraction(0)
    while left:
        now, thread = heapq.heappop(free)
        chunk = next(chunk for chunk in order(thread) if chunk in left)
        left.remove(chunk)
        done = now + cost(chunk, thread) / speeds[thread]
        heapq.heappush(free, (done, thread))
        end = max(end, done)
    return end


def own_first(threads: int, chunks: int) -> Callable[[int], list[int]]:
    """The order of team.cpp: a thread's own range, then those of the next threads."""

    def order(thread: int) -> list[int]:
        begin = chunks * thread // threads
        return [*range(begin, chunks), *range(begin)]

    return order


def even(speeds: Sequence[Fraction], chunks: int) -> Fraction:
    """The end of one job of size 1, claimed in `chunks`."""
    order = own_first(len(speeds), chunks)
    return claimed(chunks, speeds, lambda *_: Fraction(1, chunks), order)


def ranges(speeds: Sequence[Fraction]) -> Fraction:
    """The end where each thread has its own part, as large as any other."""
    return max(1 / len(speeds) / speed for speed in speeds)


SPEED = st.fractions(Fraction(1, 50), 2)


@given(st.lists(SPEED, min_size=1, max_size=24))
def test_no_job_ends_later_than_its_last_chunk_makes_it(speeds):
    """Until the last chunk is claimed all threads work; after that each ends one chunk."""
    chunks = CHUNKS_A_THREAD * len(speeds)
    least = 1 / sum(speeds)
    assert least <= even(speeds, chunks) <= least + Fraction(1, chunks) / min(speeds)


@pytest.mark.parametrize(
    ("speeds", "within"),
    [
        pytest.param([1] * 8, Fraction(1), id="alike"),
        pytest.param([1] * 4 + [Fraction(1, 2)] * 8, Fraction(5, 4), id="hybrid"),
        pytest.param([1] * 7 + [Fraction(1, 4)], Fraction(6, 5), id="one CPU is shared"),
    ],
)
def test_claims_come_near_the_sum_of_the_speeds(speeds, within):
    speeds = [Fraction(speed) for speed in speeds]
    found = even(speeds, CHUNKS_A_THREAD * len(speeds))
    assert found * sum(speeds) <= within
    assert found <= ranges(speeds)


def test_a_thread_that_is_away_costs_a_chunk_and_not_its_share():
    """One of two threads runs at a hundredth: it delays the job by the one chunk it holds."""
    speeds = [Fraction(1), Fraction(1, 100)]
    chunks = CHUNKS_A_THREAD * 2
    assert even(speeds, chunks) == Fraction(100, chunks)
    assert ranges(speeds) == 50
    absent = [Fraction(1)]  # it has not come to claim: the caller does everything
    assert even(absent, chunks) == 1


@pytest.mark.parametrize(
    "speeds", [[1] * 8, [1] * 7 + [Fraction(1, 3)], [1] * 4 + [Fraction(1, 2)] * 4]
)
def test_claims_that_begin_at_home_pay_for_far_memory_only_at_the_end(speeds):
    """Two nodes of half of the threads each, memory of the other one costs 7/4."""
    speeds = [Fraction(speed) for speed in speeds]
    threads, nodes, far = len(speeds), 2, Fraction(7, 4)
    chunks = CHUNKS_A_THREAD * threads

    def cost(chunk: int, thread: int) -> Fraction:
        home = chunk * nodes // chunks == thread * nodes // threads
        return Fraction(1, chunks) * (1 if home else far)

    found = claimed(chunks, speeds, cost, own_first(threads, chunks))
    anywhere = claimed(chunks, speeds, cost, lambda _thread: list(range(chunks)))
    assert found < anywhere
    assert found <= (1 / sum(speeds)) + far / chunks / min(speeds)
