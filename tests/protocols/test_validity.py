"""Invalid answers by kind, repairs, repeats and copies: shares that are known beforehand; and the flags on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from robustrank.core.answers import Answer, Faults, Repair
from robustrank.core.flags import Check
from robustrank.core.interfaces import Ranker
from robustrank.core.types import Document, Query
from robustrank.protocols import validity
from robustrank.protocols.interface import Evidence
from robustrank.protocols.order_flags import of_orders
from robustrank.protocols.ranker_flags import of_rankers
from robustrank.protocols.validity import RankerValidity
from robustrank.results.red_flags import RedFlag
from robustrank.testing import WordWeights
from robustrank.work.presentation_records import How, PresentationRecord
from robustrank.work.records import RankingRecord
from tests.ordering_rankers import Answering, Ordering, by_length, copied, wrong_about
from tests.presented import Bench, shown

BAD, GOOD = "?" * 12, "x" * 12
LISTS = {
    "bad": ["a", BAD, "bb", "ccc"],
    "good": ["a", GOOD, "bb", "ccc"],
    "other": ["a", "bb", "ccc", GOOD],
}
"""The relevant document is the longest one; answers for the first list leave documents out."""


def row(ranker: Ranker, wanted: str = "orders = 3", lists: dict[str, list[str]] = LISTS, **more: Any) -> RankerValidity:
    result = validity.summarise(shown(Bench(ranker, lists, wanted, **more)))
    assert result is not None
    (only,) = result.rows
    return only


def figure(of: RankerValidity, name: str, **labels: str) -> float:
    value = of.figure(name, **labels)
    assert value is not None
    assert value.estimate is not None
    return value.estimate.value


class Scripted(Answering):
    """Says of every list that of its answers some had some faults."""

    def __init__(self, told: Answer) -> None:
        super().__init__(by_length, wrong_about("?"))
        self._told = told

    def answer(self, query: Query, docs: Sequence[Document], /) -> Answer:
        return replace(self._told, scores=super().answer(query, docs).scores)


def test_shares_are_those_of_the_answers_by_kind_of_fault() -> None:
    told = Answer(
        scores=(), answers=10, invalid=4, faults=Faults(missing=3, repeated=1, refused=2), unchanged=2, orderings=8,
        ties=1, comparisons=4,
    )  # fmt: skip
    mine = row(Scripted(told))
    shares = {fault: figure(mine, "invalid answers", fault=fault) for fault in validity.FAULTS}
    assert shares == {
        "any": pytest.approx(0.4), "missing": pytest.approx(0.3), "repeated": pytest.approx(0.1), "out of range": 0,
        "unparsed": 0, "refused": pytest.approx(0.2), "cut": 0,
    }  # fmt: skip
    assert figure(mine, "copied answers", shown="other") == pytest.approx(0.25)
    assert figure(mine, "tied comparisons") == pytest.approx(0.25)
    assert mine.answers is not None
    assert (mine.answers.lists, mine.answers.answers) == (3 * 5, 3 * 50)
    assert mine.valid_lists is not None
    assert mine.valid_lists.value == 0


def test_a_planted_rate_of_faults_comes_back_as_the_share_of_invalid_answers() -> None:
    """One list of three is answered with documents left out, in every order: 1/3, and the lists apart."""
    mine = row(Answering(by_length, wrong_about("?")))
    assert figure(mine, "invalid answers", fault="any") == pytest.approx(1 / 3)
    assert figure(mine, "invalid answers", fault="missing") == pytest.approx(1 / 3)
    value = mine.figure("invalid answers", fault="any")
    assert value is not None
    assert value.per_query == {"bad": 1, "good": 0, "other": 0}


def test_repairs_of_three_lists_by_hand() -> None:
    """The relevant document is first in every answer, and second, second and last as shown.

    At the end what is named first stays: 1. In input order the bad list has 1 / log2(3). As an error it counts as 0.
    Without the bad list the other two are 1.
    """
    for deployed in Repair:
        mine = row(Answering(by_length, wrong_about("?"), deployed))
        assert mine.repair == deployed
        shares = {repair: figure(mine, "nDCG@10 repaired", repair=repair) for repair in validity.REPAIRS}
        assert shares == {
            "end": pytest.approx(1), "input": pytest.approx((2 + 1 / 1.584962500721156) / 3),
            "error": pytest.approx(2 / 3), "valid only": pytest.approx(1),
        }  # fmt: skip
        only = mine.figure("nDCG@10 repaired", repair="valid only")
        assert only is not None
        assert sorted(only.per_query) == ["good", "other"]
        assert figure(mine, "invalid answers", fault="any") == pytest.approx(1 / 3)  # lost lists are among them
        assert mine.valid_lists is not None
        assert mine.valid_lists.value == pytest.approx(2 / 3)


def test_valid_answers_are_not_asked_again_for_other_repairs() -> None:
    ranker = Answering(by_length, wrong_about("?"))
    shown(Bench(ranker, LISTS, "orders = 3\nsentence = false"))
    # the clean list, two repeats and three orders of each, and once more the bad list in input order
    assert len(ranker.shown) == 3 * 6 + 1


def test_what_another_repair_costs_and_answers_is_counted() -> None:
    bench = Bench(Answering(by_length, wrong_about("?")), {"bad": LISTS["bad"]}, "orders = 3\nsentence = false")
    records = shown(bench).of(PresentationRecord)
    assert bench.victim("r", "home").pairs == 4 * (2 + 3 + 1)
    assert bench.victim("r", "home").answers.invalid_lists == 2 + 3 + 1
    assert [call.repair for call in records[0].of(How.REPAIR)] == ["end", "input", "error"]


def test_repeats_that_change_are_told() -> None:
    """By hand: every other call turns the order round, so two repeats disagree on every pair."""

    class Turns(Ordering):
        def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
            scores = super().score(query, docs)
            return scores if len(self.shown) % 2 else [-score for score in scores]

    assert figure(row(Turns(by_length), "repeats = 2"), "repeat disagreement") == 1
    assert figure(row(Turns(by_length), "repeats = 3"), "repeat disagreement") == pytest.approx(2 / 3)
    assert figure(row(Ordering(by_length)), "repeat disagreement") == 0


def test_a_ranker_that_does_not_say_has_no_share_of_invalid_answers() -> None:
    value = row(WordWeights()).figure("invalid answers", fault="any")
    assert value is not None
    assert (value.estimate, value.missing) == (None, "the ranker does not say what was wrong in its answers")
    assert row(WordWeights()).answers is None


def test_a_call_that_failed_for_another_reason_leaves_its_list_open() -> None:
    class Fails(Answering):
        def answer(self, query: Query, docs: Sequence[Document], /) -> Answer:
            if query.query_id == "good" and len(self.shown) > 4:
                raise ConnectionError("gone")
            return super().answer(query, docs)

    value = row(Fails(by_length, wrong_about("?"))).figure("invalid answers", fault="any")
    assert value is not None
    assert set(value.open) == {"good"}
    assert "gone" in value.tally.error


LONG = {f"q{n}": ["x" * length for length in (1, 14, 3, 9, 5, 7)] for n in range(4)}
IN_ORDER = {f"q{n}": ["x" * length for length in (14, 9, 7, 5, 3, 1)] for n in range(4)}


def flags(ranker: Ranker, lists: dict[str, list[str]]) -> list[RedFlag]:
    evidence: Evidence = shown(Bench(ranker, lists))
    rankings = evidence.of(RankingRecord)
    first = of_rankers(evidence, rankings, [])
    return [*first, *of_orders(evidence, rankings, first)]


def checks(ranker: Ranker, lists: dict[str, list[str]]) -> set[Check]:
    return {each.check for each in flags(ranker, lists) if each.binds}


def test_a_ranker_that_copies_is_flagged_and_its_gates_are_bound() -> None:
    found = flags(Ordering(copied), LONG)
    (copies,) = [each for each in found if each.check is Check.COPIES]
    assert copies.binds
    assert "4 of 4 lists" in copies.detail


def test_a_sorter_of_lists_that_are_in_order_already_is_not_said_to_copy() -> None:
    seen = checks(Ordering(by_length), IN_ORDER)
    assert Check.COPIES not in seen
    assert Check.FIRST_STAGE not in seen
    assert Check.COMPETENCE in seen  # nothing shows that it ranks better than its input


def test_lists_of_fewer_than_five_documents_say_nothing_about_copying() -> None:
    assert Check.COPIES not in checks(Ordering(copied), {f"q{n}": ["a", "bb", "ccc", "dddd"] for n in range(4)})


MANY = {f"q{n}": ["x" * length for length in (1, 2, 3, 4, 5, 14)] for n in range(12)}


def test_robustness_is_claimed_only_of_rankers_that_order_better_than_their_input() -> None:
    assert Check.COMPETENCE not in checks(Ordering(by_length), MANY)
    assert {Check.COPIES, Check.FIRST_STAGE} <= checks(Ordering(copied), MANY)
    worse = lambda query, docs: docs[::-1]  # noqa: E731
    assert checks(Ordering(worse), IN_ORDER) & {Check.COMPETENCE, Check.FIRST_STAGE}
    assert Check.COMPETENCE not in checks(WordWeights(), MANY)  # of rankers of single documents other flags speak


def test_kinds_of_faults_are_open_where_lists_were_lost() -> None:
    value = row(Answering(by_length, wrong_about("?"), Repair.ERROR)).figure("invalid answers", fault="missing")
    assert value is not None
    assert value.estimate is not None
    assert (value.estimate.value, dict(value.open)) == (0, {"bad": (0, 1)})
