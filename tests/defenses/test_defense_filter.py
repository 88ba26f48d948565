"""The filter: what is dropped is last, in its order; with an infinite threshold nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import pytest

from robustrank.core.detector_types import DetectorCard, Seen
from robustrank.core.errors import ConfigError, ContractError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.ranking import order
from robustrank.core.types import Document, Query
from robustrank.plugins import registry
from robustrank.rankers.controls import Identity
from robustrank.testing import WordWeights, check_defense
from robustrank_defenses.detectors.gradient_instability import GradientInstability
from robustrank_defenses.detectors.near_duplicate import NearDuplicate
from robustrank_defenses.detectors.repetition import Repetition
from robustrank_defenses.detectors.spamicity import Spamicity
from robustrank_defenses.input.filter import BELOW, Filter

QUERY = Query("q", "red fox")
DOCS = [
    Document("a", "red red red fox"), Document("b", "a fox ran to the red house"), Document("c", "red red fox"),
    Document("d", "nothing of the kind here"),
]  # fmt: skip
RANKER = WordWeights()


@dataclass(frozen=True, kw_only=True)
class Says:
    """Says the same of every document."""

    value: float | None = 1.0
    gradients: bool = False

    @property
    def card(self) -> DetectorCard:
        return DetectorCard(name="says", fingerprint=str(self.value), gradients=self.gradients)

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        return self.value


def ranking(defense: Filter) -> list[str]:
    scores = defense.wrap(RANKER).score(QUERY, DOCS)
    return order([(doc.doc_id, score) for doc, score in zip(DOCS, scores, strict=True)])


def test_what_the_detector_holds_for_suspicious_goes_to_the_end_and_keeps_its_order() -> None:
    assert ranking(Filter(detector=Repetition())) == ["a", "c", "b", "d"]
    assert ranking(Filter(detector=Repetition(), threshold=0.5)) == ["b", "d", "a", "c"]


def test_with_an_infinite_threshold_the_ranker_is_as_it_was_bit_for_bit() -> None:
    assert Filter(detector=Says()).wrap(RANKER).score(QUERY, DOCS) == RANKER.score(QUERY, DOCS)
    assert Filter(detector=Says(), threshold=inf).wrap(RANKER).score(QUERY, DOCS) == RANKER.score(QUERY, DOCS)


def test_a_document_at_the_threshold_and_one_that_cannot_be_told_of_are_kept() -> None:
    for kept in (Says(value=1.0), Says(value=None)):
        assert Filter(detector=kept, threshold=1.0).wrap(RANKER).score(QUERY, DOCS) == RANKER.score(QUERY, DOCS)


def test_it_keeps_the_contract_of_defenses_and_is_listwise_where_its_detector_is() -> None:
    check_defense(Filter(detector=Repetition(), threshold=0.5), RANKER, QUERY, DOCS)
    check_defense(Filter(detector=NearDuplicate(), threshold=0.5), RANKER, QUERY, DOCS)
    assert Filter(detector=Repetition()).wrap(RANKER).card.pointwise
    assert not Filter(detector=NearDuplicate()).wrap(RANKER).card.pointwise


def test_an_audit_file_names_the_detector_in_a_nested_table() -> None:
    plugin = Plugin(use="filter", params={"detector": {"use": "query_words", "count": "run"}, "threshold": 1.5})
    assert registry.build("defense", plugin).detector.count == "run"


def test_what_a_filter_cannot_do_is_refused() -> None:
    with pytest.raises(ConfigError, match="fitted to a collection"):
        Filter(detector=Spamicity(), threshold=0.1)
    with pytest.raises(ConfigError, match="`use`"):
        Filter(detector="perplexity")  # type: ignore[arg-type]

    with pytest.raises(ConfigError, match="does not lend"):
        Filter(detector=GradientInstability(), threshold=0.0).wrap(Identity())
    with pytest.raises(ContractError, match="finite"):
        Filter(detector=Says(value=float("nan")), threshold=0.0).wrap(RANKER).score(QUERY, DOCS)
    with pytest.raises(ContractError, match="set apart"):
        Filter(detector=Says(), threshold=0.0).wrap(WordWeights(match=BELOW)).score(QUERY, DOCS)
