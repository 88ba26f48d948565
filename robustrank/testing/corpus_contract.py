"""Contract checks for corpus attacks, and an encoder with exactly computable embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from robustrank.core.corpus_types import CorpusAttack, CorpusCase
from robustrank.core.errors import AccessDenied, BudgetExhausted, ContractError
from robustrank.core.interfaces import PieceGradients
from robustrank.core.types import Access, Budget, Collection, Document, Perturbation, Surface
from robustrank.core.words import words
from robustrank.perturbations.planted import verify_plants
from robustrank.perturbations.stage_oracle import MeteredStage
from robustrank.retrieval.dense import Dense
from robustrank.testing.contract import _check_value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class WordVectors:
    """A linear encoder: a text's embedding is the mean of its words' vectors, which are drawn once. A word is a piece.

    Args:
        words: Lower-case words; any other is one unknown word, whose piece no text can be written with.
        dimensions: Of a vector.
        unit: Embeddings at the length 1, so that the inner product is the cosine.
    """

    words: tuple[str, ...]
    dimensions: int = 12
    unit: bool = False

    @property
    def fingerprint(self) -> str:
        """All that its embeddings depend on."""
        return f"word_vectors {self}"

    @property
    def vocabulary(self) -> Sequence[str]:
        """The unknown word, then the words."""
        return ["", *self.words]

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """A vector for each."""
        import numpy as np

        drawn: NDArray[np.float32] = (
            np.random.default_rng(4).normal(size=(1 + len(self.words), self.dimensions)).astype(np.float32)
        )
        return drawn

    def pieces(self, text: str, /) -> Sequence[int]:
        """The number of each word."""
        places = {word: place for place, word in enumerate(self.words, start=1)}
        return [places.get(word.text.lower(), 0) for word in words(text)]

    def text(self, pieces: Sequence[int], /) -> str:
        """The words, with blanks between them."""
        return " ".join(self.vocabulary[i] for i in pieces)

    def encode(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """Means of vectors."""
        import numpy as np

        vectors = self.embeddings
        table = np.stack([vectors[list(self.pieces(text)) or [0]].mean(axis=0) for text in texts])
        return table / np.linalg.norm(table, axis=1, keepdims=True) if self.unit else table

    def piece_gradients(self, texts: Sequence[str], direction: NDArray[np.float32], /) -> list[PieceGradients]:
        """Of the mean, without the division by its length where it has the length 1: the same direction everywhere."""
        import numpy as np

        answers = []
        for text in texts:
            ids = self.pieces(text)
            answers.append(PieceGradients(pieces=ids, gradient=np.tile(direction / max(1, len(ids)), (len(ids), 1))))
        return answers


LIMITS = (
    (Budget(plants=1, encodes=300), None),
    (Budget(plants=3, encodes=300), None),
    (Budget(plants=3, plant_words=9, encodes=300), "payload of four words"),
    (Budget(plants=2, plant_words=9, encodes=0), None),
    (Budget(plants=2, plant_words=9, encodes=40), None),
    (Budget(plants=2, encodes=400), "payload of four words"),
)
"""The budgets and payloads that a corpus attack is checked with."""


def check_corpus_attack(attack: Any, collection: Collection, *, seed: int = 13) -> None:
    """Check a corpus attack's contract over one collection.

    It must be a frozen, picklable dataclass; return the same documents for the same seed after any other calls; stay
    within its declared access, its budget and its attack set; and carry the payload if it says so.

    Args:
        attack: The plug-in.
        collection: Its queries are those that the attacker knows. The first stage is a linear encoder of its words.
        seed: Seed of the random source that the attack is given.

    Raises:
        ContractError: The attack breaks its contract.
    """
    name = type(attack).__name__
    threat = getattr(attack, "threat", None)
    if threat is None or not hasattr(attack, "perturb") or threat.surface is not Surface.CORPUS:
        raise ContractError(f"{name} has no `threat` of the surface corpus or no `perturb`, so it is no corpus attack")
    if threat.access is not Access.NONE:
        raise ContractError(f"{name} declares access to the ranker; corpus attacks see the first stage (`stage`)")
    _check_value(attack)
    texts = [doc.text for doc in collection.documents.values()] + [query.text for query in collection.queries]
    known = sorted({word.text.lower() for text in texts for word in words(text) if word.text.isascii()})
    stage = Dense(WordVectors(words=tuple(known)), collection)
    forth = [_planted(attack, stage, collection, budget, text, seed) for budget, text in LIMITS]
    back = [_planted(attack, stage, collection, budget, text, seed) for budget, text in reversed(LIMITS)][::-1]
    for (budget, _), first, second in zip(LIMITS, forth, back, strict=True):
        if first != second:
            raise ContractError(
                f"{name} is not repeatable: {first} and then {second} with {budget}; take all randomness from the "
                "given source and keep no state between calls"
            )


def _planted(
    attack: CorpusAttack, stage: Dense, collection: Collection, budget: Budget, payload: str | None, seed: int
) -> Perturbation:
    """One attack under one budget, checked."""
    where = f"{type(attack).__name__} with {budget}"
    documents: dict[str, Document] = dict(collection.documents)
    case = CorpusCase(
        group=tuple(collection.queries), plants=budget.plants or 0, words=budget.plant_words, payload=payload,
        corpus=tuple(documents.values()),
    )  # fmt: skip
    oracle = MeteredStage(stage, documents, case.group, attack.threat, budget)
    try:
        made = attack.perturb(case, oracle, Random(seed))
    except AccessDenied as error:
        raise ContractError(f"{where} {error}; declare the access or do without") from error
    except BudgetExhausted as error:
        raise ContractError(f"{where} lets BudgetExhausted escape ({error}); return the best so far") from error
    if not isinstance(made, Perturbation):
        raise ContractError(f"{where} returns a {type(made).__name__}, not a Perturbation")
    if violations := verify_plants(case, made, attack.threat).violations:
        raise ContractError(f"{where} is not legal: {'; '.join(violations)}")
    return replace(made, inserted=tuple(made.inserted))
