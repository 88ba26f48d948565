"""GASLITE: a payload and a suffix of word pieces that bring the document near to queries (Ben-Tov & Sharif, CCS 2025).

One iteration averages gradients over copies of the text with one piece exchanged, then sweeps over some positions from
left to right and keeps the best of the proposed pieces and the one that is there, each scored as text. Differences
from the published method: it begins with the queries themselves in place of a language model's continuation, pieces are
ASCII letters and digits, and the defaults spend about 5,000 encodes a document instead of 258,000
(``iterations = 100, positions = 20, candidates = 128, copies = 50`` is the published plan). With few encodes, more
gradients with fewer pieces tried after each do better: 600 encodes brought a document to cosines of 0.93 and 0.92 with
two queries by 9 iterations of 8 pieces, to 0.86 and 0.87 by 3 iterations of 24.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from robustrank.plugin import (
    Access,
    AttackSet,
    CorpusCase,
    Perturbation,
    StageOracle,
    Surface,
    ThreatModel,
    centroid,
)
from robustrank_attacks._options import require_choice, require_positive
from robustrank_attacks.corpus._ascent import Plan, along, ascend, shared
from robustrank_attacks.corpus._starts import encoded_group, from_queries, groups_of, length, nearest_first
from robustrank_attacks.corpus.plant_controls import PlantStuffing


@dataclass(frozen=True, kw_only=True)
class PlantGaslite:
    """Documents of the payload and an optimised suffix, near to single queries or to centroids of queries.

    Args:
        knows: ``"query"``: one document for each known query. ``"concept"`` or ``"nothing"``: one for each cluster of
            them; what the attacker knows is then what the known queries are, all on one subject (``about``) or any.
        suffix: Word pieces behind the payload, fewer where the budget of words says so.
        iterations: Gradients, and sweeps after them.
        positions: Pieces that a sweep tries to exchange.
        candidates: Pieces tried at each of them.
        copies: Texts whose gradients are averaged.
    """

    knows: Literal["query", "concept", "nothing"] = "nothing"
    suffix: int = 100
    iterations: int = 75
    positions: int = 8
    candidates: int = 8
    copies: int = 4

    def __post_init__(self) -> None:
        require_choice("plant_gaslite", "knows", [self.knows], ["query", "concept", "nothing"])
        for name in ("suffix", "iterations", "positions", "candidates", "copies"):
            require_positive("plant_gaslite", name, getattr(self, name))

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
        """The documents, those for most queries first; a budget of encodes is shared alike."""
        vectors = encoded_group(case, oracle)
        if vectors is None:
            return PlantStuffing().perturb(case, oracle, rng)
        if self.knows == "query":
            groups = [[row] for row in range(min(case.plants, len(case.group)))]
        else:
            groups = [list(rows) for rows in groups_of(case, vectors, rng)]
        plan = Plan(
            iterations=self.iterations, positions=self.positions, candidates=self.candidates, copies=self.copies
        )
        texts = []
        for done, rows in enumerate(groups):
            direction = centroid(vectors[rows])
            near = [case.group[row] for row in nearest_first(vectors, rows, direction)]
            start = from_queries(case, oracle, near, length(case, self.suffix), rng)
            own = shared(plan, oracle.affordable(), len(groups) - done)
            texts.append(ascend(oracle, case.payload or "", start, along(direction), own, rng, case.words).text)
        return Perturbation(inserted=tuple(texts))
