"""PRADA: greedy word substitution against one target document, kept only where the victim's ranking improves.

Wu, Zhang, Guo, de Rijke, Fan, Cheng: PRADA: Practical Black-Box Adversarial Attacks against Neural Ranking Models,
ACM TOIS 2023. Words are ordered by the norm of the score's gradient at their embeddings, or by how far the score rises
without them. For each in turn the most promising synonyms are tried on the victim, and the best one is kept if it
improves the feedback. Who sees weights sees scores too, so the feedback is the score unless the rank is wanted.

Where this differs from the paper's released code, on purpose:

* Candidates are ranked by the first-order change of the score, from the one backward pass that also gives the
  importance, where the code takes three steps in embedding space and looks for the nearest synonym. On a ranker linear
  in its words the first-order change is exact, and the attack is optimal (tested).
* The gradient is the victim's own, hence the declared access to weights; there is no trained surrogate.
* A rejected replacement is undone before the next is tried; in the code one of a repeated word stays in the text.
* A rejected score never enters the ranked list; in the code later targets see a contaminated list.
* The gradient is taken without dropout, at the embeddings of the target's words alone; in the code it is random, and
  the shared embedding matrix moves the query and the competitors too.
* The budget counts changed words, the unit is the audit's tokenisation, and truncation is left to the ranker, which
  reads the perturbed text as it would any text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Oracle,
    Perturbation,
    Surface,
    ThreatModel,
    load_substitutes,
    match_case,
    substitute,
    words,
)
from robustrank_attacks._options import SUBSTITUTES, require_choice, require_positive


@dataclass(frozen=True, kw_only=True)
class Prada:
    """Replace important words by synonyms, one after another.

    Args:
        importance: ``"gradient"`` orders words by one backward pass (needs weights); ``"leave_one_out"`` by the
            score without the word (needs scores), which costs one pair per word and so covers only the first
            words of the document, for at most half of the calls.
        substitutes: The table of synonyms (:func:`robustrank.perturbations.substitutes.load`).
        words: Most important words to try.
        candidates: Synonyms of a word to try, in one batch: the most promising ones by gradient, else random ones.
        feedback: Keep a replacement if it improves the target's ``"score"``; or only if it improves its ``"rank"``, as
            in the paper, whose attacker sees no scores: such a search ends where no single word changes the rank.
    """

    importance: Literal["gradient", "leave_one_out"] = "gradient"
    substitutes: str = SUBSTITUTES
    words: int = 20
    candidates: int = 5
    feedback: Literal["rank", "score"] = "score"

    def __post_init__(self) -> None:
        require_choice("prada", "importance", [self.importance], ["gradient", "leave_one_out"])
        require_choice("prada", "feedback", [self.feedback], ["rank", "score"])
        require_positive("prada", "words", self.words)
        require_positive("prada", "candidates", self.candidates)

    @property
    def threat(self) -> ThreatModel:
        """Sees weights or scores, by ``importance``; substitutes words of the document."""
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"),
            surface=Surface.DOCUMENT,
            access=Access.WEIGHTS if self.importance == "gradient" else Access.SCORES,
            edits=AttackSet(operation="substitute", substitutes=self.substitutes),
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The document after every replacement that was kept."""
        text = case.target.text
        limit = self.words if oracle.budget.edits is None else oracle.budget.edits
        (rank,) = oracle.rank([Perturbation()])
        if limit == 0 or rank <= case.goal_rank:
            return Perturbation()
        ((_, best),) = self._ask(oracle, [Perturbation()])
        kept: dict[int, str] = {}
        for position, synonyms in self._plan(text, oracle, rng):
            trials = [Perturbation(target=substitute(text, {**kept, position: word})) for word in synonyms]
            answers = self._ask(oracle, trials[: oracle.affordable()])
            if not answers:
                break
            at = max(range(len(answers)), key=lambda i: answers[i][1])
            if answers[at][1] > best:
                reached, best = answers[at]
                kept[position] = synonyms[at]
                if len(kept) == limit or reached <= case.goal_rank:
                    break
        return Perturbation(target=substitute(text, kept))

    def _ask(self, oracle: Oracle, trials: Sequence[Perturbation]) -> list[tuple[int, float]]:
        """The rank of each trial, and the feedback; higher is better for the attacker."""
        if self.feedback == "score":
            return oracle.outcomes(trials)
        return [(rank, -float(rank)) for rank in oracle.rank(trials)]

    def _plan(self, text: str, oracle: Oracle, rng: Random) -> list[tuple[int, Sequence[str]]]:
        """The words to try, best first, and the synonyms to try for each."""
        possible = load_substitutes(self.substitutes).within(text)
        if not possible or oracle.affordable() == 0:
            return []
        if self.importance == "gradient":
            return self._by_gradient(text, possible, oracle)
        return self._by_leaving_out(text, possible, oracle, rng)

    def _by_gradient(
        self, text: str, possible: Mapping[int, Sequence[str]], oracle: Oracle
    ) -> list[tuple[int, Sequence[str]]]:
        """The most important words, in the order of their best synonym's first-order gain."""
        target_words = words(text)
        cased = {
            position: [match_case(s, target_words[position].text) for s in possible[position]] for position in possible
        }
        first_order = oracle.gradients(Perturbation(target=text), cased)
        seen = [position for position in possible if first_order.importance[position] > 0]
        important = sorted(seen, key=lambda position: -first_order.importance[position])[: self.words]
        ranked = {
            position: sorted(zip(first_order.gains[position], cased[position], strict=True), reverse=True)
            for position in important
        }
        best_first = sorted(important, key=lambda position: -ranked[position][0][0])
        return [(position, [word for _, word in ranked[position][: self.candidates]]) for position in best_first]

    def _by_leaving_out(
        self, text: str, possible: Mapping[int, Sequence[str]], oracle: Oracle, rng: Random
    ) -> list[tuple[int, Sequence[str]]]:
        """The words without which the score is highest, and random synonyms of each."""
        calls = oracle.affordable()
        probed = sorted(possible)[: None if calls is None else calls // 2]
        target_words = words(text)
        probes = [Perturbation(target=text[: target_words[p].start] + text[target_words[p].end :]) for p in probed]
        without = dict(zip(probed, oracle.score(probes), strict=True))
        best_first = sorted(probed, key=lambda position: -without[position])[: self.words]
        drawn = [rng.sample(possible[p], min(self.candidates, len(possible[p]))) for p in best_first]
        return list(zip(best_first, drawn, strict=True))
