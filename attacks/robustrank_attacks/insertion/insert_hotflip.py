"""Words in one block, chosen by gradients and exchanged until no exchange helps: Brittle-BERT, and collisions.

Brittle-BERT (Wang et al., ECIR 2022) puts a few tokens in front and exchanges one after another by HotFlip (Ebrahimi et
al., ACL 2018): the first-order gain names the most promising of a vocabulary, of which the best by score stays. Here
the unit is the word and not the word piece, so that what is scored is always the text that is handed in (pieces that
glue to their neighbours need not come back); the vocabulary is words of the list's documents and of the query; and a
gain is that of the word's mean embedding.

With ``avoid_query`` the text is not about the query, as Song et al. (EMNLP 2020) filter their collisions: no words of
the query, none that begins alike, no plurals. Theirs are found by gradient descent on a relaxed text and a beam; here
by the search above, with ``fluency`` for the language model of their natural collisions, whose place a word trigram
model takes (extra ``fluency``; without it, 0 everywhere). A collision is scored inside the document, not alone.

The control is the same plug-in without sweeps: the best of as many blocks of random words as there are restarts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

from robustrank.plugin import Access, AttackSet, Case, Goal, Oracle, Perturbation, PluginError, Surface, ThreatModel
from robustrank_attacks._options import require_choice, require_positive
from robustrank_attacks.insertion._fluency import log_probability
from robustrank_attacks.insertion._insertion import BLOCKS, Block, insert_block
from robustrank_attacks.insertion._vocabulary import apart_from, list_words, vocabulary

WORDS = 2000
"""Most words of the vocabulary, those of most documents."""

BATCH = 8
TRIED = 8
"""Exchanges of each word that a restart must be able to pay for; fewer restarts are made where it could not."""


class _Trial(NamedTuple):
    """A block of words, and what the victim answers; ``value`` is what the search maximises."""

    block: tuple[str, ...]
    reached: bool
    gain: float
    value: float


@dataclass(frozen=True, kw_only=True)
class InsertHotFlip:
    """Insert a block of words that starts at random and is improved word by word through gradients.

    Args:
        most: Words to insert where the audit sets no limit.
        place: ``"start"``, ``"middle"`` (between sentences) or ``"end"``.
        avoid_query: Whether to use no words of the query, their plurals, or words that begin alike.
        fluency: Weight of the mean log probability of the block's words under the trigram model, beside the score.
        goal: ``"promote"``, or ``"demote"``: push a relevant document out of the top ten.
        promising: Words scored for each position of a sweep, the best by first-order gain.
        sweeps: Most passes over the positions; 0 is the control.
        restarts: Random blocks to start from; a limit on pairs is shared by them, and may pay for fewer.
    """

    most: int = 3
    place: Block = "start"
    avoid_query: bool = False
    fluency: float = 0.0
    goal: Literal["promote", "demote"] = "promote"
    promising: int = 40
    sweeps: int = 10
    restarts: int = 6

    def __post_init__(self) -> None:
        require_choice("insert_hotflip", "place", [self.place], BLOCKS)
        require_choice("insert_hotflip", "goal", [self.goal], ["promote", "demote"])
        for option in ("most", "promising", "restarts"):
            require_positive("insert_hotflip", option, getattr(self, option))
        if self.sweeps < 0 or self.fluency < 0:
            raise PluginError("insert_hotflip: sweeps and fluency must not be negative")

    @property
    def threat(self) -> ThreatModel:
        """Sees gradients, its control scores; inserts words into the document."""
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"),
            surface=Surface.DOCUMENT,
            access=Access.WEIGHTS if self.sweeps else Access.SCORES,
            edits=AttackSet(operation="insert"),
            goal=Goal(self.goal),
            control=not self.sweeps,
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The first text that reaches the goal, else the best one scored; nothing where none is better."""
        size = self.most if oracle.budget.edits is None else oracle.budget.edits
        possible = list(dict.fromkeys([*vocabulary(case, ["query"], 1), *list_words(case, WORDS)]))
        if self.avoid_query:
            possible = apart_from(case.query.text, possible)
        if size == 0 or not possible:
            return Perturbation()
        return _Search(self, case, oracle, possible, size, rng).run()


def insert_collision(
    *,
    most: int = 10,
    place: Block = "start",
    fluency: float = 0.0,
    promising: int = 40,
    sweeps: int = 10,
    restarts: int = 1,
) -> InsertHotFlip:
    """Insert a block of words that is not about the query, improved word by word through gradients.

    Args:
        most: Words to insert where the audit sets no limit.
        place: ``"start"``, ``"middle"`` (between sentences) or ``"end"``.
        fluency: Weight of the mean log probability of the block's words under the trigram model, beside the score.
        promising: Words scored for each position of a sweep, the best by first-order gain.
        sweeps: Most passes over the positions; 0 is the control.
        restarts: Random blocks to start from.
    """
    return InsertHotFlip(
        most=most, place=place, avoid_query=True, fluency=fluency, promising=promising, sweeps=sweeps, restarts=restarts
    )


class _Search:
    """One case under attack."""

    def __init__(
        self, attack: InsertHotFlip, case: Case, oracle: Oracle, possible: Sequence[str], size: int, rng: Random
    ) -> None:
        self._attack, self._case, self._oracle, self._rng = attack, case, oracle, rng
        self._possible, self._size = possible, size
        self._sign = -1 if attack.goal == "demote" else 1
        ((rank, self._clean),) = oracle.outcomes([Perturbation()])
        self._done = self._reached(rank)
        self._left: int | None = None
        """Pairs that the restart may still request."""

    def run(self) -> Perturbation:
        """Restart until the goal is reached or the pairs are spent."""
        best: _Trial | None = None
        restarts = 0 if self._done else self._restarts()
        for restart in range(restarts):
            left = self._oracle.affordable()
            self._left = None if left is None else left // (restarts - restart)
            trial = self._restart()
            best = max((each for each in (best, trial) if each is not None), key=_order, default=None)
            if best is not None and best.reached:
                break
        if best is None or (best.gain <= 0 and not best.reached):
            return Perturbation()
        return self._written(best.block)

    def _restarts(self) -> int:
        left, wanted = self._oracle.affordable(), self._attack.restarts
        if left is None:
            return wanted
        needed = 2 + TRIED * self._size if self._attack.sweeps else 1
        return max(1, min(wanted, left // needed))

    def _restart(self) -> _Trial | None:
        """From random words to a block that no exchange improves."""
        start = tuple(self._rng.choice(self._possible) for _ in range(self._size))
        current = next(iter(self._ask([start])), None)
        for _ in range(self._attack.sweeps):
            if current is None or current.reached or (self._left is not None and self._left < 2):
                break
            after = self._sweep(current)
            if after.value <= current.value and not after.reached:
                break
            current = after
        return current

    def _sweep(self, current: _Trial) -> _Trial:
        """One backward pass, then each position in turn: the best word of the most promising, or the one it has."""
        text, first = insert_block(self._case.target.text, current.block, self._attack.place)
        places = {first + at: self._possible for at in range(self._size)}
        gains = self._oracle.gradients(Perturbation(target=text), places).gains
        self._spend(1)
        for at in range(self._size):
            limit = None if self._left is None else self._left // (self._size - at)
            for block in self._batches(self._exchanged(current.block, at, gains[first + at]), limit):
                current = max([current, *self._ask(block)], key=_order)
                if current.reached:
                    return current
        return current

    def _exchanged(self, block: tuple[str, ...], at: int, gains: Sequence[float]) -> list[tuple[str, ...]]:
        """Blocks with another word at one position, the most promising first."""
        others = {word: (*block[:at], word, *block[at + 1 :]) for word in self._possible if word != block[at]}
        own = dict(zip(self._possible, gains, strict=True))
        promise = {word: self._sign * own[word] + self._fluency(other) for word, other in others.items()}
        return [others[word] for word in sorted(others, key=lambda word: -promise[word])[: self._attack.promising]]

    def _batches(self, blocks: Sequence[tuple[str, ...]], limit: int | None) -> list[Sequence[tuple[str, ...]]]:
        within = blocks[:limit]
        return [within[at : at + BATCH] for at in range(0, len(within), BATCH)]

    def _fluency(self, block: Sequence[str]) -> float:
        weight = self._attack.fluency
        return weight * log_probability(" ".join(block)) / len(block) if weight else 0.0

    def _ask(self, blocks: Sequence[tuple[str, ...]]) -> list[_Trial]:
        within = blocks[: self._left][: self._oracle.affordable()]
        answers = self._oracle.outcomes([self._written(block) for block in within])
        self._spend(len(within))
        gains = [self._sign * (score - self._clean) for _, score in answers]
        return [
            _Trial(block, self._reached(rank), gain, gain + self._fluency(block))
            for block, (rank, _), gain in zip(within, answers, gains, strict=True)
        ]

    def _reached(self, rank: int) -> bool:
        goal = self._case.goal_rank
        return rank >= goal if self._sign < 0 else rank <= goal

    def _spend(self, pairs: int) -> None:
        if self._left is not None:
            self._left -= pairs

    def _written(self, block: Sequence[str]) -> Perturbation:
        return Perturbation(target=insert_block(self._case.target.text, block, self._attack.place)[0])


def _order(trial: _Trial) -> tuple[bool, float]:
    return trial.reached, trial.value
