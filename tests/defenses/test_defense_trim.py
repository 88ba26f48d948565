"""What is repeated goes, exactly; what is not stays, to the character."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustrank.collections.bundled import SciFact
from robustrank.core.errors import DataError, PluginError
from robustrank.core.types import Budget, Document, Query
from robustrank.core.words import Word, words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.rankers.controls import Random as RandomRanker
from robustrank.testing import check_defense, make_case
from robustrank_attacks.insertion.query_injection import QueryInjection
from robustrank_defenses.chain import Chain
from robustrank_defenses.input import trim
from robustrank_defenses.input.normalise import Normalise
from robustrank_defenses.input.trim import Trim, without_echo

TEXTS = sorted(doc.text for doc in SciFact().load().documents.values())[:60]
QUERIES = ["cells and proteins in humans", "does aspirin lower the risk of cancer", "gut bacteria mice"]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("place", ["start", "end"])
@pytest.mark.parametrize("repeats", [1, 2])
def test_a_pasted_query_leaves_the_clean_text(query: str, place: str, repeats: int) -> None:
    attack = QueryInjection(place=place, repeats=repeats)  # type: ignore[arg-type]
    for text in TEXTS:
        case = make_case(RandomRanker(), query, [text, "another document"], 0)
        oracle = MeteredOracle(MeteredRanker(RandomRanker()), case, attack.threat, Budget(edits=40))
        pasted = attack.perturb(case, oracle, Random(7)).target
        assert pasted is not None
        assert pasted != text
        assert Trim().trimmed(query, pasted) == Trim().trimmed(query, text)
        assert without_echo(query, text) == text  # none of these documents repeats such a query


def test_an_echo_with_words_left_out_or_between_is_an_echo_up_to_a_share() -> None:
    query, text = "what is the boiling point of water", "Heat moves from the stove into the pan."
    for echo in (
        "what is the boiling point of water",
        "What is the Boiling-Point of Water?",
        "is the boiling point of water",  # 6 of 7 words
        "what is the normal boiling point of water",  # one word between
    ):
        assert without_echo(query, f"{echo} {text}") == text
    for kept in ("the boiling point of water", "water of point boiling the is what", "boiling a point b water c of d"):
        assert without_echo(query, f"{kept} {text}") == f"{kept} {text}"


def test_an_echo_is_sought_at_the_ends_alone() -> None:
    query, filler = "one two three", "word " * 30
    middle = f"{filler}one two three {filler}".strip()
    assert without_echo(query, middle) == middle
    assert without_echo(query, f"one two three {middle} one two three") == middle


def test_a_document_of_echoes_alone_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work grows with the text, not with its square: long hostile documents must not stop the defense."""
    read: list[str] = []

    def counted(text: str) -> list[Word]:
        read.append(text)
        return words(text)

    monkeypatch.setattr(trim, "words", counted)
    assert without_echo("one two three", "one two three, " * 300 + "the sea is wide") == "the sea is wide"
    assert len(read) == 2  # the query, and the text


def test_echoes_within_echoes_and_marks_between_them() -> None:
    assert without_echo("one two three", "one two one two three three end of it all is here") == "end of it all is here"
    assert without_echo("one two three", "Foo, one two three, bar baz qux") == "Foo,, bar baz qux"
    assert without_echo("one two three", "One two three. One, two, three! ") == ""


def test_short_queries_are_not_sought() -> None:
    assert without_echo("sea salt", "Sea salt is salt from the sea.") == "Sea salt is salt from the sea."


def test_a_document_that_is_nothing_but_the_query_is_ranked_as_it_is() -> None:
    assert Trim().trimmed("where is the sea", "Where is the sea?") == "Where is the sea?"


def test_of_equal_sentences_the_first_stays() -> None:
    text = "The sea is wide. Buy now!  the SEA is wide. Salt is white. Buy now!"
    assert Trim().trimmed("anything at all", text) == "The sea is wide. Buy now! Salt is white."
    assert Trim(equal_sentences=False).trimmed("anything at all", text) == text


def test_a_word_occurs_no_more_often_than_allowed() -> None:
    text = "salt, Salt and salt in the sea: SALT."
    assert Trim(word_repeats=2).trimmed("q", text) == "salt, Salt and in the sea:."
    assert Trim(word_repeats=4).trimmed("q", text) == text


def test_boilerplate_goes_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "sentences.txt").write_text("Accept all cookies.\n\nSign up  today!\n", encoding="utf-8")
    rules = Trim(boilerplate=str(tmp_path / "sentences.txt"))
    ranker = rules.wrap(RandomRanker())
    text = "accept all cookies. The sea is wide. Sign up today!"
    clean, trimmed = ranker.score(Query("1", "q"), [Document("a", "The sea is wide."), Document("a", text)])
    assert clean == trimmed
    (tmp_path / "other.txt").write_text("The sea.", encoding="utf-8")
    other = Trim(boilerplate=str(tmp_path / "other.txt")).wrap(RandomRanker())
    assert other.card.fingerprint != ranker.card.fingerprint
    with pytest.raises(DataError, match="boilerplate"):
        Trim(boilerplate=str(tmp_path / "none.txt")).wrap(RandomRanker())


def test_a_limit_is_kept_before_anything_is_read() -> None:
    assert Trim(words=3).trimmed("q", "One, two; three four.") == "One, two; three"
    assert Trim(characters=8).trimmed("q", "One, two; three four.") == "One, two"
    for limit in ("words", "characters", "word_repeats"):
        with pytest.raises(PluginError, match=limit):
            Trim(**{limit: 0})  # type: ignore[arg-type]


@given(st.text(alphabet="ab .!\n,", max_size=60), st.sampled_from(["a b ab", "b b a", "ab ba aa bb"]))
def test_trimming_twice_is_trimming_once_and_adds_no_word(text: str, query: str) -> None:
    rules = Trim(word_repeats=3)
    once = rules.trimmed(query, text)
    assert not once or {w.text for w in words(once)} <= {w.text for w in words(text)}
    assert len(words(once)) <= len(words(text))
    assert without_echo(query, without_echo(query, text)) == without_echo(query, text)


def test_texts_without_repetition_are_ranked_as_they_are() -> None:
    changed = [text for text in TEXTS if Trim().trimmed(QUERIES[0], text) != text]
    assert len(changed) <= 1


def test_the_contract_holds() -> None:
    docs = [Document(str(number), text) for number, text in enumerate(TEXTS[:4])]
    check_defense(Trim(), RandomRanker(), Query("1", QUERIES[0]), docs)
    check_defense(Chain(defenses=[Normalise(), Trim()]), RandomRanker(), Query("1", QUERIES[0]), docs)
