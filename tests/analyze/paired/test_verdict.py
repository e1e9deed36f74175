"""The verdict table, and that each of its comparisons matters."""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
from analyze.paired import row_tables, tables

from bitnet_perf.analyze.paired import canary, comparison, processes, verdict

TABLES: dict[ModuleType, Callable[[ModuleType], None]] = {
    verdict: tables.verdict_table,
    canary: tables.canary_table,
    comparison: row_tables.comparison_table,
    processes: row_tables.processes_table,
}


@pytest.mark.parametrize("name", tables.VERDICTS)
def test_verdicts(name):
    tables.check_verdict(verdict, name)


def test_every_class_has_its_budget():
    tables.check_budgets(verdict)
    tables.check_contested(verdict)
    tables.check_reasons(verdict)


def test_what_is_decided_without_timing():
    tables.check_untimed(verdict)


def test_canaries():
    tables.canary_table(canary)


def test_comparisons():
    row_tables.comparison_table(comparison)


def test_whole_processes():
    row_tables.processes_table(processes)


# Each operator becomes its negation and, where it has one, its neighbour at the edge.
OTHERS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.GtE, ast.LtE),
    ast.LtE: (ast.Gt, ast.Lt),
    ast.Gt: (ast.LtE, ast.GtE),
    ast.GtE: (ast.Lt, ast.Gt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}


def changes(node: ast.AST) -> list[Callable[[ast.AST], None]]:
    """Every way to flip this node, as something to do to a copy of it."""

    def operator(index: int, other: type[ast.cmpop], target: ast.AST) -> None:
        target.ops[index] = other()

    def value(target: ast.AST) -> None:
        target.value = not target.value

    def connective(target: ast.AST) -> None:
        target.op = ast.Or() if isinstance(target.op, ast.And) else ast.And()

    def negation(target: ast.AST) -> None:
        target.op, target.operand = ast.Not(), ast.UnaryOp(ast.Not(), target.operand)

    if isinstance(node, ast.Compare):
        return [
            functools.partial(operator, index, other)
            for index, op in enumerate(node.ops)
            for other in OTHERS[type(op)]
        ]
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return [value]
    if isinstance(node, ast.BoolOp):
        return [connective]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return [negation]
    return []


def mutants(source: str) -> Iterator[tuple[str, ast.Module]]:
    """(line and text of what was flipped, the changed module), one flip each."""
    tree = ast.parse(source)
    decorators = {
        id(inner)
        for node in ast.walk(tree)
        for decorator in getattr(node, "decorator_list", ())
        for inner in ast.walk(decorator)
    }
    for position, node in enumerate(ast.walk(tree)):
        for change in changes(node) if id(node) not in decorators else ():
            changed = copy.deepcopy(tree)
            target = next(n for p, n in enumerate(ast.walk(changed)) if p == position)
            before = ast.unparse(target)
            change(target)
            yield f"line {node.lineno}: {before} -> {ast.unparse(target)}", changed


def load(tree: ast.Module, of: ModuleType) -> ModuleType:
    module = ModuleType(of.__name__ + "_changed")
    sys.modules[module.__name__] = module  # where dataclasses look their module up
    try:
        exec(compile(ast.fix_missing_locations(tree), of.__file__ or "", "exec"), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    return module


def survives(tree: ast.Module, of: ModuleType) -> bool:
    try:
        TABLES[of](load(tree, of))
    except Exception:
        return False
    return True


@pytest.mark.parametrize("of", TABLES, ids=lambda module: module.__name__.rsplit(".")[-1])
def test_flipping_any_comparison_breaks_a_case(of):
    source = inspect.getsource(of)
    assert survives(ast.parse(source), of), "the unchanged module must pass"
    alive = [what for what, tree in mutants(source) if survives(tree, of)]
    assert not alive, "\n".join(alive)


def test_the_mutants_are_many():
    counts = {of.__name__: sum(1 for _ in mutants(inspect.getsource(of))) for of in TABLES}
    assert counts[verdict.__name__] >= 40
    assert sum(counts.values()) >= 80
