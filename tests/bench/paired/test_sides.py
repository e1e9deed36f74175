"""What a side says of itself, and what is none."""

from __future__ import annotations

import pytest

from bitnet_perf.bench.paired.sides import Side

ODD = "/tmp/\x1b[31m\udc80" + "x" * 1000


@pytest.mark.parametrize(
    "side", [Side.environment(ODD), Side.wheel(ODD), Side.source(ODD), Side.command([ODD])],
    ids=lambda side: side.kind,
)  # fmt: skip
def test_a_label_is_printable_whatever_a_path_holds(side):
    assert side.label.startswith(("environment", "wheel", "candidate", "command"))
    assert side.label.isprintable()
    assert len(side.label) <= 500
