"""One row for every defended ranker: what it costs, what attackers achieve on it, and what it certifies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from robustrank.core.ranking import order
from robustrank.protocols import floor, worst_case
from robustrank.protocols.defenses import attacked, sentences, texts
from robustrank.protocols.defenses.attacked import Attacks
from robustrank.protocols.defenses.results import (
    BASE_CLEAN,
    CLEAN,
    CertifiedShare,
    Defended,
    Defenses,
    Difference,
    Latency,
)
from robustrank.protocols.interface import Evidence
from robustrank.protocols.worst_case import Sides
from robustrank.results.outcomes import tally, undecided
from robustrank.stats.comparisons import holm
from robustrank.work.audited import AuditedRanker
from robustrank.work.records import AttackRecord, RankingRecord
from robustrank.work.transfer_records import TransferRecord

Lists = Mapping[tuple[str, str], Mapping[str, RankingRecord]]
"""Ranker and collection to query to its clean list."""


def rows(evidence: Evidence) -> Defenses | None:
    """Of every defended ranker and collection, with all differences corrected; ``None`` where nothing is defended."""
    defended = [ranker for ranker in evidence.setup.rankers if ranker.base is not None]
    if not defended:
        return None
    lists: dict[tuple[str, str], dict[str, RankingRecord]] = {}
    for record in evidence.of(RankingRecord):
        lists.setdefault((record.ranker, record.collection), {})[record.query_id] = record
    made = [r for r in evidence.of(AttackRecord) if worst_case.counts(r)]
    attacks = Attacks(made, worst_case.lost(evidence, made))
    pointwise = floor.pointwise_rankers(evidence)
    plain = [
        _row(evidence, ranker, collection, lists, attacks, pointwise)
        for ranker in defended
        for name, collection in lists
        if name == ranker.name
    ]
    corrected = _corrected(plain)
    told = [replace(row, sentence=sentences.sentence(row)) for row in corrected]
    return Defenses(rows=told, ladder=bool(evidence.spec.cases.ladder))


def _row(
    evidence: Evidence,
    ranker: AuditedRanker,
    collection: str,
    lists: Lists,
    attacks: Attacks,
    pointwise: frozenset[str],
) -> Defended:
    name, base = ranker.name, ranker.base or ""
    mine, theirs = lists[name, collection], lists.get((base, collection), {})
    clean, base_clean = _clean(mine), _clean_base(mine, theirs)
    change = attacked.difference(clean, base_clean)
    row = Defended(
        ranker=name,
        base=base,
        defense=ranker.defense or "",
        collection=collection,
        common=evidence.spec.cases.common,
        levels={
            CLEAN: attacked.level(clean, tally(mine.values())),
            BASE_CLEAN: attacked.level(base_clean, tally(mine.values())),
        },
        differences={} if change is None else {CLEAN: change},
        latency=_latency([r for r in mine.values() if not undecided(r)]),
        certified=[
            CertifiedShare(k=each.k, radius=each.radius, edits=each.edits, share=each.crq)
            for each in evidence.results.get("certificates", ())
            if (each.ranker, each.collection) == (name, collection)
        ],
    )
    shared = {q for q, record in mine.items() if q in theirs and record.candidates == theirs[q].candidates}
    on_base, on_it = (_on(attacks, who, collection, shared) for who in (base, name))
    missing = _missing(evidence, row, bool(shared), on_base, on_it)
    if missing:
        return replace(row, missing=missing)
    transfers = {
        (r.attack, r.query_id, r.doc_id): r
        for r in evidence.of(TransferRecord)
        if (r.ranker, r.source, r.collection) == (name, base, collection)
    }
    worth = name in pointwise
    names = [list(dict.fromkeys(r.attack for r in side.made)) for side in (on_base, on_it)]
    needless_ = needless(on_base.made, on_it.made) if evidence.spec.cases.ladder else set()
    both = [each for each in names[0] if each in names[1] or each in needless_]
    of_attacks = attacked.compared(
        name, on_base, on_it, {q: mine[q] for q in shared}, transfers,
        both=both, common=row.common, worth=worth, alone=not evidence.spec.cases.ladder,
    )  # fmt: skip
    return replace(
        row,
        attacks=both,
        left_out=[each for each in names[0] if each not in both],
        own=[each for each in names[1] if each not in names[0]],
        no_worth="" if worth else "not every score of it is known to depend on its document alone",
        levels={**row.levels, **of_attacks.levels},
        differences={**row.differences, **of_attacks.differences},
        by_attack=of_attacks.by_attack,
        hindrance=of_attacks.hindrance,
    )


def _clean(lists: Mapping[str, RankingRecord]) -> Sides:
    return {q: _open() if undecided(r) else _value(r, r.scores) for q, r in sorted(lists.items())}


def _clean_base(lists: Mapping[str, RankingRecord], theirs: Mapping[str, RankingRecord]) -> Sides:
    """The base on the same lists; where the defended ranker failed it was asked by itself, or is open."""
    sides: Sides = {}
    for query, record in sorted(lists.items()):
        own = theirs.get(query)
        if record.base is not None:
            sides[query] = _value(record, record.base.scores)
        elif own is not None and not undecided(own) and own.candidates == record.candidates:
            sides[query] = _value(own, own.scores)
        else:
            sides[query] = _open()
    return sides


def _value(record: RankingRecord, scores: Sequence[float]) -> tuple[float, float, bool]:
    value = texts.worth(record, order(list(zip(record.doc_ids, scores, strict=True))))
    return value, value, True


def _open() -> tuple[float, float, bool]:
    return 0.0, 1.0, False


def _latency(lists: Sequence[RankingRecord]) -> Latency:
    def middle(values: Iterable[float | None]) -> float | None:
        measured = [value for value in values if value is not None]
        return median(measured) if measured else None

    with_base = [(r, r.base) for r in lists if r.base is not None]
    return Latency(
        pairs=middle(None if base.pairs is None else r.pairs - base.pairs for r, base in with_base),
        base_pairs=middle(base.pairs for _, base in with_base),
        seconds=middle(r.call_seconds for r, _ in with_base),
        base_seconds=middle(base.call_seconds for _, base in with_base),
    )


def _on(attacks: Attacks, ranker: str, collection: str, queries: set[str]) -> Attacks:
    def mine(record: AttackRecord) -> bool:
        return (record.ranker, record.collection) == (ranker, collection) and record.query_id in queries

    return Attacks(*([r for r in each if mine(r)] for each in attacks))


def _missing(evidence: Evidence, row: Defended, shared: bool, on_base: Attacks, on_it: Attacks) -> str:
    """Why nothing can be said of attacks, with what the audit file lacks."""
    spec = evidence.spec
    where = spec.cases.collection or spec.home.name
    if row.collection != where:
        return f"attacks are run on {where}"
    for name in (row.base, row.ranker):
        if not spec.victim(name).attacked:
            table = "[[ranker]]" if name == row.base else "[[defense]]"
            return f"{name} is not attacked (`attacked = true` of its {table})"
    if not spec.cases.transfer:
        return "texts made against the base are not put before it (`transfer = true` under [cases])"
    if not shared:
        return "the defended ranker and its base have no list of the same length (`depth` of the [[defense]])"
    for name, attacks in ((row.base, on_base), (row.ranker, on_it)):
        if not attacks.made:
            return f"no attack that promotes a document was run on the lists of {name}"
    return ""


def needless(on_base: Sequence[AttackRecord], on_it: Sequence[AttackRecord]) -> set[str]:
    """Attacks that the defended ranker did not meet because each of its targets stood first before they were tried.

    Where attacks are tried one after another (:mod:`robustrank.auditing.ladder`), those are no attacks that it was
    spared.
    """
    tried = {r.attack for r in on_it}
    targets = {(r.query_id, r.doc_id) for r in on_it}
    spared = set()
    for attack in (r for r in on_base if r.attack not in tried):
        like, level = str(attack.threat.edits.operation), attack.threat.access.level
        first = {
            (r.query_id, r.doc_id)
            for r in on_it
            if r.rank_after == 1 and not undecided(r)
            if str(r.threat.edits.operation) == like and r.threat.access.level <= level
        }  # fmt: skip
        if first == targets:
            spared.add(attack.attack)
    return spared


def _corrected(plain: Sequence[Defended]) -> list[Defended]:
    """The rows with Holm's corrections: one over the differences of all rows, one over all single attacks."""
    of_rows = _holm(d for row in plain for d in row.differences.values())
    of_attacks = _holm(each.difference for row in plain for each in row.by_attack)
    of_hindrance = _holm(row.hindrance for row in plain if row.hindrance is not None)
    return [
        replace(
            row,
            differences={name: of_rows(each) for name, each in row.differences.items()},
            by_attack=[replace(each, difference=of_attacks(each.difference)) for each in row.by_attack],
            hindrance=None if row.hindrance is None else of_hindrance(row.hindrance),
        )
        for row in plain
    ]


def _holm(family: Iterable[Difference]) -> Callable[[Difference], Difference]:
    members = list(family)
    places: dict[int, Any] = {id(each): p for each, p in zip(members, holm([d.p for d in members]), strict=True)}
    return lambda each: replace(each, p_holm=places[id(each)])
