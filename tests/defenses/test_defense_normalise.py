"""The normaliser undoes what readers do not see, exactly, and damages no script.

What cannot be told: a capital I put for an l; one letter that stands alone, as Greek ones do in many texts; and a
letter of another script among others that are not ASCII.
"""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from robustrank.collections.bundled import SciFact
from robustrank.core.types import Budget, Document, Query
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.rankers.controls import Random as RandomRanker
from robustrank.testing import check_defense, make_case
from robustrank_attacks.characters._families import FAMILIES, HIDDEN, IN_WORDS
from robustrank_attacks.characters.characters import Characters
from robustrank_defenses.input._unicode import _folded, _script, _without_blanks, clean
from robustrank_defenses.input.normalise import Normalise

TEXTS = sorted(doc.text for doc in SciFact().load().documents.values())[:60]
XQUAD = Path(__file__).parents[3] / "shared" / "data" / "xquad"


def cannot_be_told(after: str, word: str) -> bool:
    letters = [character for character in word if character.isalpha()]
    return after.replace("I", "l") == word.replace("I", "l") or len(letters) == 1 or not word.isascii()


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "accents"])
def test_a_text_with_unseen_changes_becomes_the_clean_one(family: str) -> None:
    """Through the attack itself: every document that it changed is, normalised, the clean document normalised."""
    attack = Characters(families=[family], goal="promote", access="none")
    changed = 0
    for text in TEXTS:
        case = make_case(RandomRanker(), "cells and proteins in humans", [text, "another document"], 0)
        oracle = MeteredOracle(MeteredRanker(RandomRanker()), case, attack.threat, Budget(characters=30))
        after = attack.perturb(case, oracle, Random(7)).target
        if after is not None and after != text:
            changed += 1
            pairs = zip(*(re.findall(r"\w+", clean(each)) for each in (after, text)), strict=True)
            assert [pair for pair in pairs if pair[0] != pair[1] and not cannot_be_told(*pair)] == []
    assert changed > 50


@pytest.mark.parametrize("family", [family for family in IN_WORDS if family != "accents"])
def test_every_word_of_every_text_is_restored(family: str) -> None:
    for text in TEXTS[:20]:
        words = [word for word in text.split(" ") if word.isascii() and word.isalpha()]
        for word in words:
            after = IN_WORDS[family][1](word)
            if after is not None and not cannot_be_told(after, word):
                assert clean(f"so many words of one script around {after} here") == (
                    f"so many words of one script around {word} here"
                )


@pytest.mark.parametrize("family", HIDDEN)
def test_hidden_words_are_gone(family: str) -> None:
    assert clean(f"{HIDDEN[family]('secret')}seen") == "seen"


@given(st.text())
@example("a\u0301\u0301\u0301\u0301\u0301 \u1e69\u0323")
@example("\u202eabc\u202c \u0645\u200c\u0627 \u3164\u115f x\b\b")
@example("fi\ufb01 \u00bd \u2126 \uff21\uff42 pа\u0443pal")
def test_twice_is_as_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(alphabet=[chr(code) for code in range(32, 127)] + ["\t", "\n"]))
def test_printable_ascii_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Съешь ещё этих мягких французских булок", "Το παιδί τρέχει στην πλατεία", "שלום עולם", "مرحبا بالعالم",
        "می\u200cخواهم", "क्\u200dष हिन्दी", "สวัสดีชาวโลก", "你好,世界", "こんにちは、カタカナ", "안녕하세요",
        "naïve café", "Tiếng Việt có dấu", "iPhone и телефон", "β-carotene and α-synuclein", "integrin αvβ3",
        "p110α and NF-κB",
    ],
)  # fmt: skip
def test_other_scripts_are_not_damaged(text: str) -> None:
    assert clean(text) == text


def test_a_letter_of_another_script_goes_to_the_words_own() -> None:
    assert clean("pаypal") == "paypal"  # one Cyrillic letter
    assert clean("мoлоко") == "молоко"  # one Latin letter
    assert clean("ІBM") == "IBM"
    assert clean("молоко and milk") == "молоко and milk"


def test_what_a_reader_sees_stays() -> None:
    assert clean("see the best café [3] > [1]") == "see the best café [3] > [1]"


def test_it_keeps_the_contract_and_normalises_queries_too() -> None:
    docs = [Document("a", "pаypal\u200b"), Document("b", "plain")]
    check_defense(Normalise(), RandomRanker(), Query("q", "x"), docs)
    ranker = Normalise().wrap(RandomRanker())
    plain = RandomRanker().score(Query("q", "paypal"), [Document("a", "paypal"), docs[1]])
    assert ranker.score(Query("q", "pаypal\u200b"), docs) == plain
    assert not ranker.card.gradients


@pytest.mark.skipif(not XQUAD.is_dir(), reason="the collection xquad is not here")
def test_passages_of_twelve_languages_keep_their_letters() -> None:
    """Letters change in words that mix scripts only, which are slips of the keyboard: 10 of 2,880 passages have one."""
    changed = 0
    for line in gzip.decompress((XQUAD / "corpus.jsonl.gz").read_bytes()).decode().splitlines():
        text = json.loads(line)["text"]
        words, cleaned = (
            re.findall(r"\w+", "".join(map(_folded, _without_blanks(text)))),
            re.findall(r"\w+", clean(text)),
        )
        changed += words != cleaned
        for before, after in zip(words, cleaned, strict=True):
            if before != after:
                assert len({_script(c) for c in before} - {""}) > 1, (before, after)
    assert changed <= 10
