"""The process that runs a candidate's code for the first time: it may end in any way.

Started by `candidate_check`; what it finds goes to the descriptor `to`, one line each, fields
separated by tabs and a line feed before: `at` (the limit in seconds, and what is tried next),
`wrong` and `refused` (why; the last line), `done` (how many checks). A fault is reported by the
native handler in the same form.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf import _bench, _native
from bitnet_perf.bench.candidate_findings import (
    POISON,
    Memory,
    Wrong,
    compare,
    expect,
    outside,
    same,
)
from bitnet_perf.bench.candidate_inputs import (
    Product,
    extreme,
    product_data,
    product_shapes,
    row_shapes,
    seconds_for,
)
from bitnet_perf.bench.candidates import load_functions, split_family
from bitnet_perf.errors import BitnetPerfError

THREADS = 4
TILED = ("tl1", "tl2")
HALF_ONE = 0x3C00  # float16 1.0: the scale of blocks that have one
TRAILER = 32  # bytes behind the codes: the scale, and 28 that mean nothing

Plan = tuple[tuple[int, int, int], ...]  # calls: begin, end, threads


class Child:
    """Checks one function; `call` counts and announces each."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.to, self.mark = int(options["to"]), options["mark"]
        self.limit = int(options["limit"])
        self.family, self.format = split_family(options["family"])
        self.asked = tuple(options["shape"])
        self.isa = options["isa"]
        self.function: Callable[..., Any] | None = None
        self.count = 0

    def tell(self, *fields: object) -> None:
        text = "\t".join(str(field).replace("\t", " ") for field in (self.mark, *fields))
        os.write(self.to, ("\n" + text.replace("\n", "; ") + "\n").encode(errors="replace"))

    @contextmanager
    def trying(self, words: str, work: int, at_end: bool) -> Iterator[Memory]:
        """Announce one check and give its memory; an alarm ends it when it takes too long for so
        many multiply-adds or elements."""
        limit = seconds_for(work, self.limit)
        self.tell("at", limit, words)
        self.count += 1
        memory = Memory(at_end)
        signal.alarm(limit)
        try:
            yield memory
            memory.check()
        except Wrong as wrong:
            raise Wrong(f"{wrong}, {words}") from None
        except BitnetPerfError:
            raise
        except Exception as error:
            raise Wrong(f"throws {type(error).__name__}: {error}, {words}") from error
        signal.alarm(0)

    def run(self) -> None:
        """Every check of the family."""
        checks = {
            "gemv": self.products,
            "gemm": self.products,
            "quantize_activations": self.activations,
            "pack": self.packing,
            "unpack": self.packing,
        }
        checks[self.family]()

    # gemv, gemm

    def products(self) -> None:
        group = next(row[3] for row in _native.formats() if row[0] == self.format)
        sparse = self.function is not None
        for number, check in enumerate(
            product_shapes(self.family, self.format, group, self.asked, sparse)
        ):
            W, q = product_data(check, number)
            want = np.rint(q.astype(np.float64) @ W.T.astype(np.float64)).astype(np.int32)
            packed = _native.pack(W, self.format, tile=check.tile)[0]
            if self.format in ("i2_s", *TILED):
                packed[-TRAILER:] = 0xFF
            for at_end in (True, False):
                work = check.M * check.N * check.K
                with self.trying(check.words, work, at_end) as memory:
                    if self.function is None:
                        self.native_product(memory, check, packed, q, want)
                    else:
                        self.python_product(memory, check, packed, q, want)

    def native_product(
        self,
        memory: Memory,
        check: Product,
        packed: NDArray[np.uint8],
        q: NDArray[np.int8],
        want: NDArray[np.int32],
    ) -> None:
        M, N, K = check.M, check.N, check.K
        kernel = _native.GuardedKernel(self.family, self.format, self.isa, N, K, check.tile)
        step, size, own, table_bytes, parts = kernel.plan(M)
        padded = _native.layout(self.format, N, K, check.tile)[0]
        weights = memory.add("w" if not own else "packed", packed)
        if own:
            prepared = memory.add("prepared", np.zeros(size, np.uint8), 64)
            prepared.open()
            kernel.prepare(weights, prepared, M)
            memory.check()
            prepared.seal()
            weights = prepared
        values = memory.add("q", np.pad(q, ((0, 0), (0, padded - K))))
        sums = memory.add("q_sum", q.sum(1, dtype=np.int32))
        tables = self.tables(memory, kernel, (weights, values, sums), (M, table_bytes, parts))
        y = memory.add("y", 4 * M * N)
        found = y.bytes().view(np.int32).reshape(M, N)

        def rows(begin: int, end: int, threads: int = 1) -> None:
            kernel.rows(weights, values, sums, tables, y, M, begin, end, step, threads)

        rows(0, N)
        compare(found, want, "")
        if not check.deep:
            return
        middle = (N // 2 + step - 1) // step * step
        y.bytes()[:] = POISON
        if middle < N:
            rows(middle, N)
            outside(found, middle, N, 0, middle)
            rows(0, middle)
            compare(found, want, "called for two ranges: ")
        for _ in range(3):
            y.bytes()[:] = POISON
            rows(0, N, THREADS)
            compare(found, want, f"on {THREADS} threads: ")

    def tables(
        self,
        memory: Memory,
        kernel: _native.GuardedKernel,
        inputs: tuple[_native.Guarded, _native.Guarded, _native.Guarded],
        numbers: tuple[int, int, int],
    ) -> _native.Guarded | None:
        """The tables of one call, made at once and again in parts from the last to the first.

        `numbers` are M, the bytes of the tables, and their parts.
        """
        M, size, parts = numbers
        if parts == 0:
            return None
        tables = memory.add("tables", size, 64)
        kernel.tables(*inputs, tables, M, 0, parts)
        first = tables.bytes().copy()
        tables.bytes()[:] = POISON
        for part in reversed(range(parts)):
            kernel.tables(*inputs, tables, M, part, part + 1)
        memory.check()
        if not np.array_equal(first, tables.bytes()):
            raise Wrong("fills tables that differ when its parts are filled one by one")
        tables.seal()
        return tables

    def python_product(
        self,
        memory: Memory,
        check: Product,
        packed: NDArray[np.uint8],
        q: NDArray[np.int8],
        want: NDArray[np.int32],
    ) -> None:
        N, K = check.N, check.K
        padded, tile = _native.layout(self.format, N, K, check.tile)[:2]
        w = memory.add("w", packed).bytes()
        data = memory.add("q", np.pad(q, ((0, 0), (0, padded - K)))).bytes().view(np.int8)
        values = data if self.family == "gemv" else data.reshape(check.M, padded)
        extra = (tile,) if self.format in TILED else ()
        found = self.call(w, values, N, padded, *extra)
        expect(found, np.int32, (N,) if self.family == "gemv" else want.shape, "its result")
        compare(found.reshape(want.shape), want, "")

    def call(self, *arguments: Any) -> Any:
        assert self.function is not None
        try:
            return self.function(*arguments)
        except Exception as error:
            raise Wrong(f"raises {type(error).__name__}: {error}") from error

    # quantize_activations

    def activations(self) -> None:
        for number, (M, K, deep) in enumerate(row_shapes(64, False, self.asked)):
            rng = np.random.default_rng(number)
            for kind, x in (
                ("random", rng.normal(size=(M, K)).astype(np.float32)),
                ("all values 0", np.zeros((M, K), np.float32)),
                ("largest and smallest", extreme(rng, M, K)),
            ):
                for at_end in (True, False):
                    with self.trying(f"shape {M}x{K} ({kind})", M * K, at_end) as memory:
                        self.activation(memory, x, deep)

    def activation(self, memory: Memory, x: NDArray[np.float32], deep: bool) -> None:
        M, K = x.shape
        s = np.float32(127) / np.maximum(np.abs(x).max(1), np.float32(1e-5))
        values = np.rint(x * s[:, None]).astype(np.int8)
        want = (("values", values), ("scale", s), ("sum", values.sum(1, dtype=np.int32)))
        given = memory.add("x", x)
        if self.function is not None:
            found = self.call(given.bytes().view(np.float32).reshape(M, K))
            if not isinstance(found, tuple) or len(found) != 3:
                raise Wrong(f"gives {type(found).__name__}, accepted is values, scale, sum")
            for part, (name, array) in zip(found, want, strict=True):
                expect(part, array.dtype, array.shape, name)
                same(part, array, name)
            return
        values_to, scale_to, sum_to = out = [memory.add(n, each.nbytes) for n, each in want]
        middle = M // 2
        plans: list[Plan] = [((0, M, 1),)]
        if deep:
            plans += [((middle, M, 1), (0, middle, 1)), ((0, M, THREADS),)]
        for plan in plans:
            for each in out:
                each.bytes()[:] = POISON
            for begin, end, threads in plan:
                if begin < end:
                    _native.guarded_activations(
                        self.format,
                        self.isa,
                        given,
                        values_to,
                        scale_to,
                        sum_to,
                        M,
                        K,
                        begin,
                        end,
                        threads,
                    )
            for each, (name, array) in zip(out, want, strict=True):
                same(each.bytes().view(array.dtype).reshape(array.shape), array, name)

    # pack, unpack

    def packing(self) -> None:
        group = next(row[3] for row in _native.formats() if row[0] == self.format)
        tiled = self.format in TILED
        for number, (N, K, deep) in enumerate(row_shapes(group, tiled, self.asked)):
            rng = np.random.default_rng(number)
            for kind, low, high in (("random", -1, 1), ("all 1", 1, 1), ("all -1", -1, -1)):
                W = rng.integers(low, high, (N, K), np.int8, endpoint=True)
                for at_end in (True, False):
                    with self.trying(f"shape {N}x{K} ({kind})", N * K, at_end) as memory:
                        self.packed_rows(memory, W, deep)

    def packed_rows(self, memory: Memory, W: NDArray[np.int8], deep: bool) -> None:
        N, K = W.shape
        kernel = _native.GuardedKernel(self.family, self.format, self.isa, N, K)
        _, (_, _, bm), code_bytes, *_ = _native.layout(self.format, N, K)
        data, _ = _native.pack(W, self.format, isa="scalar")
        packs = self.family == "pack"
        given = memory.add("codes", W) if packs else memory.add("data", data)
        want = data if packs else W
        out = memory.add("data" if packs else "codes", want.nbytes)
        strip = bm or 1
        middle = (N // 2 + strip - 1) // strip * strip
        plans: list[Plan] = [((0, N, 1),)]
        if deep:
            plans += [((middle, N, 1), (0, middle, 1)), ((0, N, THREADS),)]
        for plan in plans:
            out.bytes()[:] = POISON
            for begin, end, threads in plan:
                if begin >= end:
                    continue
                if packs:
                    kernel.pack(given, out, HALF_ONE, begin, end, threads)
                else:
                    kernel.unpack(given, out, begin, end, threads)
            found = out.bytes()
            if packs:
                same(found[:code_bytes], want[:code_bytes], "data")
                if (found[code_bytes:] != POISON).any():
                    raise Wrong("writes behind the codes, where the scale stands")
            else:
                same(found.view(np.int8).reshape(N, K), want, "codes")


def main(text: str) -> None:
    """Check what `text` (JSON) names, and tell."""
    options = json.loads(text)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    child = Child(options)
    _native.report_faults(child.to)
    signal.alarm(child.limit)
    try:
        if options["library"]:
            _bench.load_candidate(options["library"])
        elif options["python"]:
            marked = {each.family: each.function for each in load_functions(options["python"])}
            child.function = marked.get(options["family"])
            if child.function is None:
                child.tell("refused", f"it marks {', '.join(marked)}, not {options['family']}")
                return
        child.run()
        child.tell("done", child.count)
    except Wrong as wrong:
        child.tell("wrong", wrong)
    except BitnetPerfError as error:
        child.tell("refused", error)
    except Exception as error:
        child.tell("wrong", f"throws {type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1])
