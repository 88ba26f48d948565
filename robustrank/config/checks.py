"""Checks of an audit file beyond its schema: references, unique names and ranges of numbers."""

from __future__ import annotations

from dataclasses import asdict
from math import inf

from robustrank.config.detection import SOURCES
from robustrank.config.specs import AuditSpec
from robustrank.config.tables import check_name
from robustrank.core.errors import ConfigError
from robustrank.core.strata import first_rank

QUERY_TYPES = ("label", "wh", "answer", "intent", "length", "clarity")
"""Classifications of queries: the collection's own labels, and rules
(:mod:`robustrank.retrieval.query_features`)."""


ENDS, FILLERS = ("start", "end"), ("neutral", "corpus", "word", "invisible", "brackets")
"""Where a long document is padded, and with what (:mod:`robustrank.work.long_documents`)."""


def check(spec: AuditSpec, where: str) -> None:
    """Check that names are defined and unique, and that numbers are in their ranges.

    Args:
        spec: The audit file.
        where: Its path, for messages.

    Raises:
        ConfigError: The first fault, with its fix.
    """
    if not spec.collections or not spec.rankers:
        raise ConfigError(f"{where}: needs at least one [[collection]] and one [[ranker]]")
    for kind, names in {
        "collection": [c.name for c in spec.collections],
        "ranker": [r.name for r in spec.rankers],
        "attack": [a.name for a in spec.attacks],
        "variation": [v.name for v in spec.variations],
        "corpus.attack": [a.name for a in spec.corpus.attacks] if spec.corpus else [],
        "defense": [d.name for d in spec.defenses],
        "gate": [g.name for g in spec.gates],
        "detection.detector": [d.name for d in spec.detection.detectors] if spec.detection else [],
        "detection.source": [s.name for s in spec.detection.sources] if spec.detection else [],
    }.items():
        for name in {name for name in names if names.count(name) > 1}:
            raise ConfigError(f"{where}: two [[{kind}]] tables are named {name!r}; give one of them another `name`")
    _check_numbers(spec, where)
    _check_gates(spec, where)
    _check_pooling(spec, where)
    _check_long_document(spec, where)
    _check_detection(spec, where)
    rankers = [r.name for r in spec.rankers]
    collections = [c.name for c in spec.collections]
    for name in (n for d in spec.defenses for n in d.rankers):
        check_name(name, rankers, f"{where}: [[defense]] ranker")
    _check_variants(spec, where)
    if len(audited := [r.name for r in spec.rankers if r.audited]) > 1:
        raise ConfigError(f"{where}: an audit is about one [[ranker]]; `audited = true` is set of {', '.join(audited)}")
    victims = [victim.name for victim in spec.victims]
    for name in {name for name in victims if victims.count(name) > 1}:
        raise ConfigError(
            f"{where}: two rankers under test are named {name!r}; give a ranker or defense another `name`"
        )
    for name in (n for a in spec.attacks for n in a.rankers):
        check_name(name, victims, f"{where}: [[attack]] ranker")
    _check_corpus(spec, where)
    for name in (n for d in spec.defenses for n in d.collections):
        check_name(name, collections, f"{where}: [[defense]] collection")
    for variation in spec.variations:
        for name in variation.collections:
            check_name(name, collections, f"{where}: [[variation]] collection")
        for name in variation.rankers:
            check_name(name, rankers, f"{where}: [[variation]] ranker")
    for name in spec.query_types:
        check_name(name, QUERY_TYPES, f"{where}: query_types")
    if spec.cases.collection is not None:
        check_name(spec.cases.collection, collections, f"{where}: [cases] collection")
    if spec.baseline is not None:
        check_name(spec.baseline, rankers, f"{where}: baseline")
    _check_cases(spec, where)
    _check_accepted(spec, where)


PLANTING = frozenset({"plants", "plant_words", "encodes"})
"""Limits of attacks that add documents; the others are limits of attacks that change one."""


def _check_corpus(spec: AuditSpec, where: str) -> None:
    for attack in spec.attacks:
        for name in PLANTING:
            if getattr(attack.budget, name) is not None:
                raise ConfigError(f"{where}: [[attack]] {attack.name!r}: budget: {name} is for [[corpus.attack]]")
    if spec.corpus is None:
        return
    if not spec.corpus.attacks:
        raise ConfigError(f"{where}: [corpus] needs at least one [[corpus.attack]]")
    if spec.corpus.collection is not None:
        check_name(spec.corpus.collection, [c.name for c in spec.collections], f"{where}: [corpus] collection")
    victims = [victim.name for victim in spec.victims]
    for attack in spec.corpus.attacks:
        for ranker in attack.rankers:
            check_name(ranker, victims, f"{where}: [[corpus.attack]] ranker")
        if not attack.budget.plants:
            raise ConfigError(f"{where}: [[corpus.attack]] {attack.name!r}: needs budget = {{ plants = 1 }} or more")
        for name, limit in asdict(attack.budget).items():
            if name not in PLANTING and limit is not None:
                raise ConfigError(
                    f"{where}: [[corpus.attack]] {attack.name!r}: budget: {name} is for [[attack]]; documents that are "
                    f"added have {', '.join(sorted(PLANTING))}"
                )


def _check_accepted(spec: AuditSpec, where: str) -> None:
    victims = [victim.name for victim in spec.victims]
    attacks = [attack.name for attack in (*spec.attacks, *(spec.corpus.attacks if spec.corpus else ()))]
    for rule in spec.accepted:
        if not rule.reason.strip():
            raise ConfigError(f"{where}: [[accept]] {str(rule.flag)!r} needs a `reason`, which reports print")
        subjects = (
            (rule.ranker, victims, "ranker"),
            (rule.attack, attacks, "attack"),
            (rule.collection, [c.name for c in spec.collections], "collection"),
        )
        for wanted, names, what in subjects:
            if wanted is not None:
                check_name(wanted, names, f"{where}: [[accept]] {what}")


def _check_cases(spec: AuditSpec, where: str) -> None:
    for stratum in spec.cases.strata:
        if first_rank(stratum) < 1:
            raise ConfigError(f"{where}: [cases] strata: {stratum!r} is not a rank range such as '11-20' or 'last 5'")


def _check_gates(spec: AuditSpec, where: str) -> None:
    for gate in spec.gates:
        if sum(limit is not None for limit in (gate.max, gate.min, gate.worse_by)) != 1:
            raise ConfigError(f"{where}: gate {gate.name!r} needs either `max`, `min` or `worse_by`")
        if gate.worse_by is not None and gate.worse_by < 0:
            raise ConfigError(f"{where}: gate {gate.name!r}: worse_by must not be negative")
        if gate.worse_by is not None and spec.ratchet is None:
            raise ConfigError(
                f"{where}: gate {gate.name!r}: worse_by needs a file at the top: ratchet = 'my.ratchet.json'"
            )
    if not 0 < spec.task_timeout < inf:
        raise ConfigError(f"{where}: task_timeout must be a number of seconds above 0, not {spec.task_timeout!r}")
    minutes = spec.sequential.minutes if spec.sequential else None
    if minutes is not None and minutes <= 0:
        raise ConfigError(f"{where}: [sequential] minutes must be above 0, not {minutes!r}")
    if spec.sequential and not spec.gates:
        raise ConfigError(f"{where}: [sequential] stops when the gates are decided, and there is no [[gate]]")


def _check_pooling(spec: AuditSpec, where: str) -> None:
    if spec.pooling is not None:
        for what, names in {"runs": spec.pooling.runs, **spec.pooling.groups}.items():
            if not names:
                raise ConfigError(f"{where}: [pooling] {what} must have at least one name")
        collections = [c.name for c in spec.collections]
        check_name(spec.pooling.collection or spec.home.name, collections, f"{where}: [pooling] collection")


def _check_long_document(spec: AuditSpec, where: str) -> None:
    wanted = spec.long_document
    if wanted is None:
        return
    for what, values, possible in (("where", wanted.where, ENDS), ("filler", wanted.filler, FILLERS)):
        for value in values:
            check_name(value, possible, f"{where}: [long_document] {what}")
    if not (wanted.words and wanted.where and wanted.filler):
        raise ConfigError(f"{where}: [long_document] words, where and filler must each have at least one value")


def _check_detection(spec: AuditSpec, where: str) -> None:
    if spec.detection is None:
        return
    if not spec.detection.detectors or not spec.detection.sources:
        raise ConfigError(f"{where}: [detection] needs at least one [[detection.detector]] and [[detection.source]]")
    own = spec.cases.collection or spec.home.name
    if spec.detection.sources is not SOURCES and own in (source.name for source in spec.detection.sources):
        raise ConfigError(
            f"{where}: [[detection.source]] {own!r}: clean documents of the attacked collection are taken anyway; "
            "give it another `name`"
        )


def _check_numbers(spec: AuditSpec, where: str) -> None:
    if not spec.measures:
        raise ConfigError(f"{where}: measures must be a list of names with at least one, for example ['nDCG@10']")
    if not spec.name or spec.name.startswith(".") or "/" in spec.name or "\\" in spec.name:
        raise ConfigError(f"{where}: name {spec.name!r} must be usable as the name of a folder")
    planting = spec.corpus.attacks if spec.corpus else ()
    for table, attack in [*(("attack", a) for a in spec.attacks), *(("corpus.attack", a) for a in planting)]:
        for name, limit in asdict(attack.budget).items():
            if name != "similarity" and limit is not None and limit < 0:
                raise ConfigError(
                    f"{where}: [[{table}]] {attack.name!r}: budget: {name} must be at least 0, not {limit}"
                )
        if attack.budget.similarity is not None and not spec.cases.similarity:
            raise ConfigError(
                f"{where}: [[{table}]] {attack.name!r}: its budget limits similarity, which [cases] similarity = false "
                "leaves unmeasured; take one of the two out"
            )
    for radius in spec.certify.radius:
        if not 0 <= radius < inf or (radius >= 1 and radius != int(radius)):
            raise ConfigError(
                f"{where}: [certify] radius must be whole numbers of words, or below 1 shares of a document's words, "
                f"not {radius!r}"
            )


def _check_variants(spec: AuditSpec, where: str) -> None:
    """Parents are rankers that are no variants, and a variant's seeds have the same one."""
    parents = [r.name for r in spec.rankers if r.variant is None]
    for ranker in spec.rankers:
        if ranker.variant is not None:
            check_name(ranker.variant.parent, parents, f"{where}: [[ranker]] {ranker.name!r}: parent")
    by_variant: dict[str, set[str]] = {}
    for ranker in spec.rankers:
        if ranker.variant is not None:
            by_variant.setdefault(ranker.variant.name or ranker.name, set()).add(ranker.variant.parent)
    for name, several in by_variant.items():
        if len(several) > 1:
            raise ConfigError(f"{where}: variant {name!r} has several parents: {', '.join(sorted(several))}")
