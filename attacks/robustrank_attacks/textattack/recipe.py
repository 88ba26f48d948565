"""TextAttack's recipes by name against any ranker, and any ranker as a model that TextAttack attacks by itself.

Morris et al.: TextAttack, EMNLP 2020 (demonstrations). Of a recipe the transformation, the constraints and the search
stay; its goal, which is to change a label, becomes the rank. Meter and verification are RobustRank's: a recipe's texts
count where they keep the number of words and what stands between them.

Many recipes download word vectors or models when they are built (TextFooler, BERT-Attack, PWWS); where these cannot be
had, the error says so. ``DeepWordBugGao2018`` and ``Pruthi2019`` need none.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import exp
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np

from robustrank.plugin import (
    Access,
    AttackSet,
    BudgetExhausted,
    Case,
    Document,
    Oracle,
    Perturbation,
    PluginError,
    Query,
    Ranker,
    Surface,
    ThreatModel,
    gaps,
    words,
)
from robustrank_attacks.textattack._bridge import all_scores, goal, package, paid


@dataclass(frozen=True, kw_only=True)
class TextAttackRecipe:
    """A recipe of TextAttack, whose goal is a rank (needs the extra ``textattack``).

    Args:
        recipe: Its class in ``textattack.attack_recipes``.
    """

    recipe: str = "DeepWordBugGao2018"

    @property
    def threat(self) -> ThreatModel:
        """Sees scores; replaces words of the document by any words that the recipe makes."""
        edits = AttackSet(operation="replace")
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"), surface=Surface.DOCUMENT, access=Access.SCORES, edits=edits
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The best legal document the recipe came upon, also where the budget ended it."""
        limit = oracle.budget.edits
        if limit == 0 or oracle.affordable() == 0 or oracle.rank([Perturbation()])[0] <= case.goal_rank:
            return Perturbation()
        search = _Search(case, oracle)
        with package() as textattack, _seeded(rng):
            made = self._built(textattack)
            constraints = [*made.constraints, *made.pre_transformation_constraints]
            if limit is not None:
                constraints.append(textattack.constraints.overlap.MaxWordsPerturbed(max_num_words=limit))
            aim = goal(textattack, search.score, lambda: search.done)
            attack = textattack.Attack(aim, constraints, made.transformation, made.search_method)
            shown = textattack.shared.AttackedText(case.target.text)
            with suppress(BudgetExhausted):  # the best text so far is returned
                if shown.words:
                    attack.attack(shown, 0)
        return Perturbation(target=search.best)

    def _built(self, textattack: Any) -> Any:
        import textattack.attack_recipes as recipes

        recipe_names = sorted(name for name, each in vars(recipes).items() if isinstance(each, type))
        if self.recipe not in recipe_names:
            raise PluginError(f"textattack_recipe: no recipe {self.recipe!r} (have: {', '.join(recipe_names)})")
        try:
            return getattr(recipes, self.recipe).build(SimpleNamespace(model=None))
        except (OSError, ImportError, LookupError, ValueError, AttributeError, RuntimeError) as error:
            raise PluginError(f"textattack_recipe: {self.recipe} cannot be built here: {error}") from error


def as_classifier(ranker: Ranker, query: Query, bar: float) -> Any:
    """A model wrapper for TextAttack's own drivers: of a document, the probability that it passes a bar.

    Label 1 is a score above ``bar`` (for example that of the tenth document of a list), so an untargeted attack on a
    document of label 0 has succeeded when it is over the bar. Probabilities are the logistic function of the margin.

    Args:
        ranker: Any ranker.
        query: The query its documents are ranked for.
        bar: The score to pass.
    """
    with package() as textattack:
        base: Any = textattack.models.wrappers.ModelWrapper

    class RankerModel(base):  # type: ignore[misc]
        def __init__(self) -> None:
            self.model = ranker

        def __call__(self, text_input_list: Sequence[str], **kwargs: Any) -> Any:
            scores = ranker.score(query, [Document("", text) for text in text_input_list])
            over = [1 / (1 + exp(min(700.0, bar - score))) for score in scores]
            return np.array([[1 - p, p] for p in over])

    return RankerModel()


class _Search:
    """Scores of TextAttack's texts; the best legal one is kept."""

    def __init__(self, case: Case, oracle: Oracle) -> None:
        self._case, self._oracle = case, oracle
        self._best_score = float("-inf")
        self.best: str | None = None
        self.done = False

    def score(self, shown: Sequence[Any]) -> list[float]:
        texts = [text.text for text in shown]
        outcomes = paid(self._oracle, [Perturbation(target=text) for text in texts])
        for text, (rank, score) in zip(texts, outcomes, strict=False):
            if text != self._case.target.text and score > self._best_score and self._legal(text):
                self._best_score, self.best = score, text
                self.done = rank <= self._case.goal_rank
        return all_scores(outcomes, len(texts))

    def _legal(self, text: str) -> bool:
        """Whether verification accepts it: words replaced one by one, and no more of them than allowed."""
        before, limit = self._case.target.text, self._oracle.budget.edits
        if gaps(text) != gaps(before):
            return False
        pairs = zip(words(before), words(text), strict=True)
        return limit is None or sum(a.text != b.text for a, b in pairs) <= limit


@contextmanager
def _seeded(rng: Random) -> Iterator[None]:
    """TextAttack draws from the global generators; they are seeded for it and put back."""
    state, array_state = random.getstate(), np.random.get_state()
    random.seed(rng.getrandbits(64))
    np.random.seed(rng.getrandbits(32))
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(array_state)
