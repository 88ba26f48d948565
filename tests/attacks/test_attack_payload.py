"""A payload in a relevant document: what keeps its rank and what falls by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import pytest

from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.plugin import Budget, Document, Goal, PluginError, Query, RankerCard, sentences, words
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.insertion.payload import ADVERT, Payload

TEXTS = ["Cats sleep all day. They hunt at night.", "A cat.", "Nothing of the kind."]


@dataclass(frozen=True)
class Whole:
    """Of a document the best sentence, or the mean over its words, of the share of words that the query has."""

    best: bool

    @property
    def card(self) -> RankerCard:
        return RankerCard(name="whole", fingerprint=str(self.best))

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        terms = {word.text.lower() for word in words(query.text)}

        def mean(text: str) -> float:
            read = [word.text.lower() in terms for word in words(text)]
            return sum(read) / len(read) if read else 0.0

        if self.best:
            return [max(map(mean, [s.text for s in sentences(doc.text)]), default=0.0) for doc in docs]
        return [mean(doc.text) for doc in docs]


def changed(attack: Payload, ranker: WordWeights | Whole, budget: Budget | None = None) -> tuple[str, float, float]:
    """The changed text, the clean score and the new one."""
    case, budget = make_case(ranker, "cats sleep", TEXTS, 0), budget or Budget()
    oracle = MeteredOracle(MeteredRanker(ranker), case, attack.threat, budget)
    made = attack.perturb(case, oracle, Random(3))
    assert verify(case, made, attack.threat, budget).violations == ()
    text = case.target.text if made.target is None else made.target
    clean, new = ranker.score(case.query, [case.target, case.target._replace(text=text)])
    return text, clean, new


@pytest.mark.parametrize("place", ["start", "middle", "end"])
@pytest.mark.parametrize("control", [False, True])
def test_it_keeps_the_contract(place: str, control: bool) -> None:
    attack = Payload(place=place, control=control)  # type: ignore[arg-type]
    check_attack(attack, WordWeights(), [make_case(WordWeights(), "cats sleep", TEXTS, 0)])
    assert (attack.threat.goal, attack.threat.control) == (Goal.KEEP, control)


@pytest.mark.parametrize("place", ["start", "middle", "end"])
def test_a_ranker_of_the_best_sentence_never_minds_a_payload(place: str) -> None:
    text, clean, new = changed(Payload(place=place), Whole(best=True))  # type: ignore[arg-type]
    assert ADVERT in text
    assert new == clean


def test_a_ranker_of_means_drops_by_the_share_of_words_that_are_new() -> None:
    text, clean, new = changed(Payload(), Whole(best=False))
    before, added = len(words(TEXTS[0])), len(words(ADVERT))
    assert text == f"Cats sleep all day. {ADVERT} They hunt at night."
    assert new == pytest.approx(clean * before / (before + added))


def test_a_control_puts_in_as_many_neutral_words() -> None:
    text, _, _ = changed(Payload(control=True), Whole(best=False))
    assert len(words(text)) == len(words(TEXTS[0])) + len(words(ADVERT))
    assert ADVERT not in text


def test_a_payload_goes_in_whole_or_not_at_all() -> None:
    count = len(words(ADVERT))
    assert changed(Payload(), WordWeights(), Budget(edits=count))[0] != TEXTS[0]
    assert changed(Payload(), WordWeights(), Budget(edits=count - 1))[0] == TEXTS[0]
    with pytest.raises(PluginError, match="at least one word"):
        Payload(text="...")
