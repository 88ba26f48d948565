"""Policy gradient (REINFORCE, Williams 1992) with a baseline per group and an entropy bonus.

Rewards are differences of a potential and episodes are short, so nothing is discounted: an episode's return is its
final utility minus the utility of the clean text, and only the final text need be scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from robustrank.plugin import Progress
from robustrank.rankers.models import fitting
from robustrank_attacks.topic.board import Board
from robustrank_attacks.topic.policy import Episodes, Policy, sample

Value = Callable[[Sequence[str]], NDArray[np.float64]]
"""The attacker's utility of each of some texts."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """Parameters of the policy's training.

    Args:
        steps: Policy updates, each on one document for one group.
        episodes: Played for an update; the baseline of each is the mean return of the others, so returns are only
            compared within a group.
        learning_rate: Of Adam.
        entropy: Weight of the entropy bonus, falling linearly to 0.
        clip: Largest norm of a gradient.
        checkpoint: Steps between checkpoints.
        seed: Of all randomness; with the step it determines every draw, so that a resumed run gives the same policy.
    """

    steps: int = 600
    episodes: int = 16
    learning_rate: float = 3e-3
    entropy: float = 0.02
    clip: float = 1.0
    checkpoint: int = 50
    seed: int = 13


@dataclass(kw_only=True)
class Course:
    """State of a training, without the weights."""

    step: int = 0
    returns: list[float] = field(default_factory=list)
    """Mean return of every step."""


def loss(episodes: Episodes, returns: Any, entropy: float) -> Any:
    """The surrogate loss whose gradient is the policy gradient with a leave-one-out baseline.

    Args:
        episodes: As played, with gradients.
        returns: One per episode.
        entropy: Weight of the bonus.
    """
    count = len(returns)
    baseline = (returns.sum() - returns) / (count - 1) if count > 1 else torch.zeros_like(returns)
    return -((returns - baseline) * episodes.log_probabilities).mean() - entropy * episodes.entropy


def train(
    policy: Policy, boards: Iterable[tuple[Board, Value]], training: Training, *, folder: Path | None = None,
    progress: Progress | None = None,
) -> Course:  # fmt: skip
    """Train a policy in place.

    Args:
        policy: Trained in place.
        boards: Each with the utility of its texts; not looked at where the training has been finished before.
        training: Its parameters.
        folder: Where checkpoints are kept; a run goes on from the last one there.
        progress: Informed of every step.
    """
    optimizer = torch.optim.Adam(policy.parameters(), lr=training.learning_rate)
    course = Course()
    checkpoint = fitting.Checkpoint(folder / CHECKPOINT) if folder is not None else None
    if checkpoint is not None and checkpoint.exists:
        course = Course(**checkpoint.restore(policy, optimizer))
    if course.step >= training.steps:
        return course
    usable = [(board, value) for board, value in boards if board.longest]
    clean = [float(value([board.text])[0]) for board, value in usable]

    def advance() -> None:
        number = int(np.random.default_rng([training.seed, course.step]).integers(len(usable)))
        generator = torch.Generator().manual_seed(training.seed * 1_000_003 + course.step)
        board, value = usable[number]
        episodes = sample(policy, board, training.episodes, generator)
        texts = [board.render(moves) for moves in episodes.moves]
        returns = torch.from_numpy(value(texts) - clean[number]).float()
        share = 1 - course.step / training.steps
        # Utilities of different documents move on different scales; the sign and order of returns matter.
        scaled = returns / (returns.std() + 1e-6) if len(returns) > 1 else returns
        missed = policy.expected(board, episodes.moves) - returns
        total = loss(episodes, scaled, training.entropy * share) + missed.square().mean()
        fitting.descend(policy, optimizer, total, step=course.step, clip=training.clip)
        course.returns.append(float(returns.mean()))

    def save() -> None:
        if checkpoint is not None:
            checkpoint.save(policy, optimizer, asdict(course))

    fitting.run(
        course, training.steps, advance, every=training.checkpoint, save=save, progress=progress, name="topic policy",
        go_on=lambda: bool(usable),
    )  # fmt: skip
    return course


CHECKPOINT = "policy.safetensors"


def load(path: Path) -> Policy:
    """A trained policy."""
    policy = Policy()
    fitting.Checkpoint(path).restore(policy)
    return policy
