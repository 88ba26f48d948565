"""The task of an attack: one attack on one case, verified and measured again by the harness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any, NamedTuple, TypedDict

from msgspec import structs

from robustrank.config.specs import AttackSpec
from robustrank.core.errors import AccessDenied, shortened
from robustrank.core.interfaces import Attack
from robustrank.core.ranking import fallen, order, rank_of
from robustrank.core.sentences import SENTENCES
from robustrank.core.types import Access, Case, Perturbation, Status
from robustrank.core.words import UNIT
from robustrank.measures import effectiveness
from robustrank.perturbations.apply import apply, perturbed_scores
from robustrank.perturbations.contextual_substitutes import load
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.quality import of_case
from robustrank.perturbations.similarity import cosine
from robustrank.perturbations.verify import Finding, verify
from robustrank.plugins import registry
from robustrank.storage.hashing import digest
from robustrank.work.base import EXHAUSTED, Place, tried
from robustrank.work.records import AttackRecord, Fall, miscounted
from robustrank.work.workbench import Workbench

HARM_MEASURE = "nDCG@10"
"""The harm of an attack is the loss of this measure of the whole list."""

Scored = list[tuple[str, float]]


class _Moved(TypedDict):
    """Fields of an :class:`AttackRecord`."""

    rank_before: int
    rank_after: int
    score_before: float
    score_after: float
    harm_before: float
    harm_after: float
    judged_after: float
    fell: list[Fall]


class _Outcome(NamedTuple):
    """What an attack offered, and what of it counts."""

    offered: Perturbation
    done: Perturbation
    """Nothing where the offer is illegal or the attack failed."""
    finding: Finding
    status: Status
    error: str
    calls: int = 0
    scored: int = 0
    seen: tuple[int, float] | None = None
    """Rank and score of the offer, as the attack's own requests were answered."""
    trajectory: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True, kw_only=True)
class AttackTask:
    """Run one attack on one case, verify the perturbation it returns, and rank the list again.

    Args:
        place: The list.
        attack: Name of the attack in the audit file.
        stratum: The rank range the target was drawn from.
        target: Document id of the target.
        goal_rank: Rank at which the attacker is content, or that it wants to keep.
        clean_scores: The victim's clean scores of the list, so that they are not computed again.
    """

    place: Place
    attack: str
    stratum: str
    target: str
    goal_rank: int
    clean_scores: tuple[float, ...]
    kind = "attack"

    @property
    def who(self) -> str:
        """The attack, and the ranker it asks."""
        return f"attack {self.attack!r} on {self.place.ranker!r}"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        measured = f"fresh calls; third defaults of attacks; {SENTENCES}"
        return digest(
            self.kind, self.place.identity(bench), self._identity(bench), self.target, self.goal_rank, measured,
            *self.place.asked(bench),
        )  # fmt: skip

    def _identity(self, bench: Workbench) -> list[Any]:
        spec = self._spec(bench)
        version = registry.version("attack", spec.plugin.use)
        table = bench.attack(self.attack).threat.edits.substitutes
        words = None if table is None else load(table).digest
        budget = asdict(spec.budget)
        return [self.attack, str(spec.plugin), version, words, budget, bench.similarity_by, bench.spec.seed, UNIT]

    def _spec(self, bench: Workbench) -> AttackSpec:
        return next(a for a in bench.spec.attacks if a.name == self.attack)

    def perform(self, bench: Workbench) -> AttackRecord:
        """The outcome as the harness measured it; an illegal perturbation counts as none, its texts are kept."""
        attack, victim = bench.attack(self.attack), self.place.victim(bench)
        ranker, fresh = victim.ranker, victim.uncached
        case, clean = self._case(bench)
        docs = self.place.docs(bench)
        ranker.remember(case.query, docs, self.clean_scores)
        outcome = self._attacked(bench, attack, case, clean)
        # Fresh calls, through a meter of their own: what an attack saw or left in a cache is no evidence.
        invalid = victim.answers.invalid_lists
        after, unranked = tried(lambda: perturbed_scores(fresh, case, outcome.done, clean), clean, self.who)
        invalid = victim.answers.invalid_lists - invalid
        if fresh.card.rank_only:  # an equal score is an equal place, and says nothing of what the ranker reads
            same, unscored = False, ""
        else:
            same, unscored = tried(lambda: _same_score(fresh, case, outcome.done, clean, after), False, self.who)
        failed = unranked or unscored
        status, error = (Status.ERROR, failed) if failed else (outcome.status, outcome.error)
        record = self._record(bench, case, clean, after, outcome._replace(status=status, error=error), same=same)
        return structs.replace(record, invalid_answer=invalid > 0)

    def failed(self, bench: Workbench, error: str) -> AttackRecord:
        """A failure of the attack: nothing moved."""
        case, clean = self._case(bench)
        nothing = Finding(edits=0, similarity=None, violations=())
        outcome = _Outcome(Perturbation(), Perturbation(), nothing, Status.ERROR, error)
        return self._record(bench, case, clean, clean, outcome)

    def _case(self, bench: Workbench) -> tuple[Case, Scored]:
        """The case, candidates in the victim's clean order, and the clean scores in first-stage order."""
        docs = self.place.docs(bench)
        clean = [(doc.doc_id, score) for doc, score in zip(docs, self.clean_scores, strict=True)]
        by_id = {doc.doc_id: doc for doc in docs}
        candidates = tuple(by_id[i] for i in order(clean))
        return Case(self.place.query(bench), by_id[self.target], candidates, self.goal_rank), clean

    def _record(
        self, bench: Workbench, case: Case, clean: Scored, after: Scored, outcome: _Outcome, *, same: bool = False
    ) -> AttackRecord:
        spec = self._spec(bench)
        new_query, new_target = apply(outcome.offered, case)
        return AttackRecord(
            **self.place.names(),
            **self._moved(bench, clean, after),
            attack=self.attack,
            plugin=str(spec.plugin),
            threat=bench.attack(self.attack).threat,
            budget=spec.budget,
            stratum=self.stratum,
            doc_id=self.target,
            status=outcome.status,
            error=outcome.error,
            list_length=len(clean),
            goal_rank=self.goal_rank,
            edits=outcome.finding.edits,
            similarity=outcome.finding.similarity,
            calls=outcome.calls,
            scored=outcome.scored,
            score_seen=None if outcome.seen is None else outcome.seen[1],
            rank_seen=None if outcome.seen is None else outcome.seen[0],
            same_score=same,
            quality=of_case(case, outcome.done),
            trajectory=outcome.trajectory,
            query=case.query.text,
            query_after=new_query.text if outcome.offered.query is not None else None,
            before=case.target.text,
            after=new_target.text,
        )

    def _attacked(self, bench: Workbench, attack: Attack, case: Case, clean: Scored) -> _Outcome:
        """Let the attack act, and judge what it returns from the two texts alone."""
        spec, place = self._spec(bench), self.place
        # An attack without access to the ranker does not see its ranking either.
        shown = case._replace(candidates=place.docs(bench)) if attack.threat.access is Access.NONE else case

        def legal(trial: Perturbation) -> bool:
            return not verify(case, trial, attack.threat, replace(spec.budget, similarity=None)).violations

        meter = place.victim(bench).ranker
        oracle = MeteredOracle(meter, case, attack.threat, spec.budget, legal, clean=clean)
        before = meter.scored
        # The victim is left out on purpose: a control then makes the same edits to the same target of every victim.
        rng = Random(digest(self._identity(bench), place.collection, place.query_id, self.target))
        returned, failed = tried(lambda: _acted(attack, shown, oracle, rng), Perturbation(), self.who)
        offered, breach = _checked(returned)
        finding, unmeasured = tried(
            lambda: verify(case, offered, attack.threat, spec.budget, similarity=cosine(bench.similarity)),
            Finding(edits=0, similarity=None, violations=()),
        )
        scored = meter.scored - before
        counts = miscounted(oracle.spent, scored, spec.budget)
        broken = shortened("; ".join(filter(None, [breach, *finding.violations, counts])))
        wrong = oracle.failure or ("" if failed == EXHAUSTED else failed) or unmeasured
        if wrong:
            status, error = Status.ERROR, wrong
        elif broken:
            status, error = Status.INVALID, broken
        else:
            status, error = Status.BUDGET_EXHAUSTED if failed else Status.OK, ""
        done = offered if status is Status.OK else Perturbation()
        seen = oracle.answer(offered)
        return _Outcome(offered, done, finding, status, error, oracle.spent, scored, seen, list(oracle.trajectory))

    def _moved(self, bench: Workbench, clean: Scored, after: Scored) -> _Moved:
        """What the change did to the target, and to the list that users see."""
        place, collection = self.place, bench.lists(self.place.collection).collection
        qrels = collection.qrels[place.query_id]
        fallen_ids = fallen(order(clean), order(after))
        return {
            "rank_before": rank_of(self.target, dict(clean)[self.target], clean),
            "rank_after": rank_of(self.target, dict(after)[self.target], after),
            "score_before": dict(clean)[self.target],
            "score_after": dict(after)[self.target],
            "harm_before": place.judged(bench, [HARM_MEASURE], clean)[HARM_MEASURE],
            "harm_after": place.judged(bench, [HARM_MEASURE], after)[HARM_MEASURE],
            "judged_after": effectiveness.judged_at(order(after), qrels),
            "fell": [Fall(*fall, qrels.get(fall[0], 0) >= collection.relevant) for fall in fallen_ids],
        }


def _same_score(ranker: MeteredRanker, case: Case, done: Perturbation, clean: Scored, after: Scored) -> bool:
    """Whether the ranker gives a changed target its clean score, bit for bit, in the same kind of call.

    Clean scores are those of a whole list, and differ from those of a document alone by what arithmetic depends on the
    batch: where the two are as close as that, the clean target is scored again as the changed one was.
    """
    scores = [score for _, score in clean]
    before, score = dict(clean)[case.target.doc_id], dict(after)[case.target.doc_id]
    if done.target is None or abs(score - before) > CLOSE * (max(scores) - min(scores)):
        return False
    again = perturbed_scores(ranker, case, Perturbation(target=case.target.text), clean)
    return score in (before, dict(again)[case.target.doc_id])


def _acted(attack: Attack, case: Case, oracle: MeteredOracle, rng: Random) -> Any:
    """What an attack returned, or the access it was denied."""
    try:
        return attack.perturb(case, oracle, rng)
    except AccessDenied as denied:
        return denied


CLOSE = 1e-4
"""Share of the spread of a list's scores up to which they may differ by arithmetic alone."""

LONGEST_TEXT = 2_000_000
"""Characters of a text that an attack returns; every step after it takes time in proportion."""


def _checked(returned: Any) -> tuple[Perturbation, str]:
    """What an attack returned if it is what attacks return, or nothing and why it is not."""
    if isinstance(returned, AccessDenied):
        return Perturbation(), str(returned)
    if not isinstance(returned, Perturbation):
        return Perturbation(), f"the attack returned {type(returned).__name__}, not a Perturbation"
    for name, text in (("query", returned.query), ("target", returned.target)):
        if not isinstance(text, str | None):
            return Perturbation(), f"the attack returned a {name} of type {type(text).__name__}, not text"
        if text is not None and len(text) > LONGEST_TEXT:
            return Perturbation(), f"the attack returned a {name} of {len(text):,} characters; at most {LONGEST_TEXT:,}"
    return Perturbation(query=_plain(returned.query), target=_plain(returned.target)), ""


def _plain(text: str | None) -> str | None:
    """The characters alone: a subclass of ``str`` may compare, and be stored, as something else."""
    return None if text is None else str.__str__(text)
