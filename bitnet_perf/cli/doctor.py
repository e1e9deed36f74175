"""`bitnet-perf doctor`: what this host lacks, and how to get it."""

from __future__ import annotations

from bitnet_perf.cli.output import JsonOption, QuietOption, console, emit, shows_text, table


def command(json_to: JsonOption = None, quiet: QuietOption = False) -> int:
    """Say what this host lacks for each command, and the line that brings it.

    Exit code 5 when a command cannot work here at all; what only improves a result counts for none.

    Example: `bitnet-perf doctor`
    """
    from bitnet_perf.review.doctor import doctor

    found = doctor()
    emit({"findings": [finding.to_dict() for finding in found]}, json_to)
    if shows_text(json_to, quiet):
        out = console()
        rows = (
            (f.name, "yes" if f.fine else "NO" if f.needed else "no", f.commands) for f in found
        )
        out.print(table("What commands need", ["what", "here", "for"], rows))
        for finding in found:
            if not finding.fine:
                out.print(f"{finding.name}: {finding.lacks}. Get it: {finding.bring}", markup=False)
    return 5 if any(f.needed and not f.fine for f in found) else 0
