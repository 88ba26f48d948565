"""TextAttack's search methods with a rank as the goal.

Morris et al.: TextAttack: A Framework for Adversarial Attacks, Data Augmentation, and Adversarial Training in NLP,
EMNLP 2020 (demonstrations). The goal, the substitutes, the meter and the verification are RobustRank's; the search is
TextAttack's own code, so that a comparison with our attacks compares the searches alone.

TextAttack splits text in its own way and joins it again. It is therefore shown only the document's substitutable
words, and every trial is rebuilt from the document itself in the audit's word unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from robustrank.plugin import (
    Access,
    AttackSet,
    BudgetExhausted,
    Case,
    Oracle,
    Perturbation,
    Surface,
    ThreatModel,
    load_substitutes,
    substitute,
    words,
)
from robustrank_attacks._options import SUBSTITUTES, require_choice, require_positive
from robustrank_attacks.textattack._bridge import all_scores, goal, package, paid


@dataclass(frozen=True, kw_only=True)
class TextAttackSearch:
    """Word substitution by one of TextAttack's search methods (needs the extra ``textattack``).

    Args:
        search: ``"greedy_wir"`` (words by importance, as TextFooler and PWWS), ``"greedy"`` or ``"beam"``.
        substitutes: The table of synonyms (:func:`robustrank.perturbations.substitutes.load`).
        beam: Width of the beam search.
    """

    search: Literal["greedy_wir", "greedy", "beam"] = "greedy_wir"
    substitutes: str = SUBSTITUTES
    beam: int = 4

    def __post_init__(self) -> None:
        require_choice("textattack", "search", [self.search], ["greedy_wir", "greedy", "beam"])
        require_positive("textattack", "beam", self.beam)

    @property
    def threat(self) -> ThreatModel:
        """Sees scores; substitutes words of the document."""
        edits = AttackSet(operation="substitute", substitutes=self.substitutes)
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"), surface=Surface.DOCUMENT, access=Access.SCORES, edits=edits
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The best document TextAttack's search came upon, also where the budget ended it."""
        limit = oracle.budget.edits
        if limit == 0 or oracle.affordable() == 0 or oracle.rank([Perturbation()])[0] <= case.goal_rank:
            return Perturbation()
        with package() as textattack:
            possible = load_substitutes(self.substitutes).within(case.target.text)
            shown = _shown(case.target.text, possible, textattack)
            if not shown:
                return Perturbation()
            search = _Search(case, oracle, [position for position, _ in shown])
            attack = textattack.Attack(
                goal(textattack, search.score, lambda: search.done),
                _constraints(textattack, limit),
                _swap(textattack, {word: possible[position] for position, word in shown}),
                self._method(textattack),
            )
            with suppress(BudgetExhausted):  # the best text so far is returned
                attack.attack(textattack.shared.AttackedText(" ".join(word for _, word in shown)), 0)
        return Perturbation(target=search.best)

    def _method(self, textattack: Any) -> Any:
        methods = textattack.search_methods
        if self.search == "greedy_wir":
            return methods.GreedyWordSwapWIR(wir_method="unk")
        return methods.BeamSearch(beam_width=1 if self.search == "greedy" else self.beam)


class _Search:
    """TextAttack's goal function: scores of trials, and whether the target reaches the goal rank."""

    def __init__(self, case: Case, oracle: Oracle, positions: Sequence[int]) -> None:
        self._case = case
        self._oracle = oracle
        self._positions = positions
        self._clean = [word.text for word in words(case.target.text)]
        self._best_score = float("-inf")
        self.best: str | None = None
        self.done = False

    def score(self, shown: Sequence[Any]) -> list[float]:
        """The victim's scores; the best legal trial is remembered, with its rank."""
        trials = [text.words for text in shown]
        texts = [self._text(trial) for trial in trials]
        outcomes = paid(self._oracle, [Perturbation(target=text) for text in texts])
        scores = [score for _, score in outcomes]
        # Probes of importance are no candidates.
        legal = [i for i, trial in enumerate(trials[: len(outcomes)]) if "UNK" not in trial]
        top = max(legal, key=lambda i: scores[i], default=None)
        if top is not None and scores[top] > self._best_score:
            self._best_score = scores[top]
            self.best = texts[top] if texts[top] != self._case.target.text else None
            self.done = self.best is not None and outcomes[top][0] <= self._case.goal_rank
        return all_scores(outcomes, len(texts))

    def _text(self, trial: Sequence[str]) -> str:
        pairs = zip(self._positions, trial, strict=True)
        return substitute(self._case.target.text, {p: w for p, w in pairs if w != self._clean[p]})


def _shown(text: str, possible: Mapping[int, Sequence[str]], textattack: Any) -> list[tuple[int, str]]:
    """The substitutable words TextAttack reads as one word each; it would lose its place at others."""
    split = textattack.shared.utils.words_from_text
    target_words = words(text)
    return [
        (position, target_words[position].text)
        for position in sorted(possible)
        if split(target_words[position].text) == [target_words[position].text]
        and all(split(other) == [other] for other in possible[position])
    ]


def _constraints(textattack: Any, limit: int | None) -> list[Any]:
    constraints = [textattack.constraints.pre_transformation.RepeatModification()]
    if limit is not None:
        constraints.append(textattack.constraints.overlap.MaxWordsPerturbed(max_num_words=limit))
    return constraints


def _swap(textattack: Any, table: Mapping[str, Sequence[str]]) -> Any:
    class FromTable(textattack.transformations.word_swaps.WordSwap):  # type: ignore[misc]
        """The table's substitutes, as our attacks have them."""

        def _get_replacement_words(self, word: str) -> list[str]:
            return list(table.get(word, ()))

    return FromTable()
