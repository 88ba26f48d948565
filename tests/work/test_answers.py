"""What is wrong in a ranker's answers reaches records and figures: it is counted, told, and never read as robust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any, cast

import pytest
from msgspec import structs

from robustrank.auditing.planned import notes
from robustrank.auditing.targets import attack_tasks
from robustrank.config import audit_file
from robustrank.config.specs import PresentationSpec
from robustrank.core.answers import Answer, Answers, Faults, Repair, impossible
from robustrank.core.errors import AccessDenied, ContractError
from robustrank.core.interfaces import Oracle
from robustrank.core.types import (
    Access,
    AttackSet,
    Budget,
    Case,
    Document,
    Perturbation,
    Query,
    Status,
    Surface,
    ThreatModel,
)
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.protocols import adversarial, cases, effectiveness, summarise
from robustrank.report.explorer import _ended
from robustrank.results.outcomes import Ending, undecided
from robustrank.testing import check_ranker
from robustrank.work.attack import AttackTask
from robustrank.work.base import RankTask
from robustrank.work.check_records import CheckRecord
from robustrank.work.records import AttackRecord, RankingRecord
from robustrank.work.transfer import TransferTask
from robustrank.work.victims import MeteredVictim
from robustrank.work.workbench import Workbench
from tests.ordering_rankers import Answering, Ordering, by_length, wrong_about
from tests.work.test_order_of_asking import PLACE, QUERY, SPEC, Bench, listed

DOCS = listed(["a", "bbb", "cc", "dddd"])
"""Longest first: d3, d1, d2, d0."""


class Writes:
    """An attack that puts one text in the place of its target's."""

    def __init__(self, text: str, access: Access = Access.RANKS) -> None:
        self.threat = ThreatModel(surface=Surface.DOCUMENT, access=access, edits=AttackSet(operation="insert"))
        self.text = text

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        oracle.rank([Perturbation(target=f"{case.target.text} {self.text}")])
        return Perturbation(target=f"{case.target.text} {self.text}")


def attacked(ranker: Any, text: str, target: str = "d2") -> AttackRecord:
    bench = Bench(ranker, DOCS)
    bench.made = cast(Any, Writes(text))
    scores = tuple(Ordering(by_length).score(QUERY, DOCS))
    task = AttackTask(place=PLACE, attack="lift", stratum="", target=target, goal_rank=1, clean_scores=scores)
    return task.perform(cast(Workbench, bench))


def test_faults_are_summed_over_all_lists_of_a_task_and_lost_lists_are_counted_apart() -> None:
    victim = MeteredVictim(Answering(by_length, wrong_about("a")))
    for docs in (DOCS, DOCS[1:], DOCS):
        victim.ranker.score(QUERY, docs)
    assert victim.answers == Answers(
        lists=3, invalid_lists=2, answers=3, invalid=2, faults=Faults(missing=2), orderings=3
    )
    victim.reset()
    assert victim.answers == Answers()
    lost = MeteredVictim(Answering(by_length, wrong_about("a"), Repair.ERROR))
    with pytest.raises(Exception, match="InvalidAnswer"):
        lost.uncached.score(QUERY, DOCS)
    assert lost.answers == Answers(lists=1, invalid_lists=1, lost_lists=1)


def test_answers_are_counted_behind_a_defense() -> None:
    class Twice:
        def wrap(self, ranker: Any, /) -> Any:
            return Doubled(ranker)

    class Doubled:
        def __init__(self, base: Any) -> None:
            self.base, self.card = base, replace(base.card, name="doubled")

        def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
            both = [self.base.score(query, docs) for _ in range(2)]
            return [sum(pair) for pair in zip(*both, strict=True)]

    victim = MeteredVictim(Answering(by_length, wrong_about("a")), cast(Any, Twice()))
    victim.ranker.score(QUERY, DOCS)
    assert (victim.answers.lists, victim.answers.invalid_lists) == (2, 2)


class Listed(Bench):
    """With what the record of a clean list asks for."""

    spec = audit_file.parse('name = "x"\n[[collection]]\nuse = "scifact"\n[[ranker]]\nuse = "bm25"\nname = "r"\n')

    def lists(self, name: str) -> Any:
        lists = super().lists(name)
        lists.collection.query_types = {}
        lists.top_grade = 2
        return lists


def ranked(repair: Repair, word: str) -> RankingRecord:
    bench = Listed(Answering(by_length, wrong_about(word), repair), DOCS)
    return RankTask(place=PLACE).perform(cast(Workbench, bench))


def test_the_record_of_a_clean_list_says_what_was_wrong_and_a_list_without_repair_is_an_error() -> None:
    good, repaired, lost = ranked(Repair.END, "x"), ranked(Repair.END, "a"), ranked(Repair.ERROR, "a")
    assert (good.status, good.answer) == (Status.OK, Answers(lists=1, answers=1, orderings=1))
    assert repaired.answer == Answers(
        lists=1, invalid_lists=1, answers=1, invalid=1, faults=Faults(missing=1), orderings=1
    )
    assert list(repaired.scores) == [2, 3, 1, 4]  # the first half of the answer, then as shown
    assert (lost.status, lost.answer) == (Status.ERROR, Answers(lists=1, invalid_lists=1, lost_lists=1))
    assert "InvalidAnswer: made up: missing" in lost.error
    assert good.rank_only


def test_clean_effectiveness_is_told_as_deployed_and_over_valid_answers_with_their_share() -> None:
    """Hand-computed: 1.0 and 0.0 valid, 0.5 and 0.1 with invalid answers, one of them lost and counted as 0."""
    rows = [("1", 1.0, 0), ("2", 0.0, 0), ("3", 0.5, 1), ("4", 0.0, 1)]
    records = [
        RankingRecord(
            ranker="r", collection="home", query_id=query, measures={"nDCG@10": value},
            answer=Answers(lists=1, invalid_lists=bad),
        )
        for query, value, bad in rows
    ]  # fmt: skip
    (row,) = effectiveness.effectiveness(records)
    assert row.mean.value == pytest.approx(1.5 / 4)
    assert row.valid is not None
    assert row.valid_share is not None
    assert (row.valid.value, row.valid.n, row.valid_share.value, row.valid_share.n) == (0.5, 2, 0.5, 4)


def test_a_list_ordered_by_an_invalid_answer_is_neither_success_nor_failure() -> None:
    good = attacked(Answering(by_length, wrong_about("zzz")), "yyyyyyyy")
    bad = attacked(Answering(by_length, wrong_about("zzz")), "zzzzzzzz")
    assert (good.invalid_answer, good.rank_after, undecided(good)) == (False, 1, None)
    assert (bad.invalid_answer, bad.status, undecided(bad)) == (True, Status.OK, Ending.INVALID_ANSWER)
    assert good.answers is None  # the task's total is added where tasks are performed


def test_success_is_told_over_valid_answers_over_all_and_with_invalid_ones_at_either_end() -> None:
    """Hand-computed: of 10 cases 2 succeed and 4 do not; of 4 with invalid answers the repair makes 1 a success."""
    base = attacked(Answering(by_length, wrong_about("zzz")), "yyyyyyyy", "d0")
    outcomes = [(1, False)] * 2 + [(4, False)] * 4 + [(1, True)] + [(4, True)] * 3
    records = [
        structs.replace(base, query_id=str(number), rank_before=4, rank_after=rank, invalid_answer=invalid)
        for number, (rank, invalid) in enumerate(outcomes)
    ]
    (result,) = adversarial.attacks(records)
    assert result.success["promoted"].value == pytest.approx(2 / 6)
    assert result.deployed["promoted"].value == pytest.approx(3 / 10)
    assert [end.value for end in result.ends["promoted"]] == [pytest.approx(2 / 10), pytest.approx(6 / 10)]
    assert (result.tally.invalid_answers, result.tally.decided) == (4, 6)
    assert result.tally.sentence() == "4 of 10 cases have an invalid answer of the ranker"
    assert sorted(result.open["promoted"]) == ["6", "7", "8", "9"]


@pytest.mark.parametrize("access", [Access.SCORES, Access.WEIGHTS])
def test_no_attack_sees_the_scores_of_a_ranker_that_gives_ranks_alone(access: Access) -> None:
    ranker = MeteredRanker(Ordering(by_length))
    case = Case(QUERY, DOCS[0], tuple(DOCS))
    oracle = MeteredOracle(ranker, case, Writes("x", access).threat, Budget())
    assert oracle.rank([Perturbation()]) == [4]
    with pytest.raises(AccessDenied, match="gives ranks alone"):
        oracle.score([Perturbation()])


RANKS_ALONE = """
name = "x"
[[collection]]
name = "home"
use = "scifact"
queries = 2
depth = 12
[[ranker]]
name = "r"
use = "bm25"
[[attack]]
name = "by scores"
use = "word_insertion"
access = "scores"
budget = { edits = 1 }
[[attack]]
name = "by ranks"
use = "word_insertion"
access = "ranks"
budget = { edits = 1 }
"""


def test_attacks_that_need_scores_are_left_out_on_a_ranker_that_gives_ranks_alone_and_the_plan_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Workbench(audit_file.parse(RANKS_ALONE))
    place = replace(PLACE, query_id=next(iter(bench.lists("home").queries)))
    docs = place.docs(bench)
    record = RankingRecord(
        ranker="r", collection="home", query_id=place.query_id, doc_ids=[doc.doc_id for doc in docs],
        scores=[-float(rank) for rank in range(len(docs))],
    )  # fmt: skip
    assert {task.attack for task in attack_tasks(bench, record, place)} == {"by scores", "by ranks"}
    alone_victim = MeteredVictim(Ordering(by_length))
    monkeypatch.setattr(bench, "victim", lambda ranker, collection: alone_victim)
    assert {task.attack for task in attack_tasks(bench, record, place)} == {"by ranks"}
    alone = structs.replace(record, rank_only=True)
    (note,) = [line for line in notes(bench) if "by scores" in line]
    assert "needs scores, and 'r' gives ranks alone" in note
    (line,) = summarise._left_out([alone], [], bench.spec)
    assert line == "attacks that need scores on r, whose scores say the order alone: by scores, by ranks"


IMPOSSIBLE = (
    Answer(scores=(), answers=1, invalid=2, faults=Faults(missing=2)),
    Answer(scores=(), invalid=1),
    Answer(scores=(), faults=Faults(cut=1)),
    Answer(scores=(), unchanged=1),
    Answer(scores=(), ties=2, comparisons=1),
    Answer(scores=(), answers=4, invalid=1, faults=Faults(missing=3)),
    Answer(scores=(), orderings=-1, unchanged=-1),
)


class Tells(Answering):
    """Says something of its answers, whatever they are."""

    def __init__(self, told: Answer) -> None:
        super().__init__(by_length, wrong_about("?"))
        self._told = told

    def answer(self, query: Query, docs: Sequence[Document], /) -> Answer:
        return replace(self._told, scores=super().answer(query, docs).scores)


@pytest.mark.parametrize("told", IMPOSSIBLE)
def test_counts_that_cannot_be_break_the_contract_in_audits_and_in_the_check_for_authors(told: Answer) -> None:
    assert impossible(told)
    with pytest.raises(ContractError, match="what it says of its answers cannot be"):
        MeteredRanker(Tells(told)).score(QUERY, DOCS)
    with pytest.raises(ContractError, match="what it says of its answers cannot be"):
        check_ranker(Tells(told), QUERY, DOCS)


def test_a_ranker_that_keeps_to_the_contract_of_answers_passes_the_check_for_authors() -> None:
    check_ranker(Answering(by_length, wrong_about("a")), QUERY, DOCS)

    class Deaf(Answering):
        def repaired(self, repair: Repair, /) -> Answering:
            return self

    with pytest.raises(ContractError, match="another repair than 'input'"):
        check_ranker(Deaf(by_length, wrong_about("a")), QUERY, DOCS)

    class Differs(Answering):
        def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
            return [-score for score in super().score(query, docs)]

    with pytest.raises(ContractError, match="`answer` gives other scores"):
        check_ranker(Differs(by_length, wrong_about("?")), QUERY, DOCS)


def test_what_a_ranker_answered_is_a_sentence_for_people() -> None:
    answers = Answers(
        lists=9, invalid_lists=2, lost_lists=1, answers=1200, invalid=3, faults=Faults(missing=2, out_of_range=1),
        unchanged=4, orderings=1100, ties=5, comparisons=6,
    )  # fmt: skip
    assert answers.sentence() == (
        "3 of 1,200 answers invalid (2 missing, 1 out of range), 4 of 1,100 orders as shown, 5 of 6 comparisons tied, "
        "1 of 9 lists lost to invalid answers"
    )


def test_the_explorer_names_a_case_by_why_it_says_nothing() -> None:
    """A case that would read as an attack without success is one of an invalid answer."""
    bad = attacked(Answering(by_length, wrong_about("zzz")), "zzzzzzzz", "d0")
    rows = cases.cases([structs.replace(bad, rank_after=4, key="k")], []).rows
    assert [(row.status, row.ending, row.success, row.error) for row in rows] == [
        (Status.OK, Ending.INVALID_ANSWER, False, "the ranker's answer for the changed list was invalid")
    ]
    assert _ended(rows[0]) == "invalid answer"


def test_a_changed_list_with_an_invalid_answer_is_open_in_transfer() -> None:
    made = TransferTask(
        place=PLACE, source="s", attack="lift", control=False, target="d2", text="zzzzzzzz", reached_there=True,
        clean_scores=tuple(Ordering(by_length).score(QUERY, DOCS)),
    )  # fmt: skip
    bench = Bench(Answering(by_length, wrong_about("zzz")), DOCS)
    record = made.perform(cast(Workbench, bench))
    assert (record.status, record.invalid_answer, undecided(record)) == (Status.OK, True, Ending.INVALID_ANSWER)


def test_an_audit_in_one_order_says_so_of_rankers_that_may_depend_on_it() -> None:
    records = [
        CheckRecord(ranker=name, collection="home", query_id="q", pointwise=pointwise)
        for name, pointwise in (("r", False), ("s", True))
    ]
    (line,) = summarise._one_order(records, SPEC)
    assert line == "other orders of the lists, which rankings may depend on ([presentation]): r"
    assert summarise._one_order(records, replace(SPEC, presentation=PresentationSpec())) == []
    assert summarise._one_order(records[1:], SPEC) == []
