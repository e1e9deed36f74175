"""Files and functions stay short enough to be read."""

from __future__ import annotations

import ast
import re

from house.tree import ROOT, with_suffix

LARGEST_FILE = 400
LARGEST_FUNCTION = 60
LARGEST_KERNEL = 150
SHORT = {"__init__.py", "module.cpp"}  # tables of contents
LARGEST_SHORT = 60


def code_files():
    return [
        path
        for path in with_suffix(".py", ".pyi", ".cpp", ".hpp", ".cu", ".cuh", ".inc", ".cmake")
        if not path.as_posix().startswith("tests/golden/")
    ]


def python_functions(source: str) -> list[tuple[str, int]]:
    """(name, lines) of every function, its docstring and decorators not counted."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            doc = (first.end_lineno or 0) - first.lineno + 1 if text else 0
            found.append((node.name, (node.end_lineno or 0) - node.lineno + 1 - doc))
    return found


def cpp_functions(source: str) -> list[tuple[str, int]]:
    """(first line, lines) of what stands between a line that begins in column 0, ends the head with
    an opening brace, and a closing brace in column 0: the layout that clang-format enforces."""
    found: list[tuple[str, int]] = []
    head: list[str] = []
    start = 0
    for number, line in enumerate(source.splitlines(), 1):
        if line.startswith("}"):
            if head and start:
                found.append((head[0], number - start + 1))
            head, start = [], 0
        elif not start and re.match(r"[A-Za-z_\[]", line):
            head = [line]
            not_a_function = re.match(
                r"(inline )?(namespace|struct|class|enum|union|extern|using)\b", line
            )
            start = 0 if not_a_function or line.endswith(";") else number
            if line.endswith("}"):  # one line
                head, start = [], 0
    return found


def test_files_are_short():
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in code_files()}
    too_long = [
        f"{path}: {count} lines"
        for path, count in lengths.items()
        if count > (LARGEST_SHORT if path.name in SHORT else LARGEST_FILE)
    ]
    assert not too_long, "\n".join(too_long)


def test_functions_are_short():
    too_long = []
    for path in code_files():
        source = (ROOT / path).read_text()
        if path.suffix in {".py", ".pyi"}:
            functions, limit = python_functions(source), LARGEST_FUNCTION
        elif path.suffix in {".cpp", ".hpp", ".cu", ".cuh"}:
            functions = cpp_functions(source)
            kernel = path.suffix == ".cu" or (
                path.parts[:2] == ("csrc", "kernels") and len(path.parts) == 5
            )
            limit = LARGEST_KERNEL if kernel else LARGEST_FUNCTION
        else:
            continue
        too_long += [f"{path}: {name}: {count} lines" for name, count in functions if count > limit]
    assert not too_long, "\n".join(too_long)


def test_long_functions_are_found():
    body = "  x = 1\n" * 70
    assert python_functions(f"def f():\n{body}") == [("f", 71)]
    cpp = (
        f"namespace a {{\n\nstatic int f(int x,\n      int y) {{\n{body}}}\n\n}}  // namespace a\n"
    )
    assert cpp_functions(cpp) == [("static int f(int x,", 73)]


def test_the_suite_holds_its_own_functions():
    names = [name for name, _ in cpp_functions((ROOT / "csrc/kernels/registry.cpp").read_text())]
    assert any("select(" in name for name in names)
