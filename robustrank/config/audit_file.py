"""The audit file: TOML in, frozen dataclasses out, with an unknown key or a wrong type an error that names the mend.

Every table with ``use`` is a plug-in; its other keys, but for the few named below, are the plug-in's parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from robustrank.config import checks
from robustrank.config.specs import (
    AttackSpec,
    AuditSpec,
    CasesSpec,
    CertifySpec,
    CollectionSpec,
    DefenseSpec,
    GateSpec,
    PoolingSpec,
    RankerSpec,
    SequentialSpec,
    VariationSpec,
)
from robustrank.config.tables import Tables, read, toml
from robustrank.core.errors import ConfigError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Budget

BUNDLED = ("default", "quick")
"""Audit files that come with the package; a name of these is accepted wherever a path is."""


def load(path: Path | str) -> AuditSpec:
    """Read an audit file, or a bundled one by name.

    Raises:
        ConfigError: No such file, not TOML, an unknown key (with the nearest known one), a wrong type or a
            dangling name.
    """
    if str(path) in BUNDLED:
        text = files("robustrank").joinpath("audits", f"{path}.toml").read_text(encoding="utf-8")
        return parse(text, where=f"bundled audit {path!r}")
    text = read(path, "audit file", "; `robustrank init` writes one")
    return parse(text, where=str(path), folder=Path(path).parent)


def parse(text: str, *, where: str = "audit file", folder: Path | None = None) -> AuditSpec:
    """An audit file's text as a spec; relative ``path`` parameters are taken from ``folder``."""
    data = toml(text, where)
    reader = Reader(where, folder)
    top = reader.table(
        data,
        "the top level",
        required={"name": str},
        optional={
            "seed": int,
            "measures": list,
            "baseline": str,
            "collection": list,
            "ranker": list,
            "defense": list,
            "attack": list,
            "variation": list,
            "query_types": list,
            "cases": dict,
            "certify": dict,
            "sequential": dict,
            "pooling": dict,
            "gate": list,
            "ratchet": str,
        },
    )
    spec = AuditSpec(
        name=top["name"],
        seed=top.get("seed", 13),
        measures=tuple(top.get("measures", AuditSpec.measures)),
        baseline=top.get("baseline"),
        collections=tuple(map(reader.collection, top.get("collection", []))),
        rankers=tuple(map(reader.ranker, top.get("ranker", []))),
        defenses=tuple(map(reader.defense, top.get("defense", []))),
        attacks=tuple(map(reader.attack, top.get("attack", []))),
        variations=tuple(map(reader.variation, top.get("variation", []))),
        query_types=tuple(top.get("query_types", AuditSpec.query_types)),
        cases=reader.options(CasesSpec, top.get("cases", {}), "[cases]"),
        certify=reader.options(CertifySpec, top.get("certify", {}), "[certify]"),
        sequential=reader.options(SequentialSpec, top["sequential"], "[sequential]") if "sequential" in top else None,
        pooling=reader.pooling(top["pooling"]) if "pooling" in top else None,
        gates=tuple(map(reader.gate, top.get("gate", []))),
        ratchet=str(reader.folder / top["ratchet"]) if reader.folder and "ratchet" in top else top.get("ratchet"),
        source=text,
    )
    checks.check(spec, where)
    return spec


class Reader(Tables):
    """Builds specs from the tables of an audit file."""

    def plugin(self, data: Any, what: str, own: Mapping[str, type]) -> tuple[Plugin, dict[str, Any]]:
        """Split a table into the plug-in with its parameters, and the keys that are the audit's own."""
        table = self.table(data, what, required={"use": str}, optional={"name": str, **own}, more=True)
        params = {key: value for key, value in table.items() if key not in own and key not in ("use", "name")}
        paths = {"path"} if "path" in params else _PATHS  # beside a folder, other names are names inside it
        for key, value in params.items():
            if self.folder is not None and isinstance(value, str) and (key in paths or value.startswith("./")):
                params[key] = str(self.folder / value)
        options = {key: value for key, value in table.items() if key in own}
        options["name"] = table.get("name", table["use"])
        return Plugin(use=table["use"], params=params), options

    def collection(self, data: Any) -> CollectionSpec:
        """One ``[[collection]]``."""
        own = {"queries": int, "first_stage": dict, "depth": int}
        plugin, options = self.plugin(data, "[[collection]]", own)
        if "first_stage" in options:
            options["first_stage"], _ = self.plugin(options["first_stage"], "[collection.first_stage]", {})
        return CollectionSpec(plugin=plugin, **options)

    def ranker(self, data: Any) -> RankerSpec:
        """One ``[[ranker]]``."""
        plugin, options = self.plugin(
            data, "[[ranker]]", {"family": str, "group": str, "attacked": bool, "claimed": dict}
        )
        for measure, value in options.get("claimed", {}).items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{self.where}: [[ranker]] claimed: {measure} must be a number, not {value!r}")
        return RankerSpec(plugin=plugin, **options)

    def defense(self, data: Any) -> DefenseSpec:
        """One ``[[defense]]``."""
        own = {"rankers": list, "collections": list, "queries": int, "depth": int, "attacked": bool}
        plugin, options = self.plugin(data, "[[defense]]", own)
        options = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
        return DefenseSpec(plugin=plugin, **options)

    def attack(self, data: Any) -> AttackSpec:
        """One ``[[attack]]``."""
        plugin, options = self.plugin(data, "[[attack]]", {"budget": dict, "rankers": list})
        return AttackSpec(
            plugin=plugin,
            name=options["name"],
            budget=self.options(Budget, options.get("budget", {}), "[attack.budget]"),
            rankers=tuple(options.get("rankers", ())),
        )

    def variation(self, data: Any) -> VariationSpec:
        """One ``[[variation]]``."""
        own = {"collections": list, "queries": int, "rankers": list, "end_to_end": bool}
        plugin, options = self.plugin(data, "[[variation]]", own)
        options = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
        return VariationSpec(plugin=plugin, **options)

    def pooling(self, data: Any) -> PoolingSpec:
        """``[pooling]``."""
        optional: dict[str, type] = {"collection": str, "measure": str, "depth": int, "shallow": list, "groups": dict}
        table = self.table(data, "[pooling]", required={"runs": list}, optional=optional)
        groups = table.get("groups", {})
        for what, names in {
            "runs": table["runs"],
            **{f"groups: {name}": group for name, group in groups.items()},
        }.items():
            if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
                raise ConfigError(f"{self.where}: [pooling] {what} must be a list of texts, not {names!r}")
        folder = self.folder or Path()
        return PoolingSpec(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
            | {"runs": tuple(str(folder / path) for path in table["runs"])}
            | {"groups": {name: tuple(group) for name, group in groups.items()}}
        )

    def gate(self, data: Any) -> GateSpec:
        """One ``[[gate]]``."""
        optional: dict[str, type] = {
            "where": dict,
            "max": float,
            "min": float,
            "worse_by": float,
            "bound": str,
            "allow_inconclusive": bool,
        }
        table = self.table(data, "[[gate]]", required={"name": str, "measure": str}, optional=optional)
        if sum(limit in table for limit in ("max", "min", "worse_by")) != 1:
            raise ConfigError(f"{self.where}: gate {table['name']!r} needs either `max`, `min` or `worse_by`")
        if table.get("worse_by", 0) < 0:
            raise ConfigError(f"{self.where}: gate {table['name']!r}: worse_by must not be negative")
        if table.get("bound", "interval") not in ("interval", "value"):
            raise ConfigError(f"{self.where}: gate {table['name']!r}: bound must be 'interval' or 'value'")
        return GateSpec(**table)


_PATHS = frozenset({"path", "run", "topics", "qrels", "documents", "misspellings"})
