"""Negatives that fool the student (AR2, Zhang et al. 2022, and ANCE, for a ranker alone)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Fooling:
    """Of every list the best document is kept, and others are drawn with weights ``e^(s / temperature)``.

    s are the student's own scores in this step, over all places of the batch: ``size`` in the schedule is the pool, and
    ``keep`` the number that is learned from. AR2 trains the retriever that draws; here the ranker draws for itself.

    Args:
        keep: Documents of a list that are learned from, the best one included.
        temperature: Large: drawn evenly; near 0: the hardest.
        ceiling: Documents whose target is above this share of the way from the list's lowest to its highest are not
            drawn while there are others: they may be relevant.

    Raises:
        ConfigError: Fewer than two documents, a temperature of 0 and below, or a ceiling outside 0 to 1.
    """

    keep: int = 8
    temperature: float = 1.0
    ceiling: float = 1.0

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.keep < 2 or not self.temperature > 0 or not 0.0 < self.ceiling <= 1.0:
            raise ConfigError(
                "fooling: keep must be at least 2, temperature above 0, and ceiling above 0 and at most 1"
            )

    def sampled(self, model: Any, batch: Any, /) -> Any:
        """The batch with all other targets NaN."""
        from robustrank.training.trainer import scores_of

        training = model.training
        model.eval()
        scores = scores_of(model, batch)
        model.train(training)
        return batch._replace(targets=drawn(scores, batch.targets, self))


def drawn(scores: Any, targets: Any, rules: Fooling) -> Any:
    """Targets of the documents that are learned from; by Gumbel noise, so without replacement."""
    import torch

    absent = targets.isnan()
    filled = torch.where(absent, -torch.inf, targets)
    best = filled.argmax(dim=1, keepdim=True)
    highest = filled.amax(dim=1, keepdim=True)
    lowest = torch.where(absent, torch.inf, targets).amin(dim=1, keepdim=True)
    share = (targets - lowest) / (highest - lowest).clamp(min=1e-12)
    noise = -(-torch.rand(scores.shape).clamp(1e-10, 1 - 1e-7).log()).log()
    keys = (scores / rules.temperature + noise).masked_fill(absent, -torch.inf)
    keys = torch.where((share > rules.ceiling) & ~absent, keys - 1e6, keys)  # only where nothing else is left
    keys.scatter_(1, best, torch.inf)
    kept = torch.zeros_like(absent)
    kept.scatter_(1, keys.topk(min(rules.keep, keys.shape[1]), dim=1).indices, True)
    return torch.where(kept, targets, torch.nan)
