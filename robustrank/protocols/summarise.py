"""Records to summary: runs every protocol over what was recorded, and states the strongest attack in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from robustrank.config.specs import AuditSpec
from robustrank.core.types import (
    Access,
    Status,
    Surface,
)
from robustrank.perturbations import operations
from robustrank.protocols import adversarial, cases, certified, effectiveness, out_of_distribution, pooling
from robustrank.protocols.five_tasks import assemble
from robustrank.protocols.red_flags import red_flags
from robustrank.results.five_tasks import FiveTasks
from robustrank.results.summary import AttackResult, RankerSummary, Summary
from robustrank.storage.typed import plain
from robustrank.work.records import (
    AnyTask,
    AttackRecord,
    AuditedRanker,
    CertificateRecord,
    RankingRecord,
    Record,
    SessionRecord,
    SetupRecord,
    TaskRecord,
)


def summarise(records: Mapping[str, Record], spec: AuditSpec, *, finished: bool) -> Summary:
    """The whole summary without gates, from records and the audit file."""
    ordered = [records[key] for key in sorted(records)]
    setup = max((r for r in ordered if isinstance(r, SetupRecord)), key=lambda r: r.started)
    sessions = sorted((r for r in ordered if isinstance(r, SessionRecord)), key=lambda r: r.finished)
    tasks = _in_file_order([r for r in ordered if isinstance(r, TaskRecord)], spec)
    rankings = [r for r in tasks if isinstance(r, RankingRecord) and r.measures]
    attacked = [r for r in tasks if isinstance(r, AttackRecord)]
    proven = [r for r in tasks if isinstance(r, CertificateRecord)]
    undefended = [r for r in rankings if r.base is None]
    figures = effectiveness.effectiveness(rankings)
    results = adversarial.attacks(attacked)
    lead = spec.measures[0]
    return Summary(
        name=spec.name,
        started=setup.started,
        finished=sessions[-1].finished if finished and sessions else None,
        seed=spec.seed,
        headline=headline(results, spec.baseline),
        home=spec.home.name,
        measure=lead,
        baseline=spec.baseline,
        collections=setup.collections,
        rankers=[_with_cost(ranker, tasks, spec) for ranker in setup.rankers],
        effectiveness=figures,
        comparisons=effectiveness.comparisons(rankings, lead),
        shifts=out_of_distribution.shifts(undefended, home=spec.home.name, measure=lead, baseline=spec.baseline),
        attacks=results,
        certificates=certified.certificates(proven, attacked),
        worst_cases=adversarial.worst_cases(attacked),
        cases=cases.cases(attacked, proven),
        red_flags=red_flags(tasks, figures, results),
        tested=tested(results, spec),
        not_tested=not_tested(results, spec),
        five=_five(tasks, setup, spec),
        pooling=pooling.of_audit(setup.pool, rankings, spec),
        environment={**plain(setup.environment), **_cost(tasks, ordered)},
        source=spec.source,
    )


def _five(tasks: Sequence[AnyTask], setup: SetupRecord, spec: AuditSpec) -> FiveTasks:
    """The five tasks, of undefended rankers; failed attacks count as failures, failed query variations are left out."""
    undefended = {r.name for r in spec.rankers}
    done = [
        r for r in tasks
        if isinstance(r, AttackRecord) or r.status is Status.OK or (isinstance(r, RankingRecord) and r.measures)
    ]  # fmt: skip
    return assemble.five_tasks(
        [r for r in done if r.ranker in undefended],
        setup.queries,
        home=spec.home.name,
        measure=spec.measures[0],
        baseline=spec.baseline,
        families={r.name: r.family for r in spec.rankers if r.family is not None},
        groups={r.name: r.group for r in spec.rankers if r.group is not None},
    )


def headline(results: Sequence[AttackResult], baseline: str | None) -> str:
    """The strongest attack that is not a control, in one sentence with its interval."""
    worst = adversarial.strongest(results, baseline=baseline)
    if worst is None:
        return "No attack was run; other results are below."
    name = adversarial.lead(worst)
    share = worst.success[name]
    lifted = f"lifted the target into the top {name.partition('@')[2]}" if "@" in name else f"{name} the target"
    return (
        f"Against {worst.ranker}, “{worst.attack}” {lifted} in {share.value:.0%} of cases "
        f"[{share.low:.0%}, {share.high:.0%}], n={share.n} queries."
    )


def tested(results: Sequence[AttackResult], spec: AuditSpec) -> list[str]:
    """What was measured, one line each."""
    lines = [f"i.i.d. effectiveness on {spec.home.name}"]
    lines += [f"shift of corpus: {c.name}" for c in spec.collections[1:]]
    for r in results:
        kind = "control" if r.control else "attack"
        named = r.attack if r.attack.startswith(f"{kind}: ") else f"{kind} {r.attack}"
        lines.append(f"{named}: {r.surface}, access {r.access}, {r.edits_allowed}")
    lines = list(dict.fromkeys(lines))
    lines += [f"defense {d.name}: {d.plugin}" for d in spec.defenses]
    return lines


def not_tested(results: Sequence[AttackResult], spec: AuditSpec) -> list[str]:
    """What the audit did not measure, one line each."""
    real = [r for r in results if not r.control]
    lines = []
    if len(spec.collections) == 1:
        lines.append("any corpus other than the home collection")
    for level, what in {
        Access.NONE: "attackers without access to the ranker",
        Access.RANKS: "attackers with access to ranks only",
        Access.SCORES: "attackers with access to scores",
        Access.WEIGHTS: "attackers with access to the weights (gradients)",
    }.items():
        if level not in {r.access for r in real}:
            lines.append(what)
    if Surface.QUERY not in {r.surface for r in real}:
        lines.append("changed queries (typos, paraphrases)")
    lines += operations.not_made([r.edits_allowed for r in real])
    lines += [
        "the first stage: every ranker re-ranks the same candidates, and an attack changes no candidate list",
        "documents injected into the corpus (poisoning), and attacks on training data",
        "instructions to a language-model ranker (prompt injection), invisible characters and homoglyphs",
        "languages other than those of the collections",
        "attackers with a larger budget than stated, or who attack many documents at once",
    ]
    return lines


def _in_file_order(tasks: Sequence[AnyTask], spec: AuditSpec) -> list[AnyTask]:
    """Rankers, collections and attacks as the audit file lists them, so that tables do not depend on keys."""
    rankers = [victim.name for victim in spec.victims]
    collections = [c.name for c in spec.collections]
    attacks = [a.name for a in spec.attacks]

    def place(record: AnyTask) -> tuple[int, int, int, str, str]:
        attack = attacks.index(record.attack) if isinstance(record, AttackRecord) else -1
        where = rankers.index(record.ranker), collections.index(record.collection), attack
        return (*where, record.query_id, record.key)

    return sorted(tasks, key=place)


def _with_cost(ranker: AuditedRanker, tasks: Sequence[AnyTask], spec: AuditSpec) -> RankerSummary:
    mine = [r for r in tasks if r.ranker == ranker.name]
    return RankerSummary(
        name=ranker.name,
        plugin=ranker.plugin,
        fingerprint=ranker.fingerprint,
        note=ranker.note,
        base=ranker.base,
        defense=ranker.defense,
        pairs=sum(r.pairs for r in mine),
        seconds=sum(r.scoring_seconds for r in mine),
        claimed=next((r.claimed for r in spec.rankers if r.name == ranker.name), {}),
    )


def _cost(tasks: Sequence[AnyTask], records: Sequence[Record]) -> dict[str, Any]:
    lasted: dict[str, float] = {}
    for record in records:
        if record.session:
            lasted[record.session] = max(lasted.get(record.session, 0.0), record.elapsed)
    return {
        "wall_seconds": sum(lasted.values()),
        "task_seconds": sum(r.seconds for r in tasks),
        "scoring_seconds": sum(r.scoring_seconds for r in tasks),
        "measuring_seconds": sum(r.measuring_seconds for r in tasks),
        "pairs_scored": sum(r.pairs for r in tasks),
        "sessions": len(lasted),
    }
