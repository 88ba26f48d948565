"""What changed documents look like, on texts where the answer is plain."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from robustrank.perturbations import grammar
from robustrank.perturbations import quality as module
from robustrank.perturbations.quality import quality

BEFORE = "The cat sat on the mat. Berlin has 3 zoos, and Paris too."
needs_grammar = pytest.mark.skipif(
    grammar.checker() is None or find_spec("spacy") is None, reason="the extra grammar is not installed"
)
needs_model = pytest.mark.skipif(find_spec("pocketsphinx") is None, reason="the extra fluency is not installed")


def test_shares_are_counted_over_all_words() -> None:
    figures = quality("dog food", BEFORE, BEFORE.replace("cat", "dog"))
    assert figures["words changed"] == pytest.approx(1 / 13)
    assert figures["query words added"] == pytest.approx(1 / 13)
    assert figures["repetition added"] == 0
    assert figures["names and numbers changed"] == 0


def test_names_and_numbers_are_words_with_digits_or_with_capitals_inside_sentences() -> None:
    assert quality("q", BEFORE, BEFORE.replace("3", "4"))["names and numbers changed"] == 1
    assert quality("q", BEFORE, BEFORE.replace("Paris", "Rome"))["names and numbers changed"] == 1
    assert quality("q", BEFORE, BEFORE.replace("Berlin", "Bonn"))["names and numbers changed"] == 0


def test_repeating_one_word_shows() -> None:
    assert quality("q", "one fox ran far", "fox fox fox far")["repetition added"] == pytest.approx(0.5)


@needs_model
def test_word_salad_has_a_high_perplexity() -> None:
    natural = "she went to the market to buy some fish and bread for the family"
    salad = "fish some family market to the bread for went the and buy to she"
    assert quality("q", natural, salad)["perplexity ratio"] > 3
    assert not any(name.startswith("detected") for name in quality("q", natural, salad))


@needs_grammar
def test_a_changed_word_keeps_its_part_of_speech_in_its_sentence_or_does_not() -> None:
    before = "The old doctor walked to the small house."
    assert quality("q", before, before.replace("doctor", "nurse"))["part of speech kept"] == 1
    assert quality("q", before, before.replace("doctor", "quickly"))["part of speech kept"] == 0
    both = before.replace("doctor", "nurse").replace("small", "eat")
    assert quality("q", before, both)["part of speech kept"] == pytest.approx(0.5)
    assert "part of speech kept" not in quality("q", before, before)


@needs_grammar
def test_grammar_findings_are_those_that_the_change_added() -> None:
    before = "This is a test of the house."
    assert quality("q", before, before.replace("a test", "an test"))["grammar findings added"] == 1
    assert quality("q", before.replace("a test", "an test"), before)["grammar findings added"] == -1
    assert quality("q", before, before.replace("test", "trial"))["grammar findings added"] == 0


def test_without_the_extras_grammar_and_parts_of_speech_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "checker", lambda: None)
    monkeypatch.setattr(grammar, "tagger", lambda: None)
    figures = quality("q", BEFORE, BEFORE.replace("cat", "dog"))
    assert {"grammar findings added", "part of speech kept"}.isdisjoint(figures)


def test_without_the_model_its_figures_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "language_model", lambda: None)
    assert "perplexity ratio" not in quality("q", BEFORE, BEFORE)
    assert quality("q", "", "")["words changed"] == 0
