"""What insertions of whole sentences share: only what they insert differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import punctuation
from typing import NamedTuple

from robustrank.plugin import Access, Case, Oracle, Perturbation, PluginError, Ranker, cost, gaps, words
from robustrank_attacks.insertion._insertion import Gap, offsets, put

POOL = 50
"""Texts that the victim is asked at most."""

BATCH = 4


class Placed(NamedTuple):
    """A sentence inserted at an offset of the target, and the whole text."""

    sentence: str
    offset: int
    text: str


Priority = Callable[[Sequence[Placed], Sequence[float]], Sequence[float]]
"""Insertions and the surrogate's scores of them (none without a surrogate) to how promising each of them is."""


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


def place_of(case: Case) -> int:
    """The target's place in the list that the attacker sees, from 1."""
    return 1 + [doc.doc_id for doc in case.candidates].index(case.target.doc_id)


def best_insertion(
    case: Case,
    oracle: Oracle,
    access: Access,
    sentences: Sequence[str],
    gap: Gap,
    *,
    surrogate: Ranker | None = None,
    priority: Priority | None = None,
    attack: str = "",
) -> Perturbation:
    """Insert one of some sentences at one of the places.

    With a surrogate, all sentences at all places are scored by it and the best come first, or those that ``priority``
    says; without either, all sentences at the first place come first, then all at the second, and so on. With access
    to ranks or scores the victim is asked a batch at a time, until the goal, :data:`POOL` or the budget of pairs is
    reached; the best rank it gave wins, then fewer words, then what came first. Without access the first is handed in
    unseen.

    Args:
        case: The case.
        oracle: The victim.
        access: What is seen of the victim.
        sentences: As they are to be inserted, the most promising first.
        gap: Where they may go.
        surrogate: A ranker of the attacker's own.
        priority: The order in which insertions are tried, the highest first, equal ones as above; by default the
            surrogate's scores.
        attack: Name of the plug-in, for errors.

    Raises:
        PluginError: The surrogate is the victim.
    """
    target = case.target
    distinct: dict[str, Placed] = {}
    for at in offsets(target.text, gap):
        for sentence in sentences:
            text = put(target.text, [(at, sentence)])
            distinct.setdefault(text, Placed(sentence, at, text))
    placed = list(distinct.values())
    if not placed:
        return Perturbation()
    own: list[float] = []
    if surrogate is not None:
        own = surrogate.score(case.query, [target._replace(text=each.text) for each in placed])
    keys = own if priority is None else priority(placed, own)
    tried_first = sorted(range(len(placed)), key=lambda at: -keys[at]) if keys else range(len(placed))
    texts = [placed[at].text for at in tried_first]
    own = [own[at] for at in tried_first] if own else []
    if access is Access.NONE:
        return Perturbation(target=texts[0])
    (clean_rank,) = oracle.rank([Perturbation()])
    best = (clean_rank, 0, -1)
    tried, seen = 0, list[float]()
    while tried < min(POOL, len(texts)) and best[0] > case.goal_rank:
        allowed = texts[tried : min(tried + BATCH, POOL)][: oracle.affordable()]
        trials = [Perturbation(target=text) for text in allowed]
        if not trials:
            break
        if access is Access.RANKS:
            ranks = oracle.rank(trials)
        else:
            answers = oracle.outcomes(trials)
            ranks = [rank for rank, _ in answers]
            seen += [score for _, score in answers]
            if own[: len(seen)] == seen and len(set(seen)) > 1:
                raise PluginError(f"{attack}: the surrogate is the victim itself")
        found = enumerate(zip(ranks, allowed, strict=True), tried)
        best = min(best, *((rank, len(words(text)), at) for at, (rank, text) in found))
        tried += len(trials)
    return Perturbation() if best[2] < 0 else Perturbation(target=texts[best[2]])
