"""The metered ranker interface given to attacks, and the cache by which each pair is scored once per audit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import nan
from time import perf_counter
from typing import TypeVar

from robustrank.core import interrupts
from robustrank.core.answers import Answering, Answers, impossible
from robustrank.core.errors import (
    AccessDenied,
    BudgetExhausted,
    ContractError,
    InvalidAnswer,
    OracleError,
    PluginFailed,
    TimeLimitPassed,
    message,
    reason,
)
from robustrank.core.interfaces import Ranker, lends_gradients
from robustrank.core.ranking import checked
from robustrank.core.types import (
    Access,
    Budget,
    Case,
    Document,
    Goal,
    Perturbation,
    Query,
    RankerCard,
    ThreatModel,
    WordGradients,
)
from robustrank.perturbations.apply import apply, outcome

Answer = TypeVar("Answer")


class Meter:
    """Counts the requests of one attack and enforces its limit.

    Args:
        limit: ``None`` is no limit.
        unit: What is counted, for messages.
    """

    def __init__(self, limit: int | None, unit: str) -> None:
        self._limit, self._unit = limit, unit
        self.spent = 0

    def charge(self, count: int) -> None:
        """Count a request, or refuse it whole.

        Raises:
            BudgetExhausted: It is more than the limit leaves.
        """
        if self._limit is not None and self.spent + count > self._limit:
            raise BudgetExhausted(f"{self.spent} of {self._limit} {self._unit} spent, {count} more requested")
        self.spent += count

    def affords(self, cost: int) -> int | None:
        """How many more requests of a cost the limit pays for; ``None`` without a limit."""
        return None if self._limit is None else (self._limit - self.spent) // cost


class MeteredRanker:
    """A ranker with a cache of (query, document) scores that counts pairs scored and seconds taken.

    The cache is keyed by text, not id, so a perturbed document is a new pair. Rankers that are not pointwise are not
    cached: their scores depend on the whole list. ``cache=False`` only counts and times; ``listwise=True`` corrects a
    card that wrongly says pointwise.
    """

    def __init__(self, ranker: Ranker, *, cache: bool = True, listwise: bool = False) -> None:
        self.ranker = ranker
        self._listwise = listwise
        self._caches = cache and ranker.card.pointwise and not listwise
        self.pairs = 0
        self.scored = 0
        """Scores computed, and gradients; a smoothed ranker has many pairs behind one."""
        self.seconds = 0.0
        self.answers = Answers()
        """Of a ranker that says what was wrong in them, those given so far."""
        self._scores: dict[tuple[str, str], float] = {}

    @property
    def card(self) -> RankerCard:
        """The card of the wrapped ranker, corrected."""
        card = self.ranker.card
        if not (self._listwise and card.pointwise):
            return card
        note = "audited as list-wise: its card says pointwise, but scores depend on the other documents of the call"
        return replace(card, pointwise=False, note=f"{card.note}; {note}".lstrip("; "))

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Scores, from the cache where the pair was seen."""
        if not self._caches:
            return self._fresh(query, docs)
        fresh = {doc.text: doc for doc in docs if (query.text, doc.text) not in self._scores}
        if fresh:
            for text, score in zip(fresh, self._fresh(query, list(fresh.values())), strict=True):
                self._scores[query.text, text] = score
        return [self._scores[query.text, doc.text] for doc in docs]

    def remember(self, query: Query, docs: Sequence[Document], scores: Sequence[float]) -> None:
        """Take scores from a journal, so that a resumed audit does not compute them again."""
        if self._caches:
            self._scores.update({(query.text, doc.text): score for doc, score in zip(docs, scores, strict=True)})

    def gradients(self, query: Query, document: Document, candidates: Mapping[int, Sequence[str]], /) -> WordGradients:
        """The ranker's gradients, timed and counted as one pair."""
        if not lends_gradients(self.ranker):
            raise ContractError(f"ranker {self.card.name} provides no gradients; attack it with at most score access")
        ranker = self.ranker
        return self._timed(lambda: ranker.gradients(query, document, candidates), 1, 1)

    def unchecked(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """One call as the ranker answers it, uncached: a score may be missing, which is not a number then.

        Raises:
            PluginFailed: It raised something, or gave another number of scores.
        """

        def scores() -> list[float]:
            given = list(self._given(query, docs))
            if len(given) != len(docs):
                raise ValueError(f"{len(given)} scores for {len(docs)} documents of query {query.query_id!r}")
            return [nan if score is None else float(score) for score in given]

        return self._timed(scores, len(docs) * self.card.pairs_per_score, len(docs))

    def reset(self) -> None:
        """Forget scores, and what was counted."""
        self.pairs, self.scored, self.seconds, self.answers = 0, 0, 0.0, Answers()
        self._scores.clear()

    def _fresh(self, query: Query, docs: Sequence[Document]) -> list[float]:
        pairs = len(docs) * self.card.pairs_per_score
        return self._timed(lambda: checked(self.ranker, query, docs, self._given(query, docs)), pairs, len(docs))

    def _given(self, query: Query, docs: Sequence[Document]) -> Sequence[float]:
        """What the ranker gives; where it says what was wrong in its answers, that is counted."""
        if not docs or not isinstance(self.ranker, Answering):
            return self.ranker.score(query, docs)
        try:
            answer = self.ranker.answer(query, docs)
        except InvalidAnswer:
            self.answers += Answers(lists=1, invalid_lists=1, lost_lists=1)
            raise
        if wrong := impossible(answer):
            raise ContractError(f"ranker {self.card.name}: what it says of its answers cannot be: {wrong}")
        self.answers += Answers.of(answer)
        return answer.scores

    def _timed(self, step: Callable[[], Answer], pairs: int, scored: int) -> Answer:
        """An answer of the ranker, metered.

        Raises:
            PluginFailed: It raised something; the message names it, whichever plug-in asked.
        """
        started = perf_counter()
        try:
            return step()
        except (ContractError, OracleError, PluginFailed, TimeLimitPassed):
            raise
        except BaseException as problem:
            interrupts.check()
            raise PluginFailed(f"ranker {self.card.name}: {reason(problem)}") from problem
        finally:
            self.seconds += perf_counter() - started
            self.pairs += pairs
            self.scored += scored


class MeteredOracle:
    """Ranks and scores of one case, within an attack's access and budget (:class:`robustrank.core.interfaces.Oracle`).

    Args:
        ranker: The victim.
        case: The case.
        threat: Sets the access level.
        budget: Sets the limit on calls.
        counts: Whether a perturbation is legal, so that its rank may enter :attr:`trajectory`.
        clean: (document id, clean score) of the candidates, in the order in which the ranker is asked for them,
            whatever order the attack sees. Without them the ranker is asked, in the order of the case, at no cost to
            the attack.
    """

    def __init__(
        self,
        ranker: MeteredRanker,
        case: Case,
        threat: ThreatModel,
        budget: Budget,
        counts: Callable[[Perturbation], bool] = lambda perturbation: True,
        *,
        clean: Sequence[tuple[str, float]] | None = None,
    ) -> None:
        self._ranker = ranker
        self._counts = counts
        self._trajectory: list[tuple[int, int]] = []
        self._answers: dict[Perturbation, tuple[int, float]] = {}
        self._failure = ""
        self._case = case
        self._threat = threat
        self._budget = budget
        self._meter = Meter(budget.calls, "pairs")
        if clean is None:
            scores = ranker.score(case.query, case.candidates)
            clean = [(doc.doc_id, score) for doc, score in zip(case.candidates, scores, strict=True)]
        self._clean = clean

    @property
    def budget(self) -> Budget:
        """The limits of this attack."""
        return self._budget

    @property
    def spent(self) -> int:
        """Pairs requested so far, answered from the cache or not."""
        return self._meter.spent

    def affordable(self, *, queries: bool = False) -> int | None:
        """How many more perturbations of the target (or of the query) the budget pays for."""
        return self._meter.affords(self._cost(Perturbation(query="") if queries else _TARGET))

    def rank(self, perturbations: Sequence[Perturbation], /) -> list[int]:
        """The target's 1-based rank under each perturbation, in the list without its old copy."""
        self._need(Access.RANKS)
        return [rank for rank, _ in self._ask(perturbations)]

    def score(self, perturbations: Sequence[Perturbation], /) -> list[float]:
        """The target's score under each perturbation."""
        self._need(Access.SCORES)
        return [score for _, score in self._ask(perturbations)]

    def outcomes(self, perturbations: Sequence[Perturbation], /) -> list[tuple[int, float]]:
        """Rank and score under each perturbation: access to scores includes access to ranks."""
        self._need(Access.SCORES)
        return self._ask(perturbations)

    @property
    def trajectory(self) -> Sequence[tuple[int, int]]:
        """(pairs spent, best rank so far), wherever a legal perturbation improved the best rank."""
        return self._trajectory

    @property
    def failure(self) -> str:
        """The first error of the ranker under this attack, also where the attack caught it; empty for none."""
        return self._failure

    def answer(self, perturbation: Perturbation) -> tuple[int, float] | None:
        """Rank and score that a perturbation was last answered with; ``None`` where it was not requested."""
        return self._answers.get(perturbation)

    def gradients(self, perturbation: Perturbation, candidates: Mapping[int, Sequence[str]], /) -> WordGradients:
        """One backward pass at the (perturbed) target."""
        self._need(Access.WEIGHTS)
        self._meter.charge(1)
        query, document = apply(perturbation, self._case)
        with self._noting():
            return self._ranker.gradients(query, document, candidates)

    def _need(self, access: Access) -> None:
        if self._threat.access.level < access.level:
            raise AccessDenied(f"needs access {access.value!r}, declared {self._threat.access.value!r}")
        card = self._ranker.card
        if card.rank_only and access.level > Access.RANKS.level:
            raise AccessDenied(f"needs access {access.value!r}, and {card.name} gives ranks alone: {RANK_ONLY}")

    def _cost(self, perturbation: Perturbation) -> int:
        if perturbation.query is not None or (perturbation.target is not None and not self._ranker.card.pointwise):
            return len(self._case.candidates)
        return 0 if perturbation.target is None else 1

    def _ask(self, perturbations: Sequence[Perturbation]) -> list[tuple[int, float]]:
        self._meter.charge(sum(map(self._cost, perturbations)))
        targets = [p.target for p in perturbations if p.query is None and p.target is not None]
        with self._noting():
            if targets and self._ranker.card.pointwise:  # one batch for the ranker; the cache answers below
                self._ranker.score(self._case.query, [self._case.target._replace(text=text) for text in targets])
            outcomes = [outcome(self._ranker, self._case, p, self._clean) for p in perturbations]
        self._answers.update(zip(perturbations, outcomes, strict=True))
        for perturbation, (rank, _) in zip(perturbations, outcomes, strict=True):
            if (not self._trajectory or self._better(rank, self._trajectory[-1][1])) and self._counts(perturbation):
                self._trajectory.append((self.spent, rank))
        return outcomes

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Keep the ranker's first error: an attack that catches it had no fair chance all the same."""
        try:
            yield
        except Exception as problem:
            why = message(problem) if isinstance(problem, PluginFailed) else reason(problem)
            self._failure = self._failure or why
            raise

    def _better(self, rank: int, other: int) -> bool:
        return rank > other if self._threat.goal is Goal.DEMOTE else rank < other


RANK_ONLY = "its scores say the order of a list and nothing else"
"""Why attacks on a ranker of which the card says ``rank_only`` have no more than access to ranks."""

_TARGET = Perturbation(target="")
