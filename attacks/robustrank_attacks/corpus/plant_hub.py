"""Text hubs: documents that stand in as many lists as possible.

Adversarial hubs (Zhang et al., 2024) move a vector to the centroid of queries. This is the search of ``plant_gaslite``
for what counts in place of the centroid: for every known query the score of its tenth document is to be passed by a
margin, and a query that is passed pulls no longer. Documents are made one after another, each for the queries that the
ones before it do not pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from robustrank.plugin import Access, AttackSet, CorpusCase, Perturbation, StageOracle, Surface, ThreatModel, centroid
from robustrank_attacks._options import require_positive
from robustrank_attacks.corpus._ascent import Plan, above, ascend, shared
from robustrank_attacks.corpus._starts import encoded_group, from_queries, length, nearest_first
from robustrank_attacks.corpus.plant_controls import PlantStuffing


@dataclass(frozen=True, kw_only=True)
class PlantHub:
    """Documents that pass the tenth score of as many known queries as they can.

    Args:
        depth: Rank to reach.
        margin: By how much its score is to be passed.
        suffix: As for ``plant_gaslite``, as are the following.
        iterations: Gradients, and sweeps after them.
        positions: Pieces that a sweep tries to exchange.
        candidates: Pieces tried at each of them.
        copies: Texts whose gradients are averaged.
    """

    depth: int = 10
    margin: float = 0.01
    suffix: int = 100
    iterations: int = 75
    positions: int = 8
    candidates: int = 8
    copies: int = 4

    def __post_init__(self) -> None:
        for name in ("depth", "suffix", "iterations", "positions", "candidates", "copies"):
            require_positive("plant_hub", name, getattr(self, name))

    @property
    def threat(self) -> ThreatModel:
        """Has the weights of the first stage."""
        return ThreatModel(
            known_as=("LLM08:2025", "AML.T0043", "AML.T0070"),
            surface=Surface.CORPUS,
            access=Access.NONE,
            edits=AttackSet(operation="plant"),
            stage=Access.WEIGHTS,
        )

    def perturb(self, case: CorpusCase, oracle: StageOracle, rng: Random, /) -> Perturbation:
        """The documents; fewer where those before pass every query."""
        vectors = encoded_group(case, oracle)
        if vectors is None:
            return PlantStuffing().perturb(case, oracle, rng)
        thresholds = oracle.thresholds(self.depth)
        plan = Plan(
            iterations=self.iterations, positions=self.positions, candidates=self.candidates, copies=self.copies
        )
        left, texts = list(range(len(case.group))), list[str]()
        while left and len(texts) < case.plants:
            direction = centroid(vectors[left])
            near = [case.group[row] for row in nearest_first(vectors, left, direction)]
            start = from_queries(case, oracle, near, length(case, self.suffix), rng)
            own = shared(plan, oracle.affordable(), case.plants - len(texts))
            aim = above(vectors[left], thresholds[left], self.margin)
            done = ascend(oracle, case.payload or "", start, aim, own, rng, case.words)
            texts.append(done.text)
            if len(done.vector):
                passed = vectors[left].astype(np.float64) @ done.vector.astype(np.float64) > thresholds[left]
                left = [row for row, over in zip(left, passed, strict=True) if not over]
        return Perturbation(inserted=tuple(texts))
