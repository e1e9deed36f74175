"""Kernels measured and placed in one run. No figure is judged."""

import pytest

import bitnet_perf as bp
from bitnet_perf import _bench
from bitnet_perf.bench.ceilings import measure_ceilings
from bitnet_perf.bench.results import BenchRow
from bitnet_perf.review import roofline as module
from bitnet_perf.review.roofline import Roofline, place_rows, roofline

CASE = "forward/gemv/i2_s/640x2560/t1"


@pytest.fixture(scope="module")
def ceilings():
    return measure_ceilings(threads=1, rounds=2, memory=64 << 20)


def test_every_chosen_kernel_has_a_place_and_survives_a_file(ceilings, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "measure_ceilings", lambda *_, **__: ceilings)
    seen = []
    found = roofline(["gemv/i2_s/640x2560/*"], quick=False, on_progress=seen.append)
    (place,) = found.places
    assert (place.case, seen) == (CASE, [CASE])
    assert place.isa == _bench.work(CASE).isa
    assert place.memory > 0
    assert place.compute > 0
    assert Roofline.load(found.save(tmp_path / "r.json")) == found
    assert found.to_dict()["places"][0]["words"] == place.words()


def test_cases_that_call_python_have_no_place(ceilings, monkeypatch):
    monkeypatch.setattr(module, "measure_ceilings", lambda *_, **__: ceilings)
    called = "tokenization/tokenize/gpt2/2b4t-n512/t1"
    found = roofline([called, "gemv/i2_s/640x2560/*"], quick=False)
    assert [place.case for place in found.places] == [CASE]
    with pytest.raises(bp.ConfigError, match=rf"found {called}, accepted are cases of native"):
        roofline([called])


def row(seconds):
    work = _bench.work(CASE)
    return BenchRow(
        case=CASE, median=seconds, spread=0.0, values=3, processes=1, threads=1, **work._asdict()
    )


def test_rows_are_placed_by_level(ceilings):
    (place,) = place_rows([row(1.0)], ceilings)
    work = _bench.work(CASE)
    limit = ceilings.read_limit(work.footprint, 1)
    assert place.level == limit.level
    assert place.memory == pytest.approx((work.bytes - work.written) / 1e9 / limit.gb_per_s)


def test_what_is_written_has_a_limit_of_its_own(ceilings):
    case = "quantization/block_dequantize/quant.i2s/65536/t1"
    work = _bench.work(case)
    (place,) = place_rows([row(1.0).model_copy(update={"case": case, **work._asdict()})], ceilings)
    read = (work.bytes - work.written) / ceilings.read_limit(work.footprint, 1).gb_per_s
    write = work.written / ceilings.read_limit(work.footprint, 1, writes=True).gb_per_s
    assert place.memory == pytest.approx(max(read, write) / 1e9)


def test_a_row_above_a_limit_is_measured_again(ceilings):
    (place,) = place_rows([row(1e-9)], ceilings)
    assert place.part < 1000  # the impossible row is gone: this is a measurement


def test_a_broken_file_is_refused(tmp_path):
    file = tmp_path / "r.json"
    file.write_text("{}")
    with pytest.raises(bp.MeasurementError, match="not a roofline"):
        Roofline.load(file)
