"""The attack as a Gymnasium environment, for any library that trains policies under action masks.

State: which moves were made, and the features of every possible move (:mod:`robustrank_attacks.topic.board`). Action:
0 stops; any other is a place and a word, factored as ``1 + place * words + word``. The reward of a move is the
utility after it minus the utility before it (a potential), so that the rewards of an episode sum to its gain in
utility, in any order of its moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from robustrank_attacks.topic.board import Board, Move

Value = Callable[[str], float]
"""The attacker's utility of a text."""


class TopicEnvironment(gymnasium.Env[dict[str, Any], Any]):
    """Episodes over boards of one shape.

    Args:
        boards: Each with the utility of its texts; all with the same number of places and words (smaller ones are
            padded with moves that are never legal).
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium's own form

    def __init__(self, boards: Sequence[tuple[Board, Value]]) -> None:
        self._boards = boards
        places = max(board.features.shape[0] for board, _ in boards)
        self._words = max(board.features.shape[1] for board, _ in boards)
        width = boards[0][0].features.shape[2]
        self._shape = (places, self._words)
        self.action_space = gymnasium.spaces.Discrete(1 + places * self._words)
        self.observation_space = gymnasium.spaces.Dict(
            {
                "moves": gymnasium.spaces.Box(-np.inf, np.inf, (places, self._words, width), np.float32),
                "made": gymnasium.spaces.Box(0, 1, self._shape, np.float32),
                "left": gymnasium.spaces.Box(0, 1, (2,), np.float32),
            }
        )
        self._board, self._value = boards[0]
        self._moves: list[Move] = []
        self._utility = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin with the clean text of a board drawn at random, or of ``options["board"]``."""
        super().reset(seed=seed)
        number = (options or {}).get("board")
        self._board, self._value = self._boards[
            int(self.np_random.integers(len(self._boards))) if number is None else number
        ]
        self._moves = []
        self._utility = self._value(self._board.text)
        return self._observation(), self._info()

    def step(self, action: int) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Make a move or stop; an illegal move changes nothing, earns nothing and ends the episode."""
        if action == 0 or not self.action_masks()[int(action)]:
            return self._observation(), 0.0, True, False, self._info()
        place, word = divmod(int(action) - 1, self._words)
        self._moves.append((place, word))
        before, self._utility = self._utility, self._value(self._board.render(self._moves))
        done = not self._board.legal(self._moves).any()
        return self._observation(), self._utility - before, done, False, self._info()

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are legal now; to stop always is."""
        mask = np.zeros(self._shape, dtype=bool)
        legal = self._board.legal(self._moves)
        mask[: legal.shape[0], : legal.shape[1]] = legal
        return np.concatenate([[True], mask.ravel()])

    def _observation(self) -> dict[str, Any]:
        board = self._board
        move_features = np.zeros(self.observation_space["moves"].shape, dtype=np.float32)  # type: ignore[index]
        move_features[: board.features.shape[0], : board.features.shape[1]] = board.features
        made = np.zeros(self._shape, dtype=np.float32)
        for move in self._moves:
            made[move] = 1.0
        inserted = sum(board.places[place].inserts for place, _ in self._moves)
        spent = len(self._moves) - inserted, inserted
        limits = board.budget.substitutions, board.budget.insertions
        left = [1 - used / limit if limit else 0.0 for used, limit in zip(spent, limits, strict=True)]
        return {"moves": move_features, "made": made, "left": np.array(left, dtype=np.float32)}

    def _info(self) -> dict[str, Any]:
        return {"text": self._board.render(self._moves), "utility": self._utility, "action_mask": self.action_masks()}
