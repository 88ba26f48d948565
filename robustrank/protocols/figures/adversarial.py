"""Figures of attacks: how often they succeed, the ranks they gain, and what the list loses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from robustrank.config.specs import AuditSpec
from robustrank.core.strata import first_rank
from robustrank.core.types import Estimate, Goal, Surface
from robustrank.results.figures import CUTOFFS, Figure, FigureKind
from robustrank.results.summary import AttackResult, Summary
from robustrank.storage.hashing import digest
from robustrank.work.workbench import Workbench

WHERE = ("ranker", "attack", "stratum")
DEFAULTS = {"attack": "the strongest that is not a control", "stratum": "all"}
PROMOTED, GOAL, DEMOTED, HARMED, BOOST, HARM = "promoted", "goal", "demoted", "harmed", "boost", "harm"


def _planned(bench: Workbench) -> Iterator[tuple[dict[str, str], bool, Goal, Sequence[int]]]:
    """Labels of every attack on every ranker and stratum, whether it is a control, its goal, and its cut-offs."""
    spec = bench.spec
    for ranker in (victim.name for victim in spec.victims if victim.attacked):
        for attack in (a for a in spec.attacks if ranker in (a.rankers or (ranker,))):
            threat = bench.attack(attack.name).threat
            strata = [] if threat.surface is Surface.QUERY else list(spec.cases.strata)
            for stratum in ["all", *(strata if len(strata) > 1 else ())]:
                labels = {"ranker": ranker, "attack": attack.name, "stratum": stratum}
                first = min((first_rank(s) for s in strata if stratum in ("all", s)), default=1)
                yield labels, threat.control, threat.goal, [k for k in CUTOFFS if k < first]


def _reachable(spec: AuditSpec) -> list[str]:
    highest = min((first_rank(stratum) for stratum in spec.cases.strata), default=1)
    return [f"ASR@{k}" for k in CUTOFFS if spec.attacks and k < highest]


def _expected(*measures: str, goals: Sequence[Goal] = tuple(Goal)) -> Callable[[Workbench], Iterable[Figure]]:
    def expected(bench: Workbench) -> Iterator[Figure]:
        for labels, control, goal, cutoffs in _planned(bench):
            names = measures or [f"ASR@{k}" for k in cutoffs]
            for name in names if goal in goals else ():
                yield Figure(measure=name, labels=labels, control=control)

    return expected


def _figure(result: AttackResult, name: str, estimate: Estimate, seed: int) -> Figure:
    return Figure(
        measure=name,
        labels={"ranker": result.ranker, "attack": result.attack, "stratum": result.stratum},
        estimate=estimate,
        control=result.control,
        collection=result.collection,
        per_query=result.per_query.get(name, {}),
        bounds=(-1, 1) if name == HARM else (0, 1),
        higher_is_better=name == BOOST and result.goal == Goal.DEMOTE.value,
        made=digest(name, result.plugin, result.budget, result.edits_allowed, result.stratum, seed)[:12],
    )


def _success(*measures: str) -> Callable[[Summary], Iterable[Figure]]:
    def measured(summary: Summary) -> Iterator[Figure]:
        for result in summary.attacks:
            for name, estimate in result.success.items():
                if name in measures or (not measures and name.startswith("ASR@")):
                    yield _figure(result, name, estimate, summary.seed)

    return measured


def _boost(summary: Summary) -> Iterator[Figure]:
    return (_figure(result, BOOST, result.boost, summary.seed) for result in summary.attacks)


def _harm(summary: Summary) -> Iterator[Figure]:
    return (_figure(result, HARM, result.harm, summary.seed) for result in summary.attacks)


def _if_attacked(*names: str) -> Callable[[AuditSpec], Iterable[str]]:
    return lambda spec: names if spec.attacks else ()


PROMOTING = (Goal.PROMOTE,)
DEMOTING = (Goal.DEMOTE,)
KINDS = (
    FigureKind(
        name="ASR@10",
        about="share of attacks that bring the target into the top 10 (1, 3, 5), among targets ranked below it",
        where=WHERE,
        defaults=DEFAULTS,
        names=_reachable,
        expected=_expected(goals=PROMOTING),
        measured=_success(),
    ),
    FigureKind(
        name=PROMOTED,
        about="share of attacks that lift the target at all",
        where=WHERE,
        defaults=DEFAULTS,
        names=_if_attacked(PROMOTED),
        expected=_expected(PROMOTED, goals=PROMOTING),
        measured=_success(PROMOTED),
    ),
    FigureKind(
        name=GOAL,
        about="share of attacks that bring the target to the attacker's goal rank",
        where=WHERE,
        defaults=DEFAULTS,
        names=_if_attacked(GOAL),
        expected=_expected(GOAL, goals=PROMOTING),
        measured=_success(GOAL),
    ),
    FigureKind(
        name=DEMOTED,
        about="share of attacks that lower the best relevant document",
        where=WHERE,
        defaults=DEFAULTS,
        names=_if_attacked(DEMOTED),
        expected=_expected(DEMOTED, goals=DEMOTING),
        measured=_success(DEMOTED),
    ),
    FigureKind(
        name=HARMED,
        about="share of demoting attacks that lower the list's nDCG@10",
        where=WHERE,
        defaults=DEFAULTS,
        names=_if_attacked(HARMED),
        expected=_expected(HARMED, goals=DEMOTING),
        measured=_success(HARMED),
    ),
    FigureKind(
        name=BOOST,
        about="mean ranks gained by the target",
        where=WHERE,
        defaults=DEFAULTS,
        names=_if_attacked(BOOST),
        expected=_expected(BOOST),
        measured=_boost,
        unbounded="ranks gained have no bounds that are known beforehand",
    ),
    FigureKind(
        name=HARM,
        about="mean nDCG@10 lost by the list",
        where=WHERE,
        defaults=DEFAULTS,
        names=_if_attacked(HARM),
        expected=_expected(HARM),
        measured=_harm,
    ),
)
