"""Verification: what an attack did is measured from the two texts, and judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustrank.core.errors import ConfigError, PluginError
from robustrank.core.types import (
    Access,
    AttackSet,
    Budget,
    Case,
    Document,
    Goal,
    Perturbation,
    Query,
    Surface,
    ThreatModel,
)
from robustrank.perturbations.verify import Finding, diff, verify, verify_edits


@pytest.fixture
def synonyms(tmp_path: Path) -> ThreatModel:
    path = tmp_path / "synonyms.json"
    path.write_text(json.dumps({"big": ["large", "huge"], "car": ["auto"]}))
    edits = AttackSet(operation="substitute", substitutes=str(path))
    return ThreatModel(surface=Surface.DOCUMENT, access=Access.NONE, edits=edits)


INSERTION = ThreatModel(surface=Surface.DOCUMENT, access=Access.NONE, edits=AttackSet(operation="insert"))
TYPOS = ThreatModel(surface=Surface.QUERY, access=Access.NONE, edits=AttackSet(operation="misspell"), goal=Goal.DEMOTE)


def judge(before: str, after: str, threat: ThreatModel, budget: Budget | None = None) -> Finding:
    """The finding for one changed text on the threat's surface."""
    if threat.surface is Surface.QUERY:
        target = Document("d", "text")
        case, done = Case(Query("q", before), target, (target,)), Perturbation(query=after)
    else:
        target = Document("d", before)
        case, done = Case(Query("q", "query"), target, (target,)), Perturbation(target=after)
    return verify(case, done, threat, budget or Budget())


def test_listed_substitutes_are_legal_and_counted(synonyms: ThreatModel) -> None:
    finding = judge("A big car, a BIG Car.", "A large car, a HUGE Auto.", synonyms)
    assert finding == Finding(edits=3, similarity=None, violations=())


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ("A tiny car.", "not in the substitutes"),
        ("A LARGE car.", "not in the substitutes"),  # the case is not the original's
        ("A auto car.", "not in the substitutes"),
        ("A big blue car.", "3 words became 4"),
        ("A car.", "3 words became 2"),
        ("", "3 words became 0"),
        ("A big  car.", "between words"),
        ("A big\u200b car.", "between words"),
        ("A b\u0069\u0307g car.", "not in the substitutes"),
    ],
)
def test_anything_else_is_no_legal_substitution(synonyms: ThreatModel, after: str, reason: str) -> None:
    (violation,) = judge("A big car.", after, synonyms).violations
    assert reason in violation


def test_the_surface_that_is_not_declared_must_stay_untouched(synonyms: ThreatModel) -> None:
    target = Document("d", "A big car.")
    case = Case(Query("q", "query"), target, (target,))
    both = Perturbation(query="other", target="A large car.")
    assert verify(case, both, synonyms, Budget()).violations == ("changes the query, declared surface is the document",)
    typo = Perturbation(query="quary", target="A large car.")
    assert verify(case, typo, TYPOS, Budget()).violations == ("changes the document, declared surface is the query",)


def test_giving_up_is_legal_and_costs_nothing(synonyms: ThreatModel) -> None:
    target = Document("d", "A big car.")
    case = Case(Query("q", "query"), target, (target,))
    for threat in (synonyms, INSERTION, TYPOS):
        finding = verify(case, Perturbation(), threat, Budget(edits=0, similarity=1.0), similarity=lambda a, b: 0.0)
        assert finding == Finding(edits=0, similarity=1.0, violations=())


def test_the_budget_of_edits_is_judged_by_our_own_count(synonyms: ThreatModel) -> None:
    assert judge("big car", "large auto", synonyms, Budget(edits=2)).violations == ()
    assert judge("big car", "large auto", synonyms, Budget(edits=1)).violations == ("2 words edited, the budget is 1",)


def test_a_budget_of_no_edits_allows_none(synonyms: ThreatModel) -> None:
    assert judge("big car", "large car", synonyms, Budget(edits=0)).violations == ("1 words edited, the budget is 0",)
    assert judge("big car", "big car", synonyms, Budget(edits=0)).violations == ()
    assert judge("One.", "One new.", INSERTION, Budget(edits=0)).violations == ("1 words edited, the budget is 0",)


def test_kinds_of_edits_have_limits_of_their_own_and_none_is_no_limit() -> None:
    allowed = AttackSet(operation="substitute_and_insert", substitutes="wordnet")
    before, after = "the big car", "new the new large car new"
    for limits, violations in (
        ({}, ()),
        ({"edited": 4, "substituted": 1, "inserted": 3}, ()),
        ({"substituted": None, "inserted": None}, ()),
        ({"inserted": 2}, ("3 words inserted, the budget is 2",)),
        ({"substituted": 0}, ("1 words substituted, the budget is 0",)),
        ({"edited": 3}, ("4 words edited, the budget is 3",)),
    ):
        finding = verify_edits(before, after, allowed, limits)
        assert finding == Finding(
            edits=4, similarity=None, violations=violations, kinds={"substituted": 1, "inserted": 3}
        )


def test_an_undeclared_operation_is_refused() -> None:
    with pytest.raises(PluginError, match="'insrt' is not declared"):
        verify_edits("a", "b", AttackSet(operation="insrt"), {})


def test_similarity_is_measured_by_the_given_function_and_judged(synonyms: ThreatModel) -> None:
    target = Document("d", "big car")
    case, done = Case(Query("q", "query"), target, (target,)), Perturbation(target="large car")
    seen = []

    def similarity(before: str, after: str) -> float:
        seen.append((before, after))
        return 0.7

    finding = verify(case, done, synonyms, Budget(similarity=0.8), similarity=similarity)
    assert finding.similarity == 0.7
    assert finding.violations == ("similarity 0.700, the budget requires at least 0.8",)
    assert seen == [("big car", "large car")]
    with pytest.raises(
        ConfigError, match=r"^the budget limits similarity, but there is no encoder to measure it with; name one$"
    ):
        verify(case, done, synonyms, Budget(similarity=0.8))


def test_insertions_are_counted_wherever_they_stand() -> None:
    finding = judge("One two. Three", "New one! One two. new Three new", INSERTION)
    assert finding == Finding(edits=4, similarity=None, violations=())
    assert judge("", "a b", INSERTION).edits == 2


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ("One new Three", "missing, changed or out of order"),
        ("Three two. One", "missing, changed or out of order"),
        ("One two new Three", "missing, changed or out of order"),  # the full stop is gone
        ("Onenew two. Three", "missing, changed or out of order"),
        ("One two. new\u200b Three", "neither words nor punctuation"),
        ("One two. new\u00a0Three", "neither words nor punctuation"),
    ],
)
def test_an_insertion_may_not_touch_what_was_there_or_smuggle_marks(after: str, reason: str) -> None:
    (violation,) = judge("One two. Three", after, INSERTION).violations
    assert reason in violation


def test_typos_areone_character_edit_a_word() -> None:
    assert judge("cancer cells", "cnacer celsl", TYPOS) == Finding(edits=2, similarity=None, violations=())
    assert judge("cancer cells", "cnacre cells", TYPOS).violations == ("not one character edit: 'cancer' → 'cnacre'",)
    assert judge("cancer cells", "cancer, cells", TYPOS).violations == ("changes text between words",)
    assert judge("cancer cells", "can cer cells", TYPOS).violations != ()


@given(st.text(), st.text())
def test_a_difference_rebuilds_both_texts(before: str, after: str) -> None:
    runs = diff(before, after)
    assert "".join(old for _, old, _ in runs) == before
    assert "".join(new for _, _, new in runs) == after
    assert all((old == new) == (op == "equal") for op, old, new in runs)


def test_a_difference_reads_word_by_word() -> None:
    assert diff("A big red car.", "A large red auto.") == [
        ("equal", "A ", "A "),
        ("replace", "big", "large"),
        ("equal", " red ", " red "),
        ("replace", "car", "auto"),
        ("equal", ".", "."),
    ]
    assert diff("a b", "new words a b")[0] == ("insert", "", "new words ")
    assert diff("a b.", "a b. new words")[-1] == ("insert", "", " new words")
    assert diff("", "") == []


def test_unrelated_words_do_not_line_up_at_their_spaces() -> None:
    assert diff("red car here", "big old here") == [("replace", "red car", "big old"), ("equal", " here", " here")]


def test_what_stays_at_the_end_stays_whole() -> None:
    assert diff("x a b c", "y a b c") == [("replace", "x", "y"), ("equal", " a b c", " a b c")]
    assert diff("p a b", "a b") == [("delete", "p ", ""), ("equal", "a b", "a b")]


def test_words_that_occur_often_in_a_long_text_line_up_too() -> None:
    half = "a b " * 120
    runs = diff(f"x {half}{half}y", f"z {half}new {half}q")
    assert [(op, old, new) for op, old, new in runs if op != "equal"] == [
        ("replace", "x", "z"), ("insert", "", "new "), ("replace", "y", "q")
    ]  # fmt: skip
