"""Searches on a board without a learnt policy: baselines of the policy at the same budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from robustrank.plugin import TopicCase, TopicOracle
from robustrank_attacks.topic.board import FEATURES, Board, Move
from robustrank_attacks.topic.utility import of_ranks

Value = Callable[[Sequence[str]], NDArray[np.float64]]
GAIN = FEATURES.index("mean gain")


def at_random(board: Board, rng: Random) -> list[Move]:
    """Legal moves drawn at random until the budgets are spent: first how many of which kind is left to chance."""
    moves: list[Move] = []
    while len(moves) < board.longest:
        legal = board.legal(moves)
        free = np.flatnonzero(legal.any(axis=1))
        if not len(free):
            break
        place = int(rng.choice(free))
        moves.append((place, int(rng.choice(np.flatnonzero(legal[place])))))
    return moves


def greedy(board: Board, value: Value) -> list[list[Move]]:
    """The best move, again and again while one improves; all states tried, the best first."""
    return beam(board, value, width=1)


def beam(board: Board, value: Value, *, width: int, branches: int | None = None) -> list[list[Move]]:
    """Beam search over sets of moves; all states tried that improve on the clean text, the best first.

    A round whose best state is no better than that of the round before ends the search.

    Args:
        board: The board to search.
        value: Utility of texts.
        width: States kept in a round.
        branches: Moves tried from a state, those with the largest first-order gain; all of them by default.
    """
    (clean,) = value([board.text])
    improving: list[tuple[float, list[Move]]] = []
    front: list[list[Move]] = [[]]
    best = clean
    for _ in range(board.longest):
        tried: dict[str, list[Move]] = {}
        for moves in front:
            legal = [(int(place), int(word)) for place, word in np.argwhere(board.legal(moves))]
            legal.sort(key=lambda move: -board.features[move][GAIN])
            for move in legal[:branches]:
                new = sorted([*moves, move])
                tried.setdefault(board.render(new), new)
        values = value(list(tried)) if tried else np.zeros(0)
        states = sorted(zip(values.tolist(), tried.values(), strict=True), key=lambda state: -state[0])
        improving += states
        if not states or states[0][0] <= best:
            break
        best = states[0][0]
        front = [moves for _, moves in states[:width]]
    return [moves for worth, moves in sorted(improving, key=lambda state: -state[0]) if worth > clean]


def chosen(texts: Sequence[str], case: TopicCase, oracle: TopicOracle) -> str:
    """The text that the victim itself ranks best for the group, among as many as the budget of lists pays for.

    The clean text is among the candidates at no cost: its ranks are read from the lists.
    """
    candidates = list(dict.fromkeys(text for text in texts if text != case.target.text))[: oracle.affordable]
    if not candidates:
        return next(iter(texts), case.target.text)
    clean_ranks = tuple(next(i for i, d in enumerate(docs, 1) if d.doc_id == case.target.doc_id) for docs in case.lists)
    utilities = [of_ranks(clean_ranks, case), *(of_ranks(ranks, case) for ranks in oracle.ranks(candidates))]
    return [case.target.text, *candidates][int(np.argmax(utilities))]
