"""What depends on the order in which documents are shown: known answers for rankers whose dependence is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import pytest

from robustrank.config import audit_file
from robustrank.core.answers import Repair
from robustrank.core.interfaces import Ranker
from robustrank.core.types import Document, Query, RankerCard
from robustrank.protocols import position
from robustrank.protocols.position import RankerPosition, flips, tau
from robustrank.testing import WordWeights
from robustrank.work.base import Place
from robustrank.work.presentation import PresentationTask, moved_texts
from robustrank.work.presentation_records import Asking, How, PresentationRecord
from robustrank.work.workbench import Workbench
from tests.ordering_rankers import Answering, ByPlace, Ordering, by_length, copied, wrong_about
from tests.presented import SPEC, Bench, shown

LISTS = {
    "one": ["x" * length for length in (3, 14, 7, 1, 12)],
    "two": ["y" * length for length in (11, 2, 5, 13, 4)],
    "three": ["z" * length for length in (1, 2, 3, 4, 15)],
}


def row(ranker: Ranker, wanted: str = "", lists: dict[str, list[str]] = LISTS) -> RankerPosition:
    result = position.summarise(shown(Bench(ranker, lists, wanted)))
    assert result is not None
    (only,) = result.rows
    return only


def figure(of: RankerPosition, name: str, **labels: str) -> float:
    value = of.figure(name, **labels)
    assert value is not None
    assert value.estimate is not None
    return value.estimate.value


@pytest.mark.parametrize("wanted", ["orders = 4", "cyclic = true"])
@pytest.mark.parametrize("make", [WordWeights, lambda: Ordering(by_length)], ids=["pointwise", "sorts"])
def test_a_ranking_that_does_not_depend_on_the_order_has_no_spread_exactly(
    make: Callable[[], Ranker], wanted: str
) -> None:
    mine = row(make(), wanted)
    assert figure(mine, "tau between orders") == 1
    assert figure(mine, "top-1 flips") == 0
    assert figure(mine, "nDCG@10 spread over orders") == 0
    for slot in ("first", "last"):
        assert figure(mine, "slot advantage", slot=slot) == 0


class Rounds:
    """The length of a text, and a little more the later it stands in the call, as batches change what is added up."""

    card = RankerCard(name="rounds", fingerprint="1")

    def __init__(self, by: float) -> None:
        self.by = by

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return [len(doc.text) + self.by * place for place, doc in enumerate(docs)]


@pytest.mark.parametrize(("by", "steady"), [(1e-7, True), (0.1, False)])
def test_equal_documents_do_not_change_places_by_arithmetic_alone(by: float, *, steady: bool) -> None:
    lists = {"one": ["x" * 5] * 4 + ["x" * 9, "y"], "two": ["y" * 3, "z" * 3, "y", "y" * 8]}
    mine = row(Rounds(by), "orders = 5", lists)
    assert (figure(mine, "tau between orders") == 1) is steady
    assert (figure(mine, "slot advantage", slot="first") == 0) is steady
    assert mine.pointwise


def test_a_ranker_that_copies_has_the_rank_of_the_place_in_all_cyclic_shifts() -> None:
    """By hand, N = 5: rank = place; another first document in every shift; (N + 1) / 2 - 1 ranks gained at the top.

    Of two shifts by d the pairs within the moved part and within the rest keep their order, so the pairs between the
    parts are turned round, d(N - d) of 10: tau = 1 - 2 d(N - d) / 10; d = 1, 2, 3, 4 gives 0.2, -0.2, -0.2, 0.2.
    """
    mine = row(Ordering(copied), "cyclic = true")
    assert mine.orders == 5
    assert list(mine.by_slot) == [1, 2, 3, 4, 5]
    assert figure(mine, "top-1 flips") == 1
    assert figure(mine, "slot advantage", slot="first") == 2
    assert figure(mine, "slot advantage", slot="last") == -2
    assert figure(mine, "tau between orders") == pytest.approx(0)


def test_kendalls_tau_and_flips_of_three_rankings_by_hand() -> None:
    rankings = [[0, 1, 2], [0, 2, 1], [2, 1, 0]]
    assert tau(rankings) == pytest.approx((1 / 3 + -1 + -1 / 3) / 3)
    assert flips(rankings) == pytest.approx(2 / 3)


def test_expected_effectiveness_is_the_mean_over_orders() -> None:
    """By hand: one relevant document of three, ranked as shown: 1, 1/log2(3) and 1/log2(4) over the three shifts."""
    mine = row(Ordering(copied), "cyclic = true", {"q": ["relevant, long", "b", "c"]})
    values = (1, 1 / 1.584962500721156, 0.5)
    mean = sum(values) / 3
    assert figure(mine, "nDCG@10 over orders") == pytest.approx(mean)
    spread = (sum((value - mean) ** 2 for value in values) / 2) ** 0.5
    assert figure(mine, "nDCG@10 spread over orders") == pytest.approx(spread)


def test_drawn_orders_are_the_same_for_every_ranker_and_lists_are_asked_afresh() -> None:
    rankers = Ordering(copied), ByPlace()
    made = [shown(Bench(ranker, LISTS, "orders = 3")).of(PresentationRecord) for ranker in rankers]
    orders = [[list(a.shown) for r in each for a in r.of(How.ORDER)] for each in made]
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders[0]}) > 1
    # a clean list, two repeats and three orders of each of three lists, and two places more for no moved sentence
    assert len(rankers[0].shown) == 3 * (1 + 2 + 3)


def test_a_list_that_failed_is_open_and_never_counts_as_steady() -> None:
    class Fails(Ordering):
        def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
            if query.query_id == "two":
                raise ValueError("no answer")
            return super().score(query, docs)

    value = row(Fails(by_length)).figure("top-1 flips")
    assert value is not None
    assert value.estimate is not None
    assert (value.estimate.value, value.estimate.n) == (0, 2)
    assert (value.tally.planned, value.tally.errors, dict(value.open)) == (3, 1, {"two": (0, 1)})
    assert value.ends is not None
    assert value.ends.high.value == pytest.approx(1 / 3)


def test_a_list_that_is_lost_in_one_order_is_open() -> None:
    def wrong(query: Query, docs: Sequence[Document]) -> bool:
        return docs[0].doc_id == "one-3"

    ranker = Answering(by_length, lambda q, d: wrong_about("x")(q, d) if wrong(q, d) else wrong_about("?")(q, d))
    assert dict(row(ranker, "cyclic = true").figure("top-1 flips").open) == {}  # type: ignore[union-attr]
    lost = ranker.repaired(Repair.ERROR)
    assert set(row(lost, "cyclic = true").figure("top-1 flips").open) == {"one"}  # type: ignore[union-attr]


FIRST = Document("d", "It rains. Some pears here. Red apples are red. The end.")


def test_the_sentence_most_like_the_query_is_moved_to_three_places() -> None:
    assert moved_texts(FIRST, Query("q", "red apples")) == {
        "start": "Red apples are red.\nIt rains.\nSome pears here.\nThe end.",
        "middle": "It rains.\nRed apples are red.\nSome pears here.\nThe end.",
        "end": "It rains.\nSome pears here.\nThe end.\nRed apples are red.",
    }
    assert moved_texts(Document("d", "Red apples. No more."), Query("q", "red apples")) == {}
    assert moved_texts(FIRST, Query("q", "violins")) == {}


class ReadsTheStart:
    """Counts "apples" among the first characters of a text."""

    card = RankerCard(name="start", fingerprint="1")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return [float(doc.text[:25].lower().count("apples")) for doc in docs]


def test_a_ranker_that_reads_the_start_alone_gains_by_a_sentence_that_stands_there() -> None:
    """By hand: "apples" ends at character 10, 25 or 44, so scores are 1, 1, 0; with the tie rule ranks are 2, 2, 3."""
    mine = row(ReadsTheStart(), lists={"q": ["Red apples. It rains here. The end of it all.", "zz", "apples"]})
    ranks = [figure(mine, "sentence place", place=where) for where in ("start", "middle", "end")]
    assert ranks == [pytest.approx(1 / 3), pytest.approx(1 / 3), pytest.approx(-2 / 3)]
    assert mine.scores is not None
    assert [each.value for each in mine.scores.values()] == [
        pytest.approx(1 / 3), pytest.approx(1 / 3), pytest.approx(-2 / 3),
    ]  # fmt: skip


def test_the_plan_counts_every_call() -> None:
    ranker = Ordering(by_length)
    bench = Bench(ranker, LISTS, "orders = 3\nrepeats = 2\nsentence = false")
    task = PresentationTask(place=Place(ranker="r", collection="home", query_id="one"))
    task.perform(cast(Workbench, bench))
    assert sum(map(len, ranker.shown)) == task.pairs(cast(Workbench, bench)) == 25


def test_gates_can_name_every_figure() -> None:
    spec = audit_file.parse(SPEC.format(""))
    names = [name for kind in position.PROTOCOL.figures for name in kind.names(spec)]
    assert names == [
        "tau between orders", "top-1 flips", "nDCG@10 over orders", "nDCG@10 spread over orders", "slot advantage",
        "sentence place",
    ]  # fmt: skip
    off = audit_file.parse(SPEC.format("sentence = false"))
    assert "sentence place" not in [name for kind in position.PROTOCOL.figures for name in kind.names(off)]


def test_with_drawn_orders_a_document_is_compared_with_its_ranks_in_the_other_orders() -> None:
    """By hand, copied: document 0 is first, and second in the other order; document 2 is first, and third there."""
    shown_as = ([0, 1, 2], [2, 0, 1])
    record = PresentationRecord(
        ranker="r", collection="home", query_id="q", doc_ids=["a", "b", "c"], pointwise=False, cyclic=False,
        askings=[Asking(how=How.ORDER, shown=order, ranking=order) for order in shown_as],
    )  # fmt: skip
    assert position.slot_advantage(record, 0) == ((2 - 1) + (3 - 1)) / 2
    assert position.slot_advantage(record, -1) == ((1 - 3) + (2 - 3)) / 2
