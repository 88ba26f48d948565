"""Optimised insertion of words: one word at a time, where and which the victim's answers say, until the goal.

Greedy insertion of single words of the query and of documents that rank high is what optimised insertion attacks come
down to once their language model is left out (triggers: Song et al., EMNLP 2020; PAT, Liu et al., CCS 2022;
Brittle-BERT, Wang et al., ECIR 2022). A step tries every word at the place that was best so far, and then its best word
at the other places, so it costs as many pairs as there are words and places, and not their product. On a ranker that
adds up amounts of words and of places the result is the best there is (tested against enumeration).

With access to weights, one backward pass with a word already in its place gives the first-order gain of many others
(HotFlip, Ebrahimi et al., ACL 2018), of which the most promising are tried beside those that did best before. With
access to ranks a step may leave the rank as it is: the next word may change it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

from robustrank.plugin import Access, AttackSet, Case, Oracle, Perturbation, Surface, ThreatModel, words
from robustrank_attacks._budget import share
from robustrank_attacks._options import require_choice, require_positive
from robustrank_attacks.insertion._insertion import GAPS, Gap, offsets, put
from robustrank_attacks.insertion._vocabulary import SOURCES, vocabulary

TRIED = 8
"""With access to weights, words that a step tries for their first-order gain, and as many that did best before."""

Inserted = tuple[tuple[int, str], ...]
"""Offset and word, in the order of insertion."""


class _Trial(NamedTuple):
    """Words inserted, and what the victim answers: the rank, and its score or minus the rank."""

    inserted: Inserted
    rank: int
    value: float


@dataclass(frozen=True, kw_only=True)
class WordInsertion:
    """Insert one word after another, each the best word at the best place that was tried.

    Args:
        access: What it sees of the victim: ``"weights"``, ``"scores"`` or ``"ranks"``.
        vocabulary: Where words are taken from: the ``"query"``, words by which the first documents of the ``"list"``
            differ from the others, the document's ``"own"`` words.
        terms: Most words of the list, and of the document; by default 6, with access to weights 100.
        place: ``"start"``, ``"end"``, ``"gaps"`` (between sentences), or ``"best"``: any of them.
        most: Most words to insert where the audit sets no limit.
        batch: Texts scored at a time.
    """

    access: Literal["weights", "scores", "ranks"] = "scores"
    vocabulary: Sequence[str] = ("query", "list")
    terms: int | None = None
    place: Gap = "best"
    most: int = 10
    batch: int = 4

    def __post_init__(self) -> None:
        require_choice("word_insertion", "access", [self.access], ["weights", "scores", "ranks"])
        require_choice("word_insertion", "vocabulary", self.vocabulary, SOURCES)
        require_choice("word_insertion", "place", [self.place], GAPS)
        require_positive("word_insertion", "terms", 1 if self.terms is None else self.terms)
        require_positive("word_insertion", "most", self.most)
        require_positive("word_insertion", "batch", self.batch)

    @property
    def threat(self) -> ThreatModel:
        """Sees what ``access`` says; inserts words into the document."""
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"),
            surface=Surface.DOCUMENT,
            access=Access(self.access),
            edits=AttackSet(operation="insert"),
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The first text that reaches the goal, else the best one tried; nothing where no word helps."""
        limit = self.most if oracle.budget.edits is None else oracle.budget.edits
        possible = vocabulary(case, self.vocabulary, self.terms or (100 if self.access == "weights" else 6))
        if limit == 0 or not possible or oracle.rank([Perturbation()])[0] <= case.goal_rank:
            return Perturbation()
        return _Search(self, case, oracle, possible, limit).run()


class _Search:
    """One case under attack."""

    def __init__(self, attack: WordInsertion, case: Case, oracle: Oracle, possible: Sequence[str], limit: int) -> None:
        self._attack, self._case, self._oracle, self._limit = attack, case, oracle, limit
        self._words = list(possible)
        self._places = offsets(case.target.text, attack.place)
        self._known = len(vocabulary(case, [each for each in attack.vocabulary if each == "query"], 1))
        """Words at the head of the list that are known to be good: those of the query, later those that were tried."""
        self._left: int | None = None
        """Pairs that the step may still request."""

    def run(self) -> Perturbation:
        """Insert words until the goal is reached, the limit or the pairs are spent, or no word helps."""
        (current,) = self._ask([()])
        best = current
        for step in range(self._limit):
            self._left = share(self._oracle.affordable(), step, self._limit)
            tried = self._step(current)
            if not tried:
                break
            reached = self._reached(tried)
            after = reached[0] if reached else max(tried, key=lambda trial: trial.value)
            if reached or after.value > best.value:
                best = after
            if reached or after.value < current.value or (after.value == current.value and self._sees_scores):
                break
            current = after
            last = current.inserted[-1][0]
            self._places.sort(key=lambda place: place != last)  # the place of the last word comes first
        return self._written(best.inserted)

    @property
    def _sees_scores(self) -> bool:
        return self._attack.access != "ranks"

    def _step(self, current: _Trial) -> list[_Trial]:
        """Words at the first place, and the best of them at the other places."""
        first, *others = self._places
        tried = self._until_goal([(*current.inserted, (first, word)) for word in self._candidates(current)])
        if not tried or self._reached(tried):
            return tried
        values = {trial.inserted[-1][1]: trial.value for trial in tried}
        # The next step begins with the words that are best now, and ends with those that were not tried.
        self._words.sort(key=lambda word: (word not in values, -values.get(word, 0.0)))
        self._known = len(values)
        return tried + self._until_goal([(*current.inserted, (place, self._words[0])) for place in others])

    def _candidates(self, current: _Trial) -> Sequence[str]:
        """The words to try at the first place, in order."""
        if self._attack.access != "weights" or (self._left is not None and self._left < 2):
            return self._words
        there = (*current.inserted, (self._places[0], self._words[0]))
        gains = dict(zip(self._words, self._gains(there), strict=True))
        promising = sorted(gains, key=lambda word: -gains[word])[:TRIED]
        return list(dict.fromkeys([*self._words[: self._known][:TRIED], *promising]))

    def _gains(self, inserted: Inserted) -> Sequence[float]:
        """First-order gain of each word in the place of the last one inserted."""
        place = inserted[-1][0]
        before = sum(word.start < place for word in words(self._case.target.text))
        at = before + sum(offset <= place for offset, _ in inserted) - 1
        self._spend(1)
        return self._oracle.gradients(self._written(inserted), {at: self._words}).gains[at]

    def _until_goal(self, trials: Sequence[Inserted]) -> list[_Trial]:
        """Answers to trials, a batch at a time, until one reaches the goal or the pairs of the step are spent."""
        tried: list[_Trial] = []
        while len(tried) < len(trials) and self._left != 0 and not self._reached(tried):
            tried += self._ask(trials[len(tried) :][: self._attack.batch][: self._left])
        return tried

    def _reached(self, tried: Sequence[_Trial]) -> list[_Trial]:
        return [trial for trial in tried if trial.rank <= self._case.goal_rank]

    def _ask(self, trials: Sequence[Inserted]) -> list[_Trial]:
        written = [self._written(inserted) for inserted in trials]
        if self._sees_scores:
            answers = self._oracle.outcomes(written)
        else:
            answers = [(rank, -float(rank)) for rank in self._oracle.rank(written)]
        self._spend(len(trials))
        return [_Trial(inserted, *answer) for inserted, answer in zip(trials, answers, strict=True)]

    def _spend(self, pairs: int) -> None:
        if self._left is not None:
            self._left -= pairs

    def _written(self, inserted: Inserted) -> Perturbation:
        return Perturbation(target=put(self._case.target.text, inserted)) if inserted else Perturbation()
