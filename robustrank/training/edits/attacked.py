"""Documents as an attack plug-in leaves them: adversarial training with the attacks that audits are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from robustrank.core.errors import ConfigError
from robustrank.core.interfaces import Attack, Ranker
from robustrank.core.ranking import checked_scores, order
from robustrank.core.types import Budget, Case, Document, Query, Surface
from robustrank.perturbations.apply import apply
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """A share of the documents is attacked, one after the other, each in the list of clean ones.

    The attack meets a ranker that stands in for the student, such as its parent: as transferred texts do, what it finds
    does not follow the student as it learns (``[stage.adversary]`` does). An attack that asks for no scores costs one
    ranking of the list, others up to ``budget.calls`` pairs a document.

    Args:
        attack: The attack, as in an audit file; it changes documents.
        ranker: Stands in for the student.
        budget: ``edits``, ``characters`` and ``calls``, as in an audit file.
        share: Probability that a document is attacked.
        goal_rank: The attacker is content with this rank.

    Raises:
        ConfigError: The attack changes queries, ``share`` is no probability, or a budget has an unknown key.
    """

    attack: Attack
    ranker: Ranker
    budget: Mapping[str, int] = field(default_factory=dict)
    share: float = 0.3
    goal_rank: int = 1

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.attack.threat.surface is not Surface.DOCUMENT:
            raise ConfigError("attack: in training, an attack changes documents; this one changes queries")
        if not 0.0 <= self.share <= 1.0:
            raise ConfigError("attack: share must be from 0 to 1")
        if unknown := set(self.budget) - {"edits", "characters", "calls"}:
            raise ConfigError(f"attack: budget has edits, characters and calls, not {min(unknown)!r}")

    def edited(self, query: str, texts: Sequence[str], rng: Random, /) -> tuple[str, list[str]]:
        """The same query, and the texts, some attacked; what breaks the attack's rules or budget is left out."""
        seeds = [rng.getrandbits(62) if rng.random() < self.share else None for _ in texts]
        if all(seed is None for seed in seeds):
            return query, list(texts)
        asked, docs = Query("training", query), [Document(str(place), text) for place, text in enumerate(texts)]
        scores = dict(zip((doc.doc_id for doc in docs), checked_scores(self.ranker, asked, docs), strict=True))
        ranked = tuple(docs[int(doc_id)] for doc_id in order(list(scores.items())))
        budget, metered = Budget(**self.budget), MeteredRanker(self.ranker)
        read = list(texts)
        for place, seed in enumerate(seeds):
            if seed is None:
                continue
            case = Case(asked, docs[place], ranked, self.goal_rank)
            clean = [(doc.doc_id, scores[doc.doc_id]) for doc in docs]
            oracle = MeteredOracle(metered, case, self.attack.threat, budget, clean=clean)
            perturbation = self.attack.perturb(case, oracle, Random(seed))
            if not verify(case, perturbation, self.attack.threat, budget).violations:
                read[place] = apply(perturbation, case)[1].text
        return query, read
