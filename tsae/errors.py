"""The exceptions a user can catch. Each is also the built-in a caller would expect.

Every message names the thing, its value, the rule it breaks and the way out.
"""

from __future__ import annotations

__all__ = [
    "DataError",
    "MissingDependencyError",
    "ModelFileError",
    "OutputError",
    "ParameterError",
    "TrainingError",
    "TsaeError",
]


class TsaeError(Exception):
    """Base of everything tsae raises on purpose."""


class DataError(TsaeError, ValueError):
    """The input table, series or image cannot be used as it is."""


class ParameterError(TsaeError, ValueError):
    """A parameter is unknown, out of range, or clashes with another one."""


class ModelFileError(TsaeError, ValueError):
    """A file is not a tsae model, is damaged, or was written by a newer version."""


class OutputError(TsaeError, OSError):
    """A result cannot be written where it should go."""


class TrainingError(TsaeError, RuntimeError):
    """Training ended without a usable model."""


class MissingDependencyError(TsaeError, ImportError):
    """An optional library is not installed."""
