"""The least score over deletions: whole lists against every block that an attacker can insert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from random import Random
from typing import Any

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.ranking import order
from robustrank.core.types import Access, AttackSet, Budget, Case, Document, Query, RankerCard, SpeaksOf
from robustrank.core.words import UNIT, words
from robustrank.perturbations import operations
from robustrank.perturbations.verify import verify_edits
from robustrank.rankers.controls import Identity
from robustrank.testing import check_defense
from robustrank.work.record_format import AuditFormat
from robustrank.work.records import CertificateRecord
from robustrank_attacks.insertion.query_injection import QueryInjection
from robustrank_defenses.certified.erase import Erase

QUERY = Query("q", "x")


@dataclass(frozen=True)
class MadeUp:
    """A text's score is drawn from the text and a seed; one that looks for the query's word, at times."""

    seed: int = 0
    calls: list[list[str]] = field(default_factory=list, compare=False)

    @property
    def card(self) -> RankerCard:
        return RankerCard(name="made up", fingerprint=str(self.seed))

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        self.calls.append([doc.text for doc in docs])
        return [self._score(query.text, doc.text.split()) for doc in docs]

    def _score(self, query: str, text: list[str]) -> float:
        drawn = Random(f"{self.seed} {' '.join(text)}").random()
        return (drawn, 3.0 * (query in text) + 0.1 * drawn, round(drawn, 1))[self.seed % 3]


@dataclass(frozen=True)
class Overlap:
    """The share of a text's words that are the query's; texts are cut at four words."""

    card = RankerCard(name="overlap", fingerprint="overlap", max_length=4)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        read = [[word.lower() for word in doc.text.split()[:4]] for doc in docs]
        return [sum(word in query.text.split() for word in text) / max(1, len(text)) for text in read]


def inserted(text: str, most: int, place: str) -> list[str]:
    """The text with every block of at most so many words of an attacker who knows the query."""
    clean = [word.text for word in words(text)]
    places = {"start": [0], "end": [len(clean)]}.get(place, range(len(clean) + 1))
    blocks = [block for n in range(most + 1) for block in product("xb", repeat=n)]
    return [" ".join([*clean[:at], *block, *clean[at:]]) for block in blocks for at in places]


@pytest.mark.parametrize(
    "defense",
    [
        Erase(words=2, place="anywhere"),
        Erase(words=2, place="anywhere", stride=2),
        Erase(words=2, place="start"),
        Erase(words=3, place="end", stride=2),
    ],
)
def test_no_block_lifts_any_document_into_a_certified_top(defense: Erase) -> None:
    rng, certified, refuted = Random(3), 0, 0
    for seed in range(60):
        ranker = defense.wrap(MadeUp(seed))
        docs = [Document(str(n), " ".join(rng.choices("abcx", k=rng.randint(0, 5)))) for n in range(4)]
        clean = dict(zip((doc.doc_id for doc in docs), ranker.score(QUERY, docs), strict=True))
        ranking = order(list(clean.items()))
        for claim in ranker.certify(QUERY, docs, [1, 2], [1, 2]):
            lowest = clean[ranking[claim.k - 1]]
            below = [doc for doc in docs if doc.doc_id in ranking[claim.k :]]
            made = [doc._replace(text=t) for doc in below for t in inserted(doc.text, int(claim.radius), defense.place)]
            highest = max(ranker.score(QUERY, made))
            if claim.certified:
                assert highest < lowest, (seed, claim)
            certified += claim.certified
            refuted += highest >= lowest
    assert certified >= 5
    assert refuted >= 15


def test_it_keeps_the_contract_of_a_defense_that_certifies() -> None:
    docs = [Document("a", "Cats, dogs; x!"), Document("b", ""), Document("c", "x"), Document("d", "漢字 don't x x")]
    for place in ("anywhere", "start", "end"):
        for stride in (1, 3):
            check_defense(Erase(words=2, place=place, stride=stride), MadeUp(), QUERY, docs)


def test_a_score_is_the_least_over_what_is_left_by_hand() -> None:
    docs = [Document("a", "x, a. X b")]
    assert Erase(words=1, place="start").wrap(Overlap()).score(Query("q", "x"), docs) == [1 / 3]
    assert Erase(words=2, place="start").wrap(Overlap()).score(Query("q", "x"), docs) == [1 / 3]
    assert Erase(words=3, place="start").wrap(Overlap()).score(Query("q", "x"), docs) == [0.0]
    assert Erase(words=1, place="end").wrap(Overlap()).score(Query("q", "x"), docs) == [0.5]
    longer = [Document("a", "a b c d x x")]
    assert Erase(words=2, place="start").wrap(Overlap()).score(Query("q", "x"), longer) == [0.0]
    assert Erase(words=2, place="start").wrap(Overlap()).score(Query("q", "a"), longer) == [0.0]
    # What the base ranker cuts off comes back into view where words in front of it are left out: 2 of "c d x x".
    assert Erase(words=2, place="start", stride=2).wrap(Overlap()).score(Query("q", "c d x"), longer) == [0.5]


def test_only_words_are_read_so_that_nothing_between_them_can_be_used() -> None:
    ranker = Erase(words=2, place="anywhere").wrap(MadeUp())
    texts = ["one two three", "one-two!\u3000three", "(one)\t two — three..."]
    assert len(set(ranker.score(QUERY, [Document(str(n), text) for n, text in enumerate(texts)]))) == 1


def test_all_parts_of_all_documents_are_scored_in_one_call_and_equal_ones_once() -> None:
    base = MadeUp()
    ranker = Erase(words=2, place="anywhere").wrap(base)
    docs = [Document("a", "x x x"), Document("b", "x x"), Document("c", "x, x!")]
    ranker.score(QUERY, docs)
    assert [sorted(call) for call in base.calls] == [["", "x", "x x", "x x x"]]
    base.calls.clear()
    ranker.certify(QUERY, docs, [1, 2], [0, 1, 2])
    assert [sorted(call) for call in base.calls] == [["", "x", "x x", "x x x"]]


@dataclass(frozen=True)
class Constant:
    card = RankerCard(name="constant", fingerprint="constant")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return [0.7] * len(docs)


def test_a_constant_ranker_is_never_certified_and_without_words_the_gap_alone_counts() -> None:
    docs = [Document("a", "a b c"), Document("b", "d e"), Document("c", "x")]
    for claim in Erase(words=2).wrap(Constant()).certify(QUERY, docs, [1, 2], [0, 1, 2]):
        assert (claim.certified, claim.lower, claim.upper) == (False, 0.7, 0.7)
    ranker = Erase(words=2, place="anywhere").wrap(MadeUp(1))
    scores = sorted(ranker.score(QUERY, docs), reverse=True)
    for claim in ranker.certify(QUERY, docs, [1, 2], [0]):
        assert (claim.lower, claim.upper) == (scores[claim.k - 1], scores[claim.k])
        assert claim.certified is (claim.lower > scores[claim.k] + 1e-5)


def test_longer_blocks_than_are_erased_and_lists_without_others_are_not_certified_and_can_be_written() -> None:
    ranker = Erase(words=2, place="start").wrap(Overlap())
    docs = [Document("a", "x x x x x"), Document("b", "b b b b")]
    claims = {(c.k, c.radius): c for c in ranker.certify(QUERY, docs, [1, 2], [1, 2, 3, 0.5])}
    assert {where for where, claim in claims.items() if claim.certified} == {(1, 1), (1, 2), (1, 0.5)}
    assert claims[1, 3].upper is None
    assert claims[2, 1].upper is None
    record = CertificateRecord(query_id="q", ranker="r", collection="home", certificates=[*claims.values()])
    written = AuditFormat().dumps(record).encode()
    assert AuditFormat().loads(written) == record


def test_what_a_certificate_says_of_itself() -> None:
    docs = [Document("a", "x x"), Document("b", "b")]
    for place, operation in (
        ("anywhere", "insert_block"), ("start", "insert_block_at_start"), ("end", "insert_block_at_end")
    ):  # fmt: skip
        (claim,) = Erase(words=2, place=place).wrap(Overlap()).certify(QUERY, docs, [1], [1])
        assert claim.edits == AttackSet(operation=operation)
        assert (claim.ranker, claim.alpha, claim.unit, claim.method) == (SpeaksOf.DEPLOYED, 0.0, UNIT, "erase")
        assert "nothing between words is read" in claim.assumes
        assert "of the 2 documents of the list, no others" in claim.assumes


def test_a_query_pasted_in_front_scores_no_more_than_the_document_without_it() -> None:
    """The words count as the harness counts them, so the attack's own budget is the certificate's radius."""
    query, target = Query("q", "cats and dogs"), Document("d", "A text about birds, and more of it.")
    case = Case(query, target, (target, Document("e", "cats")))
    attack = QueryInjection(place="start")
    assert attack.threat.access is Access.NONE

    class Free:
        budget = Budget(edits=3)

    made = attack.perturb(case, Free(), Random(0))  # type: ignore[arg-type]
    assert made.target is not None
    block = AttackSet(operation="insert_block_at_start")
    assert not verify_edits(target.text, made.target, block, {"edited": 3}).violations
    ranker = Erase(words=3, place="start").wrap(Overlap())
    (bare,) = Overlap().score(query, [target])
    (attacked,) = ranker.score(query, [target._replace(text=made.target)])
    assert attacked <= bare < Overlap().score(query, [target._replace(text=made.target)])[0]


def test_a_word_glued_to_the_block_is_another_word_and_no_attack_of_the_set() -> None:
    block = AttackSet(operation="insert_block_at_start")
    assert operations.named(block.operation).check("cats purr", "bestcats purr", block).reasons
    assert not operations.named(block.operation).check("cats purr", "best:cats purr", block).reasons
    ranker = Erase(words=1, place="start").wrap(MadeUp())
    texts = ["cats purr", "best:cats purr"]
    plain, glued = ranker.score(QUERY, [Document(str(n), text) for n, text in enumerate(texts)])
    assert glued <= MadeUp().score(QUERY, [Document("0", texts[0])])[0]
    assert plain <= MadeUp().score(QUERY, [Document("0", texts[0])])[0]


def test_what_it_cannot_wrap_or_be_is_refused() -> None:
    with pytest.raises(PluginError, match="wrap a pointwise ranker"):
        Erase().wrap(Identity())
    refused: list[tuple[dict[str, Any], str]] = [
        ({"words": 0}, "words must be at least 1"), ({"stride": 0}, "stride must be at least 1"),
        ({"place": "middle"}, "place must be one of anywhere, start, end"),
    ]  # fmt: skip
    for wrong, message in refused:
        with pytest.raises(PluginError, match=message):
            Erase(**wrong)
    ranker = Erase().wrap(Overlap())
    with pytest.raises(PluginError, match="at least 1"):
        ranker.certify(QUERY, [], [0], [1])
    with pytest.raises(PluginError, match="whole number"):
        ranker.certify(QUERY, [], [1], [1.5])
    assert ranker.score(QUERY, []) == []


def test_its_card_says_what_a_score_costs() -> None:
    assert Erase(words=12).wrap(Overlap()).card.pairs_per_score == 13
    assert Erase(words=2, place="anywhere").wrap(Overlap()).card.pairs_per_score == 1 + 2 * 100 - 1
    assert Erase(words=3, place="anywhere", stride=10).wrap(Overlap()).card.pairs_per_score == 11
    cards = {
        Erase(words=w, place=p, stride=s).wrap(Overlap()).card.fingerprint
        for w in (2, 3)
        for p in ("anywhere", "start")
        for s in (1, 2)
    }
    assert len(cards) == 8
