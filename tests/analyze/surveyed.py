"""Evidence of made-up figures, field by field."""

from __future__ import annotations

from bitnet_perf.analyze.assessment import assess
from bitnet_perf.analyze.evidence import (
    Answer,
    Evidence,
    Held,
    Loaded,
    RoundTrip,
    SideEvidence,
)
from bitnet_perf.analyze.targets import Target

FLAT = [10_000_000] * 16


def evidence(base=None, candidate=None, **shared):
    """Evidence with these fields of both sides; a candidate of None is the base."""
    before = SideEvidence(label="base", **(base or {}))
    after = SideEvidence(label="candidate", **(base or {} if candidate is None else candidate))
    return Evidence(base=before, candidate=after, **shared)


def target(found, name, **more) -> Target:
    """The one target whose name begins so."""
    (one,) = [each for each in assess(found, None, (), **more) if each.name.startswith(name)]
    return one


def trip(accuracy, format="i2_s", data="d", codes=None):
    return RoundTrip(
        format=format, data=data, values=100, rms=1.0, error=1 - accuracy / 100, cosine=1.0,
        codes=codes,
    )  # fmt: skip


def trips(*each):
    return {"round_trips": each}


def loaded(peak, sizes=(10, 20, 40, 80), before=30):
    """Peaks in MB by the size of the model in MB."""
    return {
        "loaded": tuple(
            Loaded(layers=n, model=n * 10**6, before=before * 10**6, peak=round(peak(n) * 1e6))
            for n in sizes
        )
    }


def held(sizes, kind="allocated", what="decode"):
    return {"held": (Held(what=what, kind=kind, sizes=tuple(sizes)),)}


def answers(*rows):
    fields = ("what", "isa", "threads", "run", "digest")
    return {"answers": tuple(Answer(**dict(zip(fields, row, strict=True))) for row in rows)}
