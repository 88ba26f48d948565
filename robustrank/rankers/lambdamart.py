"""LambdaMART: boosted trees over text features (Burges 2010), by LightGBM, trained here on a training split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

import numpy as np

from robustrank.core import plugin_spec
from robustrank.core.errors import ContractError, DataError, MissingExtra, PluginError
from robustrank.core.interfaces import Ranker
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Collection, Document, Query, RankerCard
from robustrank.plugins import registry
from robustrank.rankers.text_features import FEATURES, Statistics, features
from robustrank.retrieval.first_stage import first_stage

ROUNDS = 150


@dataclass(frozen=True, kw_only=True)
class LambdaMART:
    """Trees that were trained for nDCG on one collection; features are those of :mod:`.text_features`.

    The model is trained at the first call, in seconds, and is the same for the same parameters. Rows and columns
    are drawn with the seed, so that models of several seeds are a family of resampled rankers.

    Args:
        train: The training collection in the one-line form ``"name(key=value)"``; never the split that is audited.
        seed: Of drawing and splitting.
        depth: Candidates per training query: those that come with the collection, else BM25's.
        rounds: Trees.
        leaves: Leaves of a tree.
        rate: Learning rate.
    """

    train: str = "selqa(split='dev')"
    seed: int = 0
    depth: int = 30
    rounds: int = ROUNDS
    leaves: int = 15
    rate: float = 0.05

    def __post_init__(self) -> None:
        for name, value, least in (("depth", self.depth, 2), ("rounds", self.rounds, 1), ("leaves", self.leaves, 2)):
            if value < least:
                raise PluginError(f"lambdamart: {name} must be at least {least}, not {value}")

    @property
    def card(self) -> RankerCard:
        """Name and parameters; the fitted ranker's card also carries its trees and statistics."""
        return RankerCard(name=f"lambdamart(seed={self.seed})", fingerprint=str(self))

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Refused: features need a collection's statistics.

        Raises:
            ContractError: Always; call :meth:`fit` first.
        """
        raise ContractError("lambdamart needs a collection's statistics; call fit(collection) first")

    def fit(self, collection: Collection, /) -> Ranker:
        """The trained trees, with the statistics of the collection to be ranked."""
        trees, trained_on = _trained(self)
        fingerprint = sha256(f"{trees.model_to_string()} {collection.digest}".encode()).hexdigest()[:16]
        card = RankerCard(
            name=self.card.name,
            fingerprint=fingerprint,
            note=f"{self.rounds} trees over {len(FEATURES)} text features, trained on {trained_on}; statistics of "
            f"{collection.name}, frozen under attack",
            invariant=("case",),
        )
        return FittedLambdaMART(card, trees, Statistics.of(collection))


@dataclass(frozen=True)
class FittedLambdaMART:
    """Trained trees with a collection's statistics."""

    card: RankerCard
    trees: Any
    statistics: Statistics

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The sum of the trees' leaves."""
        if not docs:
            return []
        rows = features(query.text, [doc.text for doc in docs], self.statistics)
        return [float(score) for score in self.trees.predict(rows, num_threads=1)]


@lru_cache(maxsize=16)
def _trained(ranker: LambdaMART) -> tuple[Any, str]:
    try:
        import lightgbm
    except ImportError as error:
        raise MissingExtra("the lambdamart ranker", extra="ltr", package="lightgbm") from error
    rows, grades, sizes, name = _examples(ranker.train, ranker.depth)
    parameters = {
        "objective": "lambdarank", "num_leaves": ranker.leaves, "learning_rate": ranker.rate, "seed": ranker.seed,
        "feature_fraction": 0.7, "bagging_fraction": 0.7, "bagging_freq": 1, "min_data_in_leaf": 20,
        "label_gain": [2**grade - 1 for grade in range(int(grades.max()) + 1)],
        "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbose": -1,
    }  # fmt: skip
    data = lightgbm.Dataset(rows, label=grades, group=sizes, feature_name=list(FEATURES))
    return lightgbm.train(parameters, data, num_boost_round=ranker.rounds), name


@lru_cache(maxsize=4)
def _examples(train: str, depth: int) -> tuple[Any, Any, list[int], str]:
    """Features, grades and list lengths of a training collection, without lists whose documents all have one grade."""
    collection: Collection = registry.build("collection", plugin_spec.parse(train)).load()
    statistics = Statistics.of(collection)
    stage = Plugin(use="candidates" if collection.candidates else "bm25")
    lists = first_stage(stage, collection, collection.queries, depth)
    rows, grades, sizes = [], [], []
    for query in collection.queries:
        ids = lists[query.query_id]
        list_grades = [max(0, collection.qrels[query.query_id].get(doc_id, 0)) for doc_id in ids]
        if len(set(list_grades)) > 1:
            rows.append(features(query.text, [collection.documents[i].text for i in ids], statistics))
            grades += list_grades
            sizes.append(len(ids))
    if not rows:
        raise DataError(
            f"lambdamart: no list of {train} holds documents of different grades; there is nothing to learn"
        )
    return np.concatenate(rows), np.array(grades), sizes, f"{train}, {len(sizes)} queries"
