"""``robustrank audit-certificate``: from the name of a claimed bound to a verdict."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, cast

from robustrank.certificates.auditor.claims import Claim, Side
from robustrank.certificates.auditor.search import Verdict, audit
from robustrank.certificates.auditor.spaces import Kind, SmallSpace
from robustrank.core import import_path
from robustrank.core.errors import PluginError

GROUP = "robustrank.bounds"
"""Entry points that are claims."""


def names() -> list[str]:
    """The claims that are installed."""
    return sorted(entry.name for entry in entry_points(group=GROUP))


def claim(name: str, kind: str | None = None, side: str | None = None) -> Claim:
    """A claim by its name, or around a function ``"module:function"`` from a small space to a bound.

    Args:
        name: An entry point, or where the function is.
        kind: The spaces a function is for.
        side: Whether a function's bound is an upper or a lower one; default ``"upper"``.

    Raises:
        PluginError: No such claim or function, or a function without its kind.
    """
    if ":" not in name:
        entries = [entry for entry in entry_points(group=GROUP) if entry.name == name]
        if not entries:
            raise PluginError(f"no bound named {name!r} (have: {', '.join(names())}; or give module:function)")
        return _checked(name, entries[0].load())
    loaded = import_path.load(name, "a bound")
    if isinstance(loaded, Claim):
        return loaded
    if kind is None:
        raise PluginError(f"{name} is a function: say with --space which spaces its bound is for")
    if not callable(loaded):
        raise PluginError(f"{name} is neither a function nor a claim")
    bound = cast(Callable[[SmallSpace], float], loaded)
    return Claim(name=name, kind=cast(Kind, kind), side=cast(Side, side or "upper"), bound=bound, formula="yours")


def verdict(tried: Claim, *, cases: int, seed: int) -> Verdict:
    """Try a claim.

    Raises:
        PluginError: The bound itself fails.
    """
    try:
        return audit(tried, cases=cases, seed=seed)
    except Exception as error:
        raise PluginError(f"bound {tried.name}: {type(error).__name__}: {error}") from error


def _checked(name: str, loaded: Any) -> Claim:
    if not isinstance(loaded, Claim):
        raise PluginError(f"the entry point {name!r} of {GROUP} is no robustrank.certificates.auditor.claims.Claim")
    return loaded
