"""Files that hold one model as JSON, read without trust."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from bitnet_perf.errors import FormatError
from bitnet_perf.report.escape import plain

__all__ = ["read_stored"]

LARGEST = 64 << 20  # bytes of a file
Model = TypeVar("Model")


def read_stored(path: Path, model: type[Model]) -> Model:
    """The `model` (a pydantic model or a dataclass) that `path` holds; FormatError names the file
    and the field that is refused."""
    try:
        if path.stat().st_size > LARGEST:
            raise FormatError(f"{path}: larger than {LARGEST >> 20} MiB, which is accepted")
        return TypeAdapter(model).validate_json(path.read_bytes())
    except OSError as error:
        raise FormatError(
            f"{path}: cannot be read ({error.strerror}); name a {model.__name__.lower()}.json"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = plain(".".join(map(str, first["loc"])), 200) or "the whole file"
        raise FormatError(f"{path}: {place}: {plain(first['msg'], 300)}") from error
