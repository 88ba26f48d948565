"""Objects of this process as plug-ins named ``given``: what a program hands to :func:`robustrank.audit` by value."""

from __future__ import annotations

from typing import Any

from robustrank.core.errors import PluginError

_OBJECTS: dict[str, Any] = {}


def keep(key: str, value: Any) -> str:
    """Keep an object for this process.

    Args:
        key: What singles out its content: equal keys are equal objects, so that a stopped audit resumes.
        value: The object.

    Returns:
        The key.
    """
    _OBJECTS[key] = value
    return key


def given(*, key: str) -> Any:
    """An object that was handed to ``robustrank.audit`` in this process.

    Args:
        key: Its key.

    Raises:
        PluginError: This process has none of that key.
    """
    if key not in _OBJECTS:
        raise PluginError(
            f"given: no object {key!r} in this process; it lives where `robustrank.audit` was called. Use the executor "
            '"serial" or "threads" there, or put the object into a module and name it by its import path'
        )
    return _OBJECTS[key]
