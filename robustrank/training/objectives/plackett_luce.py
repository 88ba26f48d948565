"""PG-RANK (Gao et al. 2023): the ranker as a Plackett-Luce policy, trained by REINFORCE on the measure itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PlackettLuce:
    """Sampled rankings are made more likely where their nDCG is above that of the other samples.

    A ranking is sampled with probability prod_i e^(s_i / T) / sum_(j >= i) e^(s_j / T) (by Gumbel noise); its advantage
    is its nDCG minus the mean of the other samples'. Gains are the targets, shifted to begin at 0 in every list. The
    gradient of what is returned is the estimator of REINFORCE with that baseline; its value means nothing.

    Args:
        samples: Rankings of every list, at least 2.
        temperature: T.
        cutoff: Of nDCG.

    Raises:
        ConfigError: Fewer than two samples, a temperature of 0 or below, or a cutoff below 1.
    """

    samples: int = 8
    temperature: float = 1.0
    cutoff: int = 10

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.samples < 2 or not self.temperature > 0 or self.cutoff < 1:
            raise ConfigError("plackett_luce: samples must be at least 2, temperature above 0 and cutoff at least 1")

    def start(self, model: Any, examples: Sequence[Any], seed: int, /) -> Callable[[Any, Any, Any], Any]:
        """Nothing is prepared."""

        def objective(model: Any, batch: Any, scores: Any) -> Any:
            import torch

            noise = torch.rand((self.samples, *scores.shape)).clamp(1e-10, 1 - 1e-7)
            return surrogate(scores / self.temperature, batch.targets, -(-noise.log()).log(), self.cutoff)

        return objective


def surrogate(scores: Any, targets: Any, noise: Any, cutoff: int) -> Any:
    """A scalar whose gradient is the estimator.

    Args:
        scores: Lists x places, divided by the temperature.
        targets: Lists x places; NaN where a list has no document at that place.
        noise: Samples x lists x places, from the standard Gumbel distribution.
        cutoff: Of nDCG.
    """
    import torch

    present = ~targets.isnan()
    logits = scores.masked_fill(~present, -torch.inf)
    orders = (logits.detach() + noise).argsort(dim=-1, descending=True)
    utility = ndcg(targets, orders, cutoff)
    advantage = (utility - utility.mean(dim=0)) * (len(noise) / (len(noise) - 1))
    return -(advantage * log_probability(logits, present, orders, cutoff)).mean()


def log_probability(logits: Any, present: Any, orders: Any, cutoff: int) -> Any:
    """Logarithm of the probability of the first places of rankings: samples x lists."""
    import torch

    ordered = logits.expand(orders.shape).gather(-1, orders)
    there = present.expand(orders.shape).gather(-1, orders)
    rest = ordered.flip(-1).logcumsumexp(-1).flip(-1)
    steps = torch.where(there, ordered - rest, torch.zeros_like(ordered))
    return steps[..., :cutoff].sum(dim=-1)


def ndcg(targets: Any, orders: Any, cutoff: int) -> Any:
    """nDCG of rankings, samples x lists, with gains that begin at 0 in every list."""
    import torch

    lowest = targets.nan_to_num(nan=torch.inf).amin(dim=-1, keepdim=True)
    gains = (targets - lowest).nan_to_num(nan=0.0)
    discounts = 1 / torch.arange(2, cutoff + 2, dtype=gains.dtype).log2()
    best = gains.sort(dim=-1, descending=True).values[..., :cutoff]
    got = gains.expand(orders.shape).gather(-1, orders)[..., :cutoff]
    discounts = discounts[: got.shape[-1]]
    ideal = (best * discounts).sum(dim=-1)
    return (got * discounts).sum(dim=-1) / torch.where(ideal > 0, ideal, torch.ones_like(ideal))
