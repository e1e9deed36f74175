"""What runs of a model by `xtask benchmark` tell beside their times: its text, and its memory."""

from __future__ import annotations

from pathlib import Path
from statistics import median_low

from pydantic import BaseModel

from bitnet_perf.analyze.evidence import Answer, Evidence, Loaded, Part, SideEvidence
from bitnet_perf.bench.paired.raw import Raw

__all__ = ["add_runs"]

NO_TEXT = "`xtask benchmark` wrote no text of its runs"
HIDDEN = "`xtask benchmark` had no more memory than the process that started it"


class _Runs(BaseModel):
    """Digests of the generated texts and the peaks in bytes of a case, base and candidate."""

    texts: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    peaks: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())


def add_runs(evidence: Evidence, raw: Raw, model: str | None) -> Evidence:
    """With what the runs of `model` tell, where a Cargo workspace ran one.

    The same prompt has to give the same text in every run; the peak is the median over the runs,
    as the pages that a loader touches differ by a few.
    """
    found = [each for each in raw.cases() if "texts" in each and not each.get("canary")]
    if not found or model is None or not Path(model).is_file():
        return evidence
    runs, size = _Runs.model_validate(found[0]), Path(model).stat().st_size
    base, candidate = (
        _side(each, texts, peaks, size)
        for each, texts, peaks in zip(evidence.sides, runs.texts, runs.peaks, strict=True)
    )
    return evidence.model_copy(update={"base": base, "candidate": candidate})


def _side(
    side: SideEvidence, texts: tuple[str, ...], peaks: tuple[int, ...], size: int
) -> SideEvidence:
    missing: dict[Part, str] = dict(side.missing) | {"answers": NO_TEXT, "memory": HIDDEN}
    found: dict[str, object] = {}
    if len(texts) > 1:
        del missing["answers"]
        found["answers"] = tuple(
            Answer(what="tokens", isa="", threads=1, run=run, digest=digest)
            for run, digest in enumerate(texts)
        )
    if peaks:
        del missing["memory"]
        found["loaded"] = (Loaded(model=size, before=0, peak=median_low(peaks)),)
    return side.model_copy(update={**found, "missing": missing})
