"""Policy gradient (REINFORCE, Williams 1992) with a baseline per group and an entropy bonus.

Rewards are differences of a potential and episodes are short, so nothing is discounted: an episode's return is its
final utility minus the utility of the clean text, and only the final text need be scored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from robustrank.plugin import Progress
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
    if folder is not None and (folder / CHECKPOINT).is_file():
        course = _restore(policy, optimizer, folder / CHECKPOINT)
    if course.step >= training.steps:
        return course
    usable = [(board, value) for board, value in boards if board.longest]
    clean = [float(value([board.text])[0]) for board, value in usable]
    if progress is not None:
        progress.start("topic policy", training.steps)
        progress.advance(course.step)
    while usable and course.step < training.steps:
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
        (loss(episodes, scaled, training.entropy * share) + missed.square().mean()).backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), training.clip)
        optimizer.step()
        optimizer.zero_grad()
        course.returns.append(float(returns.mean()))
        course.step += 1
        if progress is not None:
            progress.advance()
        if folder is not None and (course.step % training.checkpoint == 0 or course.step == training.steps):
            _save(policy, optimizer, course, folder / CHECKPOINT)
    return course


CHECKPOINT = "policy.safetensors"


def load(path: Path) -> Policy:
    """A trained policy."""
    policy = Policy()
    _restore(policy, None, path)
    return policy


def _save(policy: Policy, optimizer: Any, course: Course, path: Path) -> None:
    """Write the checkpoint atomically."""
    from safetensors.torch import save_file

    tensors = {f"policy.{name}": tensor.contiguous() for name, tensor in policy.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    save_file(tensors, new, {"course": json.dumps(asdict(course))})
    os.replace(new, path)


def _restore(policy: Policy, optimizer: Any | None, path: Path) -> Course:
    from safetensors import safe_open

    weights: dict[str, Any] = {}
    moments: dict[int, dict[str, Any]] = {}
    with safe_open(path, "pt") as file:
        course = Course(**json.loads(file.metadata()["course"]))
        for key in file.keys():  # noqa: SIM118 - not a dict
            kind, _, rest = key.partition(".")
            if kind == "policy":
                weights[rest] = file.get_tensor(key)
            else:
                number, _, name = rest.partition(".")
                moments.setdefault(int(number), {})[name] = file.get_tensor(key)
    policy.load_state_dict(weights)
    if optimizer is not None:
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return course
