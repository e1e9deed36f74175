"""The machine code of a cubin, read through nvdisasm: instructions, opcodes, loops, local memory.

Everything but `disassemble` works on text or on what was read from it.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bitnet_perf.errors import EnvironmentRefused, FormatError
from bitnet_perf.kernels.cuda.flow import natural_loops
from bitnet_perf.kernels.cuda.nvrtc import BRING

__all__ = ["Function", "Instruction", "Loop", "count_opcodes", "disassemble", "has_opcode",
           "hot_loop", "local_memory", "loops", "missing_opcodes", "nvdisasm", "parse",
           "per_word", "waits_between", "why_not"]  # fmt: skip

BYTES = 16  # of an instruction, from compute capability 7.0 on
WORD = 16  # weights of two bits in 32 bits
SECONDS = 120.0
_LOCAL = ("LDL", "STL")
_ENDS = ("EXIT", "RET", "BRX", "JMX", "KILL")  # nothing known follows


@dataclass(frozen=True, slots=True)
class Instruction:
    """`offset` in bytes from the start of the kernel; `opcode` with its modifiers, "IDP.4A.U8.S8";
    `predicate` "@!P0", or empty where it is always carried out; `target`: where it may jump."""

    offset: int
    predicate: str
    opcode: str
    operands: str
    target: int | None


@dataclass(frozen=True, slots=True)
class Function:
    """A kernel with the subroutines that the compiler put behind it, which start at `entries`."""

    name: str
    instructions: tuple[Instruction, ...]
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop by the offset of its first instruction; `depth` 1 stands in no other loop. Code put
    aside that comes back is part of it; `own` leaves out what is in a loop within it."""

    header: int
    depth: int
    instructions: tuple[Instruction, ...]
    own: tuple[Instruction, ...]


@functools.cache
def nvdisasm() -> Path:
    """The disassembler of this environment. Raises EnvironmentRefused where there is none."""
    try:
        from cuda.pathfinder import find_nvidia_binary_utility
    except ImportError as error:
        raise EnvironmentRefused(f"cuda-pathfinder is missing ({error}): {BRING}") from error
    found = find_nvidia_binary_utility("nvdisasm")
    if found is None:
        raise EnvironmentRefused(f"nvdisasm is missing: {BRING}")
    return Path(found)


def why_not() -> str:
    """Why nothing can be disassembled here; empty where it can."""
    try:
        nvdisasm()
    except EnvironmentRefused as error:
        return str(error)
    return ""


def disassemble(cubin: Path) -> dict[str, Function]:
    """The kernels of a cubin by their names in it.

    Raises EnvironmentRefused where nvdisasm is missing, FormatError where it cannot read the file.
    """
    command = [str(nvdisasm()), "-json", str(cubin)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentRefused(f"{command[0]} does not run: {error}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).partition("\n")[0]
        raise FormatError(f"{cubin}: nvdisasm cannot read it: {said or done.returncode}")
    return parse(done.stdout)


def parse(text: str) -> dict[str, Function]:
    """Kernels by name, from what `nvdisasm -json` prints. Raises FormatError for anything else."""
    try:
        _, found = json.loads(text)
        parts = [
            (part["function-name"], part["start"], part["sass-instructions"]) for part in found
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"nvdisasm: found no list of functions in its JSON ({error})") from error
    kernels: dict[str, tuple[list[Instruction], list[int]]] = {}
    name = ""
    for own, start, listed in parts:
        name = name if start else own
        instructions, entries = kernels.setdefault(name, ([], []))
        if start != len(instructions) * BYTES:
            raise FormatError(
                f"nvdisasm: {own} starts at {start:#x}, accepted is {len(instructions) * BYTES:#x}"
            )
        entries.append(start)
        instructions += [_instruction(start + n * BYTES, row) for n, row in enumerate(listed)]
    return {
        name: Function(name, tuple(instructions), tuple(entries))
        for name, (instructions, entries) in kernels.items()
    }


def _instruction(offset: int, row: dict[str, object]) -> Instruction:
    opcode, operands = str(row["opcode"]), str(row.get("operands", ""))
    jumps = opcode.partition(".")[0] in ("BRA", "BSSY", "JMP", "BREAK")
    found = re.search(r"(?:^|,)(0x[0-9a-f]+)$", operands) if jumps else None
    target = int(found[1], 16) if found else None
    return Instruction(offset, str(row.get("predicate", "")), opcode, operands, target)


def has_opcode(instruction: Instruction, opcode: str) -> bool:
    """Whether it is `opcode`, with these modifiers and perhaps more: IDP matches IDP.4A.U8.S8."""
    return f"{instruction.opcode}.".startswith(f"{opcode}.")


def count_opcodes(instructions: Iterable[Instruction]) -> Counter[str]:
    """How often each opcode stands there, modifiers left off."""
    return Counter(each.opcode.partition(".")[0] for each in instructions)


def missing_opcodes(function: Function, opcodes: Iterable[str]) -> list[str]:
    """Those of `opcodes` that no instruction is, see `has_opcode`."""
    return [
        opcode
        for opcode in opcodes
        if not any(has_opcode(each, opcode) for each in function.instructions)
    ]


def local_memory(function: Function) -> list[Instruction]:
    """Loads and stores of local memory: spilled registers, and arrays with computed indices."""
    return [i for i in function.instructions if i.opcode.partition(".")[0] in _LOCAL]


def loops(function: Function) -> tuple[Loop, ...]:
    """The loops of a kernel by their first instruction. Jumps through a table are not followed."""
    graph = _graph(function)
    found = natural_loops(graph, function.entries)
    by_offset = {each.offset: each for each in function.instructions}
    rows = []
    for header, body in sorted(found.items()):
        depth = sum(body <= other for other in found.values())
        inner = frozenset().union(*(other for other in found.values() if other < body))
        whole, own = (
            tuple(by_offset[offset] for offset in sorted(part)) for part in (body, body - inner)
        )
        rows.append(Loop(header, depth, whole, own))
    return tuple(rows)


def _graph(function: Function) -> dict[int, list[int]]:
    """Offset -> offsets of what may be next. A call comes back to where it was made."""
    meets: dict[str, list[int]] = {}  # convergence barrier -> where threads that wait on it go on
    for each in function.instructions:
        if each.opcode.startswith("BSSY") and each.target is not None:
            meets.setdefault(each.operands.partition(",")[0], []).append(each.target)
    there = {each.offset for each in function.instructions}
    graph: dict[int, list[int]] = {}
    for each in function.instructions:
        opcode = each.opcode.partition(".")[0]
        after = [each.offset + BYTES]
        conditional = bool(each.predicate) or bool(re.match(r"!?U?P\d", each.operands))
        if opcode in ("BRA", "JMP") and each.target is not None:
            # BRA.DIV and BRA.CONV jump where threads have parted, or where they have not.
            parted = ".DIV" in each.opcode or ".CONV" in each.opcode
            after = [each.target, *(after if conditional or parted else [])]
        elif opcode == "BSYNC":
            # Mostly the next instruction; a barrier is used again and again.
            ways = meets.get(each.operands, after)
            after = after if after[0] in ways else ways
        elif opcode in _ENDS and not each.predicate:
            after = []
        graph[each.offset] = [offset for offset in after if offset in there]
    return graph


def hot_loop(function: Function, opcodes: Iterable[str]) -> Loop | None:
    """The loop that does the work of `opcodes`: of the deepest ones that hold any, that which holds
    most (the unrolled part, not what takes the rest). None where no loop holds one."""
    wanted = list(opcodes)

    def work(loop: Loop) -> int:
        return sum(any(has_opcode(i, opcode) for opcode in wanted) for i in loop.instructions)

    holding = [loop for loop in loops(function) if work(loop)]
    deepest = [
        loop
        for loop in holding
        if not any(set(o.instructions) < set(loop.instructions) for o in holding)
    ]
    return max(deepest, key=work, default=None)


def waits_between(loop: Loop) -> int:
    """Waits for products of a warpgroup that stand next to a single such product of a loop, between
    two of them: none where groups of products follow one another, one behind each product where the
    assembler could not leave them under way."""
    kinds = "".join(
        "p" if re.match("[A-Z]GMMA", each.opcode)
        else "w" if has_opcode(each, "WARPGROUP.DEPBAR") else ""
        for each in loop.own
    )  # fmt: skip
    groups = [len(group) for group in re.split("w+", kinds) if group]
    return sum(1 in pair for pair in pairwise(groups))


def per_word(loop: Loop, weights: int) -> float:
    """Instructions of a loop for 16 weights, where one pass takes `weights` of them per thread.

    Loops within it are left out: they have a count of their own, and none takes weights. So are
    the NOPs that the assembler puts between tensor instructions of some architectures.
    """
    return sum(each.opcode != "NOP" for each in loop.own) * WORD / weights
