"""The files of this checkout, and the lists that the house rules are checked against."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "csrc" / "kernels"
_UNTRACKED = {".git", ".venv", "build", "dist", "wheelhouse", "results", "__pycache__", "PKG-INFO"}


def files() -> list[Path]:
    """Every file that belongs to the product, relative to the root: git's list, or without git
    (an unpacked sdist) what is there and not made by building or testing."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\0")
        found = [Path(name) for name in listed if name and (ROOT / name).is_file()]
    else:
        found = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
        found = [
            path
            for path in found
            if not _UNTRACKED.intersection(path.parts)
            and not any(part.endswith(("_cache", ".egg-info")) for part in path.parts)
            and path.suffix not in {".so", ".pyc"}
        ]
    return sorted(set(found))


def with_suffix(*suffixes: str, under: str = "") -> list[Path]:
    return [
        path for path in files() if path.suffix in suffixes and path.as_posix().startswith(under)
    ]


def listed_kernels(inc: Path) -> list[tuple[str, ...]]:
    """(family, format, isa) of each line of a kernels.inc."""
    lines = re.findall(r"^BP_KERNEL\((\w+), (\w+), (\w+)\)$", inc.read_text(), flags=re.MULTILINE)
    return [tuple(line) for line in lines]
