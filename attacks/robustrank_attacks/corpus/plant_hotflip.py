"""HotFlip poisoning: documents near to clusters of queries, one piece exchanged at a time (Zhong et al., EMNLP 2023).

The published attack scores piece ids that no text need have, and its documents say nothing. Here every trial is a text,
and a document holds the payload. The mean similarity to a cluster is the inner product with its centroid, so one
gradient serves all queries of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from robustrank.plugin import Access, AttackSet, CorpusCase, Perturbation, StageOracle, Surface, ThreatModel, centroid
from robustrank_attacks._options import require_positive
from robustrank_attacks.corpus._ascent import Plan, along, ascend, shared
from robustrank_attacks.corpus._starts import encoded_group, from_queries, groups_of, length
from robustrank_attacks.corpus.plant_controls import PlantStuffing


@dataclass(frozen=True, kw_only=True)
class PlantHotFlip:
    """One document for each cluster of the known queries; at each step the best of some pieces at one position.

    Args:
        pieces: Word pieces behind the payload, fewer where the budget of words says so.
        steps: Gradients, with the exchange of one piece after each.
        candidates: Pieces tried at a step.
    """

    pieces: int = 50
    steps: int = 550
    candidates: int = 8

    def __post_init__(self) -> None:
        for name in ("pieces", "steps", "candidates"):
            require_positive("plant_hotflip", name, getattr(self, name))

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
        """The documents, those for most queries first."""
        vectors = encoded_group(case, oracle)
        if vectors is None:
            return PlantStuffing().perturb(case, oracle, rng)
        groups = groups_of(case, vectors, rng)
        plan = Plan(iterations=self.steps, positions=1, candidates=self.candidates)
        texts = []
        for done, rows in enumerate(groups):
            start = from_queries(case, oracle, (), length(case, self.pieces), rng)
            own = shared(plan, oracle.affordable(), len(groups) - done)
            aim = along(centroid(vectors[list(rows)]))
            texts.append(ascend(oracle, case.payload or "", start, aim, own, rng, case.words).text)
        return Perturbation(inserted=tuple(texts))
