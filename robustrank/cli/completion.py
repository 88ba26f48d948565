"""What a shell completes beside commands, options and kinds: names of plug-ins."""

from __future__ import annotations

import click


def plugin_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of installed plug-ins of the kind that was typed before; nothing is imported for them."""
    from robustrank.plugins import registry

    kind = context.params.get("kind")
    return [name for name in registry.names(kind) if name.startswith(incomplete)] if kind in registry.KINDS else []
