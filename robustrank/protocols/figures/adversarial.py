"""Figures of attacks: how often they succeed, the ranks they gain, and what the list loses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf

from robustrank.config.specs import AuditSpec
from robustrank.core.strata import first_rank
from robustrank.core.types import Estimate, Goal, Surface, ThreatModel
from robustrank.results.figures import CUTOFFS, Figure, FigureKind
from robustrank.results.summary import AttackResult, Summary
from robustrank.storage.hashing import digest
from robustrank.work.workbench import Workbench

ASR = "ASR@10"
PROMOTED, GOAL, DEMOTED, HARMED, BOOST, HARM = "promoted", "goal", "demoted", "harmed", "boost", "harm"
OUT, KEPT, KEPT_5 = "out@10", "kept", "kept@5"
BOUNDS = {BOOST: (-inf, inf), HARM: (-1, 1)}
"""Of one query's value, where it is no share."""


def _planned(bench: Workbench) -> Iterator[tuple[dict[str, str], ThreatModel, Sequence[int]]]:
    """Labels of every attack on every ranker and stratum, its threat model, and its cut-offs."""
    spec = bench.spec
    for ranker in (victim.name for victim in spec.victims if victim.attacked):
        for attack in (a for a in spec.attacks if ranker in (a.rankers or (ranker,))):
            threat = bench.attack(attack.name).threat
            by_rank = threat.surface is Surface.DOCUMENT and threat.goal is Goal.PROMOTE
            strata = list(spec.cases.strata) if by_rank else []
            for stratum in ["all", *(strata if len(strata) > 1 else ())]:
                labels = {"ranker": ranker, "attack": attack.name, "stratum": stratum}
                first = min((first_rank(s) for s in strata if stratum in ("all", s)), default=1)
                yield labels, threat, [k for k in CUTOFFS if k < first]


def _reachable(spec: AuditSpec) -> list[str]:
    highest = min((first_rank(stratum) for stratum in spec.cases.strata), default=1)
    return [f"ASR@{k}" for k in CUTOFFS if spec.attacks and k < highest]


def _expected(
    *measures: str, goals: Sequence[Goal] = tuple(Goal), surfaces: Sequence[Surface] = tuple(Surface)
) -> Callable[[Workbench], Iterable[Figure]]:
    def expected(bench: Workbench) -> Iterator[Figure]:
        for labels, threat, cutoffs in _planned(bench):
            names = measures or [f"ASR@{k}" for k in cutoffs]
            for name in names if threat.goal in goals and threat.surface in surfaces else ():
                yield Figure(measure=name, labels=labels, control=threat.control)

    return expected


def _figure(result: AttackResult, name: str, estimate: Estimate | None, seed: int) -> Figure:
    return Figure(
        measure=name,
        labels={"ranker": result.ranker, "attack": result.attack, "stratum": result.stratum},
        estimate=estimate,
        control=result.control,
        collection=result.collection,
        per_query=result.per_query.get(name, {}),
        tally=result.tally,
        ends=result.ends.get(name),
        open=result.open.get(name, {}),
        bounds=BOUNDS.get(name, (0, 1)),
        higher_is_better=name == BOOST and result.goal == Goal.DEMOTE.value,
        made=digest(name, result.plugin, result.budget, result.edits_allowed, result.stratum, seed)[:12],
    )


def _success(*measures: str) -> Callable[[Summary], Iterable[Figure]]:
    def measured(summary: Summary) -> Iterator[Figure]:
        for result in summary.attacks:
            for name in dict.fromkeys((*result.success, *(n for n in result.ends if n not in BOUNDS))):
                if name in measures or (not measures and name.startswith("ASR@")):
                    yield _figure(result, name, result.success.get(name), summary.seed)

    return measured


def _boost(summary: Summary) -> Iterator[Figure]:
    return (_figure(result, BOOST, result.boost, summary.seed) for result in summary.attacks)


def _harm(summary: Summary) -> Iterator[Figure]:
    return (_figure(result, HARM, result.harm, summary.seed) for result in summary.attacks)


def _if_attacked(*names: str) -> Callable[[AuditSpec], Iterable[str]]:
    return lambda spec: names if spec.attacks else ()


def _kind(
    name: str,
    about: str,
    measured: Callable[[Summary], Iterable[Figure]],
    *,
    goals: Sequence[Goal] = tuple(Goal),
    surfaces: Sequence[Surface] = tuple(Surface),
    unbounded: str = "",
) -> FigureKind:
    """A kind of figure that is measured once for every attack on every ranker and stratum."""
    return FigureKind(
        name=name,
        about=about,
        where=("ranker", "attack", "stratum"),
        defaults={"attack": "the strongest that is not a control", "stratum": "all"},
        names=_reachable if name == ASR else _if_attacked(name),
        expected=_expected(*(() if name == ASR else (name,)), goals=goals, surfaces=surfaces),
        measured=measured,
        unbounded=unbounded,
        bounds=lambda spec, measure: BOUNDS.get(measure, (0, 1)),
    )


PROMOTING, DEMOTING, KEEPING = (Goal.PROMOTE,), (Goal.DEMOTE,), (Goal.KEEP,)
KINDS = (
    _kind(
        ASR,
        "share of attacks that bring the target into the top 10 (1, 3, 5), among targets ranked below it",
        _success(),
        goals=PROMOTING,
    ),
    _kind(PROMOTED, "share of attacks that lift the target at all", _success(PROMOTED), goals=PROMOTING),
    _kind(GOAL, "share of attacks that bring the target to the attacker's goal rank", _success(GOAL), goals=PROMOTING),
    _kind(
        OUT,
        "share of document attacks that push a relevant document of the top 10 out of it",
        _success(OUT),
        goals=DEMOTING,
        surfaces=(Surface.DOCUMENT,),
    ),
    _kind(DEMOTED, "share of attacks that lower a relevant document", _success(DEMOTED), goals=DEMOTING),
    _kind(HARMED, "share of demoting attacks that lower the list's nDCG@10", _success(HARMED), goals=DEMOTING),
    _kind(KEPT, "share of relevant documents that lose no rank by a text put into them", _success(KEPT), goals=KEEPING),
    _kind(KEPT_5, "share of relevant documents that stand in the top 5 with it", _success(KEPT_5), goals=KEEPING),
    _kind(
        BOOST,
        "mean ranks gained by the target",
        _boost,
        unbounded="ranks gained have no bounds that are known beforehand",
    ),
    _kind(HARM, "mean nDCG@10 lost by the list", _harm),
)
