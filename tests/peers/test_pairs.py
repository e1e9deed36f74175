"""Criterion rows of BitNet.rs beside our own times: medians, quartiles, ratios, and why not."""

import pytest

from bitnet_perf.errors import MeasurementError
from bitnet_perf.peers.bitnet_rs import workspace
from bitnet_perf.peers.bitnet_rs.ids import cases_at
from bitnet_perf.peers.bitnet_rs.workspace import pair
from bitnet_perf.peers.readers.criterion import CriterionRow

I2S = "quantization_sizes/I2S_quantize/1024"
TL2 = "quantization_sizes/TL2_quantize/1024"


def row(name: str, count: int = 1024) -> CriterionRow:
    """A row whose five samples are 1 to 5 seconds."""
    group, function, value = name.split("/")
    samples = (5.0, 1.0, 3.0, 2.0, 4.0)
    head = (name, group, function, value, ("Elements", count))
    return CriterionRow(*head, "Linear", samples, 3.0, 3.0, None, f"{name}/new")


def test_pair_gives_medians_quartiles_and_ratio() -> None:
    case = "quantization/block_quantize/quant.i2s/1024/t1"
    (paired,) = pair([row(I2S)], {case: [0.5, 1.5, 1.0]}, level="avx2")
    assert paired.why is None
    assert paired.theirs == workspace.Spread(3.0, 2.0, 4.0, 5)
    assert paired.ours == workspace.Spread(1.0, 0.75, 1.25, 3)
    assert paired.ratio == 3.0
    assert (paired.case, paired.codec, paired.block) == (case, "quant.i2s", 32)
    assert (paired.shape, paired.data, paired.level) == ((1024,), "ramp", "avx2")
    assert paired.to_dict()["theirs"]["count"] == 5


def test_pair_compares_the_block_that_the_crate_chose() -> None:
    names = {"scalar": "quant.tl2", "avx2": "quant.tl2.b128", "avx512": "quant.tl2.b256"}
    for level, name in names.items():
        case = f"quantization/block_quantize/{name}/1024/t1"
        (paired,) = pair([row(TL2)], {case: [1.0]}, level=level)
        assert (paired.case, paired.ratio) == (case, 3.0)
        assert f"b{paired.block}" in f"{name}.b64"
    (paired,) = pair(
        [row(TL2)], {"quantization/block_quantize/quant.tl2/1024/t1": [1.0]}, level="avx2"
    )
    assert paired.ratio is None
    assert paired.why == "no time of ours for quantization/block_quantize/quant.tl2.b128/1024/t1"


def test_pair_keeps_rows_without_a_ratio() -> None:
    ours = {case.case: [1.0] for case in cases_at("scalar")}
    rows = pair([row("trait_quantization/x/y"), row(I2S, count=2048)], ours, level="scalar")
    assert [paired.ratio for paired in rows] == [None, None]
    assert [paired.ours for paired in rows] == [None, None]
    assert "dynamic dispatch" in str(rows[0].why)
    assert rows[1].why == "throughput is ('Elements', 2048); this case has 1024 elements"


@pytest.mark.parametrize("samples", [[], [0.0], [-1.0], [float("nan")], [float("inf")]])
def test_pair_refuses_times_that_are_none(samples: list[float]) -> None:
    case = "quantization/block_quantize/quant.i2s/1024/t1"
    with pytest.raises(MeasurementError, match=f"{case}: {len(samples)} samples; accepted"):
        pair([row(I2S)], {case: samples}, level="scalar")


def test_pair_takes_the_level_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "host_level", lambda: "avx512")
    assert pair([row(TL2)], {})[0].block == 256
