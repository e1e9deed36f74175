"""Which cases a gate compares: a suite, a model, the area of a change; and what it says is left."""

from __future__ import annotations

import pytest

import bitnet_perf as bp
from bitnet_perf import _native
from bitnet_perf.bench.cases import gate_cases
from bitnet_perf.kernels.cuda.device import why_no_gpu
from bitnet_perf.review.chosen import choose_cases

KERNEL = "csrc/kernels/gemv/i2_s/x86_avx2.cpp"


def test_a_suite_is_compared_as_it_is():
    found = choose_cases("quick", {})
    assert (found.cases, found.notes) == (gate_cases("quick"), ())


def test_the_stages_of_a_model_come_too():
    found = choose_cases("quick", {}, model="1b").cases
    decode, team = "generation/decode/i2_s/1b-n32/t", _native.default_threads()
    stages = (
        "load/gguf/i2_s/1b/t1",
        "forward/prefill/i2_s/1b-n32/t1",
        *dict.fromkeys((f"{decode}1", f"{decode}{team}")),
    )
    assert found[-len(stages) :] == stages
    assert choose_cases("small", {}, model="1b").cases.count(found[-1]) == 1
    with pytest.raises(bp.ConfigError, match="model: found 'nope'"):
        choose_cases("quick", {}, model="nope")


def test_the_area_of_a_change_is_said():
    found = choose_cases("quick", {}, changed=[KERNEL, "README.md"])
    assert "forward/gemv/i2_s/2560x2560/t1" in found.cases
    assert "forward/gemv/tl1/2560x2560/t1" not in found.cases
    count = f"{len(found.cases)} of {len(gate_cases('quick'))} cases"
    assert found.notes == (f"Regression area of 2 changed files: {count}.",)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ([], "no file changed"),
        (["README.md"], "no case of suite quick is in the regression area of README.md$"),
        ([f"docs/{n}.md" for n in range(7)], r"docs/4\.md and 2 more"),
    ],
)
def test_no_case_left_is_no_pass(changed, says):
    with pytest.raises(bp.MeasurementError, match=f"nothing was measured: .*{says}"):
        choose_cases("quick", {}, changed=changed)


def test_mixed_precision_is_skipped_with_the_reason():
    with pytest.raises(bp.MeasurementError, match=f"nothing was measured: {why_no_gpu()}"):
        choose_cases("mixed_precision", {})
    (note,) = choose_cases("full", {}).notes
    assert note.startswith(f"Skipped ({why_no_gpu()}): mixed precision, 15 cases")
