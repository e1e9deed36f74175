"""Profiles that are made up: times of known size and change, with the noise of a shared host."""

from __future__ import annotations

import numpy as np

from bitnet_perf.bench.paired.profiles import CaseProfile, PairProfile, Profiles, SideCounts
from bitnet_perf.bench.paired.raw import Raw

GATE_UP = ("gate_up", "gemv/i2_s/x86_avx2")
DOWN = ("down", "gemv/i2_s/x86_avx2")
ROUNDED = ("gate_up", "quantize_activations/q8_act/x86_avx2")
HEAD = ("lm_head", "gemv_dense/f16/x86_avx2")
DECODE = "generation/decode/i2_s/small-n32/t1"
# Stack -> nanoseconds of one iteration: self times of a decode step.
STEP = {
    (): 20_000.0,
    ("gate_up",): 5_000.0,
    GATE_UP: 300_000.0,
    ROUNDED: 15_000.0,
    ("down",): 5_000.0,
    DOWN: 150_000.0,
    HEAD: 505_000.0,
}


def profile(case=DECODE, step=None, changed=None, *, pairs=8, blocks=6, seed=0, **options):
    """One case: `step` are its self times on the base, `changed` those that differ on the
    candidate. options: `noise` of a stack in a sample, `spread` of a stack between two processes,
    `interrupted` share of samples, `iterations`, and the fields of `pair_of`."""
    rng = np.random.default_rng(seed)
    step = STEP if step is None else step
    base = np.array(list(step.values()))
    candidate = np.array([(changed or {}).get(stack, step[stack]) for stack in step])
    noise, spread = options.pop("noise", 0.01), options.pop("spread", 0.005)
    interrupted, iterations = options.pop("interrupted", 0.0), options.pop("iterations", 1)
    made = []
    for _ in range(pairs):
        pattern = "".join(rng.choice(["ABBA", "BAAB"]) for _ in range(blocks))
        sides = [times * np.exp(rng.normal(0, spread, len(base))) for times in (base, candidate)]
        rows = []
        for letter in pattern:
            row = sides["AB".index(letter)] * np.exp(rng.normal(0, noise, len(base)))
            if rng.random() < interrupted:
                row[rng.integers(len(base))] += 4_000_000  # the clock of the CPU does not see it
            rows.append(tuple(int(iterations * value) for value in row))
        made.append(pair_of(pattern, rows, **options))
    return CaseProfile(case=case, iterations=iterations, stacks=tuple(step), pairs=tuple(made))


def pair_of(pattern, rows, *, grown=((0, 0, 0), (0, 0, 0)), peak=(1 << 26, 1 << 26), **fields):
    """A pair of these self times, with what each sample of (base, candidate) keeps of memory."""
    walls = tuple(sum(row) for row in rows)
    once = SideCounts(calls=1, bytes=0, ops=0, allocations=2, allocated=100)
    return PairProfile(
        pattern=pattern,
        cpu=0,
        wall_ns=walls,
        cpu_ns=walls,
        away_ns=(0,) * len(walls),
        self_ns=tuple(rows),
        grown=tuple(grown["AB".index(letter)] for letter in pattern),
        peak=peak,
        counts=fields.pop("counts", ((once,) * len(rows[0]),) * 2),
        **fields,
    )


def profiles(*cases):
    return Profiles(sides=("base", "candidate"), seed=1, cases=cases)


def raw(*cases):
    """A raw file of case objects without pairs."""
    count = len(cases)
    meta = {
        "sides": ["base", "candidate"], "seed": 1, "cases": list(cases), "fingerprint": "host",
        "iterations": [1] * count, "threads": [1] * count, "code_hashes": [["", ""]] * count,
    }  # fmt: skip
    return Raw.build(meta, [])
