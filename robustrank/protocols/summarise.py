"""Records to summary: runs every protocol over what was recorded, and states the strongest attack in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from robustrank.config.audit_file import AuditSpec
from robustrank.core.interfaces import Attack
from robustrank.perturbations import operations
from robustrank.plugins import registry
from robustrank.protocols import adversarial, cases, certified, effectiveness, out_of_distribution, pooling
from robustrank.protocols.five_tasks import assemble
from robustrank.protocols.red_flags import red_flags
from robustrank.results.five_tasks import FiveTasks
from robustrank.results.summary import AttackResult, CollectionSummary, RankerSummary, Summary
from robustrank.storage.journal import Record
from robustrank.storage.structure import revive


def summarise(records: Mapping[str, Record], spec: AuditSpec, *, finished: bool) -> Summary:
    """The whole summary without gates, from records and the audit file."""
    ordered = [records[key] for key in sorted(records)]
    setup = max((r for r in ordered if r["kind"] == "setup"), key=lambda r: str(r["started"]))
    sessions = sorted((r for r in ordered if r["kind"] == "session"), key=lambda r: str(r["finished"]))
    tasks = _in_file_order([r for r in ordered if "ranker" in r], spec)
    rankings = [r for r in tasks if r["kind"] == "ranking" and "measures" in r]
    attacked = [r for r in tasks if r["kind"] == "attack"]
    built: dict[str, Attack] = {a.name: registry.build("attack", a.plugin) for a in spec.attacks}
    plain = [r for r in rankings if "base_measures" not in r]
    figures = effectiveness.effectiveness(rankings)
    results = adversarial.attacks(attacked, spec, built)
    lead = spec.measures[0]
    threats = {name: attack.threat.edits for name, attack in built.items()}
    return Summary(
        name=spec.name,
        started=str(setup["started"]),
        finished=str(sessions[-1]["finished"]) if finished and sessions else None,
        seed=spec.seed,
        headline=headline(results, spec.baseline),
        home=spec.home.name,
        measure=lead,
        baseline=spec.baseline,
        collections=revive(Sequence[CollectionSummary], setup["collections"]),
        rankers=[_with_cost(ranker, tasks) for ranker in revive(Sequence[RankerSummary], setup["rankers"])],
        effectiveness=figures,
        comparisons=effectiveness.comparisons(rankings, lead),
        shifts=out_of_distribution.shifts(plain, home=spec.home.name, measure=lead, baseline=spec.baseline),
        attacks=results,
        certificates=certified.certificates([r for r in tasks if r["kind"] == "certificate"], attacked, threats),
        worst_cases=adversarial.worst_cases(attacked, built),
        cases=cases.cases(attacked, [r for r in tasks if r["kind"] == "certificate"], built),
        red_flags=red_flags(tasks, figures, results, threats),
        tested=tested(results, spec),
        not_tested=not_tested(results, spec),
        five=_five(tasks, setup, built, spec),
        pooling=pooling.of_audit(setup.get("pool"), rankings, spec),
        environment={**setup["environment"], **_cost(tasks, ordered)},
        source=spec.source,
    )


def _five(tasks: Sequence[Record], setup: Record, built: Mapping[str, Attack], spec: AuditSpec) -> FiveTasks:
    """The five tasks, of undefended rankers; failed attacks count as failures, failed query variations are left out."""
    plain = {r.name for r in spec.rankers}
    done = [r for r in tasks if r["kind"] == "attack" or r["status"] == "ok" or "measures" in r]
    return assemble.five_tasks(
        [r for r in done if r["ranker"] in plain],
        setup.get("queries", {}),
        home=spec.home.name,
        measure=spec.measures[0],
        baseline=spec.baseline,
        families={r.name: r.family for r in spec.rankers if r.family is not None},
        attacks=built,
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
        "none": "attackers without access to the ranker",
        "ranks": "attackers with access to ranks only",
        "scores": "attackers with access to scores",
        "weights": "attackers with access to the weights (gradients)",
    }.items():
        if level not in {r.access for r in real}:
            lines.append(what)
    if "query" not in {r.surface for r in real}:
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


def _in_file_order(tasks: Sequence[Record], spec: AuditSpec) -> list[Record]:
    """Rankers, collections and attacks as the audit file lists them, so that tables do not depend on keys."""
    rankers = [r.name for r in spec.rankers]
    rankers += [f"{d.name} + {base}" for d in spec.defenses for base in d.rankers]
    collections = [c.name for c in spec.collections]
    attacks = [a.name for a in spec.attacks]

    def place(record: Record) -> tuple[Any, ...]:
        attack = attacks.index(record["attack"]) if "attack" in record else -1
        where = rankers.index(record["ranker"]), collections.index(record["collection"]), attack
        return (*where, str(record["query_id"]), record["key"])

    return sorted(tasks, key=place)


def _with_cost(ranker: RankerSummary, tasks: Sequence[Record]) -> RankerSummary:
    mine = [r for r in tasks if r["ranker"] == ranker.name]
    return replace(ranker, pairs=sum(r["pairs"] for r in mine), seconds=sum(r["scoring_seconds"] for r in mine))


def _cost(tasks: Sequence[Record], records: Sequence[Record]) -> dict[str, Any]:
    lasted: dict[str, float] = {}
    for record in records:
        if "session" in record:
            lasted[record["session"]] = max(lasted.get(record["session"], 0.0), record["elapsed"])
    return {
        "wall_seconds": sum(lasted.values()),
        "task_seconds": sum(r["seconds"] for r in tasks),
        "scoring_seconds": sum(r["scoring_seconds"] for r in tasks),
        "measuring_seconds": sum(r["measuring_seconds"] for r in tasks),
        "pairs_scored": sum(r["pairs"] for r in tasks),
        "sessions": len(lasted),
    }
