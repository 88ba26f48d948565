"""The topic attacks: a trained policy, and the searches it is compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robustrank.plugin import Edits, Practice, Progress, TopicBudget, TopicCase, TopicOracle, Vectors, with_edits, words
from robustrank_attacks._options import require_choice, require_positive
from robustrank_attacks.topic import feedback, learner, searches
from robustrank_attacks.topic.board import Board, BoardOptions, build
from robustrank_attacks.topic.learner import Training
from robustrank_attacks.topic.policy import Policy, sample
from robustrank_attacks.topic.surrogate import GroupSurrogate, Surrogate, SurrogateOptions
from robustrank_attacks.topic.utility import Utility, strangeness

Value = Callable[[Sequence[str]], NDArray[np.float64]]

WIDTH, BRANCHES = 4, 24
"""Of the beam search: states kept, and moves tried from each."""

DRAWS = 32
"""Random texts, or episodes, among which the victim's answers select."""


@dataclass(frozen=True)
class Planner:
    """Surrogate, board options and utility, shared by all attacks that plan on a surrogate."""

    surrogate: Surrogate = field(repr=False)
    options: BoardOptions
    utility: Utility
    naturalness: float = 0.0

    def open(self, case: TopicCase, budget: TopicBudget) -> tuple[Board, Value]:
        """The case's board, and the utility of texts for its queries."""
        view = self.surrogate.of(case)
        return build(case, view, budget, self.options), self._worth(view)

    def practise(self, one: Practice, budget: TopicBudget) -> tuple[Board, Value]:
        """The board of a practice case's attacked queries, and the utility of texts for its held-out ones."""
        board, _ = self.open(one.case, budget)
        return board, self._worth(self.surrogate.of(one.held_out))

    def _worth(self, view: GroupSurrogate) -> Value:
        def worth(texts: Sequence[str]) -> NDArray[np.float64]:
            utilities = self.utility.of(view.scores(texts), view)
            if self.naturalness:
                utilities = utilities - self.naturalness * strangeness(texts, view.case.target.text)
            return utilities

        return worth


@dataclass(frozen=True, kw_only=True)
class TopicRL:
    """A policy trained by reinforcement learning on a surrogate of the victim; the victim's answers guide its choice.

    It is trained on documents and groups other than those it attacks, once, and then applied (amortised). Its boards
    are of some of a topic's queries and its rewards of the others, so that it learns which edits generalise.

    Args:
        substitutes: The table of words (:func:`robustrank.perturbations.substitutes.load`).
        aggregation: Of the queries' utilities: ``"mean"``, ``"soft_min"`` or ``"share"``.
        naturalness: What a text loses for each unit of the logarithm of its perplexity ratio; a text's utility lies in
            [0, 1]. Needs the extra ``fluency``.
        steps: Policy updates.
        tune: Policy updates on the target document before it is attacked; 0 applies the policy as it is.
        seed: Seed of the training.
    """

    substitutes: str = BoardOptions.substitutes
    aggregation: Literal["mean", "soft_min", "share"] = "mean"
    naturalness: float = 0.0
    steps: int = Training.steps
    tune: int = 0
    seed: int = Training.seed

    def __post_init__(self) -> None:
        require_choice("topic_rl", "aggregation", [self.aggregation], ["mean", "soft_min", "share"])
        require_positive("topic_rl", "steps", self.steps)

    def fit(
        self, seen: Sequence[TopicCase], practice: Sequence[Practice], budget: TopicBudget, folder: Path,
        progress: Progress, /,
    ) -> FittedRL:  # fmt: skip
        """Fit the surrogate to the lists, then train the policy on the documents to practise on."""
        planner = Planner(
            fitted(seen, folder),
            BoardOptions(substitutes=self.substitutes),
            Utility(aggregation=self.aggregation),
            self.naturalness,
        )
        training = Training(steps=self.steps, seed=self.seed)
        identities = _identity([one.case for one in practice]), _identity([one.held_out for one in practice])
        options = asdict(replace(self, tune=0)), asdict(planner.options), asdict(budget)
        key = _digest(_identity(seen), *identities, *options)
        policy = seeded(self.seed)

        def boards() -> Iterator[tuple[Board, Value]]:
            progress.start("topic policy: documents to practise on", len(practice))
            for one in practice:
                yield planner.practise(one, budget)
                progress.advance()

        learner.train(policy, boards(), training, folder=folder / f"policy-{key}", progress=progress)
        return FittedRL(self, planner, policy)


class _Planned:
    """Properties of all fitted attacks."""

    planner: Planner

    @property
    def substitutes(self) -> str:
        """The table of words."""
        return self.planner.options.substitutes

    @property
    def texts_scored(self) -> int:
        """Texts the surrogate has scored so far."""
        return self.planner.surrogate.texts_scored


@dataclass(frozen=True)
class FittedRL(_Planned):
    """A trained policy with its surrogate."""

    options: TopicRL
    planner: Planner
    policy: Policy = field(repr=False)

    def perturb(self, case: TopicCase, oracle: TopicOracle, rng: Random, /) -> str:
        """Of the texts of some episodes the one that the victim ranks best; its answers decide which are requested."""
        import torch

        board, value = self.planner.open(case, oracle.budget)
        policy, seed = self.policy, rng.getrandbits(32)
        if self.options.tune:
            policy = seeded(0)
            policy.load_state_dict(self.policy.state_dict())
            learner.train(policy, [(board, value)], Training(steps=self.options.tune, seed=seed))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            played = sample(policy, board, DRAWS, generator).moves
            played += sample(policy, board, 1, generator, greedy=True).moves
            pool = sorted({tuple(sorted(moves)) for moves in played if moves})
            expected = policy.expected(board, pool).double().numpy()
        return feedback.guided(board, pool, expected, case, oracle)

    def surrogate_scores(self, case: TopicCase, /) -> list[list[float]]:
        """The surrogate's scores of the case's lists, lists x documents."""
        return self.planner.surrogate.guess(case)


@dataclass(frozen=True, kw_only=True)
class TopicSearch:
    """Search on a surrogate of the victim; the victim chooses among the best texts that were tried.

    Args:
        search: ``"greedy_sum"`` makes the edit that gains most in the mean surrogate utility, again and again;
            ``"beam"`` keeps the best four states, and tries only what promises most; ``"paired"`` is greedy for the one
            query nearest to the group's centre, as an attack on single queries is; ``"prada"`` is that with
            substitutions alone.
        substitutes: The table of words (:func:`robustrank.perturbations.substitutes.load`).
    """

    search: Literal["greedy_sum", "beam", "paired", "prada"] = "greedy_sum"
    substitutes: str = BoardOptions.substitutes

    def __post_init__(self) -> None:
        require_choice("topic_search", "search", [self.search], ["greedy_sum", "beam", "paired", "prada"])

    def fit(
        self, seen: Sequence[TopicCase], practice: Sequence[Practice], budget: TopicBudget, folder: Path,
        progress: Progress, /,
    ) -> FittedSearch:  # fmt: skip
        """Fit the surrogate; there is nothing to practise."""
        options = BoardOptions(substitutes=self.substitutes)
        return FittedSearch(self, Planner(fitted(seen, folder), options, Utility()))


@dataclass(frozen=True)
class FittedSearch(_Planned):
    """A search with its surrogate."""

    options: TopicSearch
    planner: Planner

    def perturb(self, case: TopicCase, oracle: TopicOracle, rng: Random, /) -> str:
        """The best text of the search in the victim's eyes."""
        seen, budget = case, oracle.budget
        if self.options.search in ("paired", "prada"):
            centre = _centre(case)
            seen = case._replace(queries=(case.queries[centre],), lists=(case.lists[centre],))
        if self.options.search == "prada":
            budget = replace(budget, insertions=0)
        board, value = self.planner.open(seen, budget)
        if self.options.search == "beam":
            plans = searches.beam(board, value, width=WIDTH, branches=BRANCHES)
        else:
            plans = searches.greedy(board, value)
        return searches.chosen([board.render(moves) for moves in plans], case, oracle)


@dataclass(frozen=True, kw_only=True)
class TopicRandom:
    """Random legal edits, of which the victim's feedback selects one: measures the effect of the feedback alone.

    The words are those of the other attacks' boards; nothing else is taken from the surrogate.
    """

    substitutes: str = BoardOptions.substitutes

    def fit(
        self, seen: Sequence[TopicCase], practice: Sequence[Practice], budget: TopicBudget, folder: Path,
        progress: Progress, /,
    ) -> FittedRandom:  # fmt: skip
        """Fit the surrogate."""
        return FittedRandom(Planner(fitted(seen, folder), BoardOptions(substitutes=self.substitutes), Utility()))


@dataclass(frozen=True)
class FittedRandom(_Planned):
    """Random edits on the boards of the other attacks."""

    planner: Planner

    def perturb(self, case: TopicCase, oracle: TopicOracle, rng: Random, /) -> str:
        """The best of several random texts in the victim's eyes."""
        board, _ = self.planner.open(case, oracle.budget)
        return searches.chosen([board.render(searches.at_random(board, rng)) for _ in range(DRAWS)], case, oracle)


@dataclass(frozen=True, kw_only=True)
class QueryStuffing:
    """Insert all words of all queries at the start of the document: a strong and visible baseline.

    It breaks the budget of insertions, and the study says so.
    """

    substitutes: str = BoardOptions.substitutes

    def perturb(self, case: TopicCase, oracle: TopicOracle, rng: Random, /) -> str:
        """The document behind the words."""
        query_words = [word.text for query in case.queries for word in words(query.text)]
        return with_edits(case.target.text, Edits(insertions=[(0, word) for word in query_words]))


def seeded(seed: int) -> Policy:
    """An untrained policy, initialised with the seed."""
    import torch

    torch.manual_seed(seed)
    return Policy()


def fitted(seen: Sequence[TopicCase], folder: Path) -> Surrogate:
    """The surrogate fitted to the cases' lists; cached, so that all attacks share it."""
    return _fitted(_Keyed(tuple(seen)), folder)


class _Keyed:
    """Cases that hash by what a surrogate learns from them."""

    def __init__(self, cases: tuple[TopicCase, ...]) -> None:
        self.cases, self.key = cases, _identity(cases)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@lru_cache(maxsize=2)
def _fitted(keyed: _Keyed, folder: Path) -> Surrogate:
    options = SurrogateOptions()
    surrogate = Surrogate(options)
    surrogate.fit(keyed.cases, folder / f"surrogate-{_digest(asdict(options), keyed.key)}.safetensors")
    return surrogate


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _identity(cases: Sequence[TopicCase]) -> str:
    return _digest(
        [(one.key, [q.text for q in one.queries], [[d.doc_id for d in docs] for docs in one.lists]) for one in cases]
    )


def _centre(case: TopicCase) -> int:
    """The query that shares most with the others."""
    texts = [query.text for query in case.queries]
    return int(np.argmax(Vectors(texts).cosines(texts).sum(axis=1)))
