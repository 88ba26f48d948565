"""Records to summary: runs every protocol over what was recorded, and states the strongest attack in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from msgspec import structs

from robustrank.config.specs import AuditSpec
from robustrank.core.answers import Answers
from robustrank.core.types import Access, Surface
from robustrank.core.usage import Usage
from robustrank.perturbations import operations
from robustrank.protocols import corpus
from robustrank.protocols.installed import protocols
from robustrank.protocols.interface import Evidence
from robustrank.results import select
from robustrank.results.outcomes import Tally, tally, together
from robustrank.results.red_flags import accept
from robustrank.results.summary import AttackResult, RankerSummary, Summary
from robustrank.storage.typed import convert, plain
from robustrank.work.audited import AuditedRanker
from robustrank.work.check_records import CheckRecord
from robustrank.work.records import AttackRecord, RankingRecord, Record, SessionRecord, SetupRecord, TaskRecord


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Ranker = TypeVar("Ranker", bound=_Named)


def summarise(records: Mapping[str, Record], spec: AuditSpec, *, finished: bool) -> Summary:
    """The whole summary without gates, from records and the audit file."""
    ordered = [records[key] for key in sorted(records)]
    setup = max((r for r in ordered if isinstance(r, SetupRecord)), key=lambda r: r.started)
    first = select.leader(setup.rankers, spec.audited, spec.baseline)
    spec = replace(spec, rankers=_led_by(first, spec.rankers))
    setup = structs.replace(setup, rankers=_led_by(first, setup.rankers))
    sessions = sorted((r for r in ordered if isinstance(r, SessionRecord)), key=lambda r: r.finished)
    tasks = _in_file_order([r for r in ordered if isinstance(r, TaskRecord)], spec)
    fields, results = _results(Evidence(spec=spec, setup=setup, tasks=tasks))
    fields["red_flags"] = accept(fields["red_flags"], spec.accepted)
    return Summary(
        name=spec.name,
        started=setup.started,
        finished=(sessions[-1].finished if sessions else setup.started) if finished else None,
        seed=spec.seed,
        headline=headline(fields["attacks"], first, results.get("corpus")),
        home=spec.home.name,
        measure=spec.measures[0],
        baseline=spec.baseline,
        audited=spec.audited,
        collections=setup.collections,
        rankers=[_with_cost(ranker, tasks, spec) for ranker in setup.rankers],
        tested=tested(fields["attacks"], spec),
        not_tested=[
            *_left_out(tasks, fields["attacks"], spec),
            *_one_order(tasks, spec),
            *not_tested(fields["attacks"], spec),
        ],
        environment={**plain(setup.environment), **_cost(tasks, ordered)},
        source=spec.source,
        results=results,
        **fields,
    )


def _led_by(name: str | None, rankers: Sequence[Ranker]) -> tuple[Ranker, ...]:
    """The ranker that the audit is about before the others, so that it leads every table."""
    return tuple(sorted(rankers, key=lambda ranker: ranker.name != name))


def _results(evidence: Evidence) -> tuple[dict[str, Any], dict[str, Any]]:
    """Runs every protocol: what fills fields of the summary, and the results of the others as plain data, by name."""
    fields: dict[str, Any] = {}
    results: dict[str, Any] = {}
    for protocol in protocols():
        result = protocol.summarise(replace(evidence, results={**fields, **results}))
        if protocol.result is None:
            fields |= result
        elif result is not None:
            results[protocol.name] = plain(result)
    return fields, results


def headline(results: Sequence[AttackResult], audited: str | None, added: Mapping[str, Any] | None = None) -> str:
    """The strongest attack on the audited ranker that is not a control, in one sentence with its interval.

    Args:
        results: Of attacks that change a document or a query.
        audited: The ranker that the audit is about; where no attack on it was judged, any other one.
        added: What the protocol ``corpus`` found, as plain data.
    """
    worst = select.strongest(results, ranker=audited) or select.strongest(results)
    if worst is None and results:
        counts = together(result.tally for result in results if result.stratum == "all")
        return f"No attack could be judged: {counts.sentence()}."
    if worst is None and added is not None:
        return corpus.sentence(convert(added, corpus.Corpus))
    if worst is None:
        return "No attack was run; other results are below."
    name = select.lead(worst)
    share = worst.success[name]
    did = {"ASR": "lifted the target into", "out": "pushed a relevant document out of"}
    way, _, k = name.partition("@")
    lifted = f"{did[way]} the top {k}" if k and way in did else f"{name} the target"
    return (
        f"Against {worst.ranker}, “{worst.attack}” {lifted} in {share.value:.0%} of cases "
        f"[{share.low:.0%}, {share.high:.0%}], n={share.n} queries.{_undecided(worst)}"
    )


def _undecided(result: AttackResult) -> str:
    counts = result.tally
    return f" {counts.undecided} of {counts.planned} cases are undecided." if counts.undecided else ""


def tested(results: Sequence[AttackResult], spec: AuditSpec) -> list[str]:
    """What was measured, one line each."""
    lines = [f"i.i.d. effectiveness on {spec.home.name}"]
    lines += [f"shift of corpus: {c.name}" for c in spec.collections[1:]]
    for r in results:
        kind = "control" if r.control else "attack"
        named = r.attack if r.attack.startswith(f"{kind}: ") else f"{kind} {r.attack}"
        lines.append(f"{named}: {r.surface}, access {r.access}, {r.edits_allowed}")
    lines = list(dict.fromkeys(lines))
    if spec.corpus:
        where = spec.corpus.collection or spec.home.name
        lines += [f"documents added to {where} by {a.name}: {a.budget.plants}" for a in spec.corpus.attacks]
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
    if any(r.surface is Surface.DOCUMENT for r in real) and spec.detection is None:
        lines.append("whether a detector would see the changed documents ([detection])")
    if Surface.QUERY not in {r.surface for r in real}:
        lines.append("changed queries (typos, paraphrases)")
    lines += operations.not_made([r.edits_allowed for r in real])
    lines += [
        *(
            ["attacks on training data"]
            if spec.corpus
            else [
                "the first stage: every ranker re-ranks the same candidates, and an attack changes no candidate list",
                "documents added to the corpus (poisoning), and attacks on training data",
            ]
        ),
        "instructions to a language-model ranker (prompt injection)",
        "languages other than those of the collections",
        "attackers with a larger budget than stated, or who attack many documents at once",
    ]
    return lines


def _left_out(tasks: Sequence[TaskRecord], results: Sequence[AttackResult], spec: AuditSpec) -> list[str]:
    """Attacks that were not run on a ranker because it gives ranks alone, one line for each ranker."""
    alone = list(dict.fromkeys(r.ranker for r in tasks if isinstance(r, RankingRecord) and r.rank_only))
    run = {(r.ranker, r.attack) for r in results}
    ranks_do = {r.attack for r in results if r.access.level <= Access.RANKS.level}
    lines = []
    for ranker in (name for name in alone if spec.victim(name).attacked):
        mine = [a.name for a in spec.attacks if ranker in (a.rankers or (ranker,)) and a.name not in ranks_do]
        missing = [name for name in mine if (ranker, name) not in run]
        if missing:
            lines.append(
                f"attacks that need scores on {ranker}, whose scores say the order alone: {', '.join(missing)}"
            )
    return lines


def _one_order(tasks: Sequence[TaskRecord], spec: AuditSpec) -> list[str]:
    """That lists were shown in one order alone, where a ranker may depend on it."""
    if spec.presentation is not None:
        return []
    lists = [r.ranker for r in tasks if isinstance(r, CheckRecord) and (r.listwise or not r.pointwise)]
    depend = ", ".join(dict.fromkeys(lists))
    return [f"other orders of the lists, which rankings may depend on ([presentation]): {depend}"] if depend else []


def _in_file_order(tasks: Sequence[TaskRecord], spec: AuditSpec) -> list[TaskRecord]:
    """Rankers, collections and attacks as the audit file lists them, so that tables do not depend on keys."""
    rankers = [victim.name for victim in spec.victims]
    collections = [c.name for c in spec.collections]
    attacks = [a.name for a in spec.attacks]

    def place(record: TaskRecord) -> tuple[int, int, int, str, str]:
        attack = attacks.index(record.attack) if isinstance(record, AttackRecord) else -1
        where = rankers.index(record.ranker), collections.index(record.collection), attack
        return (*where, record.query_id, record.key)

    return sorted(tasks, key=place)


def _with_cost(ranker: AuditedRanker, tasks: Sequence[TaskRecord], spec: AuditSpec) -> RankerSummary:
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
        tasks=_tallies(mine),
        service=sum(used, Usage()) if (used := [r.service for r in mine if r.service]) else None,
        answers=sum(answers, Answers()) if (answers := [r.answers for r in mine if r.answers]) else None,
    )


def _tallies(records: Sequence[TaskRecord]) -> dict[str, Tally]:
    kinds: dict[str, list[TaskRecord]] = {}
    for record in records:
        kinds.setdefault(str(record.__struct_config__.tag), []).append(record)
    return {kind: tally(each) for kind, each in kinds.items()}


def _cost(tasks: Sequence[TaskRecord], records: Sequence[Record]) -> dict[str, Any]:
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
