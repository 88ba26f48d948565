"""The policy: a distribution over places and over the words at each; two heads on one encoder of moves.

The probability of a move is that of its place times that of its word at the place; stopping competes with the places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from robustrank_attacks.topic.board import FEATURES, Board, Move

HIDDEN = 48


class Policy(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Logits of stopping, of the places, and of the words of each place.

    Nothing in it depends on how many places or words a board has, so one policy serves all documents and groups.
    """

    def __init__(self) -> None:
        super().__init__()
        self.move_features = torch.nn.Linear(len(FEATURES), HIDDEN)
        self.state = torch.nn.Linear(3, HIDDEN)
        self.encoder = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(HIDDEN, HIDDEN), torch.nn.ReLU())
        self.where = torch.nn.Linear(HIDDEN, 1)
        self.what = torch.nn.Linear(HIDDEN, 1)
        self.stop = torch.nn.Linear(3, 1)
        self.worth = torch.nn.Sequential(
            torch.nn.Linear(len(FEATURES), HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 1)
        )

    def expected(self, board: Board, played: Sequence[Sequence[Move]]) -> Any:
        """What the critic expects each of some sets of moves to gain: the sum over its moves."""
        each = self.worth(torch.from_numpy(board.features).float())[..., 0]
        made = torch.zeros(len(played), *each.shape)
        for row, moves in zip(made, played, strict=True):
            for move in moves:
                row[move] = 1.0
        return (made * each).sum(dim=(1, 2))

    def forward(self, features: Any, state: Any, legal: Any) -> tuple[Any, Any]:
        """Log-probabilities for a batch of states of one board.

        Args:
            features: places x words x features (:data:`robustrank_attacks.topic.board.FEATURES`).
            state: batch x 3: the shares of both budgets that are left, and the share of possible moves that was made.
            legal: batch x places x words.

        Returns:
            Log-probabilities of stopping (first) and of the places, batch x (1 + places); of the words at each place,
            batch x places x words. Illegal ones are minus infinity.
        """
        encoded = self.encoder(self.move_features(features)[None] + self.state(state)[:, None, None])
        what = self.what(encoded)[..., 0].masked_fill(~legal, -torch.inf)
        free = legal.any(dim=-1)
        # The place is judged by its best legal word's encoding.
        pooled = encoded.masked_fill(~legal[..., None], -torch.inf).amax(dim=2).masked_fill(~free[..., None], 0.0)
        where = self.where(pooled)[..., 0].masked_fill(~free, -torch.inf)
        places = torch.log_softmax(torch.cat([self.stop(state), where], dim=1), dim=1)
        words = torch.log_softmax(what.masked_fill(~free[..., None], 0.0), dim=-1)
        return places, words.masked_fill(~legal, -torch.inf)


class Episodes(NamedTuple):
    """Several episodes on one board.

    Attributes:
        moves: Of each.
        log_probabilities: Of each whole episode; differentiable unless gradients are off.
        entropy: Mean entropy of the decisions taken.
    """

    moves: list[list[Move]]
    log_probabilities: Any
    entropy: Any


def sample(policy: Policy, board: Board, count: int, generator: Any, *, greedy: bool = False) -> Episodes:
    """Play several episodes at once.

    Args:
        policy: Gives the probabilities.
        board: The board to play on.
        count: Episodes.
        generator: A ``torch.Generator``; all randomness.
        greedy: Take the most probable place, and the most probable word there.
    """
    moves: list[list[Move]] = [[] for _ in range(count)]
    alive = torch.ones(count, dtype=torch.bool)
    total = torch.zeros(count)
    entropies = []
    features = torch.from_numpy(board.features).float()
    if not board.places:
        return Episodes(moves, total, total.sum())
    for _ in range(board.longest + 1):
        legal = torch.from_numpy(np.stack([board.legal(made) for made in moves]))
        alive = alive & legal.flatten(1).any(dim=1)
        if not bool(alive.any()):
            break
        places, words = policy(features, torch.from_numpy(_state(board, moves)).float(), legal)
        entropies.append(-(places.exp() * places.nan_to_num(neginf=0.0)).sum(dim=1)[alive].mean())
        where = places.argmax(1) if greedy else torch.multinomial(places.detach().exp(), 1, generator=generator)[:, 0]
        moved = alive & (where > 0)
        place = (where - 1).clamp(min=0)
        rows = words[torch.arange(count), place]
        chances = torch.where(moved[:, None], rows.detach().exp().nan_to_num(0.0), torch.ones_like(rows))
        what = chances.argmax(1) if greedy else torch.multinomial(chances, 1, generator=generator)[:, 0]
        step = places.gather(1, where[:, None])[:, 0]
        chosen = torch.where(moved, rows.masked_fill(~moved[:, None], 0.0).gather(1, what[:, None])[:, 0], 0.0)
        total = total + torch.where(alive, step + chosen, 0.0)
        for i in moved.nonzero()[:, 0].tolist():
            moves[i].append((int(place[i]), int(what[i])))
        alive = moved
    return Episodes(moves, total, torch.stack(entropies).mean() if entropies else total.sum() * 0)


def _state(board: Board, moves: Sequence[Sequence[Move]]) -> Any:
    rows = []
    for made in moves:
        inserted = sum(board.places[place].inserts for place, _ in made)
        limits = max(1, board.budget.substitutions), max(1, board.budget.insertions)
        rows.append(
            [1 - (len(made) - inserted) / limits[0], 1 - inserted / limits[1], len(made) / max(1, board.longest)]
        )
    return np.array(rows)
