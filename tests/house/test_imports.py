"""Packages import only what stands to their left, and only the commands print or exit."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from house.tree import ROOT, with_suffix

from bitnet_perf import _native

ORDER = [
    "_public", "_native", "memory", "spans", "errors", "files", "cache", "compiler", "notebook",
    "_bench", "formats", "kernels", "gpu", "model", "stages", "bench", "peers", "analyze", "config",
    "store", "report", "github", "review", "cli",
]  # fmt: skip
MODULES = with_suffix(".py", under="bitnet_perf/")


def package_of(parts: tuple[str, ...]) -> str:
    """'formats' for bitnet_perf/formats/x.py and bitnet_perf/formats.py; '' for the root."""
    return parts[1].removesuffix(".py") if parts[1] != "__init__.py" else ""


def imported(tree: ast.AST, parts: tuple[str, ...]) -> list[tuple[int, str]]:
    """(line, package) of every import of bitnet_perf, relative or not, at any depth."""
    found = []
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = list(parts[: len(parts) - node.level]) if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        for name in names:
            words = name.split(".")
            if words[0] == "bitnet_perf" and len(words) > 1 and words[1] in ORDER:
                found.append((node.lineno, words[1]))
    return found


def wrong_imports(source: str, parts: tuple[str, ...]) -> list[str]:
    own = package_of(parts)
    rank = ORDER.index(own) if own else len(ORDER)
    return [
        f"{'/'.join(parts)}:{line}: {own or 'bitnet_perf'} imports {package}"
        for line, package in imported(ast.parse(source), parts)
        if ORDER.index(package) > rank
    ]


def test_every_package_stands_in_the_order():
    assert {package_of(path.parts) for path in MODULES} - {""} <= set(ORDER)


def test_imports_point_one_way():
    wrong = [
        line for path in MODULES for line in wrong_imports((ROOT / path).read_text(), path.parts)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "source",
    [
        "from bitnet_perf import report",
        "import bitnet_perf.report.markdown",
        "from ..report import x",
        "from .. import report",
        "def f():\n    from bitnet_perf.report import x",
    ],
)
def test_an_import_to_the_right_is_found(source):
    assert len(wrong_imports(source, ("bitnet_perf", "kernels", "matmul.py"))) == 1
    assert not wrong_imports(source, ("bitnet_perf", "cli", "report.py"))


def prints_or_exits(source: str) -> list[int]:
    lines = []
    for node in ast.walk(ast.parse(source)):
        text = ast.unparse(node) if isinstance(node, ast.Call | ast.Raise | ast.Attribute) else ""
        call = text if isinstance(node, ast.Call) else ""
        if (
            call.startswith(("print(", "exit(", "quit(", "sys.exit(", "os._exit("))
            or text.startswith("raise SystemExit")
            or text in {"sys.stdout", "sys.stderr"}
        ):
            lines.append(node.lineno)
    return lines


def test_only_commands_print_or_exit():
    found = [
        f"{path}:{line}"
        for path in MODULES
        if package_of(path.parts) != "cli"
        for line in prints_or_exits((ROOT / path).read_text())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source", ["print(1)", "sys.exit(2)", "raise SystemExit(1)", "sys.stderr.write('x')"]
)
def test_printing_is_found(source):
    assert prints_or_exits(source)


@pytest.mark.parametrize("module", ["bitnet_perf", "bitnet_perf._bench"])
def test_starting_loads_no_numpy(module):
    code = f"import sys, {module}; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert module in loaded
    heavy = {"numpy", "scipy", "pydantic", "typer", "rich", "pyperf", "numba", "gguf"}
    assert not heavy & set(loaded)


def test_a_worker_starts_without_what_is_slow_to_load():
    native = Path(_native.__file__).parent
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import bitnet_perf; "
        f"bitnet_perf.__path__.append({str(native)!r}); import bitnet_perf._bench; "
        "print(*sorted(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "bitnet_perf._native" in loaded
    assert not {"typing", "re", "enum", "dataclasses"} & set(loaded)
