"""Applies edits to a text and a perturbation to a case, and ranks the target in the perturbed list."""

from __future__ import annotations

from collections.abc import Sequence

from robustrank.core.interfaces import Ranker
from robustrank.core.ranking import rank_of
from robustrank.core.topic_types import Edits
from robustrank.core.types import Case, Document, Perturbation, Query
from robustrank.core.words import match_case, words


def apply(perturbation: Perturbation, case: Case) -> tuple[Query, Document]:
    """The case's query and target with the perturbation applied."""
    query = case.query if perturbation.query is None else case.query._replace(text=perturbation.query)
    target = case.target if perturbation.target is None else case.target._replace(text=perturbation.target)
    return query, target


def perturbed_scores(
    ranker: Ranker, case: Case, perturbation: Perturbation, clean: Sequence[tuple[str, float]]
) -> list[tuple[str, float]]:
    """(document id, score) of the whole list after the perturbation, asked in the order of ``clean``.

    A ranker may depend on the order in which it is shown the documents, so a list is always asked as its clean scores
    were: the changed text in the target's own place. The order of ``case.candidates`` is what an attack sees, and no
    order of asking. A pointwise ranker scores the target alone when only the target changed; the other scores are those
    of ``clean``.
    """
    query, target = apply(perturbation, case)
    if perturbation.query is None and perturbation.target is None:
        return list(clean)
    if perturbation.query is None and ranker.card.pointwise:
        (score,) = ranker.score(query, [target])
        return [(doc_id, score if doc_id == target.doc_id else old) for doc_id, old in clean]
    by_id = {**{doc.doc_id: doc for doc in case.candidates}, target.doc_id: target}
    docs = [by_id[doc_id] for doc_id, _ in clean]
    return [(doc.doc_id, score) for doc, score in zip(docs, ranker.score(query, docs), strict=True)]


def outcome(
    ranker: Ranker, case: Case, perturbation: Perturbation, clean: Sequence[tuple[str, float]]
) -> tuple[int, float]:
    """The target's rank and score after the perturbation."""
    scored = perturbed_scores(ranker, case, perturbation, clean)
    score = dict(scored)[case.target.doc_id]
    return rank_of(case.target.doc_id, score, scored), score


def with_edits(text: str, edits: Edits) -> str:
    """The text with the edits made; a substitute takes the case of the word it replaces."""
    old = words(text)
    changes = [(old[p].start, old[p].end, match_case(word, old[p].text)) for p, word in edits.substitutions.items()]
    for offset, word in edits.insertions:
        last = 0 < offset == len(text)
        before = "" if offset == 0 or (text[offset - 1].isspace() and not last) else " "
        after = "" if last else " "
        changes.append((offset, offset, f"{before}{word}{after}"))
    pieces: list[str] = []
    done = 0
    # At one offset what is inserted stands before the word that is replaced there.
    for start, end, new in sorted(changes, key=lambda change: (change[0], change[1])):
        pieces += [text[done:start], new]
        done = end
    return "".join([*pieces, text[done:]])
