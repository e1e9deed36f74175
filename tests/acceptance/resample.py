"""A raw file drawn again: as many pairs of each case and look, with replacement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bitnet_perf.bench.paired.profiles import Profiles
from bitnet_perf.bench.paired.raw import PairRecord, Raw
from bitnet_perf.review.records import Records

__all__ = ["resampled", "resampled_profiles", "resampled_records"]

SAMPLE = ("block", "position", "side", "wall_ns", "cpu_ns", "switches")
PAIR = ("cpu", "steal_ms", "load")


def resampled(raw: Raw, seed: int) -> Raw:
    """A raw file whose pairs are drawn from those of `raw`, canaries included: what the same run
    could have measured on other pairs of the same host and minute. `meta` stays."""
    rng = np.random.default_rng(seed)
    cases, looks = raw.pairs["pair_case"], raw.pairs["pair_look"]
    rows = _rows_of_pairs(raw)
    records = []
    for case, look in sorted(set(zip(cases.tolist(), looks.tolist(), strict=True))):
        mine = np.flatnonzero((cases == case) & (looks == look))
        records += [
            _record(raw, int(pair), rows[pair]) for pair in rng.choice(mine, size=mine.size)
        ]
    meta = {key: value for key, value in raw.meta.items() if key != "version"}
    return Raw.build(meta, records)


def _rows_of_pairs(raw: Raw) -> list[np.ndarray]:
    """The rows of the columns that belong to each pair, in ascending order of pair id."""
    ids = raw.columns["pair"]
    order = np.argsort(ids, kind="stable")
    ends = np.searchsorted(ids[order], np.unique(ids), side="right")
    return np.split(order, ends[:-1])


def _record(raw: Raw, pair: int, rows: np.ndarray) -> PairRecord:
    samples = {name: raw.columns[name][rows] for name in SAMPLE}
    told = {name: raw.pairs[f"pair_{name}"][pair].item() for name in PAIR}
    return PairRecord(
        case=int(raw.pairs["pair_case"][pair]),
        look=int(raw.pairs["pair_look"][pair]),
        **told,
        **samples,
    )


def resampled_profiles(profiles: Profiles, seed: int) -> Profiles:
    """The same of recorded profiles: as many pairs of each case, with replacement."""
    rng = np.random.default_rng(seed)
    cases = []
    for case in profiles.cases:
        chosen = rng.integers(len(case.pairs), size=len(case.pairs)) if case.pairs else ()
        pairs = tuple(case.pairs[int(number)] for number in chosen)
        cases.append(case.model_copy(update={"pairs": pairs}))
    return profiles.model_copy(update={"cases": tuple(cases)})


def resampled_records(records: Records, seed: int) -> Records:
    """The records of a gate with other pairs; what was measured once stays."""
    profile = None if records.profile is None else resampled_profiles(records.profile, seed)
    return replace(records, raw=resampled(records.raw, seed), profile=profile)
