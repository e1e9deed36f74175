"""Points of a history that is made up."""

from __future__ import annotations

import datetime
import hashlib

import numpy as np

from bitnet_perf.bench.fingerprint import fingerprint, host_key
from bitnet_perf.store.records import Host, Point

GEMV, PACK = "forward/gemv/i2_s/64x64/t1", "quantization/pack/i2_s/64x64/t1"
FACTS = fingerprint().to_dict()
OWN, OTHER = Host(host_key(FACTS), "own", FACTS), Host("other", "foreign", {})
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def commit_id(number):
    return hashlib.sha1(str(number).encode()).hexdigest()


def day(number):
    return START + datetime.timedelta(days=number)


def point(number, value, *, case=GEMV, host=OWN, **fields):
    given = {"committed": day(number), "commit": commit_id(number), "measured": day(number)}
    given |= {"isa": "scalar", "compiler": "gcc", "threads": 1} | fields
    return Point(case=case, host=host, value=value, **given)


def stepped(count, at, size, **fields):
    """Noise of one percent, and from point `at` on that much more."""
    noise = np.random.default_rng(4).normal(0, 0.01, count)
    return [point(n, 1e-4 * np.exp(noise[n]) * (1 + size * (n >= at)), **fields)
            for n in range(count)]  # fmt: skip
