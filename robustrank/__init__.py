"""RobustRank audits ranking models: on average, out of distribution, under attack, and what can be proved."""

from __future__ import annotations

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """``__version__``, read from the installed metadata when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("robustrank")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
