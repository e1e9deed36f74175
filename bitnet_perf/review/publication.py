"""From a completed review to what is posted of it: every word and number stands in the review."""

from __future__ import annotations

from collections.abc import Mapping

from bitnet_perf.analyze.paired.comparison import Row as Judged
from bitnet_perf.analyze.paired.verdict import FAILED
from bitnet_perf.analyze.paired.words import percent
from bitnet_perf.bench import revisions
from bitnet_perf.errors import ConfigError
from bitnet_perf.github.event import target_of
from bitnet_perf.github.ledger import AGENT
from bitnet_perf.github.payload import Annotation, Level, Payload, Regression, Row, Status, Target
from bitnet_perf.report.document import Lines, Table, text_of
from bitnet_perf.report.escape import plain
from bitnet_perf.report.evidence import method_line, parse_line, threshold_line
from bitnet_perf.report.judged import gate_status
from bitnet_perf.review.gate import Plan, Review

__all__ = ["payload_of", "target_for"]

WORST = 3  # cases that are named in one line
INCONCLUSIVE = 4  # the exit code of a review
NAME = 180  # characters of the name of a case
WHY = 1500  # characters of the reasons in the ledger


def target_for(plan: Plan, named: str | None, environment: Mapping[str, str]) -> Target:
    """The pull request that a review of `plan` is for: the one `named`, else that of the event.

    Raises ConfigError where there is none, and where this checkout is neither its head nor the
    merge commit that CI makes of it.
    """
    tip = revisions.resolve(plan.repository, plan.head or "HEAD")
    target = target_of(named, tip, environment)
    if target.head not in (tip, *revisions.parents(plan.repository, tip)):
        raise ConfigError(
            f"--publish: found a checkout of {tip[:12]}, accepted is the head of "
            f"#{target.pull}, {target.head[:12]}, or its merge commit"
        )
    return target


def payload_of(review: Review, target: Target, *, benchmarks: bool = False) -> Payload:
    """What is posted; `benchmarks`: a row of that gate too, which says what was measured."""
    status = gate_status(review.exit_code)
    inconclusive = review.exit_code == INCONCLUSIVE
    reason = parse_line(review.evidence[-1]).reason
    over = sorted(
        (row for row in review.rows() if row.gate == "fail"),
        key=lambda row: -(row.slowdown or 0.0),
    )
    perf = Row(gate="perf", status=status, evidence=_evidence(review, over))
    base, verdict = review.plan.base, review.verdict
    return Payload(
        target=target,
        status=status,
        inconclusive=inconclusive,
        title=f"{verdict}: {reason}",
        reason=reason,
        rows=(perf, _benchmarks(review)) if benchmarks else (perf,),
        hop=f"{target.head[:7]} against {base[:7]}: {verdict}, {reason}",
        why=plain("; ".join((f"{verdict}: {reason}", *_because(review, over))), WHY),
        agent=AGENT if review.route == "none" else review.route,
        annotations=_annotations(review),
        regressions=tuple(
            Regression(case=plain(row.case, NAME), slowdown=row.slowdown)
            for row in over[:1000]
            if row.slowdown is not None
        ),
        commands=_commands(review),
        report=review.document,
    )


def _because(review: Review, over: list[Judged]) -> list[str]:
    """What is over its budget; why what is slower is let pass, and from where on it would not."""
    watched = review.judged.watches
    told = [
        f"watch {plain(each.case, NAME)}: {percent(each.slowdown.value)}, fails from "
        f"{percent(each.fails_at.value)} ({each.why})"
        for each in watched[:WORST]
    ]
    more = len(watched) - len(told)
    return [
        *([_worst(over)] if over else []),
        *told,
        *([f"{more} more to watch"] if more > 0 else []),
    ]


def _evidence(review: Review, over: list[Judged]) -> tuple[str, ...]:
    """The lines of the cell: what decided, then what was measured beside."""
    rows = review.rows()
    if over:
        first = threshold_line(_worst(over))
    elif review.exit_code == 0:
        first = threshold_line()
    else:
        open_ = [row for row in rows if row.gate == "closed"]
        result = f"{len(open_)} of {len(rows)} cases inconclusive" if open_ else "none"
        reason = plain(open_[0].reason, 200) if open_ else parse_line(review.evidence[-1]).reason
        first = method_line(result, reason)
    lines = [line for line in review.evidence[:-1] if parse_line(line).status == "measured"]
    return (first, *lines)


def _worst(over: list[Judged]) -> str:
    named = [f"{plain(row.case, NAME)} {percent(row.slowdown)}" for row in over[:WORST]]
    more = len(over) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _benchmarks(review: Review) -> Row:
    rows = [row for row in review.rows() if row.pairs or row.verdict == "identical"]
    broken = [row for row in review.rows() if FAILED in row.notes]
    pairs = sum(row.pairs for row in rows)
    status: Status = "fail" if broken else "pass" if rows else "skipped"
    result = f"{len(rows)} cases, {pairs} pairs" if rows else "none"
    reason = plain(broken[0].reason, 200) if broken else "both sides alternated in fresh processes"
    return Row(
        gate="benchmarks",
        status=status,
        evidence=(method_line(result, reason if rows or broken else "nothing was measured"),),
    )


def _annotations(review: Review) -> tuple[Annotation, ...]:
    """One for each changed file that has a part in what became slower, the largest first, at the
    function that is known to have changed most in it."""
    level: Level = "warning" if gate_status(review.exit_code) == "fail" else "notice"
    found = review.judged.attribution
    lines = {node.file: node.line for node in reversed(found.functions) if node.line}
    return tuple(
        Annotation(
            path=plain(suspect.file, 500),
            line=lines.get(suspect.file, 1),
            level=level,
            title=plain(f"{suspect.path[-1]} became slower", 200),
            message=plain(
                f"{100 * suspect.share:.0f} % of what became slower is in "
                f"{' > '.join(filter(None, suspect.path))}", 500,
            ),
        )
        for suspect in found.suspects[:1000]
    )  # fmt: skip


def _commands(review: Review) -> tuple[str, ...]:
    """The lines of the action items: those of its tables, and those that measure it all again."""
    found: list[str] = []
    for block in review.document.sections[-1].blocks:
        if isinstance(block, Table):
            places = [n for n, column in enumerate(block.columns) if column.startswith("$")]
            found += [text_of(row[n]) for row in block.rows for n in places]
        elif isinstance(block, Lines) and block.language == "shell":
            found += map(text_of, block.lines)
    return tuple(dict.fromkeys(plain(line) for line in found if line))[:50]
