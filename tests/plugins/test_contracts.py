"""The contract checks pass what is sound, and name what is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from robustrank.core.errors import ContractError
from robustrank.core.interfaces import Attack, Oracle, Ranker
from robustrank.core.types import (
    Access,
    AttackSet,
    Case,
    Certificate,
    Document,
    Perturbation,
    Query,
    RankerCard,
    Surface,
    ThreatModel,
)
from robustrank.testing import WordWeights, check_attack, check_defense, check_ranker, make_case

RANKER = WordWeights(weights={"good": 0.5})
CASES = [make_case(RANKER, "red fox", ["red fox", "a red fox good", "some good text"], i) for i in (0, 2)]
THREAT = ThreatModel(surface=Surface.DOCUMENT, access=Access.RANKS, edits=AttackSet(operation="insert"))
QUERY = Query("q", "red fox")
DOCS = [Document("a", "the red fox"), Document("b", "a good fox")]


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Adds one query word where it may."""

    threat: ThreatModel = THREAT

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        if oracle.budget.edits == 0:
            return Perturbation()
        return Perturbation(target=f"{case.target.text} {rng.choice(['red', 'fox'])}")


class Leaky(Sound):
    """Keeps state between calls."""

    seen: list[int] = []  # noqa: RUF012

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        self.seen.append(1)
        return Perturbation(target=f"{case.target.text} w{len(self.seen)}" if oracle.budget.edits else None)


class Wasteful(Sound):
    """Edits more than it may."""

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        return Perturbation(target=f"{case.target.text} red fox" if oracle.budget.edits else None)


class Restless(Sound):
    """Edits although nothing may be edited, in a way that no word count shows."""

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        return Perturbation(target=f"{case.target.text} ")


class Nosy(Sound):
    """Asks for scores it did not declare."""

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        oracle.score([Perturbation()])
        return Perturbation()


class Insatiable(Sound):
    """Lets the exhausted budget escape."""

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        while oracle.spent < 99:
            oracle.rank([Perturbation(target="text")])
        return Perturbation()


class Rewriter(Sound):
    """Changes the query instead of the document."""

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        return Perturbation(query="blue whale")


@dataclass
class Thawed:
    """Not frozen."""

    threat: ThreatModel = THREAT

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        return Perturbation()


def test_a_sound_attack_passes() -> None:
    check_attack(Sound(), RANKER, CASES)


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        (Leaky(), "not repeatable"),
        (Wasteful(), "2 words edited, the budget is 1"),
        (Restless(), "although nothing may be edited"),
        (Nosy(), "needs access 'scores', declared 'ranks'"),
        (Insatiable(), "lets BudgetExhausted escape"),
        (Rewriter(), "changes the query"),
        (Thawed(), "frozen dataclass"),
    ],
)
def test_an_unsound_attack_is_caught_with_the_reason(attack: Attack, reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        check_attack(attack, RANKER, CASES)


def test_an_attack_that_cannot_travel_is_caught() -> None:
    @dataclass(frozen=True)
    class Local(Sound):
        pass

    with pytest.raises(ContractError, match="another process"):
        check_attack(Local(), RANKER, CASES)


@dataclass(frozen=True)
class Odd:
    """Word weights with one fault."""

    fault: str
    calls: list[int] = field(default_factory=list)

    @property
    def card(self) -> RankerCard:
        return RankerCard(name="odd", fingerprint="" if self.fault == "card" else "odd")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        self.calls.append(1)
        scores = RANKER.score(query, docs)
        match self.fault:
            case "moody":
                return [score + len(self.calls) for score in scores]
            case "crowd":
                return [score + len(docs) for score in scores]
            case "identity":
                return [score + len(doc.doc_id) for doc, score in zip(docs, scores, strict=True)]
            case "nan":
                return [float("nan") if not doc.text else score for doc, score in zip(docs, scores, strict=True)]
            case "short":
                return scores[1:]
        return scores


def test_a_sound_ranker_passes() -> None:
    check_ranker(RANKER, QUERY, DOCS)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("card", "a name and a fingerprint"),
        ("moody", "two identical calls"),
        ("crowd", "a document alone"),
        ("identity", "document id"),
        ("nan", "score nan"),
        ("short", "1 scores for 2 documents"),
    ],
)
def test_an_unsound_ranker_is_caught_with_the_reason(fault: str, reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        check_ranker(Odd(fault), QUERY, DOCS)


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A defense that adds a constant, and certifies by a rule of its own."""

    by: float = 1.0
    largest: Sequence[int] = ()

    def wrap(self, ranker: Ranker, /) -> Ranker:
        return _Shifted(ranker, self)


@dataclass(frozen=True)
class _Shifted:
    ranker: Ranker
    defense: Shift

    @property
    def card(self) -> RankerCard:
        inner = self.ranker.card
        return replace(inner, fingerprint=f"{inner.fingerprint} + {self.defense.by}" if self.defense.by else "1")

    @property
    def edits(self) -> AttackSet:
        return AttackSet(operation="insert")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return [score + self.defense.by for score in self.ranker.score(query, docs)]

    def certify(
        self, query: Query, docs: Sequence[Document], ks: Sequence[int], radii: Sequence[int], /
    ) -> list[Certificate]:
        return [
            Certificate(
                query_id=query.query_id, k=k, radius=radius, edits=self.edits, certified=radius in self.defense.largest,
                alpha=0.0, samples=0, method="test", lower=0.0, upper=0.0, assumes="",
            )
            for k in ks
            for radius in radii
        ]  # fmt: skip


def test_a_sound_defense_passes() -> None:
    check_defense(Shift(largest=(0, 1)), RANKER, QUERY, DOCS)


def test_a_certificate_that_skips_a_smaller_radius_is_caught() -> None:
    with pytest.raises(ContractError, match="certifies radius 3 but not a smaller one"):
        check_defense(Shift(largest=(0, 3)), RANKER, QUERY, DOCS)


@dataclass(frozen=True)
class Nothing:
    """Defends nothing."""

    def wrap(self, ranker: Ranker, /) -> Ranker:
        return ranker


def test_a_defense_with_the_fingerprint_of_the_bare_ranker_is_caught() -> None:
    with pytest.raises(ContractError, match="fingerprint of the bare one"):
        check_defense(Nothing(), RANKER, QUERY, DOCS)
