"""Quality of a changed document: fluency, grammar and repetition.

Fluency is the perplexity under the English word trigram model that comes inside the package pocketsphinx (extra
``fluency``); without it that figure is absent. Grammar and parts of speech need the extra
``grammar`` (:mod:`robustrank.perturbations.grammar`). Antonyms are not checked: the bundled tables of substitutes
exclude them. Whether a document would be detected is another question, with thresholds from clean documents:
:mod:`robustrank.protocols.detection`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from robustrank.core.types import Case, Perturbation
from robustrank.core.words import gaps, words
from robustrank.perturbations import grammar
from robustrank.perturbations.substitutes import function_words
from robustrank.perturbations.trigrams import language_model


def of_case(case: Case, done: Perturbation) -> dict[str, float]:
    """:func:`quality` of a perturbed case; empty where the document was not changed."""
    if done.target is None or done.target == case.target.text:
        return {}
    return quality(case.query.text, case.target.text, done.target)


def quality(query: str, before: str, after: str) -> dict[str, float]:
    """Figures of one changed document, by name.

    Args:
        query: The query's text.
        before: The clean document.
        after: The changed one.

    Returns:
        ``words changed`` (share; 0 where their number differs), ``query words added`` (change of the share of words
        that are in the query), ``repetition added`` (change of the share of the commonest content word, a sign of
        spam), ``names and numbers changed``; with the extra ``grammar`` ``part of speech kept`` (share of the
        changed words that are the same part of speech in their sentence as before) and ``grammar findings added``;
        and with the trigram model ``perplexity ratio``.
    """
    old, new = [w.text for w in words(before)], [w.text for w in words(after)]
    aligned = list(zip(old, new, strict=False)) if len(old) == len(new) else []
    changed = [at for at, (a, b) in enumerate(aligned) if a != b]
    query_words = {w.text.lower() for w in words(query)}
    named = _named(before) if changed else set()
    figures = {
        "words changed": len(changed) / max(1, len(old)),
        "query words added": _share(new, query_words) - _share(old, query_words),
        "repetition added": repetition(new) - repetition(old),
        "names and numbers changed": float(len(named.intersection(changed))),
    }
    check, tag = grammar.checker(), grammar.tagger()
    if check is not None:
        figures["grammar findings added"] = float(check(after) - check(before))
    if tag is not None and changed:
        was, now = tag(before), tag(after)
        figures["part of speech kept"] = sum(was[at] == now[at] for at in changed) / len(changed)
    perplexity = language_model()
    if perplexity is not None and old and new:
        figures["perplexity ratio"] = perplexity(after) / perplexity(before)
    return figures


def _share(tokens: Sequence[str], wanted: set[str]) -> float:
    return sum(word.lower() in wanted for word in tokens) / max(1, len(tokens))


def repetition(tokens: Sequence[str]) -> float:
    """The share of the commonest content word."""
    counts = Counter(word.lower() for word in tokens if word.lower() not in function_words())
    return max(counts.values(), default=0) / max(1, len(tokens))


def _named(text: str) -> set[int]:
    """Positions of words with a digit, or with a capital not at the start of a sentence (mostly names)."""
    before = gaps(text)
    return {
        at
        for at, word in enumerate(words(text))
        if any(c.isdigit() for c in word.text)
        or (word.text[0].isupper() and at > 0 and not set(".!?:\n") & set(before[at]))
    }
