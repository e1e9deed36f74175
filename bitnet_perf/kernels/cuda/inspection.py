"""What the machine code of a kernel is like, and whether it is as the catalog has it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bitnet_perf.errors import IsaError
from bitnet_perf.kernels.cuda import sass
from bitnet_perf.kernels.cuda.catalog import CudaKernel
from bitnet_perf.kernels.cuda.toolchain import Cubin, Usage

__all__ = ["Inspection", "faults", "inspect"]


@dataclass(frozen=True, slots=True)
class Inspection:
    """One kernel for one architecture.

    Attributes:
        kernel: `family/variant`.
        architecture: such as sm_90a.
        usage: registers, stack, spills, shared memory.
        local: loads and stores of local memory.
        opcodes: how often each stands in the code, modifiers left off.
        missing: opcodes of the catalog that no instruction is.
        loop: instructions of the loop that does the work, loops within it left out; 0 where there
            is none.
        per_word: of these for 16 weights; 0.0 where the loop takes no weights.
        per_operation: of these for each of the first of the catalog's opcodes; 0.0 where there is
            no loop.
        waits: of these for products of a warpgroup before the last one is asked for.
    """

    kernel: str
    architecture: str
    usage: Usage
    local: int
    opcodes: dict[str, int]
    missing: tuple[str, ...]
    loop: int
    per_word: float
    per_operation: float
    waits: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def inspect(kernel: CudaKernel, cubin: Cubin, functions: dict[str, sass.Function]) -> Inspection:
    """Inspect `kernel` in `cubin`, whose `functions` `sass.disassemble` gave.

    The loop that does the work is the one with most of the first opcode of the catalog. Raises
    IsaError where the cubin has no such kernel.
    """
    name = cubin.names.get(kernel.expression, "")
    if name not in functions or name not in cubin.usage:
        raise IsaError(
            f"{kernel.name}: {cubin.path} for {cubin.architecture} has no {kernel.expression}, "
            f"only {', '.join(functions) or 'nothing'}"
        )
    function = functions[name]
    loop = sass.hot_loop(function, kernel.opcodes[:1])
    weights = kernel.weights_per_iteration
    work = sum(sass.has_opcode(each, kernel.opcodes[0]) for each in loop.own) if loop else 0
    return Inspection(
        kernel=kernel.name,
        architecture=cubin.architecture,
        usage=cubin.usage[name],
        local=len(sass.local_memory(function)),
        opcodes=dict(sass.count_opcodes(function.instructions)),
        missing=tuple(sass.missing_opcodes(function, kernel.opcodes)),
        loop=len(loop.own) if loop else 0,
        per_word=sass.per_word(loop, weights) if loop and weights else 0.0,
        per_operation=len(loop.own) / work if loop and work else 0.0,
        waits=sass.waits_between(loop) if loop else 0,
    )


def faults(kernel: CudaKernel, found: Inspection) -> list[str]:
    """What of `found` is not as the catalog and the limits of every kernel have it."""
    usage = found.usage
    most = kernel.per_word_on(found.architecture)
    wrong = {
        f"spills {usage.spill_stores} bytes, loads {usage.spill_loads} again": usage.spill_stores
        or usage.spill_loads,
        f"has {found.local} loads and stores of local memory": found.local,
        f"takes {usage.stack} bytes of stack": usage.stack,
        f"uses {usage.registers} registers, at most {kernel.registers}": usage.registers
        > kernel.registers,
        f"has no {', '.join(found.missing)}": found.missing,
        f"waits {found.waits} times between products of a warpgroup": found.waits,
        f"has no loop with {kernel.opcodes[0]}": (
            (kernel.weights_per_iteration or kernel.per_operation) and not found.loop
        ),
        f"takes {found.per_operation:.1f} instructions for each {kernel.opcodes[0]}, at most "
        f"{kernel.per_operation:g}": 0 < kernel.per_operation < found.per_operation,
        f"takes {found.per_word:.1f} instructions for 16 weights, at most {most:g}": (
            found.per_word > most
        ),
    }
    return [
        f"{found.kernel} for {found.architecture} {what}" for what, holds in wrong.items() if holds
    ]
