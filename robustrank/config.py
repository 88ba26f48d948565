"""The audit file: TOML in, frozen dataclasses out, with an unknown key or a wrong type an error that names the mend.

Every table with ``use`` is a plug-in; its other keys, but for the few named below, are the plug-in's parameters.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from robustrank.errors import ConfigError
from robustrank.tables import Tables, known
from robustrank.types import Budget

BUNDLED = ("default", "quick")
"""Audit files that come with the package; a name of these is accepted wherever a path is."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A plug-in by name, and its parameters."""

    use: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The canonical one-line form, ``name(key=value, ...)``, used in records and reports."""
        inner = ", ".join(f"{key}={value!r}" for key, value in sorted(self.params.items()))
        return f"{self.use}({inner})" if inner else self.use


@dataclass(frozen=True, kw_only=True)
class CollectionSpec:
    """One ``[[collection]]``. The first is home (i.i.d.); the others are the shifts (out of distribution)."""

    plugin: Plugin
    name: str
    queries: int | None = None
    first_stage: Plugin = Plugin(use="bm25")
    depth: int = 100


@dataclass(frozen=True, kw_only=True)
class RankerSpec:
    """One ``[[ranker]]``."""

    plugin: Plugin
    name: str
    attacked: bool = True


@dataclass(frozen=True, kw_only=True)
class DefenseSpec:
    """One ``[[defense]]``: each named ranker gets a defended twin, ``"<name> + <ranker>"``.

    ``queries`` limits the defended twin to the first so many queries of each collection it is audited on, because a
    smoothed ranker costs one pair per sample; ``collections`` names those collections (default: home).
    """

    plugin: Plugin
    name: str
    rankers: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    queries: int | None = None
    depth: int | None = None
    attacked: bool = False


@dataclass(frozen=True, kw_only=True)
class AttackSpec:
    """One ``[[attack]]`` under one budget; ``rankers`` limits it to some (default: every attacked one)."""

    plugin: Plugin
    name: str
    budget: Budget
    rankers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CasesSpec:
    """``[cases]``: which documents are attacked.

    Args:
        queries: Queries of the home collection, drawn with the audit's seed.
        strata: Clean rank ranges under the attacked ranker; one target is drawn from each, per query.
        goal_rank: The attacker is content there.
        collection: Where; default home.
    """

    queries: int = 20
    strata: tuple[str, ...] = ("11-20",)
    goal_rank: int = 1
    collection: str | None = None


@dataclass(frozen=True, kw_only=True)
class CertifySpec:
    """``[certify]``: the K and radii of the certificates asked of every certifying defense."""

    k: tuple[int, ...] = (1, 5, 10)
    radius: tuple[int, ...] = (1, 2, 5)


@dataclass(frozen=True, kw_only=True)
class GateSpec:
    """One ``[[gate]]``: a limit on one figure of the summary, judged on a bound of its interval.

    Args:
        name: A sentence that is true when the gate holds.
        measure: For example ``"nDCG@10"``, ``"ASR@10"``, ``"CRQ@5"``, ``"drop"``, ``"worst decile"``.
        where: Which figure: ``ranker``, ``collection``, ``attack``, ``slice``, ``radius``.
        max: Upper limit; holds when the interval's upper bound is at most this.
        min: Lower limit; holds when the interval's lower bound is at least this.
        bound: ``"interval"`` judges on the bound; ``"value"`` on the point estimate, and never is inconclusive.
        allow_inconclusive: Count an inconclusive gate as held. A decision to write down, hence not a default.
    """

    name: str
    measure: str
    where: Mapping[str, Any] = field(default_factory=dict)
    max: float | None = None
    min: float | None = None
    bound: Literal["interval", "value"] = "interval"
    allow_inconclusive: bool = False


@dataclass(frozen=True, kw_only=True)
class AuditSpec:
    """A whole audit file."""

    name: str
    collections: tuple[CollectionSpec, ...]
    rankers: tuple[RankerSpec, ...]
    seed: int = 13
    measures: tuple[str, ...] = ("nDCG@10", "RR@10")
    baseline: str | None = None
    defenses: tuple[DefenseSpec, ...] = ()
    attacks: tuple[AttackSpec, ...] = ()
    cases: CasesSpec = CasesSpec()
    certify: CertifySpec = CertifySpec()
    gates: tuple[GateSpec, ...] = ()
    source: str = ""
    """The text of the audit file, so that the report can show how to reproduce itself."""

    @property
    def home(self) -> CollectionSpec:
        """The i.i.d. collection."""
        return self.collections[0]

    def to_json(self) -> dict[str, Any]:
        """Plain data, without the gates (they judge records but do not change them) and the source text."""
        data = asdict(self)
        del data["gates"], data["source"]
        return data


def load(path: Path | str) -> AuditSpec:
    """Read an audit file, or a bundled one by name.

    Raises:
        ConfigError: No such file, not TOML, an unknown key (with the nearest known one), a wrong type or a
            dangling name.
    """
    if str(path) in BUNDLED:
        text = files("robustrank").joinpath("audits", f"{path}.toml").read_text(encoding="utf-8")
        return parse(text, where=f"bundled audit {path!r}")
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such audit file; `robustrank init` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return parse(text, where=str(path), folder=Path(path).parent)


def parse(text: str, *, where: str = "audit file", folder: Path | None = None) -> AuditSpec:
    """An audit file's text as a spec; relative ``path`` parameters are taken from ``folder``."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not valid TOML: {error}") from error
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
            "cases": dict,
            "certify": dict,
            "gate": list,
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
        cases=reader.options(CasesSpec, top.get("cases", {}), "[cases]"),
        certify=reader.options(CertifySpec, top.get("certify", {}), "[certify]"),
        gates=tuple(map(reader.gate, top.get("gate", []))),
        source=text,
    )
    _check_names(spec, where)
    return spec


def _check_names(spec: AuditSpec, where: str) -> None:
    if not spec.collections or not spec.rankers:
        raise ConfigError(f"{where}: needs at least one [[collection]] and one [[ranker]]")
    for kind, names in {
        "collection": [c.name for c in spec.collections],
        "ranker": [r.name for r in spec.rankers],
        "attack": [a.name for a in spec.attacks],
        "defense": [d.name for d in spec.defenses],
        "gate": [g.name for g in spec.gates],
    }.items():
        for name in {name for name in names if names.count(name) > 1}:
            raise ConfigError(f"{where}: two [[{kind}]] tables are named {name!r}; give one of them another `name`")
    _check_numbers(spec, where)
    rankers = [r.name for r in spec.rankers]
    collections = [c.name for c in spec.collections]
    for name in (n for d in spec.defenses for n in d.rankers):
        known(name, rankers, f"{where}: [[defense]] ranker")
    victims = [*rankers, *(f"{d.name} + {n}" for d in spec.defenses for n in d.rankers)]
    for name in (n for a in spec.attacks for n in a.rankers):
        known(name, victims, f"{where}: [[attack]] ranker")
    for name in (n for d in spec.defenses for n in d.collections):
        known(name, collections, f"{where}: [[defense]] collection")
    if spec.cases.collection is not None:
        known(spec.cases.collection, collections, f"{where}: [cases] collection")
    if spec.baseline is not None:
        known(spec.baseline, rankers, f"{where}: baseline")
    for stratum in spec.cases.strata:
        first, _, last = stratum.partition("-")
        if not (first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
            raise ConfigError(f"{where}: [cases] strata: {stratum!r} is not a rank range such as '11-20'")


def _check_numbers(spec: AuditSpec, where: str) -> None:
    if not spec.measures or not all(isinstance(m, str) for m in spec.measures):
        raise ConfigError(f"{where}: measures must be a list of names with at least one, for example ['nDCG@10']")
    if not spec.name or spec.name.startswith(".") or "/" in spec.name or "\\" in spec.name:
        raise ConfigError(f"{where}: name {spec.name!r} must be usable as the name of a folder")
    for what, least, values in [
        ("[cases] queries", 1, [spec.cases.queries]),
        ("[cases] goal_rank", 1, [spec.cases.goal_rank]),
        ("[certify] k", 1, spec.certify.k),
        ("[certify] radius", 0, spec.certify.radius),
        *((f"[[collection]] {c.name!r}: queries", 1, [c.queries]) for c in spec.collections),
        *((f"[[collection]] {c.name!r}: depth", 1, [c.depth]) for c in spec.collections),
        *((f"[[defense]] {d.name!r}: queries and depth", 1, [d.queries, d.depth]) for d in spec.defenses),
        *((f"[[attack]] {a.name!r}: budget", 0, [a.budget.edits, a.budget.calls]) for a in spec.attacks),
    ]:
        for value in values:
            if value is not None and (not isinstance(value, int) or value < least):
                raise ConfigError(f"{where}: {what} must be whole numbers of at least {least}, not {value!r}")
    for what, names in [
        ("[cases] strata", spec.cases.strata),
        *((f"[[attack]] {a.name!r}: rankers", a.rankers) for a in spec.attacks),
        *((f"[[defense]] {d.name!r}: rankers and collections", (*d.rankers, *d.collections)) for d in spec.defenses),
    ]:
        for name in names:
            if not isinstance(name, str):
                raise ConfigError(f"{where}: {what} must be text, not {name!r}")


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
        plugin, options = self.plugin(data, "[[ranker]]", {"attacked": bool})
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

    def gate(self, data: Any) -> GateSpec:
        """One ``[[gate]]``."""
        optional: dict[str, type] = {
            "where": dict,
            "max": float,
            "min": float,
            "bound": str,
            "allow_inconclusive": bool,
        }
        table = self.table(data, "[[gate]]", required={"name": str, "measure": str}, optional=optional)
        if ("max" in table) == ("min" in table):
            raise ConfigError(f"{self.where}: gate {table['name']!r} needs either `max` or `min`")
        if table.get("bound", "interval") not in ("interval", "value"):
            raise ConfigError(f"{self.where}: gate {table['name']!r}: bound must be 'interval' or 'value'")
        return GateSpec(**table)


_PATHS = frozenset({"path", "run", "topics", "qrels", "documents"})
