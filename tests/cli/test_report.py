"""`report` on a terminal: strangers send nothing to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report.samples import pictured

from bitnet_perf.cli import main
from bitnet_perf.report.forms import as_json
from bitnet_perf.report.verdicts import build_judged_report

STRANGE = "\x1b[2J\x1b]0;title\x07[bold]\u202egnp.exe\u2066"


def test_a_terminal_gets_words_alone(tmp_path, capsys):
    review = pictured()
    rows = tuple(
        replace(row, case=f"{STRANGE}{n}", reason=STRANGE) for n, row in enumerate(review.rows)
    )
    judged = replace(review, rows=rows, notes=(STRANGE,), sides=(STRANGE, STRANGE), command=STRANGE)
    (tmp_path / "report.json").write_text(as_json(build_judged_report(judged)))
    for words in ((), ("--markdown",)):
        with pytest.raises(SystemExit) as ended:
            main(["report", str(tmp_path), *words])
        assert ended.value.code == 0
        said = capsys.readouterr().out
        assert not set("\x1b\x07\u202e\u2066") & set(said)
        assert "gnp.exe" in said
