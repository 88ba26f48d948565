"""What added documents are made of: the payload, sentences of the corpus, and texts within a limit of words."""

from __future__ import annotations

from random import Random

from robustrank.plugin import CorpusCase, cost, sentences, words

LONGEST_SENTENCE = 25
"""Words of a sentence that is carried where there is no payload."""


def price(text: str) -> int:
    """Words of a text, as budgets count them."""
    return sum(cost(word.text) for word in words(text))


def cut(text: str, limit: int | None) -> str:
    """The text up to its last word within a limit; ``None`` is no limit."""
    if limit is None or price(text) <= limit:
        return text
    spent, end = 0, 0
    for word in words(text):
        spent += cost(word.text)
        if spent > limit:
            break
        end = word.end
    return text[:end]


def carried(case: CorpusCase, rng: Random) -> str:
    """The payload; without one a sentence, drawn at random, of a document that the attacker has read."""
    if case.payload is not None:
        return case.payload
    pool = [doc for doc in case.corpus if words(doc.text)]
    for doc in rng.sample(pool, len(pool)):
        found = [s.text.strip() for s in sentences(doc.text) if 3 <= price(s.text) <= LONGEST_SENTENCE]
        if found:
            return cut(rng.choice(found), case.words)
    return cut(cut(rng.choice(pool).text, LONGEST_SENTENCE), case.words) if pool else ""


def room(case: CorpusCase, text: str) -> int | None:
    """Words that are left for others beside a text; ``None``: no limit."""
    return None if case.words is None else max(0, case.words - price(text))
