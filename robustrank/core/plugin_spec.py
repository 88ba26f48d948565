"""A plug-in by name with its parameters, and its one-line form."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from robustrank.core.errors import PluginError


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A plug-in by name, and its parameters."""

    use: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The canonical one-line form, ``name(key=value, ...)``, used in records and reports."""
        inner = ", ".join(f"{key}={value!r}" for key, value in sorted(self.params.items()))
        return f"{self.use}({inner})" if inner else self.use


def parse(text: str) -> Plugin:
    """Read the one-line form ``name`` or ``name(key=literal, ...)``; the inverse of ``str(plugin)``.

    Raises:
        PluginError: The text has another form; nothing of it is evaluated.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if isinstance(node, ast.Name):
            return Plugin(use=node.id)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
            return Plugin(use=node.func.id, params={str(k.arg): ast.literal_eval(k.value) for k in node.keywords})
    except (SyntaxError, ValueError):
        pass
    raise PluginError(f"{text!r} is not of the form name or name(key=value, ...), with literal values")
