"""A world whose relevance is known, to see whether a training undoes the bias of its labels.

Documents have two sets of features. Relevance depends on the first, being selected for judging on the second, and a
document has a label where both hold. The ranker sees both sets, as a text shows both what it is about and which words a
retriever would find; the selection model sees the second only. Negatives are what a retriever that is better than the
selection ranks highest among the documents without a label, so many of them are relevant. What counts is the order
that the trained ranker gives, against the true probabilities of relevance.
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
    """How documents come to be relevant and selected.

    Args:
        queries: Lists.
        documents: Of each list.
        features: In each of the two sets.
        bias: How much selection depends on its features; at 0 all documents are as likely to be selected.
        window: Of a list, so many documents that the better retriever ranks highest are drawn from as hard negatives.
        negatives: Drawn for each labelled document.
        steps: Of full-batch Adam.
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
    """Documents of all queries: features are queries x documents x features, the others queries x documents."""

    about: Floats
    found: Floats
    relevance: Floats
    selection: Floats
    relevant: NDArray[np.bool_]
    labelled: NDArray[np.bool_]


def draw(world: World, seed: int) -> Lists:
    """Documents, their probabilities, and one draw of relevance and labels."""
    rng = np.random.default_rng(seed)
    shape = (world.queries, world.documents, world.features)
    about, found = rng.normal(size=shape), rng.normal(size=shape)
    even = np.full(world.features, world.features**-0.5)
    relevance, selection = _sigmoid(3 * about @ even - 2), _sigmoid(world.bias * found @ even)
    relevant = rng.random(shape[:2]) < relevance
    return Lists(about, found, relevance, selection, relevant, relevant & (rng.random(shape[:2]) < selection))


def inverse_propensity_risk(scores: Floats, labelled: NDArray[np.bool_], selection: Floats) -> float:
    """Mean logistic loss, with labels weighted by 1 / P(selected) and the rest, 1 - that, as not relevant.

    Its mean over draws of the labels is the loss under full judgments, for any scores (Joachims et al. 2017, for
    pointwise losses), where the probabilities are the true ones.
    """
    weights = labelled / selection
    return float((weights * np.logaddexp(0, -scores) + (1 - weights) * np.logaddexp(0, scores)).mean())


def full_risk(scores: Floats, relevance: Floats) -> float:
    """Mean logistic loss under full judgments, expected over relevance."""
    return float((relevance * np.logaddexp(0, -scores) + (1 - relevance) * np.logaddexp(0, scores)).mean())


def train(world: World, lists: Lists, method: Method, coupling: Coupling, seed: int) -> Floats:
    """Scores of all documents by a ranker trained from the labels.

    Args:
        world: The lists' world.
        lists: What is known of the documents, but for their relevance.
        method: Negatives at ``random`` from all, ``hard`` ones, hard ones with ``coupled`` weights, or hard ones that
            are truly not relevant (``oracle``).
        coupling: Of the coupled weights.
        seed: Of negatives and first weights.
    """
    import torch

    torch.manual_seed(seed)
    rows, targets = _training_lists(world, lists, method, np.random.default_rng(seed))
    text = torch.tensor(np.concatenate([lists.about, lists.found], axis=2), dtype=torch.float32)
    evidence = torch.tensor(lists.found, dtype=torch.float32)
    query, place = rows
    ranker = torch.nn.Sequential(torch.nn.Linear(2 * world.features, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    model = coupled.couple(ranker, world.features, coupling)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=1e-4)
    known = torch.tensor(targets, dtype=torch.float32)
    for _ in range(world.steps):
        relevance = ranker(text[query, place]).squeeze(-1)
        if method == "coupled":
            selection = model[coupled.SELECTION](evidence[query, place]).squeeze(-1)
            loss = coupled.loss(relevance, selection, known, coupling, (relevance, selection)).loss
        else:
            loss = losses.pairwise(relevance, known)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        scores: Floats = ranker(text).squeeze(-1).double().numpy()
    return scores


def agreement(scores: Floats, relevance: Floats) -> float:
    """Kendall's tau of scores and true relevance, mean over lists."""
    from scipy.stats import kendalltau

    return float(np.mean([kendalltau(s, r).statistic for s, r in zip(scores, relevance, strict=True)]))


def _training_lists(world: World, lists: Lists, method: Method, rng: Any) -> tuple[tuple[Any, Any], Floats]:
    """Query and places of each list, the labelled document first, and targets."""
    better = lists.about.sum(axis=2) + rng.normal(size=lists.labelled.shape)
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
    found: Floats = 1 / (1 + np.exp(-x))
    return found
