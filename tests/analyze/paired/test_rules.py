"""Rules from raw files of anybody."""

from __future__ import annotations

import pytest

import bitnet_perf as bp
from bitnet_perf.analyze.paired.rules import Rules


@pytest.mark.parametrize(
    "found",
    [
        {"alpha": 10**400}, {"guard": -(10**400)}, {"alpha": True}, {"looks": [8.0]},
        {"budgets": {"core": {"concern": 10**400}}}, {"least_pairs": 8.0},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_number_is_refused(found):
    with pytest.raises(bp.FormatError, match=r"rules: .*accepted is a (number|list)"):
        Rules.from_dict(found)


def test_what_was_recorded_is_read_again():
    rules = Rules(alpha=0.02, looks=(9, 21))
    assert Rules.from_dict(rules.to_dict() | {"unknown": 1}) == rules
