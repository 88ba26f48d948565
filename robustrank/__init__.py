"""RobustRank audits ranking models: on average, out of distribution, under attack, and what can be proved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robustrank.api import AuditResult, audit, load

    __version__: str

__all__ = ["AuditResult", "__version__", "audit", "load"]


def __getattr__(name: str) -> Any:
    """The public names, loaded when they are first used: importing the package costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("robustrank")
    if name in __all__:
        from robustrank import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
