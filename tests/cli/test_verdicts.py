"""Comparisons on a terminal."""

from __future__ import annotations

from analyze.paired.synthetic import case, raw

from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.cli.output import console
from bitnet_perf.cli.verdicts import print_comparison
from bitnet_perf.review.compare import Comparison


def test_texts_that_look_like_markup_are_shown_as_they_are(capsys):
    file = raw([case("[/x]")], {}, sides=["[/y]", "[bold]"], code="[/z]", stopped="[/w]")
    print_comparison(console(), Comparison(file, Rules()))
    shown = capsys.readouterr().out
    for text in ("[bold] against [/y]", "[/x]", "code: [/z]", "stopped by [/w]"):
        assert text in shown
