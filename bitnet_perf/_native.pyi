"""The native core: kernels behind one validated entry per family. Not a public interface."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str
compiler: str

def kernels() -> list[tuple[str, str, str, str]]: ...
def isas() -> list[tuple[str, str, str, bool, bool]]: ...
def select(family: str, format: str, isa: str = "") -> str: ...
def default_threads() -> int: ...
def gemv(
    data: ArrayLike,
    format: str,
    N: int,
    K: int,
    q: ArrayLike,
    isa: str = "",
    threads: int = 1,
) -> NDArray[np.int32]: ...
