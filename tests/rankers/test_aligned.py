"""A new encoder in the space of an old one: what the turn recovers, what it leaves as it was, and rankings across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ortho_group

from robustrank.core.errors import ContractError, DataError, PluginError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.ranking import order
from robustrank.core.types import Collection, Document, Query
from robustrank.plugins import registry
from robustrank.rankers.aligned import Aligned, AlignedRanker, turn
from robustrank.rankers.bm25 import BM25
from robustrank.testing import WordVectors, check_ranker

WORDS = tuple(f"word{number}" for number in range(40))
OLD = WordVectors(words=WORDS, dimensions=8, unit=True)
ROTATION = ortho_group.rvs(8, random_state=3)
TEXTS = [" ".join(np.random.default_rng(number).choice(WORDS, 6)) for number in range(60)]
DOCS = [Document(f"{number:02}", text) for number, text in enumerate(TEXTS)]
COLLECTION = Collection(
    name="made", documents={doc.doc_id: doc for doc in DOCS}, queries=[], qrels={}, query_types={}, candidates={},
    digest="made",
)  # fmt: skip
QUERY = Query("q", "word1 word7 word30")


@dataclass(frozen=True)
class Changed:
    """The old encoder after a linear map of its vectors."""

    matrix: tuple[tuple[float, ...], ...]

    @property
    def fingerprint(self) -> str:
        return f"changed {self.matrix}"

    def encode(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = OLD.encode(texts, query=query) @ np.array(self.matrix, dtype=np.float32)
        return vectors


def changed(matrix: NDArray[np.float64]) -> Changed:
    return Changed(tuple(map(tuple, matrix.tolist())))


ROTATED = changed(ROTATION)


def fitted(new: object, old: object = OLD, **rest: object) -> AlignedRanker:
    return Aligned(new=new, old=old, **rest).fit(COLLECTION)  # type: ignore[arg-type]


def test_a_rotation_of_the_old_space_is_turned_back() -> None:
    assert np.abs(fitted(ROTATED).turn - ROTATION.T).max() < 1e-5


def test_the_turn_is_orthogonal_whatever_the_encoders() -> None:
    other = changed(np.random.default_rng(1).normal(size=(8, 8)))
    for ranker in (fitted(ROTATED), fitted(other), fitted(other, texts=3)):
        assert np.abs(ranker.turn.T @ ranker.turn - np.eye(8)).max() < 1e-12


def test_equal_encoders_are_not_turned_even_where_the_texts_span_little_of_the_space() -> None:
    for texts in (60, 3):
        assert np.abs(fitted(OLD, texts=texts).turn - np.eye(8)).max() < 1e-7


def test_no_other_orthogonal_matrix_brings_the_vectors_closer() -> None:
    rng = np.random.default_rng(2)
    new, old = rng.normal(size=(30, 4)), rng.normal(size=(30, 4))
    least = np.linalg.norm(new @ turn(new, old) - old)
    assert all(np.linalg.norm(new @ ortho_group.rvs(4, random_state=seed) - old) >= least for seed in range(200))


def test_inner_products_within_the_new_space_stay_as_they_were() -> None:
    other = changed(np.random.default_rng(1).normal(size=(8, 8)))
    ranker = fitted(other, index="new")
    (query,), texts = other.encode([QUERY.text], query=True), other.encode(TEXTS, query=False)
    assert np.allclose(ranker.score(QUERY, DOCS), texts @ query, atol=1e-5)


def test_a_rotated_encoder_ranks_the_old_index_as_the_old_one_does() -> None:
    (query,), texts = OLD.encode([QUERY.text], query=True), OLD.encode(TEXTS, query=False)
    expected = (texts.astype(np.float64) @ query).tolist()
    scores = fitted(ROTATED).score(QUERY, DOCS)
    assert np.allclose(scores, expected, atol=1e-5)
    ids = [doc.doc_id for doc in DOCS]
    assert order(list(zip(ids, scores, strict=True))) == order(list(zip(ids, expected, strict=True)))
    untouched = (texts @ ROTATED.encode([QUERY.text], query=True)[0]).tolist()
    assert order(list(zip(ids, untouched, strict=True))) != order(list(zip(ids, expected, strict=True)))


@pytest.mark.parametrize("dimensions", [5, 12])
def test_of_another_width_the_narrower_space_is_filled_up_with_zeros(dimensions: int) -> None:
    lift = np.eye(8, dimensions) @ ortho_group.rvs(dimensions, random_state=4)
    new = changed(lift)
    ranker = fitted(new)
    width = max(8, dimensions)
    assert ranker.turn.shape == (width, width)
    assert np.abs(ranker.turn.T @ ranker.turn - np.eye(width)).max() < 1e-12
    queries, texts = ranker.encode(TEXTS[:3], query=True), ranker.encode(TEXTS, query=False)
    assert queries.shape[1] == texts.shape[1] == width
    assert np.allclose(texts[:, :8], OLD.encode(TEXTS, query=False))
    if dimensions == 12:  # nothing of the old space was lost, so it is found again
        assert np.allclose(queries[:, :8], OLD.encode(TEXTS[:3], query=True), atol=1e-5)
    again = fitted(new, index="new").encode(TEXTS, query=False)
    mine = new.encode(TEXTS, query=False)
    assert np.allclose(again @ again.T, mine @ mine.T, atol=1e-5)


def test_the_contract_of_rankers_and_what_the_card_depends_on() -> None:
    check_ranker(fitted(ROTATED), QUERY, DOCS[:8])
    assert fitted(ROTATED).score(QUERY, []) == []
    cards = [fitted(ROTATED), fitted(OLD), fitted(ROTATED, index="new"), fitted(ROTATED, texts=5)]
    assert len({each.card.fingerprint for each in cards}) == 4
    assert fitted(ROTATED).card == fitted(ROTATED).card
    assert fitted(ROTATED).fingerprint == fitted(ROTATED).card.fingerprint
    assert "60 texts of made, in 8 dimensions" in fitted(ROTATED).card.note


def test_what_cannot_be_aligned_is_refused() -> None:
    with pytest.raises(PluginError, match="old has no `encode`"):
        registry.build("ranker", Plugin(use="aligned", params={"new": OLD, "old": {"use": "bm25"}}))
    for values in ({"index": "both"}, {"texts": 0}, {"new": BM25()}):
        with pytest.raises(PluginError, match="aligned"):
            Aligned(**{"new": OLD, "old": OLD, **values})  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="fit"):
        Aligned(new=OLD, old=OLD).score(QUERY, DOCS)
    empty = replace(COLLECTION, documents={"a": Document("a", " ")})
    with pytest.raises(DataError, match="no document of 'made'"):
        Aligned(new=OLD, old=OLD).fit(empty)
