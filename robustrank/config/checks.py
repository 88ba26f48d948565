"""What can be wrong with an audit file whose tables are all of the right shape."""

from __future__ import annotations

from math import inf

from robustrank.config.specs import AuditSpec
from robustrank.config.tables import known
from robustrank.core.errors import ConfigError
from robustrank.core.strata import first_rank

QUERY_TYPES = ("label", "wh", "answer", "intent", "length", "clarity")
"""Ways to tell types of queries apart: the collection's own labels, and rules
(:mod:`robustrank.retrieval.query_features`)."""


def check(spec: AuditSpec, where: str) -> None:
    """Find names that lead nowhere, names twice, and numbers that make no sense.

    Args:
        spec: The audit file.
        where: Its path, for messages.

    Raises:
        ConfigError: The first of them, with its mend.
    """
    if not spec.collections or not spec.rankers:
        raise ConfigError(f"{where}: needs at least one [[collection]] and one [[ranker]]")
    for kind, names in {
        "collection": [c.name for c in spec.collections],
        "ranker": [r.name for r in spec.rankers],
        "attack": [a.name for a in spec.attacks],
        "variation": [v.name for v in spec.variations],
        "defense": [d.name for d in spec.defenses],
        "gate": [g.name for g in spec.gates],
    }.items():
        for name in {name for name in names if names.count(name) > 1}:
            raise ConfigError(f"{where}: two [[{kind}]] tables are named {name!r}; give one of them another `name`")
    _check_numbers(spec, where)
    _check_gates(spec, where)
    _check_pooling(spec, where)
    rankers = [r.name for r in spec.rankers]
    collections = [c.name for c in spec.collections]
    for name in (n for d in spec.defenses for n in d.rankers):
        known(name, rankers, f"{where}: [[defense]] ranker")
    victims = [victim.name for victim in spec.victims]
    for name in {name for name in victims if victims.count(name) > 1}:
        raise ConfigError(
            f"{where}: two rankers under test are named {name!r}; give a ranker or defense another `name`"
        )
    for name in (n for a in spec.attacks for n in a.rankers):
        known(name, victims, f"{where}: [[attack]] ranker")
    for name in (n for d in spec.defenses for n in d.collections):
        known(name, collections, f"{where}: [[defense]] collection")
    for variation in spec.variations:
        for name in variation.collections:
            known(name, collections, f"{where}: [[variation]] collection")
        for name in variation.rankers:
            known(name, rankers, f"{where}: [[variation]] ranker")
    for name in spec.query_types:
        known(name, QUERY_TYPES, f"{where}: query_types")
    if spec.cases.collection is not None:
        known(spec.cases.collection, collections, f"{where}: [cases] collection")
    if spec.baseline is not None:
        known(spec.baseline, rankers, f"{where}: baseline")
    _check_cases(spec, where)


def _check_cases(spec: AuditSpec, where: str) -> None:
    for stratum in spec.cases.strata:
        if first_rank(stratum) < 1:
            raise ConfigError(f"{where}: [cases] strata: {stratum!r} is not a rank range such as '11-20' or 'last 5'")
    if spec.cases.targets < 1:
        raise ConfigError(f"{where}: [cases] targets must be at least 1, not {spec.cases.targets}")


def _check_gates(spec: AuditSpec, where: str) -> None:
    for gate in spec.gates:
        if gate.worse_by is not None and spec.ratchet is None:
            raise ConfigError(
                f"{where}: gate {gate.name!r}: worse_by needs a file at the top: ratchet = 'my.ratchet.json'"
            )
    minutes = spec.sequential.minutes if spec.sequential else None
    if minutes is not None and minutes <= 0:
        raise ConfigError(f"{where}: [sequential] minutes must be above 0, not {minutes!r}")
    if spec.sequential and not spec.gates:
        raise ConfigError(f"{where}: [sequential] stops when the gates are decided, and there is no [[gate]]")


def _check_pooling(spec: AuditSpec, where: str) -> None:
    if spec.pooling is not None:
        names = [c.name for c in spec.collections]
        known(spec.pooling.collection or spec.home.name, names, f"{where}: [pooling] collection")


def _check_numbers(spec: AuditSpec, where: str) -> None:
    if not spec.measures or not all(isinstance(m, str) for m in spec.measures):
        raise ConfigError(f"{where}: measures must be a list of names with at least one, for example ['nDCG@10']")
    if not spec.name or spec.name.startswith(".") or "/" in spec.name or "\\" in spec.name:
        raise ConfigError(f"{where}: name {spec.name!r} must be usable as the name of a folder")
    for what, least, values in [
        ("[cases] queries", 1, [spec.cases.queries]),
        ("[cases] goal_rank", 1, [spec.cases.goal_rank]),
        *([("[pooling] depth and shallow", 1, [p.depth, *p.shallow])] if (p := spec.pooling) else ()),
        *([("[sequential] batch and pairs", 1, [s.batch, s.pairs])] if (s := spec.sequential) else ()),
        ("[certify] k", 1, spec.certify.k),
        *((f"[[collection]] {c.name!r}: queries", 1, [c.queries]) for c in spec.collections),
        *((f"[[collection]] {c.name!r}: depth", 1, [c.depth]) for c in spec.collections),
        *((f"[[defense]] {d.name!r}: queries and depth", 1, [d.queries, d.depth]) for d in spec.defenses),
        *((f"[[variation]] {v.name!r}: queries", 1, [v.queries]) for v in spec.variations),
        *((f"[[attack]] {a.name!r}: budget", 0, [a.budget.edits, a.budget.calls]) for a in spec.attacks),
    ]:
        for value in values:
            if value is not None and (not isinstance(value, int) or value < least):
                raise ConfigError(f"{where}: {what} must be whole numbers of at least {least}, not {value!r}")
    for radius in spec.certify.radius:
        number = isinstance(radius, int | float) and not isinstance(radius, bool)
        if not number or not 0 <= radius < inf or (radius >= 1 and radius != int(radius)):
            raise ConfigError(
                f"{where}: [certify] radius must be whole numbers of words, or below 1 shares of a document's words, "
                f"not {radius!r}"
            )
    for what, names in [
        ("[cases] strata", spec.cases.strata),
        *((f"[[attack]] {a.name!r}: rankers", a.rankers) for a in spec.attacks),
        *((f"[[defense]] {d.name!r}: rankers and collections", (*d.rankers, *d.collections)) for d in spec.defenses),
    ]:
        for name in names:
            if not isinstance(name, str):
                raise ConfigError(f"{where}: {what} must be text, not {name!r}")
