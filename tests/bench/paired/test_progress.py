"""What a driver says of its progress while cases leave the look that is taken."""

from __future__ import annotations

import sys

from bitnet_perf.bench.paired.driver import Driver, Settings, Step
from bitnet_perf.bench.paired.sides import Ready, Side


def settled(_number: int, _last: bool) -> bool:
    return True


def test_the_share_runs_to_the_end_where_every_case_is_settled() -> None:
    side = Ready(Side.isa(""), sys.executable, {"kind": "none"})  # each case fails at its start
    steps: list[Step] = []
    driver = Driver((side, side), Settings(looks=(1,), long_looks=(1,), seed=1), steps.append)
    names = [f"forward/gemv/i2_s/{n}x256/t1" for n in (64, 96, 128, 160)]
    driver.run_cases(names, settled)
    assert [step.share for step in steps] == [0.0, 0.25, 0.5, 0.75]
