"""Contract checks for plug-ins and a ranker with exactly computable scores, for the tests of plug-ins.

Each check returns nothing when the plug-in keeps its contract, and otherwise raises a
:class:`~robustrank.core.errors.ContractError` that names the violation and the input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from math import isclose, isfinite
from multiprocessing.reduction import ForkingPickler
from random import Random
from typing import Any

from robustrank.core.answers import Answering, Repair, impossible
from robustrank.core.errors import AccessDenied, BudgetExhausted, ContractError
from robustrank.core.interfaces import Attack, Certifier, Defense, Ranker, WhiteBox, lends_gradients
from robustrank.core.progress import Silent
from robustrank.core.ranking import checked_scores, order
from robustrank.core.types import (
    Access,
    Budget,
    Case,
    Document,
    Perturbation,
    Query,
    RankerCard,
    Surface,
    WordGradients,
)
from robustrank.core.words import words
from robustrank.perturbations.apply import apply
from robustrank.perturbations.operations import limit
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify


@dataclass(frozen=True, kw_only=True)
class WordWeights:
    """A linear ranker whose scores can be computed by hand: a document's score is the sum of its words' weights.

    A word of the query weighs ``match`` more. It provides gradients, which are exact: as it is linear, they have the
    same norm at every word.

    Args:
        weights: Lower-case word to weight; any other word weighs 0.
        match: Weight of a query word's occurrence.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    match: float = 1.0

    @property
    def card(self) -> RankerCard:
        """Pointwise and deterministic."""
        return RankerCard(name="word_weights", fingerprint=f"{sorted(self.weights.items())}, {self.match}")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Sums of weights."""
        terms = {word.text.lower() for word in words(query.text)}
        return [sum(self._weight(word.text, terms) for word in words(doc.text)) for doc in docs]

    def gradients(self, query: Query, document: Document, candidates: Mapping[int, Sequence[str]], /) -> WordGradients:
        """The same importance for every word, and exact gains."""
        terms = {word.text.lower() for word in words(query.text)}
        weights = [self._weight(word.text, terms) for word in words(document.text)]
        gains = {
            at: [self._weight(other, terms) - weights[at] for other in others] for at, others in candidates.items()
        }
        return WordGradients(importance=[1.0] * len(weights), gains=gains)

    def _weight(self, word: str, terms: set[str]) -> float:
        return self.weights.get(word.lower(), 0.0) + self.match * (word.lower() in terms)


class KilledAfter(Silent):
    """Progress that interrupts a run after a number of steps, for tests that it resumes from its checkpoints.

    Args:
        steps: Steps that complete.
    """

    def __init__(self, steps: int) -> None:
        self._left = steps

    def advance(self, n: int = 1) -> None:
        """Count a call with ``n`` above 0 as one step.

        Raises:
            KeyboardInterrupt: The call after the last step that completes.
        """
        if n:
            self._left -= 1
            if self._left < 0:
                raise KeyboardInterrupt


def make_case(ranker: Ranker, query: str, texts: Sequence[str], target: int, *, goal_rank: int = 1) -> Case:
    """A case from plain texts, in the ranker's clean order.

    Args:
        ranker: The ranker whose order the candidates get.
        query: The query's text.
        texts: The documents' texts; their ids are ``"0"``, ``"1"``, …
        target: Index of the target in ``texts``.
        goal_rank: The attack succeeds at this rank or better.
    """
    docs = tuple(Document(str(i), text) for i, text in enumerate(texts))
    return _reranked(Case(Query("query", query), docs[target], docs, goal_rank), ranker)


BUDGETS = (
    Budget(edits=0, characters=0),
    Budget(edits=1, characters=1),
    Budget(edits=7, characters=7),
    Budget(edits=7, characters=7, calls=0),
    Budget(edits=7, characters=7, calls=5),
    Budget(edits=7, characters=7, calls=50),
)
"""The budgets that an attack is checked with."""


def check_attack(
    attack: Attack, ranker: Ranker, cases: Sequence[Case], *, budgets: Sequence[Budget] = BUDGETS, seed: int = 13
) -> None:
    """Check an attack's contract on some cases.

    It must be a frozen, picklable dataclass; return the same perturbation for the same seed after any other calls;
    stay within its declared access, its budget and its attack set; and do nothing when no edit is allowed. Besides the
    cases given, it is tried on their first one with an empty and with a one-word target and query.

    Args:
        attack: The plug-in.
        ranker: A ranker that offers what the attack's access level needs.
        cases: At least one.
        budgets: Budgets, each checked on every case.
        seed: Seed of the random source that the attack is given.

    Raises:
        ContractError: The attack breaks its contract.
    """
    name = type(attack).__name__
    if not isinstance(attack, Attack):
        raise ContractError(f"{name} has no `threat` or no `perturb`, so it is no attack")
    if not cases:
        raise ContractError(f"{name}: at least one case is needed to check an attack")
    if attack.threat.surface is Surface.CORPUS:
        raise ContractError(f"{name} adds documents to the corpus: check it with check_corpus_attack")
    _check_value(attack)
    if attack.threat.access is Access.WEIGHTS and not lends_gradients(ranker):
        raise ContractError(f"{name} needs gradients; check it with a ranker that provides them")
    metered = MeteredRanker(ranker)
    all_cases = [*cases, *_edge_cases(cases[0], metered)]
    for budget in budgets:
        forth = [_attacked(attack, metered, case, budget, seed) for case in all_cases]
        back = [_attacked(attack, metered, case, budget, seed) for case in reversed(all_cases)][::-1]
        for case, first, second in zip(all_cases, forth, back, strict=True):
            if first != second:
                raise ContractError(
                    f"{name} is not repeatable: {first} and then {second} for {_label(case)}; take all randomness "
                    "from the given source and keep no state between calls"
                )


def check_ranker(ranker: Ranker, query: Query, docs: Sequence[Document], *, tolerance: float = 1e-4) -> None:
    """Check a ranker's contract on one list.

    Args:
        ranker: The plug-in.
        query: A query.
        docs: At least two documents.
        tolerance: Largest difference of two scores that should be equal, as a share of the list's spread (at least of
            1): arithmetic may depend on the batch a little.

    Raises:
        ContractError: Its scores are of a wrong number or not finite, it is not as deterministic or pointwise as its
            card says, it cannot score an empty text, its gradients do not fit the document, or what it says of its
            answers cannot be.
    """
    if not isinstance(ranker, Ranker) or not isinstance(ranker.card, RankerCard):
        raise ContractError(f"{type(ranker).__name__} has no `card` or no `score`, so it is no ranker")
    name, card = ranker.card.name, ranker.card
    if not card.name or not card.fingerprint:
        raise ContractError(f"ranker {name!r}: its card needs a name and a fingerprint")
    if ranker.score(query, []) != []:
        raise ContractError(f"ranker {name}: no documents must give no scores")
    scores = checked_scores(ranker, query, docs)
    allowed = tolerance * max(1.0, max(scores) - min(scores))

    def require_equal(actual: Sequence[float], expected: Sequence[float], violation: str) -> None:
        largest = max(abs(a - b) for a, b in zip(actual, expected, strict=True))
        if largest > allowed:
            raise ContractError(
                f"ranker {name}: {violation} (scores differ by {largest:g}); fix the ranker or its card"
            )

    if card.deterministic:
        require_equal(checked_scores(ranker, query, docs), scores, "two identical calls give different scores")
    if card.deterministic and card.pointwise:
        alone = [checked_scores(ranker, query, [doc])[0] for doc in docs]
        require_equal(alone, scores, "a document alone scores otherwise than in its list")
        copies = [doc._replace(doc_id=f"copy of {doc.doc_id}") for doc in docs]
        require_equal(checked_scores(ranker, query, copies), scores, "the document id changes the score")
    checked_scores(ranker, query._replace(text=""), docs)
    checked_scores(ranker, query, [*docs, Document("empty", "")])
    if lends_gradients(ranker):
        for document in [*docs, Document("empty", "")]:
            _check_gradients(ranker, name, query, document)
    if isinstance(ranker, Answering):
        answer = ranker.answer(query, docs)
        if wrong := impossible(answer):
            raise ContractError(f"ranker {name}: what it says of its answers cannot be: {wrong}")
        if card.deterministic:
            require_equal(answer.scores, scores, "`answer` gives other scores than `score`")
        for repair in Repair:
            if ranker.repaired(repair).repair != repair:
                raise ContractError(f"ranker {name}: `repaired` gives a ranker of another repair than {repair.value!r}")


def check_defense(
    defense: Defense, ranker: Ranker, query: Query, docs: Sequence[Document], *, tolerance: float = 1e-4
) -> None:
    """Check a defense's contract around one ranker, on one list.

    Args:
        defense: The plug-in.
        ranker: A ranker that keeps its own contract.
        query: A query.
        docs: At least two documents.
        tolerance: As for :func:`check_ranker`.

    Raises:
        ContractError: It is no frozen, picklable dataclass; what it returns is no ranker, has the fingerprint of the
            ranker behind it, or changes that ranker; or its certificates are not those requested.
    """
    name = type(defense).__name__
    if not isinstance(defense, Defense):
        raise ContractError(f"{name} has no `wrap`, so it is no defense")
    _check_value(defense)
    before = checked_scores(ranker, query, docs)
    defended = defense.wrap(ranker)
    check_ranker(defended, query, docs, tolerance=tolerance)
    if defended.card.fingerprint == ranker.card.fingerprint:
        raise ContractError(f"{name}: the defended ranker has the fingerprint of the bare one; records would mix")
    after = checked_scores(ranker, query, docs)
    close = (isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) for a, b in zip(before, after, strict=True))
    if ranker.card.deterministic and not all(close):
        raise ContractError(f"{name} changes the ranker it wraps")
    if isinstance(defended, Certifier):
        _check_certificates(defended, name, query, docs)


def _attacked(attack: Attack, metered: MeteredRanker, case: Case, budget: Budget, seed: int) -> Perturbation:
    """One attack under one budget, checked."""
    where = f"{type(attack).__name__} on {_label(case)} with {budget}"
    oracle = MeteredOracle(metered, case, attack.threat, budget)
    try:
        perturbation = attack.perturb(case, oracle, Random(seed))
    except AccessDenied as error:
        raise ContractError(f"{where} {error}; declare the access or do without") from error
    except BudgetExhausted as error:
        raise ContractError(f"{where} lets BudgetExhausted escape ({error}); return the best so far") from error
    if not isinstance(perturbation, Perturbation):
        raise ContractError(f"{where} returns a {type(perturbation).__name__}, not a Perturbation")
    if violations := verify(case, perturbation, attack.threat, replace(budget, similarity=None)).violations:
        raise ContractError(f"{where} is not legal: {'; '.join(violations)}")
    if limit(attack.threat.edits, budget) == 0 and apply(perturbation, case) != (case.query, case.target):
        raise ContractError(f"{where} changes the text although nothing may be edited")
    return perturbation


def _check_value(plugin: object) -> None:
    """Check that a plug-in is a frozen dataclass and equal after pickling."""
    name = type(plugin).__name__
    kind: Any = type(plugin)
    if not is_dataclass(plugin) or not kind.__dataclass_params__.frozen:
        raise ContractError(f"{name} must be a frozen dataclass, so that its parameters are its whole state")
    try:
        copy = ForkingPickler.loads(ForkingPickler.dumps(plugin))
    except Exception as error:
        raise ContractError(f"{name} cannot be sent to another process: {error}") from error
    if copy != plugin:
        raise ContractError(f"{name} is another value after a trip to another process: {copy}")


def _edge_cases(case: Case, ranker: Ranker) -> list[Case]:
    """The case with an empty and a one-word target, alone in the list too, and with an empty and a one-word query."""
    one = next((word.text for word in words(case.target.text)), "word")
    cases = []
    for text in ("", one):
        target = case.target._replace(text=text)
        listed = tuple(target if doc.doc_id == target.doc_id else doc for doc in case.candidates)
        cases += [case._replace(target=target, candidates=listed), case._replace(target=target, candidates=(target,))]
        cases += [case._replace(query=case.query._replace(text=text))]
    return [_reranked(case, ranker) for case in cases]


def _reranked(case: Case, ranker: Ranker) -> Case:
    scores = checked_scores(ranker, case.query, case.candidates)
    ranking = order([(doc.doc_id, score) for doc, score in zip(case.candidates, scores, strict=True)])
    by_id = {doc.doc_id: doc for doc in case.candidates}
    return case._replace(candidates=tuple(by_id[doc_id] for doc_id in ranking))


def _label(case: Case) -> str:
    return f"query {case.query.query_id!r} ({case.query.text[:40]!r}), target {case.target.text[:40]!r}"


def _check_gradients(ranker: WhiteBox, name: str, query: Query, document: Document) -> None:
    length = len(words(document.text))
    candidates = {position: ["word", "another"] for position in range(0, length, 3)}
    gradients = ranker.gradients(query, document, candidates)
    numbers = [*gradients.importance, *(gain for gains in gradients.gains.values() for gain in gains)]
    if len(gradients.importance) != length:
        raise ContractError(f"ranker {name}: {len(gradients.importance)} importances for {length} words")
    if {position: len(gains) for position, gains in gradients.gains.items()} != dict.fromkeys(candidates, 2):
        raise ContractError(f"ranker {name}: gains must be given for the requested positions and candidates, in order")
    if not all(map(isfinite, numbers)) or min(gradients.importance, default=0.0) < 0:
        raise ContractError(f"ranker {name}: importances must be finite norms, and gains finite")


def _check_certificates(certifier: Certifier, name: str, query: Query, docs: Sequence[Document]) -> None:
    ks, radii = sorted({1, max(1, len(docs) - 1)}), (0, 0.5, 1, 3)
    certificates = certifier.certify(query, docs, ks, radii)
    if sorted((c.k, c.radius) for c in certificates) != [(k, radius) for k in ks for radius in radii]:
        raise ContractError(f"{name} must return one certificate for each K and radius")
    for certificate in certificates:
        if certificate.query_id != query.query_id or certificate.edits != certifier.edits:
            raise ContractError(f"{name}: a certificate speaks of another query or attack set: {certificate}")
        if not 0 <= certificate.alpha < 1:
            raise ContractError(f"{name}: alpha must be in [0, 1): {certificate}")
        # A radius below 1 is a share of words, a different number in each document: not compared with the others.
        whole = [c for c in certificates if c.k == certificate.k and c.radius in (0, 1, 3)]
        narrower = [c for c in whole if c.radius < certificate.radius and certificate in whole]
        if certificate.certified and not all(c.certified for c in narrower):
            raise ContractError(
                f"{name} certifies radius {certificate.radius} but not a smaller one, K={certificate.k}"
            )
