"""The benign insertion is as long as the query injection, and says nothing of the query."""

from __future__ import annotations

from random import Random

import pytest

from robustrank.core.types import Budget, Perturbation
from robustrank.core.words import words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.insertion._insertion import Place
from robustrank_attacks.insertion.benign_insertion import BenignInsertion, neutral_sentences
from robustrank_attacks.insertion.query_injection import QueryInjection

RANKER = MeteredRanker(WordWeights())
TEXTS = ["fox fox fox red", "A dog, a cat; and (one) more."]


@pytest.mark.parametrize("place", ["start", "end", "interleave"])
@pytest.mark.parametrize("edits", [None, 0, 3, 20])
def test_it_inserts_as_many_words_as_the_query_injection(place: Place, edits: int | None) -> None:
    case = make_case(RANKER, "does the red fox, at last, eat?", TEXTS, 1)
    budget = Budget(edits=edits)
    counts = []
    for attack in (QueryInjection(place=place, repeats=4), BenignInsertion(place=place, repeats=4)):
        done = attack.perturb(case, MeteredOracle(RANKER, case, attack.threat, budget), Random(0))
        finding = verify(case, done, attack.threat, budget)
        assert finding.violations == ()
        counts.append(finding.edits)
    assert counts[0] == counts[1] == min(28, 28 if edits is None else edits)


@pytest.mark.parametrize("seed", range(10))
def test_no_content_word_of_the_query_is_inserted(seed: int) -> None:
    query = "the last page of this text, the next section and the usual author"
    case = make_case(RANKER, query, TEXTS, 1)
    attack = BenignInsertion(repeats=5)
    done = attack.perturb(case, MeteredOracle(RANKER, case, attack.threat, Budget()), Random(seed))
    assert done != Perturbation()
    added = {word.text.lower() for word in words(str(done.target).removesuffix(TEXTS[1]))}
    assert not added & {"last", "page", "text", "next", "section", "usual", "author"}


def test_it_is_a_control_and_its_sentences_are_plain_words() -> None:
    assert BenignInsertion().threat.control
    assert len(neutral_sentences()) >= 5
    assert all(len(sentence) >= 10 for sentence in neutral_sentences())


def test_the_contract_holds() -> None:
    check_attack(BenignInsertion(repeats=2), RANKER, [make_case(RANKER, "red fox", TEXTS, i) for i in (0, 1)])
