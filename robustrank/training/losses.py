"""Losses of a student, one number a list: the teacher's score differences and, optionally, its scores; judgments."""

from __future__ import annotations

from typing import Any


def margin_mse(scores: Any, targets: Any) -> Any:
    """Mean squared error of all margins within a list (Hofstätter et al. 2020, over all pairs instead of one).

    With d = scores - targets, the mean of (d_i - d_j)^2 over the pairs of a list is twice the (unbiased) variance of d,
    so all pairs cost no more than one. Adding a constant to a list's scores, or to its targets, changes nothing.

    Args:
        scores: The student's scores, lists x places.
        targets: The teacher's scores, lists x places; NaN where a list has no document at that place. Every list
            needs at least two documents.

    Returns:
        The loss of every list.
    """
    differences, present, count = _differences(scores, targets)
    centred = (differences - differences.sum(dim=1, keepdim=True) / count) * present
    return (2.0 * centred.square().sum(dim=1, keepdim=True) / (count - 1)).squeeze(1)


def score_mse(scores: Any, targets: Any) -> Any:
    """Squared error of the scores themselves, of every list; their mean is that over all places with a document."""
    differences, _, count = _differences(scores, targets)
    return differences.square().sum(dim=1) * (len(count) / count.sum())


def _differences(scores: Any, targets: Any) -> tuple[Any, Any, Any]:
    import torch

    present = ~torch.isnan(targets)
    differences = torch.where(present, scores - torch.nan_to_num(targets), torch.zeros_like(scores))
    return differences, present, present.sum(dim=1, keepdim=True)


def pairwise(scores: Any, targets: Any, weights: Any | None = None) -> Any:
    """Logistic loss of all pairs of a document with a higher and one with a lower target (RankNet, Burges et al. 2005).

    Args:
        scores: Lists x places.
        targets: 1 for labelled documents, 0 for negatives, NaN where a list has no document at that place.
        weights: Weight of each document as the lower one of a pair, lists x places; default 1.

    Returns:
        The mean over the pairs of every list.
    """
    from torch.nn.functional import softplus

    better = targets[:, :, None] > targets[:, None, :]  # NaN is never better nor worse
    margins = (scores[:, :, None] - scores[:, None, :])[better]
    lists, _, worse = better.nonzero(as_tuple=True)
    losses = softplus(-margins)
    if weights is not None:
        losses = losses * weights[lists, worse]
    pairs = better.sum(dim=(1, 2))
    return losses.new_zeros(len(targets)).index_add(0, lists, losses / pairs[lists])


def listwise(scores: Any, targets: Any) -> Any:
    """Cross entropy of the softmax over a list with the one document whose target is highest (Cao et al. 2007).

    Args:
        scores: Lists x places.
        targets: As for :func:`pairwise`, with one labelled document a list.

    Returns:
        The loss of every list.
    """
    import torch

    present = torch.where(torch.isnan(targets), -torch.inf, scores)
    best = torch.nan_to_num(targets, nan=-torch.inf).argmax(dim=1)
    return torch.nn.functional.cross_entropy(present, best, reduction="none")


def divergence(reference: Any, scores: Any, targets: Any, temperature: float = 1.0) -> Any:
    """Kullback-Leibler divergence of the softmax over a list's scores from that over its reference scores.

    Args:
        reference: Lists x places; the distribution that the expectation is over.
        scores: Lists x places.
        targets: NaN where a list has no document at that place.
        temperature: Both are divided by it.

    Returns:
        The mean over lists, in nats; 0 where the two differ by a constant.
    """
    import torch

    absent = torch.isnan(targets)
    first, second = (
        (each / temperature).masked_fill(absent, -torch.inf).log_softmax(dim=1).masked_fill(absent, 0.0)
        for each in (reference, scores)
    )
    return ((first.exp() * (first - second)).masked_fill(absent, 0.0)).sum(dim=1).mean()
