"""Readers of other tools' results: one file each, one line each in READERS."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from bitnet_perf.peers.fields import Document
from bitnet_perf.peers.results import Table

__all__ = ["READERS", "Reader", "reader"]

READERS = (
    "pyperf",
    "criterion",
    "google_benchmark",
    "llama_bench",
    "xtask_benchmark",
    "xtask_receipt",
    "bitnet_receipt",
    "bitnet_rs_baseline",
    "bitnet_rs_gate",
    "asv",
    "pytest_benchmark",
    "nvbench",
)


class Reader(Protocol):
    """A module of this folder.

    LABEL names the form for people. `owns` says, from a few keys, whether a file is of that form;
    of every file at most one reader says so. `read` raises MeasurementError for one that is broken.
    """

    LABEL: str

    def owns(self, document: Document) -> bool:
        """Whether the file is of this form."""

    def read(self, document: Document) -> Table:
        """The rows of a file that it owns, and what was dropped."""


def reader(name: str) -> Reader:
    """The module of READERS with that name."""
    module: Reader = import_module(f"{__name__}.{name}")
    return module
