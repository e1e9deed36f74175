"""Faults sown into CUDA sources."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from bitnet_perf.kernels.cuda.catalog import find
from bitnet_perf.kernels.cuda.host_program import program
from bitnet_perf.kernels.cuda.toolchain import sources


@dataclass(frozen=True)
class Bug:
    """`old` stands once in `file` behind `after`; `caught` is what says so: a kind of the
    emulator's, or "result"."""

    kernel: str
    file: str
    old: str
    new: str
    caught: str
    after: str = ""


def sown(bug, root):
    shutil.copytree(sources(), root, dirs_exist_ok=True)
    path = root / bug.file
    whole = path.read_text()
    assert bug.after in whole, f"{bug.after!r} no longer stands in {bug.file}"
    start = whole.index(bug.after)
    before, text = whole[:start], whole[start:]
    assert bug.old in text, f"{bug.old!r} no longer stands in {bug.file}"
    assert bug.after or text.count(bug.old) == 1, f"{bug.old!r} stands more than once"
    path.write_text(before + text.replace(bug.old, bug.new, 1))
    return program([find(bug.kernel)], Path(root))
