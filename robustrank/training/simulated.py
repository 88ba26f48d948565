"""Simulated lists with known relevance, to measure whether a training method corrects the selection bias of its labels.

Documents have two sets of features. Relevance depends on the first, being selected for judging on the second, and a
document has a label where both hold. The ranker reads both sets, as a text shows both its topic and the words that a
retriever matches; the selection model reads the second only. Hard negatives are the highest-ranked unlabelled documents
of a retriever that is better than the selection, so many of them are relevant. The trained ranker's order is compared
with the true probabilities of relevance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from robustrank.training import coupled, losses
from robustrank.training.coupled import Coupling

Floats = NDArray[np.float64]
Method = Literal["random", "hard", "coupled", "oracle"]


@dataclass(frozen=True, kw_only=True)
class World:
    """The parameters of the simulation.

    Args:
        queries: Number of lists.
        documents: Documents of each list.
        features: Features in each of the two sets.
        bias: How much selection depends on its features; at 0 all documents are as likely to be selected.
        window: Hard negatives are drawn from this many highest-ranked documents of the better retriever.
        negatives: Negatives drawn for each labelled document.
        steps: Steps of full-batch Adam.
    """

    queries: int = 60
    documents: int = 40
    features: int = 3
    bias: float = 3.0
    window: int = 24
    negatives: int = 7
    steps: int = 80


@dataclass(frozen=True)
class Lists:
    """Documents of all queries.

    Args:
        relevance_features: What relevance depends on, queries x documents x features.
        selection_features: What selection depends on, queries x documents x features.
        relevance: Probability of relevance, queries x documents, as the others.
        selection: Probability of being selected for judging.
        relevant: Drawn relevance.
        labelled: Relevant and selected.
    """

    relevance_features: Floats
    selection_features: Floats
    relevance: Floats
    selection: Floats
    relevant: NDArray[np.bool_]
    labelled: NDArray[np.bool_]


def draw(world: World, seed: int) -> Lists:
    """Documents, their probabilities, and one draw of relevance and labels."""
    rng = np.random.default_rng(seed)
    shape = (world.queries, world.documents, world.features)
    topical, lexical = rng.normal(size=shape), rng.normal(size=shape)
    even = np.full(world.features, world.features**-0.5)
    relevance, selection = _sigmoid(3 * topical @ even - 2), _sigmoid(world.bias * lexical @ even)
    relevant = rng.random(shape[:2]) < relevance
    return Lists(topical, lexical, relevance, selection, relevant, relevant & (rng.random(shape[:2]) < selection))


def inverse_propensity_risk(scores: Floats, labelled: NDArray[np.bool_], selection: Floats) -> float:
    """Mean logistic loss with inverse propensity weights: w = label / P(selected) as relevant, 1 - w as not relevant.

    With the true probabilities it is an unbiased estimate of the loss under full judgments, for any scores (Joachims et
    al. 2017, for pointwise losses).
    """
    weights = labelled / selection
    return float((weights * np.logaddexp(0, -scores) + (1 - weights) * np.logaddexp(0, scores)).mean())


def full_risk(scores: Floats, relevance: Floats) -> float:
    """Mean logistic loss under full judgments, in expectation over relevance."""
    return float((relevance * np.logaddexp(0, -scores) + (1 - relevance) * np.logaddexp(0, scores)).mean())


def train(world: World, lists: Lists, method: Method, coupling: Coupling, seed: int) -> Floats:
    """Train a ranker on the labels and score all documents.

    Args:
        world: The parameters of the simulation.
        lists: The documents; only ``oracle`` uses their relevance.
        method: Negatives at ``random`` from all, ``hard`` ones, hard ones with ``coupled`` weights, or hard ones that
            are truly not relevant (``oracle``).
        coupling: Parameters of the coupled weights.
        seed: Seed of the negatives and the initial weights.

    Returns:
        Scores, queries x documents.
    """
    import torch

    torch.manual_seed(seed)
    rows, targets = _training_lists(world, lists, method, np.random.default_rng(seed))
    text = torch.tensor(
        np.concatenate([lists.relevance_features, lists.selection_features], axis=2), dtype=torch.float32
    )
    evidence = torch.tensor(lists.selection_features, dtype=torch.float32)
    query, place = rows
    ranker = torch.nn.Sequential(torch.nn.Linear(2 * world.features, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    model = coupled.couple(ranker, world.features, coupling)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=1e-4)
    labels = torch.tensor(targets, dtype=torch.float32)
    for _ in range(world.steps):
        relevance = ranker(text[query, place]).squeeze(-1)
        if method == "coupled":
            selection = model[coupled.SELECTION](evidence[query, place]).squeeze(-1)
            loss = coupled.loss(relevance, selection, labels, coupling, (relevance, selection)).loss
        else:
            loss = losses.pairwise(relevance, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        scores: Floats = ranker(text).squeeze(-1).double().numpy()
    return scores


def agreement(scores: Floats, relevance: Floats) -> float:
    """Kendall's tau of scores and true probabilities of relevance, mean over lists."""
    from scipy.stats import kendalltau

    return float(np.mean([kendalltau(s, r).statistic for s, r in zip(scores, relevance, strict=True)]))


def _training_lists(world: World, lists: Lists, method: Method, rng: Any) -> tuple[tuple[Any, Any], Floats]:
    """Query and document indices of each training list, the labelled document first, and 0/1 targets."""
    better = lists.relevance_features.sum(axis=2) + rng.normal(size=lists.labelled.shape)
    queries, places = [], []
    for query, labelled in enumerate(lists.labelled):
        pool = np.argsort(-better[query])
        if method != "random":
            pool = pool[: world.window]
        pool = pool[~labelled[pool]]
        if method == "oracle":
            pool = pool[~lists.relevant[query][pool]]
        if len(pool) < world.negatives:
            continue
        for place in np.flatnonzero(labelled):
            queries.append(query)
            places.append([place, *rng.choice(pool, world.negatives, replace=False)])
    targets = np.zeros((len(places), world.negatives + 1))
    targets[:, 0] = 1
    return (np.array(queries)[:, None], np.array(places)), targets


def _sigmoid(x: Floats) -> Floats:
    probabilities: Floats = 1 / (1 + np.exp(-x))
    return probabilities
