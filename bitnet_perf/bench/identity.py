"""Whether two sides hold the same code, so that there is nothing to time.

A native case runs the extension through `bitnet_perf._bench`; other cases go through the Python of
`formats`, `kernels` and `model` too. Where all of these are equal the cases are `identical`. What
cannot change a time does not count: comments and docstrings, symbol tables, debugging information
and the build id. `bitnet_perf/__init__.py` (a table of names, read before anything is timed) and
the packages that measure and judge, which the driver brings, are left out.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from bitnet_perf.bench.builds import Environment
from bitnet_perf.bench.elf import Section, read_sections
from bitnet_perf.errors import FormatError

__all__ = ["Identity", "compare_code"]

FOLDERS = ("formats", "kernels", "model")
FILES = ("_bench.py", "spans.py")
_WITHOUT_CODE = {".pyc", ".pyi", ".md"}


@dataclass(frozen=True)
class Identity:
    """Whether two sides hold the same code, and the first difference (or what was compared).

    `kernels` gives, for every kernel that both sides were built with here, the hashes of its
    machine code on both sides: an annotation, since packing, alignment and threads live elsewhere.
    """

    identical: bool
    reason: str
    kernels: dict[str, tuple[str, str]]


def compare_code(a: Environment, b: Environment) -> Identity:
    """Compare the code and data of the extensions and the Python files of two environments.

    Raises FormatError where an extension is no 64-bit little-endian ELF file.
    """
    both = sorted(a.kernels.keys() & b.kernels.keys())
    kernels = {name: (a.kernels[name], b.kernels[name]) for name in both}
    difference = _extension(a.native, b.native) or _python(a.package, b.package)
    return Identity(
        identical=difference is None,
        reason=difference or "equal code and data of the extension, equal Python files",
        kernels=kernels,
    )


def _extension(a: Path | None, b: Path | None) -> str | None:
    """The first difference between what two extensions load, None where there is none."""
    if a is None or b is None:
        return "no extension on one side, or on both"
    loaded = [[section for section in read_sections(path) if section.loaded] for path in (a, b)]
    if not all(loaded):
        raise FormatError(f"{a if not loaded[0] else b}: no section of it is loaded into memory")
    names = [[section.name for section in sections] for sections in loaded]
    if names[0] != names[1]:
        alone = sorted({*names[0]} ^ {*names[1]})
        return f"sections of the extension: {' '.join(alone) or 'another order'}"
    pairs = zip(*loaded, strict=True)
    differ = [first.name for first, second in pairs if _memory(first) != _memory(second)]
    return f"sections of the extension: {' '.join(differ)}" if differ else None


def _memory(section: Section) -> tuple[int, int, int, int, bytes]:
    return section.type, section.flags, section.address, section.size, section.data


def _python(a: Path, b: Path) -> str | None:
    """The first file that differs between two packages, None where there is none."""
    files = [_files(folder / "bitnet_perf") for folder in (a, b)]
    for name in sorted(files[0].keys() | files[1].keys()):
        first, second = files[0].get(name), files[1].get(name)
        if first is None or second is None:
            return f"file {name} is on one side alone"
        if not _same_file(first, second):
            return f"file {name} differs"
    return None


def _files(package: Path) -> dict[str, Path]:
    found = [path for folder in FOLDERS for path in (package / folder).rglob("*")]
    found += [package / name for name in FILES]
    return {
        path.relative_to(package).as_posix(): path
        for path in found
        if path.is_file() and path.suffix not in _WITHOUT_CODE
    }


def _same_file(a: Path, b: Path) -> bool:
    contents = a.read_bytes(), b.read_bytes()
    if contents[0] == contents[1]:
        return True
    if a.suffix != ".py":
        return False
    try:
        trees = [_code(content) for content in contents]
    except (SyntaxError, ValueError):  # of a newer Python, or broken: bytes decide
        return False
    return trees[0] == trees[1]


def _code(source: bytes) -> str:
    """The syntax tree without comments, layout and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                del node.body[0]
    return ast.dump(tree)
