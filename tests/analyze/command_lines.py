"""Whether a command line that a report names exists: the product's own application parses it."""

from __future__ import annotations

import re
import shlex

import typer

from bitnet_perf import cli
from bitnet_perf.bench.cases import select
from bitnet_perf.peers.bitnet_rs.crates import OWNERS


def parse(line: str) -> None:
    """Raise where the product, or cargo, would not take the line."""
    words = shlex.split(line)
    if words[:3] == ["git", "bisect", "start"]:
        assert words[5:11] == ["&&", "git", "bisect", "run", "sh", "-c"]
        parse(words[11].partition(";")[0])
        return
    if words[:2] == ["cargo", "bench"]:
        assert words[2:7:2] == ["-p", "--bench", "--no-default-features"]
        crate, bench, features = words[3], words[5], words[8]
        known = {(o.crate, o.file) for o in OWNERS if o.kind == "group"}
        assert (crate, f"benches/{bench}.rs") in known
        assert words[7] == "--features"
        assert re.fullmatch(r"(cpu|gpu)(,(bitnet-kernels/)?avx2|,bench)?", features)
        return
    if words[:2] == ["cargo", "run"]:
        assert words[2:6] == ["-p", "xtask", "--", "benchmark"]
        assert words[6::2] == ["--model", "--tokens", "--no-output"]
        return
    assert words[0] == "bitnet-perf"
    command = typer.main.get_command(cli.application())
    group = command.make_context("bitnet-perf", words[1:])
    name, inner, rest = command.resolve_command(group, words[1:])
    inner.make_context(name, rest, parent=group)
    globs = []
    if name in ("bench", "roofline"):
        globs = [word for word in words[2:3] if not word.startswith("-")]
        threads = int(words[words.index("--threads") + 1]) if "--threads" in words else 1
        quick = name == "roofline" and "--full" not in words
        assert select(globs, threads=threads, quick=quick)
