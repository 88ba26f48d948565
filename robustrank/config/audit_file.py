"""Reads the audit file: TOML to :class:`AuditSpec`, with errors that name the fix."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from robustrank.config import checks, suites
from robustrank.config.specs import AuditSpec
from robustrank.config.tables import read, read_as, toml

BUNDLED = ("default", "quick")
"""Audit files that come with the package; a name of these is accepted wherever a path is."""


def load(path: Path | str, *, suite: str | None = None) -> AuditSpec:
    """Read an audit file, or a bundled one by name.

    Args:
        path: Of the file.
        suite: As ``suite`` in the file, in whose text it is put.

    Raises:
        ConfigError: No such file, not TOML, an unknown key (with the nearest valid one), a wrong type or
            an undefined name.
    """
    if str(path) in BUNDLED:
        text = files("robustrank").joinpath("audits", f"{path}.toml").read_text(encoding="utf-8")
        return parse(_with(suite, text), where=f"bundled audit {path!r}")
    text = read(path, "audit file", "; `robustrank init` writes one")
    return parse(_with(suite, text), where=str(path), folder=Path(path).parent)


def _with(suite: str | None, text: str) -> str:
    return text if suite is None else f'suite = "{suite}"\n{text}'


def parse(text: str, *, where: str = "audit file", folder: Path | None = None) -> AuditSpec:
    """An audit file's text as a spec.

    Args:
        text: TOML.
        where: Its path, for messages.
        folder: The folder that its relative paths are relative to.

    Raises:
        ConfigError: As :func:`load`.
    """
    spec = suites.added(read_as(AuditSpec, toml(text, where), where, folder), where)
    base, pooling = folder or Path(), spec.pooling
    spec = replace(
        spec,
        source=text,
        ratchet=None if spec.ratchet is None else str(base / spec.ratchet),
        collections=tuple(
            replace(c, background=tuple(str(base / path) for path in c.background)) for c in spec.collections
        ),
        pooling=None if pooling is None else replace(pooling, runs=tuple(str(base / path) for path in pooling.runs)),
    )
    checks.check(spec, where)
    return spec
