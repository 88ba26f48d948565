"""Train a policy of another library on the topic environment: MaskablePPO of sb3-contrib, which uses action masks.

From the root of the repository, with the full test collections beside it::

    pip install '.[topics]' sb3-contrib
    python docs/examples/topic_maskable_ppo.py docs/examples/topics.topic.toml --steps 20000

It prints the gain of the trained policy in surrogate utility on every document, for held-out queries.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from robustrank.topics.scene import open_scene, roles
from robustrank.topics.spec import load
from robustrank_attacks.topic.attacks import Planner, fitted
from robustrank_attacks.topic.board import BoardOptions
from robustrank_attacks.topic.environment import TopicEnvironment
from robustrank_attacks.topic.utility import Utility


def train(environment: TopicEnvironment, steps: int, seed: int = 13) -> Any:
    """A MaskablePPO policy trained for ``steps`` steps."""
    from sb3_contrib import MaskablePPO

    model = MaskablePPO("MultiInputPolicy", environment, n_steps=256, batch_size=64, gamma=1.0, seed=seed)
    return model.learn(steps)


def gain(model: Any, environment: TopicEnvironment, board: int) -> float:
    """Gain in utility of the policy's most probable actions on one board."""
    observation, info = environment.reset(options={"board": board})
    clean, done = info["utility"], False
    while not done:
        action, _ = model.predict(observation, action_masks=environment.action_masks(), deterministic=True)
        observation, _, done, _, info = environment.step(int(action))
    return float(info["utility"] - clean)


def main() -> None:
    """Open the study's scene against its first victim, fit the surrogate, train and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--steps", type=int, default=20_000)
    options = parser.parse_args()
    spec = load(options.file)
    scene = open_scene(spec)
    cast = roles(scene, scene.victim(spec.rankers[0].name))
    surrogate = fitted([role.case for role in cast], Path(".robustrank") / "topics")
    planner = Planner(surrogate, BoardOptions(), Utility())
    boards = [planner.practise(role.practice, spec.budget) for role in cast]
    environment = TopicEnvironment([(board, lambda text, v=value: float(v([text])[0])) for board, value in boards])
    model = train(environment, options.steps)
    for number, role in enumerate(cast):
        print(f"{role.group.topic_id}\t{role.target.doc_id}\t{gain(model, environment, number):+.3f}")


if __name__ == "__main__":
    main()
