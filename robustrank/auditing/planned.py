"""What an audit file asks for and cannot get, found before anything is scored."""

from __future__ import annotations

from collections.abc import Sequence

from robustrank.config.specs import AttackSpec, GateSpec
from robustrank.core.errors import ConfigError
from robustrank.core.strata import ranks
from robustrank.core.types import Access, AttackSet, Surface
from robustrank.judging.checks import check_planned
from robustrank.measures import effectiveness
from robustrank.perturbations.contextual_substitutes import load
from robustrank.perturbations.operations import unit
from robustrank.perturbations.oracle import RANK_ONLY
from robustrank.perturbations.stage_oracle import lends
from robustrank.retrieval.first_stage import searches
from robustrank.work import planting
from robustrank.work.workbench import Workbench


def check(bench: Workbench, gates: Sequence[GateSpec]) -> None:
    """Refuse what would fail later.

    Args:
        bench: Of the audit; it may be shared with an audit file that differs in its gates.
        gates: Of the audit file.

    Raises:
        ConfigError: An unknown measure, a stratum below every list, a budget that cannot be measured here, or a gate
            that no figure will answer.
        DataError: A table of substitutes that cannot be read.
        MissingExtra: A package that a table needs is not installed.
    """
    spec = bench.spec
    effectiveness.per_query(spec.measures, {}, {})
    if any(attack.budget.similarity is not None for attack in spec.attacks):
        _ = bench.similarity  # raises where it cannot be measured
    _check_strata(bench)
    _check_corpus(bench)
    for attack in spec.attacks:
        edits = bench.attack(attack.name).threat.edits
        if edits.substitutes is not None:
            load(edits.substitutes)
        _check_unit(attack, edits)
    check_planned(gates, bench)


def notes(bench: Workbench) -> list[str]:
    """What will be less than the audit file says, in sentences."""
    return [*_of_suite(bench), *_fewer_queries(bench), *_without_access(bench)]


def _of_suite(bench: Workbench) -> list[str]:
    """Whose targets are attacked: those of a suite stand in place of the file's."""
    spec = bench.spec
    if not spec.suite:
        return []
    cases = spec.cases
    drawn = f"{cases.targets} of each of the ranks {', '.join(cases.strata)} of the first stage"
    return [
        f"suite {spec.suite!r} sets the targets of all attacks, those of the file among them: {drawn}, with the goal "
        f"rank {cases.goal_rank}; of [cases] only `queries`, `collection` and `transfer` count"
    ]


def _check_unit(attack: AttackSpec, edits: AttackSet) -> None:
    """A limit in another unit than the operation's would limit nothing."""
    limits = {"edits": attack.budget.edits, "characters": attack.budget.characters}
    counted = "characters" if unit(edits) == "characters" else "edits"
    for name, limit in limits.items():
        if limit is not None and name != counted:
            raise ConfigError(
                f"[[attack]] {attack.name!r}: budget: its edits are counted in {unit(edits)}; limit them by "
                f"`{counted} = N`, not `{name} = {limit}`"
            )


def _check_strata(bench: Workbench) -> None:
    """Targets of attacks on documents must stand somewhere in the lists."""
    spec = bench.spec
    if not any(bench.attack(attack.name).threat.surface is Surface.DOCUMENT for attack in spec.attacks):
        return
    where = next(c for c in spec.collections if c.name == (spec.cases.collection or spec.home.name))
    for victim in (victim for victim in spec.victims if victim.attacked):
        depth = where.depth if victim.defense is None else min(where.depth, victim.defense.depth or where.depth)
        for stratum in spec.cases.strata:
            if not ranks(stratum, depth):
                of = where.name if victim.defense is None else f"{where.name} or of its [[defense]]"
                raise ConfigError(
                    f"[cases] strata: {stratum!r} lies below the lists of {victim.name!r}, which have {depth} "
                    f"documents (`depth` of {of}); "
                    "no document would be attacked"
                )


def _check_corpus(bench: Workbench) -> None:
    """Documents can be added only where a first stage searches, and for queries that there are."""
    if bench.spec.corpus is None:
        return
    name = planting.where(bench)
    stage = bench.lists(name).spec.first_stage
    if not searches(stage):
        raise ConfigError(
            f"[corpus]: the first stage {stage} of {name!r} takes lists as they are, so no document that is added is "
            "found; give the collection first_stage = { use = 'bm25' } or { use = 'dense' }"
        )
    if not planting.group(bench).known:
        raise ConfigError(f"[corpus] about: no audited query of {name!r} has the word {bench.spec.corpus.about!r}")


def _fewer_queries(bench: Workbench) -> list[str]:
    """Limits of queries that are above what a collection has."""
    spec, lines = bench.spec, []
    for wanted in spec.collections:
        there = len(bench.lists(wanted.name).collection.queries)
        if wanted.queries is not None and wanted.queries > there:
            lines.append(f"{wanted.name}: `queries = {wanted.queries}`, and it has {there}; all are used")
    where = spec.cases.collection or spec.home.name
    audited = len(bench.lists(where).queries)
    if spec.attacks and spec.cases.queries > audited:
        lines.append(f"[cases]: `queries = {spec.cases.queries}`, and {audited} of {where} are audited; all are used")
    if spec.corpus is not None:
        known, held_out = map(len, planting.group(bench))
        if (known, held_out) != (spec.corpus.queries, spec.corpus.held_out):
            lines.append(
                f"[corpus]: `queries = {spec.corpus.queries}` and `held_out = {spec.corpus.held_out}`; there are "
                f"{known} and {held_out}"
            )
    return lines


def _without_access(bench: Workbench) -> list[str]:
    """Attacks that need scores or gradients on rankers that lend none."""
    spec, lines = bench.spec, []
    for attack in spec.corpus.attacks if spec.corpus else ():
        stage = planting.where(bench)
        if not lends(bench.searcher(stage), bench.corpus_attack(attack.name).threat.stage):
            outcome = "it is left out" if attack.if_possible else "its queries will be errors"
            lines.append(
                f"corpus attack {attack.name!r} needs the weights of a dense first stage, which {stage!r} has not: "
                + outcome
            )
    where = spec.cases.collection or spec.home.name
    for attack in spec.attacks:
        access = bench.attack(attack.name).threat.access
        if access.level <= Access.RANKS.level:
            continue
        for victim in (v for v in spec.victims if v.attacked and v.name in (attack.rankers or (v.name,))):
            if bench.can_attack(attack.name, victim.name, where):
                continue
            if bench.victim(victim.name, where).ranker.card.rank_only:
                lines.append(
                    f"attack {attack.name!r} needs {access.value}, and {victim.name!r} gives ranks alone "
                    f"({RANK_ONLY}): it is left out there; attacks with access to ranks, or to nothing, are run"
                )
                continue
            lines.append(
                f"attack {attack.name!r} needs gradients, which {victim.name!r} does not provide: "
                + (
                    "it is left out there"
                    if attack.if_possible
                    else "its cases will be errors; name the rankers to attack with `rankers`"
                )
            )
    return lines
