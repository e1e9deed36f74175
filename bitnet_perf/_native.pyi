"""The native core: kernels behind one validated entry per family. Not a public interface."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str
compiler: str
default_spans: int

def kernels() -> list[tuple[str, str, str, str]]: ...
def isas() -> list[tuple[str, str, str, bool, bool]]: ...
def select(family: str, format: str, isa: str = "") -> str: ...
def native_layout(isa: str = "") -> str: ...
def tunables() -> list[tuple[str, int, int, int, int, list[str], str, str]]: ...
def set_tunables(values: Sequence[tuple[str, str]]) -> None: ...
def default_threads() -> int: ...
def allocations() -> tuple[int, int]: ...
def formats() -> list[tuple[str, int, float, int, bool]]: ...
def layout(
    format: str, N: int, K: int, tile: tuple[int, int, int] = (0, 0, 0)
) -> tuple[int, tuple[int, int, int], int, int, int]: ...
def read(
    buffer: ArrayLike,
    format: str,
    N: int,
    K: int,
    tile: tuple[int, int, int] = (0, 0, 0),
    scale: float | None = None,
) -> tuple[NDArray[np.uint8], float | None, NDArray[np.float32] | None]: ...
def pack(
    ternary: ArrayLike,
    format: str,
    scale: float = 1.0,
    tile: tuple[int, int, int] = (0, 0, 0),
    isa: str = "",
    threads: int = 1,
) -> tuple[NDArray[np.uint8], float]: ...
def unpack(
    data: ArrayLike,
    format: str,
    N: int,
    K: int,
    tile: tuple[int, int, int] = (0, 0, 0),
    isa: str = "",
    threads: int = 1,
) -> NDArray[np.int8]: ...
def quantize(
    weights: ArrayLike,
    format: str,
    rule: str = "absmean",
    scale: float | None = None,
    tile: tuple[int, int, int] = (0, 0, 0),
    isa: str = "",
    threads: int = 1,
) -> tuple[NDArray[np.uint8], float]: ...
def dequantize(
    data: ArrayLike,
    format: str,
    N: int,
    K: int,
    tile: tuple[int, int, int] = (0, 0, 0),
    scale: float = 1.0,
    block_scales: ArrayLike | None = None,
    isa: str = "",
    threads: int = 1,
) -> NDArray[np.float32]: ...
def prepare(
    data: ArrayLike,
    format: str,
    N: int,
    K: int,
    tile: tuple[int, int, int],
    native: str,
    threads: int = 1,
) -> NDArray[np.uint8]: ...
def gemv(
    data: ArrayLike,
    format: str,
    N: int,
    K: int,
    q: ArrayLike,
    isa: str = "",
    threads: int = 1,
    BM: int = 0,
    BK: int = 0,
    bm: int = 0,
) -> NDArray[np.int32]: ...
def bench_loop(
    case: str, iterations: int, isa: str = "", extra: float = 0.0, spans: bool = False
) -> tuple[int, int, int]: ...
def bench_work(case: str, isa: str = "") -> tuple[int, int, int, int, str]: ...
def bench_check(case: str, isa: str = "", flip: int = -1) -> None: ...
def load_candidate(path: str) -> list[str]: ...
def spans_on() -> bool: ...
def start_spans(most: int = ...) -> None: ...
def stop_spans() -> tuple[list[tuple[str, int, int, int, int, int, int, int, int]], int]: ...
def now_ns() -> int: ...
def begin_span() -> tuple[int, int, int]: ...
def end_span(name: str, begun: tuple[int, int, int]) -> None: ...
def keep_span(name: str, layer: int, begin: int, end: int) -> None: ...
def bench_families() -> list[tuple[str, str]]: ...
def gemm(
    data: ArrayLike,
    format: str,
    N: int,
    K: int,
    q: ArrayLike,
    isa: str = "",
    threads: int = 1,
    BM: int = 0,
    BK: int = 0,
    bm: int = 0,
) -> NDArray[np.int32]: ...
def matmul(
    data: ArrayLike,
    format: str,
    N: int,
    K: int,
    q: ArrayLike,
    act_scale: ArrayLike,
    weight_scale: float | None,
    block_scales: NDArray[np.float32] | None = None,
    out: NDArray[np.float32] | None = None,
    isa: str = "",
    threads: int = 1,
    BM: int = 0,
    BK: int = 0,
    bm: int = 0,
) -> NDArray[np.float32]: ...
def block_codecs() -> list[tuple[str, str, int, bool, int]]: ...
def block_quantize(
    x: ArrayLike,
    codec: str,
    block: int | None = None,
    isa: str = "",
    threads: int = 1,
    data: NDArray[np.uint8] | None = None,
    scales: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], int]: ...
def block_dequantize(
    data: ArrayLike,
    scales: ArrayLike,
    codec: str,
    block: int | None,
    shape: Sequence[int],
    isa: str = "",
    threads: int = 1,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]: ...
def matmul_i2s(
    a: ArrayLike,
    b: ArrayLike,
    isa: str = "",
    threads: int = 1,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]: ...
def matmul_blocks(
    x: ArrayLike,
    codes: ArrayLike,
    scales: ArrayLike,
    block: int,
    isa: str = "",
    threads: int = 1,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]: ...
def dense_formats() -> list[tuple[str, int, int, int]]: ...
def dense_bytes(format: str, N: int, K: int) -> int: ...
def pack_dense(weights: ArrayLike, format: str, threads: int = 1) -> NDArray[np.uint8]: ...
def gemv_dense(
    w: ArrayLike, format: str, N: int, K: int, x: ArrayLike, isa: str = "", threads: int = 1
) -> NDArray[np.float32]: ...
def gemm_dense(
    w: ArrayLike, format: str, N: int, K: int, x: ArrayLike, isa: str = "", threads: int = 1
) -> NDArray[np.float32]: ...
def embed(
    w: ArrayLike, format: str, N: int, K: int, tokens: ArrayLike, isa: str = "", threads: int = 1
) -> NDArray[np.float32]: ...
def quantize_activations(
    x: ArrayLike, isa: str = "", threads: int = 1, format: str = "q8_act"
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int32]]: ...
def parse_gguf(
    prefix: bytes | bytearray | memoryview | NDArray[np.uint8], file_size: int
) -> (
    tuple[int, int, int, dict[str, Any], list[tuple[str, tuple[int, ...], int, int, int, int]]]
    | None
): ...
def rms_norm(
    x: ArrayLike,
    weight: ArrayLike,
    eps: float,
    isa: str = "",
    threads: int = 1,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]: ...
def rope(
    x: ArrayLike,
    cos: ArrayLike,
    sin: ArrayLike,
    heads: int,
    head_dim: int,
    interleaved: bool = False,
    isa: str = "",
    threads: int = 1,
) -> NDArray[np.float32]: ...
def relu2_mul(
    gate: ArrayLike,
    up: ArrayLike,
    isa: str = "",
    threads: int = 1,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]: ...
def silu_mul(
    gate: ArrayLike,
    up: ArrayLike,
    isa: str = "",
    threads: int = 1,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]: ...
def add(x: ArrayLike, y: ArrayLike, isa: str = "", threads: int = 1) -> NDArray[np.float32]: ...
def attention(
    q: ArrayLike,
    keys: ArrayLike,
    values: ArrayLike,
    length: ArrayLike,
    scale: float,
    round_q: bool = False,
    round_p: bool = False,
    isa: str = "",
    threads: int = 1,
) -> NDArray[np.float32]: ...
def argmax(x: ArrayLike, isa: str = "", threads: int = 1) -> tuple[int, int]: ...
def softmax(
    x: ArrayLike, largest: float, temperature: float = 1.0, isa: str = "", threads: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]: ...
def sample(
    logits: ArrayLike,
    history: Sequence[int],
    number: float,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    penalty: float = 1.0,
    isa: str = "",
    threads: int = 1,
) -> int: ...
def report_faults(to: int) -> None: ...
def guarded_activations(
    format: str,
    isa: str,
    x: Guarded,
    values: Guarded,
    scale: Guarded,
    total: Guarded,
    M: int,
    K: int,
    begin: int,
    end: int,
    threads: int,
) -> None: ...

class Guarded:
    def __init__(self, name: str, size: int, at_end: bool, align: int = 1) -> None: ...
    def bytes(self) -> NDArray[np.uint8]: ...
    def seal(self) -> None: ...
    def open(self) -> None: ...
    def damage(self) -> int | None: ...

class GuardedKernel:
    def __init__(
        self,
        family: str,
        format: str,
        isa: str,
        N: int,
        K: int,
        tile: tuple[int, int, int] = (0, 0, 0),
    ) -> None: ...
    def plan(self, M: int) -> tuple[int, int, bool, int, int]: ...
    def prepare(self, packed: Guarded, to: Guarded, M: int) -> None: ...
    def tables(
        self, w: Guarded, q: Guarded, q_sum: Guarded, to: Guarded, M: int, begin: int, end: int
    ) -> None: ...
    def rows(
        self,
        w: Guarded,
        q: Guarded,
        q_sum: Guarded,
        tables: Guarded | None,
        y: Guarded,
        M: int,
        begin: int,
        end: int,
        step: int,
        threads: int,
    ) -> None: ...
    def pack(
        self, codes: Guarded, data: Guarded, d: int, begin: int, end: int, threads: int
    ) -> None: ...
    def unpack(self, data: Guarded, codes: Guarded, begin: int, end: int, threads: int) -> None: ...

def model_shapes() -> list[tuple[str, int, int, int, int, int, int, int, float, str]]: ...
def empty(nbytes: int) -> NDArray[np.uint8]: ...
def read_into(file: int, offset: int, out: NDArray[np.uint8], threads: int = 1) -> None: ...
def load_native(
    file: int,
    offset: int,
    format: str,
    N: int,
    K: int,
    tile: tuple[int, int, int],
    native: str,
    out: NDArray[np.uint8],
    threads: int = 1,
) -> tuple[float | None, NDArray[np.float32] | None]: ...

class Engine:
    def __init__(
        self,
        config: dict[str, Any],
        isa: str = "",
        threads: int = 1,
        decode_threads: int = 1,
    ) -> None: ...
    def set_norm(self, layer: int, name: str, values: ArrayLike) -> None: ...
    def set_ternary(
        self,
        layer: int,
        name: str,
        data: ArrayLike,
        format: str,
        N: int,
        K: int,
        tile: tuple[int, int, int],
        scale: float | None,
        block_scales: ArrayLike | None = None,
    ) -> None: ...
    def set_dense(self, name: str, data: ArrayLike, format: str, N: int, K: int) -> None: ...
    def add_sequence(self) -> int: ...
    def drop_sequence(self, sequence: int) -> None: ...
    def length(self, sequence: int) -> int: ...
    def cache_bytes(self, sequence: int) -> int: ...
    def reserve(self, sequence: int, positions: int) -> None: ...
    def forward(
        self,
        tokens: ArrayLike,
        sequences: ArrayLike,
        rows: ArrayLike,
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]: ...
    def isa(self) -> str: ...
    def threads(self) -> int: ...
    def kernels(self) -> list[str]: ...
