"""CET: relevance and selection models that weight each other's negatives (Coupled Estimation, Cai et al. 2022).

A document without a label was not selected for judging, or is not relevant: P(label) = P(selected) P(relevant). A
negative that would surely have been selected is probably a true one, so the relevance model counts it more, by
1 / (1 - sigmoid(o / T)) of the selection score o; the selection model counts one that is surely relevant more, by the
same of the relevance score. Weights carry no gradient.

Two identifiability problems are settled here. With the same inputs, loss and initial weights the two models would stay
equal; so the selection model does not read the text but the retrievers' ranks and scores (``evidence``). And a pairwise
loss leaves the level of the scores open, on which the weights depend; ``labelled`` fixes it: the mean probability that
labelled documents are assumed to have of being selected, and of being relevant.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any

from robustrank.training import losses
from robustrank.training.batches import Batch
from robustrank.training.trainer import Outcome, scores_of

RELEVANCE, SELECTION = "relevance", "selection"


@dataclass(frozen=True, kw_only=True)
class Coupling:
    """``[stage.selection]``: how the two models weight each other.

    Args:
        temperature: T; the weights tend to 2 as it grows.
        max_weight: Larger weights are clipped to this.
        normalise: Divide the weights of a batch by their mean, so that they do not change the effective learning
            rate.
        labelled: Shifts both scores so that a batch's labelled documents have, on average, the score of this
            probability; without it, scores are taken as they are, as in the paper's code.
        hidden: Units of the selection model.
    """

    temperature: float = 1.0
    max_weight: float = 50.0
    normalise: bool = True
    labelled: float | None = 0.9
    hidden: int = 8


def inverse_weights(scores: Any, targets: Any, coupling: Coupling) -> Any:
    """1 / (1 - sigmoid(x / T)) = 1 + e^(x / T), of documents as negatives; carries no gradient.

    Args:
        scores: The other model's scores, lists x places.
        targets: 1 for labelled documents, 0 for negatives, NaN where there is none.
        coupling: Temperature, level, clipping, normalisation.
    """
    scaled = scores.detach() / coupling.temperature
    if coupling.labelled is not None:
        scaled = scaled - scaled[targets > 0].mean() + log(coupling.labelled / (1 - coupling.labelled))
    weights = (1 + scaled.exp()).clamp(max=coupling.max_weight)
    return weights / weights[targets == 0].mean() if coupling.normalise else weights


def effective_share(weights: Any, targets: Any) -> float:
    """Effective sample size of the negatives over their number: (sum w)^2 / (n sum w^2); 1 if all weigh the same."""
    counted = weights[targets == 0].double()
    return min(1.0, float(counted.sum() ** 2 / (len(counted) * counted.square().sum())))


def loss(relevance: Any, selection: Any, targets: Any, coupling: Coupling, steady: tuple[Any, Any]) -> Outcome:
    """Both models' pairwise losses, each weighted by the other.

    Args:
        relevance: Scores of the relevance model, lists x places.
        selection: Those of the selection model.
        targets: 1 for labelled documents, 0 for negatives, NaN where there is none.
        coupling: Parameters of the weights.
        steady: Relevance and selection scores without dropout, from which the weights are computed.
    """
    from_selection = inverse_weights(steady[1], targets, coupling)
    from_relevance = inverse_weights(steady[0], targets, coupling)
    ranking = losses.pairwise(relevance, targets, from_selection).mean()
    selecting = losses.pairwise(selection, targets, from_relevance).mean()
    figures = {
        "loss of relevance": ranking.item(),
        "loss of selection": selecting.item(),
        "effective share of negatives, relevance": effective_share(from_selection, targets),
        "effective share of negatives, selection": effective_share(from_relevance, targets),
    }
    return Outcome(ranking + selecting, figures)


def couple(model: Any, features: int, coupling: Coupling) -> Any:
    """A module with the ranker as ``relevance`` and, as ``selection``, a small network over retriever evidence."""
    from torch import nn

    selection = nn.Sequential(nn.Linear(features, coupling.hidden), nn.Tanh(), nn.Linear(coupling.hidden, 1))
    return nn.ModuleDict({RELEVANCE: model, SELECTION: selection})


@dataclass(frozen=True)
class CoupledObjective:
    """The loss of a coupled module; on the development set, the unweighted loss of the relevance model."""

    coupling: Coupling

    def __call__(self, model: Any, batch: Batch) -> Outcome:
        """The loss of one batch."""
        relevance = scores_of(model[RELEVANCE], batch)
        if not model.training:
            return Outcome(losses.pairwise(relevance, batch.targets).mean())
        selection = model[SELECTION](batch.evidence).squeeze(-1)
        steady = self._without_dropout(model, batch) if _drops(model) else (relevance, selection)
        return loss(relevance, selection, batch.targets, self.coupling, steady)

    def _without_dropout(self, model: Any, batch: Batch) -> tuple[Any, Any]:
        import torch

        model.eval()
        with torch.no_grad():
            steady = scores_of(model[RELEVANCE], batch), model[SELECTION](batch.evidence).squeeze(-1)
        model.train()
        return steady


def _drops(model: Any) -> bool:
    from torch.nn import Dropout

    return any(isinstance(module, Dropout) and module.p > 0 for module in model.modules())
