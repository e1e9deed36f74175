"""The tunables of a worker. The driver brings this file to both sides, as it brings worker.py."""

from __future__ import annotations

# How a side refuses what it does not know, or cannot run.
REFUSALS = ("ConfigError", "IsaError")


def use_tuned(options: dict[str, str]) -> str:
    """Set the tunables of the option `tuned`; why this side keeps its defaults, "" where it does
    not."""
    try:
        from bitnet_perf import _bench

        _bench.set_tunables(options["tuned"])
    except (AttributeError, ImportError):
        return "it has no tunables: defaults"
    except Exception as error:
        if type(error).__name__ not in REFUSALS:
            raise
        return f"it refuses what was tuned: defaults ({error})"
    return ""
