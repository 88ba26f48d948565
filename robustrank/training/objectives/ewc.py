"""Elastic weight consolidation (Kirkpatrick et al. 2017): weights that mattered stay near what they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Ewc:
    """``0.5 * sum_i F_i (w_i - w_i before)^2``, with F the diagonal Fisher information of the parent's own preferences.

    Continual learning keeps no lists of the stages before, so F is taken on the lists of this one: for every pair of
    neighbours in the parent's order, the squared gradient of the logarithm of the probability sigmoid(s_i - s_j) that
    it prefers as it does.

    Args:
        lists: Lists that F is estimated on, drawn with the seed.

    Raises:
        ConfigError: Fewer than one list.
    """

    lists: int = 64

    def __post_init__(self) -> None:
        """Check the number."""
        if self.lists < 1:
            raise ConfigError("ewc: lists must be at least 1")

    def start(self, model: Any, examples: Sequence[Any], seed: int, /) -> Callable[[Any, Any, Any], Any]:
        """Keep the weights and estimate how much each matters."""
        from random import Random

        chosen = Random(f"{seed}|ewc").sample(range(len(examples)), min(self.lists, len(examples)))
        before = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
        matters = fisher(model, [examples[number] for number in chosen])

        def objective(model: Any, batch: Any, scores: Any) -> Any:
            named = dict(model.named_parameters())
            return 0.5 * sum((matters[n] * (named[n] - before[n]).square()).sum() for n in before)

        return objective


def fisher(model: Any, examples: Sequence[Any]) -> dict[str, Any]:
    """Mean over lists of the squared gradient of the parent's log-preferences, by name of a parameter."""
    import torch
    from torch.nn.functional import logsigmoid

    from robustrank.training.batches import collate
    from robustrank.training.trainer import pad_of, scores_of

    training = model.training
    model.eval()
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    sums = {n: torch.zeros_like(p) for n, p in named.items()}
    for example in examples:
        batch = collate([example], [(0, tuple(range(len(example.ids))))], pad_of(model))
        ordered = scores_of(model, batch)[0].sort(descending=True).values
        value = logsigmoid(ordered[:-1] - ordered[1:]).sum()
        gradients = torch.autograd.grad(value, list(named.values()), allow_unused=True)
        for name, gradient in zip(named, gradients, strict=True):
            if gradient is not None:
                sums[name] += gradient.square() / len(examples)
    model.train(training)
    return sums
