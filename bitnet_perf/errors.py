"""Errors of bitnet_perf.

Every message names the argument (or the place in the file), what was found, and what is accepted.
"""

from __future__ import annotations

__all__ = [
    "BitnetPerfError",
    "ConfigError",
    "EnvironmentRefused",
    "FormatError",
    "IsaError",
    "MeasurementError",
    "ModelError",
    "ShapeError",
]


class BitnetPerfError(Exception):
    """Base of every error that bitnet_perf raises on purpose."""


class FormatError(BitnetPerfError, ValueError):
    """Bytes, codes, values or names that a packed format or codec does not admit."""


class ShapeError(BitnetPerfError, ValueError):
    """A wrong rank, shape, dtype, size or memory layout."""


class ModelError(BitnetPerfError):
    """A model file that cannot be understood, or not without guessing."""


class IsaError(BitnetPerfError):
    """An instruction set name that is unknown or that this host cannot run."""


class EnvironmentRefused(BitnetPerfError):
    """The host, or something missing on it, makes the request impossible or meaningless."""


class MeasurementError(BitnetPerfError):
    """A measurement that failed, gave a wrong result, or cannot be believed."""


class ConfigError(BitnetPerfError):
    """A setting, option or argument that is not accepted."""
