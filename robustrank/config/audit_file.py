"""The audit file: TOML in, frozen dataclasses out, with an unknown key or a wrong type an error that names the mend.

Every table with ``use`` is a plug-in; its other keys, but for the few named below, are the plug-in's parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from robustrank.config import checks
from robustrank.config.tables import Tables, read, toml
from robustrank.core.errors import ConfigError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Budget

BUNDLED = ("default", "quick")
"""Audit files that come with the package; a name of these is accepted wherever a path is."""


@dataclass(frozen=True, kw_only=True)
class CollectionSpec:
    """One ``[[collection]]``. The first is home (i.i.d.); the others are the shifts (out of distribution)."""

    plugin: Plugin
    name: str
    queries: int | None = None
    first_stage: Plugin = field(default_factory=lambda: Plugin(use="bm25"))
    depth: int = 100


@dataclass(frozen=True, kw_only=True)
class RankerSpec:
    """One ``[[ranker]]``; one ``family`` is one model with several seeds, one ``group`` is also told together."""

    plugin: Plugin
    name: str
    attacked: bool = True
    family: str | None = None
    group: str | None = None
    claimed: Mapping[str, float] = field(default_factory=dict)
    """What its makers claim, by measure, for example ``{"nDCG@10": 0.71, "ASR@10": 0.05}``: only shown."""


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
class VariationSpec:
    """One ``[[variation]]``: other wordings of the queries, for every plain ranker.

    Args:
        plugin: What makes them.
        name: For people.
        collections: Where; default home.
        queries: The first so many queries of each; default all.
        rankers: Limits it to some.
        end_to_end: Also search again with the changed query, where the first stage is one that can.
    """

    plugin: Plugin
    name: str
    collections: tuple[str, ...] = ()
    queries: int | None = None
    rankers: tuple[str, ...] = ()
    end_to_end: bool = True


@dataclass(frozen=True, kw_only=True)
class CasesSpec:
    """``[cases]``: which documents are attacked.

    Args:
        queries: Queries of the home collection, drawn with the audit's seed.
        strata: Clean rank ranges under the attacked ranker, such as ``"11-20"`` or ``"last 5"``.
        targets: Drawn from each stratum, per query.
        goal_rank: The attacker is content there.
        collection: Where; default home.
    """

    queries: int = 20
    strata: tuple[str, ...] = ("11-20",)
    targets: int = 1
    goal_rank: int = 1
    collection: str | None = None


@dataclass(frozen=True, kw_only=True)
class CertifySpec:
    """``[certify]``: the K and radii (words, or below 1 shares of words) of the certificates asked of every defense."""

    k: tuple[int, ...] = (1, 5, 10)
    radius: tuple[float, ...] = (1, 2, 5)


@dataclass(frozen=True, kw_only=True)
class SequentialSpec:
    """``[sequential]``: ask queries in batches until every gate is decided or the budget is spent.

    The collections' and cases' own ``queries`` are the most that are ever asked.

    Args:
        batch: Queries of each collection, and for cases, that every round adds.
        pairs: Pairs that the whole audit may score.
        minutes: That the whole audit may take.
    """

    batch: int = 20
    pairs: int | None = None
    minutes: float | None = None


@dataclass(frozen=True, kw_only=True)
class PoolingSpec:
    """``[pooling]``: runs of one collection, to ask what other judgments would have concluded.

    Args:
        runs: TREC run files, or folders of them; relative to the audit file.
        collection: Of which collection they are; default home.
        measure: nDCG@k, P@k, RR@k or Success@k; default the audit's first measure.
        depth: Documents that every system puts into the pool.
        shallow: Depths of shallower pools.
        groups: Name to systems that are left out of the pool together, such as all lexical ones.
    """

    runs: tuple[str, ...]
    collection: str | None = None
    measure: str | None = None
    depth: int = 10
    shallow: tuple[int, ...] = (1, 2, 3, 5, 10, 20, 50)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class GateSpec:
    """One ``[[gate]]``: a limit on one figure of the summary, judged on a bound of its interval.

    Args:
        name: A sentence that is true when the gate holds.
        measure: For example ``"nDCG@10"``, ``"ASR@10"``, ``"CRQ@5"``, ``"drop"``, ``"lowest decile"``.
        where: Which figure: ``ranker``, ``collection``, ``attack``, ``slice``, ``radius``.
        max: Upper limit; holds when the interval's upper bound is at most this.
        min: Lower limit; holds when the interval's lower bound is at least this.
        worse_by: How much worse than in the ratchet file it may be; holds when the upper bound of the loss, paired by
            query, is at most this.
        bound: ``"interval"`` judges on the bound; ``"value"`` on the point estimate, and never is inconclusive.
        allow_inconclusive: Count an inconclusive gate as held. A decision to write down, hence not a default.
    """

    name: str
    measure: str
    where: Mapping[str, Any] = field(default_factory=dict)
    max: float | None = None
    min: float | None = None
    worse_by: float | None = None
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
    variations: tuple[VariationSpec, ...] = ()
    query_types: tuple[str, ...] = ("label",)
    """Which types of queries are told apart (:data:`robustrank.config.checks.QUERY_TYPES`)."""
    cases: CasesSpec = CasesSpec()
    certify: CertifySpec = CertifySpec()
    sequential: SequentialSpec | None = None
    pooling: PoolingSpec | None = None
    gates: tuple[GateSpec, ...] = ()
    ratchet: str | None = None
    """File of an earlier audit's values, which ``worse_by`` compares with."""
    source: str = ""
    """The text of the audit file, so that the report can show how to reproduce itself."""

    @property
    def home(self) -> CollectionSpec:
        """The i.i.d. collection."""
        return self.collections[0]

    def to_json(self) -> dict[str, Any]:
        """Plain data, without what judges, shows or stops but changes no record, and without the source text."""
        data = asdict(self)
        for name in ("gates", "ratchet", "sequential", "source"):
            del data[name]
        if self.pooling is None:
            del data["pooling"]
        for ranker in data["rankers"]:
            del ranker["claimed"], ranker["family"], ranker["group"]
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
