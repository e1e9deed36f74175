"""Sections of a judged report: what is shown of a stored baseline and of memory by stage."""

from __future__ import annotations

from report.samples import CASES, judged

from bitnet_perf.analyze.attribution import Attribution, CaseAttribution, TreeNode
from bitnet_perf.analyze.baselines import Baseline, Trend
from bitnet_perf.analyze.efficiency import StageRow
from bitnet_perf.analyze.evidence import StageMemory
from bitnet_perf.report.markdown import as_markdown
from bitnet_perf.report.verdicts import build_judged_report


def shown(**known) -> str:
    return as_markdown(build_judged_report(judged(**known)))


def test_an_accepted_baseline_stands_beside_the_candidate_the_largest_change_first():
    trends = (Trend(CASES[0], 2e-4, 2.1e-4, 0.05), Trend(CASES[1], 2e-3, 1.6e-3, -0.2))
    text = shown(baseline=Baseline("old.json", (), False, trends))
    impact = text.split("\n## ")[3]
    assert "Against the baseline old.json: a trend, which never gates" in impact
    rows = [line for line in impact.splitlines() if "us |" in line or "ms |" in line]
    assert rows == [
        f"| {CASES[1]} | 2.00 ms | 1.60 ms | -20.0 % |",
        f"| {CASES[0]} | 200 us | 210 us | +5.0 % |",
    ]


def test_a_baseline_of_other_cases_says_so_and_a_refused_one_is_not_shown():
    assert "old.json has no case that was compared here." in shown(
        baseline=Baseline("old.json", (), False)
    )
    refused = Baseline("old.json", ("mock",), False, (Trend(CASES[0], 1.0, 1.0, 0.0),))
    assert "old.json" not in shown(baseline=refused)


def test_memory_by_stage_of_a_whole_run():
    base = StageMemory(stage="forward", allocations=10, allocated=4_000_000, peak=9_000_000)
    after = base.model_copy(update={"allocations": 12, "peak": None})
    rows = (StageRow("forward", base, after), StageRow("load", None, base))
    text = shown(memory=rows)
    assert "Memory by stage, a model loaded and run" in text
    assert "| forward | 10 | 12 | 4.00 MB | 4.00 MB | 9.00 MB | not measured |" in text


def test_a_function_has_an_interval_where_pairs_gave_one():
    path = ("Forward Pass", "gemv", "f")
    python = TreeNode("function", path, 1e-3, 2e-4, 1e-4, 3e-4, 0.5, source="cProfile")
    native = TreeNode("function", path, 1e6, 5e4, 5e4, 5e4, 0.5, source="callgrind")
    case = CaseAttribution(CASES[0], functions=(python, native))
    total = TreeNode("total", (), 1e-3, 2e-4, 1e-4, 3e-4, 1.0)
    text = shown(attribution=Attribution(cases=(case,), nodes=(total,)))
    assert "+200 us | +100 us to +300 us |" in text
    assert "| +50000 | exact |" in text
