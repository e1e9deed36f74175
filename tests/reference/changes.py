"""E-divisive and the fence by their definitions: sums over pairs, every split, every shuffle."""

from __future__ import annotations

import itertools
import math

import numpy as np


def q_value(x: list[float], y: list[float]) -> float:
    n, m = len(x), len(y)
    across = sum(abs(a - b) for a in x for b in y)
    within_x = sum(abs(a - b) for a, b in itertools.combinations(x, 2))
    within_y = sum(abs(a - b) for a, b in itertools.combinations(y, 2))
    energy = 2 * across / (n * m) - within_x / math.comb(n, 2) - within_y / math.comb(m, 2)
    return n * m / (n + m) * energy


def best_split(segment: list[float], least: int) -> tuple[int, float]:
    best = (0, -math.inf)
    for split in range(least, len(segment) - least + 1):
        for end in range(split + least, len(segment) + 1):
            q = q_value(segment[:split], segment[split:end])
            if q > best[1]:
                best = (split, q)
    return best


def p_value(segment: list[float], least: int, shuffles: int, rng: np.random.Generator) -> float:
    """Every shuffle counted, none left out."""
    q = best_split(segment, least)[1]
    larger = sum(
        best_split(rng.permutation(segment).tolist(), least)[1] >= q - 1e-9 * abs(q)
        for _ in range(shuffles)
    )
    return (1 + larger) / (1 + shuffles)


def quartiles(values: list[float]) -> tuple[float, float]:
    """Linear between the two nearest ranks, as the first and third quarter."""
    ordered = sorted(values)

    def at(part: float) -> float:
        place = part * (len(ordered) - 1)
        below = math.floor(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (place - below) * (ordered[above] - ordered[below])

    return at(0.25), at(0.75)


def fence(values: list[float], before: int, window: int) -> list[int]:
    """Indices of the points whose step leaves the fence of the steps before it."""
    logs = [math.log(value) for value in values]
    steps = [b - a for a, b in itertools.pairwise(logs)]
    found = []
    for place in range(before, len(steps)):
        low, high = quartiles(steps[max(0, place - window) : place])
        if steps[place] > high + 3 * (high - low) or steps[place] < low - 3 * (high - low):
            found.append(place + 1)
    return found
