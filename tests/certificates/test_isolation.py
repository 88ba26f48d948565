"""Orders from groups, against every way in which altered or added documents can answer for their groups."""

from __future__ import annotations

from itertools import combinations, permutations, product
from random import Random

import pytest

from robustrank.certificates import isolation
from robustrank.core.ranking import order


def made(rng: Random, size: int, documents: int) -> tuple[list[tuple[str, ...]], list[dict[str, float]], list[str]]:
    """Groups, votes of a ranker that mostly agrees with itself, and the order."""
    ids = [f"d{n}" for n in range(documents)]
    groups = isolation.groups(ids, size, rng.randint(1, 4), rng.randint(0, 99))
    noise = rng.choice([0.0, 1.0, 5.0])
    votes = [
        isolation.votes(sorted(group, key=lambda doc_id: int(doc_id[1:]) + noise * rng.random())) for group in groups
    ]
    return groups, votes, order(list(isolation.shares(votes, ids).items()))


def worst_lead(votes: list[dict[str, float]], first: str, second: str, altered: tuple[str, ...]) -> float:
    """The least lead over all answers of the groups with an altered document, one by one as they add up."""
    counts = {d: sum(d in group for group in votes) for d in (first, second)}
    lead = 0.0
    for group in votes:
        answers = [group]
        if set(altered) & set(group):
            answers = [isolation.votes(ranking) for ranking in permutations(group)]
        lead += min(
            answer.get(first, 0.0) / counts[first] - answer.get(second, 0.0) / counts[second] for answer in answers
        )
    return lead


def violations(rng: Random, size: int) -> tuple[int, int]:
    """Claims about a pair under enumerated sets of altered documents, and those that fail."""
    _, votes, ranking = made(rng, size, rng.randint(3, 6))
    claimed = failed = 0
    for number, (first, second) in product((0, 1, 2), permutations(ranking, 2)):
        if isolation.stays(votes, first, second, number):
            others = [d for d in ranking if d not in (first, second)]
            for altered in combinations(others, min(number, len(others))):
                claimed += 1
                failed += worst_lead(votes, first, second, altered) <= 0
    return claimed, failed


@pytest.mark.parametrize("size", [2, 3, 4])
def test_no_answer_for_groups_of_altered_documents_turns_a_kept_lead(size: int) -> None:
    rng = Random(size)
    results = [violations(rng, size) for _ in range(200)]
    assert sum(failed for _, failed in results) == 0
    assert sum(claimed for claimed, _ in results) > 500


@pytest.mark.slow
def test_no_answer_turns_a_kept_lead_in_a_large_sweep() -> None:
    rng = Random(0)
    results = [violations(rng, size) for size in (2, 3, 4) for _ in range(2000)]
    assert sum(failed for _, failed in results) == 0
    assert sum(claimed for claimed, _ in results) > 10_000


def test_a_lead_of_more_wins_than_documents_come_in_stays_and_one_of_as_many_does_not() -> None:
    rng, stayed, tight = Random(3), 0, 0
    for _ in range(300):
        _, votes, ranking = made(rng, 2, rng.randint(3, 6))
        wins = {d: sum(group.get(d, 0.0) for group in votes) for d in ranking}
        for added, (first, second) in product((0, 1, 2), permutations(ranking, 2)):
            # Every new document may beat the one and lose to the other.
            answers = product((0, 1), repeat=2 * added)
            least = min(wins[first] + sum(a[:added]) - wins[second] - sum(a[added:]) for a in answers)
            stays = isolation.stays(votes, first, second, added, added=True)
            assert stays is (least > 0)
            stayed, tight = stayed + stays, tight + (least == 0)
    assert stayed > 500
    assert tight > 500


def test_new_documents_in_larger_groups_are_not_bounded() -> None:
    votes = [isolation.votes(list("abcd"))] * 3
    assert isolation.stays(votes, "a", "d", 0)
    assert not isolation.stays(votes, "a", "d", 0, added=True)


def test_leads_and_what_is_lost_by_hand() -> None:
    """Three documents, all pairs: a beats b and c, b beats c."""
    votes = [isolation.votes(pair) for pair in (("a", "b"), ("a", "c"), ("b", "c"))]
    assert isolation.shares(votes, "abc") == {"a": 1.0, "b": 0.5, "c": 0.0}
    # c altered: a may lose its half of a share against c; b has all that it could win of c already.
    assert isolation.losses(votes, "a", "b") == [0.5]
    assert isolation.losses(votes, "a", "c") == [1.0]
    assert [isolation.stays(votes, "a", "b", number) for number in (0, 1)] == [True, False]
    assert not isolation.stays(votes, "b", "a", 0)
    assert [isolation.lowest_place(votes, "abc", d, 0) for d in "abc"] == [1, 2, 3]
    assert [isolation.lowest_place(votes, "abc", d, 1) for d in "abc"] == [3, 3, 3]
    # One win ahead of its neighbour, two of the last: one more document may undo the one, not the other.
    assert [isolation.lowest_place(votes, "abc", d, 1, added=True) for d in "abc"] == [3, 4, 4]


def test_one_group_of_all_documents_keeps_nothing() -> None:
    votes = [isolation.votes(list("abcde"))] * 3
    assert [isolation.lowest_place(votes, "abcde", d, 0) for d in "abcde"] == [1, 2, 3, 4, 5]
    assert [isolation.lowest_place(votes, "abcde", d, 1) for d in "abcde"] == [5, 5, 5, 5, 5]


def test_what_is_lost_is_never_more_than_the_share_of_common_groups() -> None:
    """The closed form: (the most groups with an altered one) / (all groups) for each of the two."""
    rng = Random(5)
    for _ in range(100):
        groups, votes, ranking = made(rng, rng.choice([2, 3]), 6)
        for first, second in combinations(ranking, 2):
            lost = isolation.losses(votes, first, second)
            for number in (1, 2):
                most = 0.0
                for doc_id in (first, second):
                    common = sorted(
                        (sum(doc_id in g and x in g for g in groups) for x in ranking if x not in (first, second)),
                        reverse=True,
                    )
                    most += sum(common[:number]) / sum(doc_id in g for g in groups)
                assert sum(lost[:number]) <= most + 1e-12


@pytest.mark.parametrize(("size", "documents", "sizes"), [(3, 7, {3, 4}), (3, 2, {2}), (5, 5, {5}), (4, 9, {4, 5})])
def test_groups_follow_from_ids_and_none_is_smaller_than_wanted(size: int, documents: int, sizes: set[int]) -> None:
    ids = [str(n) for n in range(documents)]
    groups = isolation.groups(ids, size, 4, 0)
    assert {len(group) for group in groups} == sizes
    assert all(sum(doc_id in group for group in groups) == 4 for doc_id in ids)
    assert isolation.groups(reversed(ids), size, 4, 0) == groups != isolation.groups(ids, size, 4, 1)


def test_all_pairs_are_asked_once_in_an_order_that_other_documents_do_not_change() -> None:
    few, more = (isolation.groups([str(n) for n in range(count)], 2, 1, 0) for count in (4, 6))
    assert len(few) == 6
    assert set(few) <= set(more)
    assert {pair[0] < pair[1] for pair in more} == {True, False}
    assert isolation.groups(["a"], 2, 1, 0) == isolation.groups(["a"], 3, 1, 0) == []
