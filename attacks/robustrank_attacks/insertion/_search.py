"""What insertions of whole sentences share: only what they insert differs."""

from __future__ import annotations

from collections.abc import Sequence
from string import punctuation

from robustrank.plugin import Access, Case, Oracle, Perturbation, PluginError, Ranker, cost, gaps, words
from robustrank_attacks.insertion._insertion import Gap, offsets, put

POOL = 50
"""Texts that the victim is asked at most."""

BATCH = 4


def insertable(sentence: str) -> str:
    """A sentence without characters that no insertion may bring, ended by a mark so that it stays one."""
    texts = [word.text for word in words(sentence)]
    between = ["".join(c if c in punctuation else " " for c in gap) for gap in gaps(sentence)]
    pieces = [piece for pair in zip(between, [*texts, ""], strict=True) for piece in pair]
    plain = " ".join("".join(pieces).split())
    return plain if plain.endswith((".", "!", "?")) else f"{plain}."


def price(sentence: str) -> int:
    """Edits that inserting a sentence costs: its words, and marks beyond one a word."""
    texts = [word.text for word in words(sentence)]
    marks = sum(c in punctuation for gap in gaps(sentence) for c in gap)
    return sum(map(cost, texts)) + max(0, marks - len(texts))


def best_insertion(
    case: Case,
    oracle: Oracle,
    access: Access,
    sentences: Sequence[str],
    gap: Gap,
    *,
    surrogate: Ranker | None = None,
    attack: str = "",
) -> Perturbation:
    """Insert one of some sentences at one of the places.

    With a surrogate, all sentences at all places are scored by it and the best come first; without one, all sentences
    at the first place come first, then all at the second, and so on. With access to ranks or scores the victim is
    asked a batch at a time, until the goal, :data:`POOL` or the budget of pairs is reached; the best rank it gave
    wins, then fewer words, then what came first. Without access the first is handed in unseen.

    Args:
        case: The case.
        oracle: The victim.
        access: What is seen of the victim.
        sentences: As they are to be inserted, the most promising first.
        gap: Where they may go.
        surrogate: A ranker of the attacker's own.
        attack: Name of the plug-in, for errors.

    Raises:
        PluginError: The surrogate is the victim.
    """
    target = case.target
    texts = list(dict.fromkeys(put(target.text, [(at, s)]) for at in offsets(target.text, gap) for s in sentences))
    if not texts:
        return Perturbation()
    own: list[float] = []
    if surrogate is not None:
        scored = zip(surrogate.score(case.query, [target._replace(text=text) for text in texts]), texts, strict=True)
        ranked = sorted(scored, key=lambda pair: -pair[0])
        own, texts = [score for score, _ in ranked], [text for _, text in ranked]
    if access is Access.NONE:
        return Perturbation(target=texts[0])
    (clean_rank,) = oracle.rank([Perturbation()])
    best = (clean_rank, 0, -1)
    tried = 0
    while tried < min(POOL, len(texts)) and best[0] > case.goal_rank:
        allowed = texts[tried : min(tried + BATCH, POOL)][: oracle.affordable()]
        trials = [Perturbation(target=text) for text in allowed]
        if not trials:
            break
        if access is Access.RANKS:
            ranks = oracle.rank(trials)
        else:
            answers = oracle.outcomes(trials)
            ranks, scores = [rank for rank, _ in answers], [score for _, score in answers]
            if own[tried : tried + len(trials)] == scores and len(set(scores)) > 1:
                raise PluginError(f"{attack}: the surrogate is the victim itself")
        found = enumerate(zip(ranks, allowed, strict=True), tried)
        best = min(best, *((rank, len(words(text)), at) for at, (rank, text) in found))
        tried += len(trials)
    return Perturbation() if best[2] < 0 else Perturbation(target=texts[best[2]])
