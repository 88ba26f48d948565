"""Standard suites: fixed sets of attacks, versioned, so that audits of different rankers can be compared."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

from robustrank.config.specs import AuditSpec
from robustrank.config.tables import check_name, read_as, toml

SUITES = {"standard": "standard/1", "standard/1": "standard/1"}
"""Names, to the version that they stand for."""


def added(spec: AuditSpec, where: str) -> AuditSpec:
    """An audit file with the attacks of its suite.

    Raises:
        ConfigError: There is no such suite.
    """
    if not spec.suite:
        return spec
    check_name(spec.suite, list(SUITES), f"{where}: suite")
    version = SUITES[spec.suite]
    file = f"{version.replace('/', '-')}.toml"
    text = files("robustrank").joinpath("audits", file).read_text(encoding="utf-8")
    attacks = read_as(AuditSpec, toml(text, file), file, None).attacks
    return replace(spec, suite=version, attacks=(*attacks, *spec.attacks))
