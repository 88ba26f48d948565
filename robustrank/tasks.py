"""The units of work of an audit: small, picklable, each giving one record. Order and executor do not matter."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from random import Random
from string import ascii_lowercase, ascii_uppercase
from time import perf_counter
from typing import Any, Protocol, TypeVar

from robustrank import measures, registry
from robustrank.config import AttackSpec, AuditSpec
from robustrank.errors import BudgetExhausted, ContractError, OracleError, RobustRankError
from robustrank.interfaces import Certifier
from robustrank.oracle import MeteredOracle, apply, perturbed_scores
from robustrank.quality import of_case
from robustrank.ranking import checked_scores, fallen, order, rank_of
from robustrank.store import Record, digest
from robustrank.substitute_sets import load
from robustrank.text import UNIT, words
from robustrank.types import Access, Budget, Case, Document, Goal, Perturbation, Query
from robustrank.verify import Finding, verify
from robustrank.workbench import Victim, Workbench

Result = TypeVar("Result")
Text = TypeVar("Text", Query, Document)

HARM_MEASURE = "nDCG@10"
"""What users lose by an attack is told in this measure of the whole list."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One list of one ranker: where a task happens.

    Args:
        ranker: Name of the victim, plain or defended.
        collection: Name of the collection.
        query_id: The query.
        depth: Candidates taken from the first-stage list; ``None`` takes all.
    """

    ranker: str
    collection: str
    query_id: str
    depth: int | None = None

    def query(self, bench: Workbench) -> Query:
        """The query."""
        return bench.lists(self.collection).queries[self.query_id]

    def docs(self, bench: Workbench) -> tuple[Document, ...]:
        """The candidates in first-stage order."""
        return bench.lists(self.collection).candidates[self.query_id][: self.depth]

    def victim(self, bench: Workbench) -> Victim:
        """The ranker."""
        return bench.victim(self.ranker, self.collection)

    def judged(self, bench: Workbench, measure_names: Sequence[str], scored: Sequence[tuple[str, float]]) -> Any:
        """Measure name to value for one scored list."""
        collection = bench.lists(self.collection).collection
        qrels = {self.query_id: collection.qrels[self.query_id]}
        found = measures.per_query(measure_names, {self.query_id: order(scored)}, qrels, collection.relevant)
        return {name: values[self.query_id] for name, values in found.items()}

    def identity(self, bench: Workbench) -> list[Any]:
        """Everything the clean list's scores depend on."""
        fingerprint = self.victim(bench).ranker.card.fingerprint
        digest_ = bench.lists(self.collection).collection.digest
        return [self.ranker, fingerprint, self.collection, digest_, self.query_id, [d.doc_id for d in self.docs(bench)]]


@dataclass(frozen=True, kw_only=True)
class RankTask:
    """Score one list; the clean effectiveness of one query."""

    place: Place
    kind = "ranking"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        collection = bench.lists(self.place.collection).collection
        labels = collection.relevant, collection.query_types.get(self.place.query_id), "with judgments"
        return digest(self.kind, self.place.identity(bench), bench.spec.measures, labels)

    def perform(self, bench: Workbench) -> Record:
        """Scores in candidate order, measures, judgments, and for a defended ranker its base's on the same list."""
        place = self.place
        query, docs = place.query(bench), place.docs(bench)
        nothing: list[float] = []
        scores, failed = _tried(lambda: checked_scores(place.victim(bench).ranker, query, docs), nothing)
        if failed:  # counts as a list without documents, so that nobody gains by failing
            docs = ()
        ids = [doc.doc_id for doc in docs]
        scored = list(zip(ids, scores, strict=True))
        collection = bench.lists(place.collection).collection
        record: Record = {
            "doc_ids": ids,
            "scores": scores,
            "measures": place.judged(bench, bench.spec.measures, scored),
            "judged": measures.judged_at(order(scored), collection.qrels[place.query_id]),
            "relevant": sum(collection.qrels[place.query_id].get(i, 0) >= collection.relevant for i in ids),
            "type": collection.query_types.get(place.query_id),
            "qrels": dict(collection.qrels[place.query_id]),
            "relevant_from": collection.relevant,
            "top_grade": bench.lists(place.collection).top_grade,
        }
        if bench.split(place.ranker)[0] is not None:
            base = replace(place, ranker=bench.split(place.ranker)[1])
            record["base"] = base.ranker
            base_scores = checked_scores(base.victim(bench).ranker, query, docs)
            base_scored = list(zip(ids, base_scores, strict=True))
            record["base_scores"] = base_scores
            record["base_measures"] = place.judged(bench, bench.spec.measures, base_scored)
            record["base_judged"] = measures.judged_at(order(base_scored), collection.qrels[place.query_id])
        return {**record, "status": "error", "error": failed} if failed else record


@dataclass(frozen=True, kw_only=True)
class CheckTask:
    """Ask a ranker questions whose answers must not differ; the red flags read the record."""

    place: Place
    kind = "check"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        return digest(self.kind, self.place.identity(bench))

    def perform(self, bench: Workbench) -> Record:
        """Largest score differences: asked twice, in reverse order, alone, and for another query."""
        query, docs = self.place.query(bench), self.place.docs(bench)
        victim = self.place.victim(bench)
        bare = victim.uncached
        first = checked_scores(bare, query, docs)
        again = checked_scores(bare, query, docs)
        reverse = checked_scores(bare, query, docs[::-1])[::-1]
        alone = checked_scores(bare, query, docs[:1])
        other = checked_scores(bare, Query("", "an unrelated question about nothing in particular"), docs)
        broken = {}
        for what in bare.card.invariant:
            sides = [(_changed(query, what, on), [_changed(doc, what, on) for doc in docs]) for on in (False, True)]
            broken[what] = _distance(*(checked_scores(bare, *side) for side in sides))
        return {
            "spread": max(first) - min(first),
            "repeat": _distance(first, again),
            "order": _distance(first, reverse),
            "batch": _distance(first[:1], alone),
            "query": _distance(first, other),
            "invariant": broken,
        }


@dataclass(frozen=True, kw_only=True)
class AttackTask:
    """Run one attack on one case, re-verify what it returns, and re-rank.

    Args:
        place: The list.
        attack: Name of the attack in the audit file.
        stratum: The rank range the target was drawn from.
        target: Document id of the target.
        goal_rank: Rank at which the attacker is content.
        known: The victim's clean scores of the list, so that they are not computed again.
    """

    place: Place
    attack: str
    stratum: str
    target: str
    goal_rank: int
    known: tuple[float, ...]
    kind = "attack"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        return digest(self.kind, self.place.identity(bench), self._identity(bench), self.target, self.goal_rank)

    def _identity(self, bench: Workbench) -> list[Any]:
        spec = self._spec(bench)
        version = registry.version("attack", spec.plugin.use)
        table = bench.attack(self.attack).threat.edits.substitutes
        words = None if table is None else load(table).digest
        measured = None if bench.similarity is None else bench.similarity.card.fingerprint
        return [self.attack, str(spec.plugin), version, words, asdict(spec.budget), measured, bench.spec.seed, UNIT]

    def _spec(self, bench: Workbench) -> AttackSpec:
        return next(a for a in bench.spec.attacks if a.name == self.attack)

    def perform(self, bench: Workbench) -> Record:
        """The outcome as the harness measured it; an illegal perturbation counts as none, and is kept to be seen."""
        place, spec, attack = self.place, self._spec(bench), bench.attack(self.attack)
        query, docs = place.query(bench), place.docs(bench)
        ranker = place.victim(bench).ranker
        ranker.remember(query, docs, self.known)
        clean = [(doc.doc_id, score) for doc, score in zip(docs, self.known, strict=True)]
        by_id = {doc.doc_id: doc for doc in docs}
        ranked = tuple(by_id[i] for i in order(clean))
        case = Case(query, by_id[self.target], ranked, self.goal_rank)
        # Who sees nothing of the ranker does not see its ranking either.
        shown = case._replace(candidates=docs) if attack.threat.access is Access.NONE else case

        def legal(trial: Perturbation) -> bool:
            return not verify(case, trial, attack.threat, Budget(edits=spec.budget.edits)).violations

        oracle = MeteredOracle(ranker, case, attack.threat, spec.budget, legal)
        # The victim is left out on purpose: a control then makes the same edits to the same target.
        rng = Random(digest(self._identity(bench), place.collection, place.query_id, self.target))
        offered, failed = _tried(lambda: _checked(attack.perturb(shown, oracle, rng)), Perturbation())
        finding, unmeasured = _tried(
            lambda: verify(case, offered, attack.threat, spec.budget, similarity=_similarity(bench)),
            Finding(edits=0, similarity=None, violations=()),
        )
        status, error = ("error", failed or unmeasured) if failed or unmeasured else ("ok", "")
        if failed == _EXHAUSTED:
            status, error = "budget_exhausted", ""
        elif finding.violations:
            status, error = "invalid", "; ".join(finding.violations)
        done = offered if status == "ok" else Perturbation()
        after, unranked = _tried(lambda: perturbed_scores(ranker, case, done, clean), clean)
        if unranked:
            status, error = "error", unranked
        new_query, new_target = apply(offered, case)
        harm = place.judged(bench, [HARM_MEASURE], clean), place.judged(bench, [HARM_MEASURE], after)
        collection = bench.lists(place.collection).collection
        qrels = collection.qrels[place.query_id]
        return {
            "attack": self.attack,
            "stratum": self.stratum,
            "doc_id": self.target,
            "status": status,
            "error": error,
            "rank_before": rank_of(self.target, dict(clean)[self.target], clean),
            "rank_after": rank_of(self.target, dict(after)[self.target], after),
            "score_before": dict(clean)[self.target],
            "score_after": dict(after)[self.target],
            "harm_before": harm[0][HARM_MEASURE],
            "harm_after": harm[1][HARM_MEASURE],
            "judged_after": measures.judged_at(order(after), qrels),
            "fell": [
                (*fall, qrels.get(fall[0], 0) >= collection.relevant) for fall in fallen(order(clean), order(after))
            ],
            "list_length": len(docs),
            "goal_rank": self.goal_rank,
            "demote": attack.threat.goal is Goal.DEMOTE,
            "edits": finding.edits,
            "similarity": finding.similarity,
            "calls": oracle.spent,
            "quality": of_case(case, done),
            "trajectory": [list(point) for point in oracle.trajectory],
            "query": query.text,
            "query_after": new_query.text if offered.query is not None else None,
            "before": case.target.text,
            "after": new_target.text,
        }


@dataclass(frozen=True, kw_only=True)
class CertifyTask:
    """Ask a certifying ranker for certificates of one list."""

    place: Place
    kind = "certificate"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        return digest(self.kind, self.place.identity(bench), asdict(bench.spec.certify))

    def perform(self, bench: Workbench) -> Record:
        """All certificates of the list; they hold together."""
        certifier = self.place.victim(bench).ranker.ranker
        if not isinstance(certifier, Certifier):
            raise ContractError(f"{self.place.ranker} certifies nothing")
        wanted = bench.spec.certify
        if not self.place.docs(bench):
            return {"certificates": []}
        found = certifier.certify(self.place.query(bench), self.place.docs(bench), wanted.k, wanted.radius)
        return {"certificates": [asdict(c) for c in found]}


class Task(Protocol):
    """A small value that a process can be sent; it knows its own key, and does itself."""

    @property
    def kind(self) -> str:
        """Kind of the record it makes."""

    @property
    def place(self) -> Place:
        """The list it is about."""

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""

    def perform(self, bench: Workbench) -> Record:
        """The record's own part."""


def perform(spec: AuditSpec, task: Task) -> Record:
    """Do one task in whichever process this is; the record says what it cost.

    A ranker or plug-in that breaks its contract, or raises, is a record with the reason: the audit goes on.

    Raises:
        RobustRankError: What no other task could survive either: a missing package, a wrong file.
    """
    bench = workbench(spec)
    place = task.place
    meters = [bench.victim(name, place.collection) for name in {place.ranker, bench.split(place.ranker)[1]}]
    pairs, seconds = sum(m.pairs for m in meters), sum(m.seconds for m in meters)
    measuring, started = _measuring_seconds(bench, task), perf_counter()
    head = {"key": task.key(bench), "kind": task.kind, **asdict(place)}
    body, failed = _tried(lambda: {"status": "ok", **task.perform(bench)}, {"status": "error"})
    if failed:
        body["error"] = failed
    cost = {
        "pairs": sum(m.pairs for m in meters) - pairs,
        "scoring_seconds": sum(m.seconds for m in meters) - seconds,
        "measuring_seconds": _measuring_seconds(bench, task) - measuring,
        "seconds": perf_counter() - started,
    }
    return {**head, **body, **cost}


def workbench(spec: AuditSpec) -> Workbench:
    """The process's workbench for an audit file."""
    return _workbench(_Keyed(spec))


class _Keyed:
    """An audit file that hashes by its content, to key a cache."""

    def __init__(self, spec: AuditSpec) -> None:
        self.spec = spec
        self._text = json.dumps(spec.to_json(), sort_keys=True, default=str)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@lru_cache(maxsize=1)
def _workbench(keyed: _Keyed) -> Workbench:
    return Workbench(keyed.spec)


_EXHAUSTED = "budget exhausted"


def _tried(step: Callable[[], Result], fallback: Result) -> tuple[Result, str]:
    """A step's result, or the fallback and what went wrong: one broken plug-in must not end the audit.

    Raises:
        RobustRankError: What no other task could survive either.
    """
    try:
        return step(), ""
    except BudgetExhausted:
        return fallback, _EXHAUSTED
    except (ContractError, OracleError) as problem:
        return fallback, f"{type(problem).__name__}: {problem}"
    except RobustRankError:
        raise
    except Exception as problem:
        return fallback, f"{type(problem).__name__}: {problem}"


def _checked(offered: Any) -> Perturbation:
    """What an attack returned, if it is what attacks return."""
    if not isinstance(offered, Perturbation):
        raise ContractError(f"the attack returned {type(offered).__name__}, not a Perturbation")
    for name, text in (("query", offered.query), ("target", offered.target)):
        if not isinstance(text, str | None):
            raise ContractError(f"the attack returned a {name} of type {type(text).__name__}, not text")
    return offered


def _measuring_seconds(bench: Workbench, task: Task) -> float:
    """Seconds inside the encoder that measures similarity, which only attacks need."""
    encoder = bench.similarity if task.kind == "attack" else None
    return 0.0 if encoder is None else encoder.seconds


def _similarity(bench: Workbench) -> Callable[[str, str], float] | None:
    encoder = bench.similarity
    if encoder is None:
        return None

    def cosine(before: str, after: str) -> float:
        # Rounded, because the last digits of an embedding depend on the batch it was computed in.
        return round(encoder.score(Query("", before), [Document("", after)])[0], 6)

    return cosine


def _changed(text: Text, what: str, on: bool) -> Text:
    """A query or document with its words in one order or the other, or its ASCII letters as they are or in capitals."""
    if what == "order":
        found = [word.text for word in words(text.text)]
        return text._replace(text=" ".join(found[::-1] if on else found))
    return text._replace(text=text.text.translate(_CAPITALS) if on else text.text)


_CAPITALS = str.maketrans(ascii_lowercase, ascii_uppercase)


def _distance(a: Sequence[float], b: Sequence[float]) -> float:
    return max((abs(x - y) for x, y in zip(a, b, strict=True)), default=0.0)
