"""Dense retrieval is exact, encodes once, and scores what is added as if it were in the collection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from robustrank.core.errors import ConfigError, ContractError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.ranking import order
from robustrank.core.types import Collection, Document, Query
from robustrank.rankers.bi_encoder import BiEncoder
from robustrank.retrieval import dense
from robustrank.retrieval.analysis import bm25_library
from robustrank.retrieval.dense import Dense
from robustrank.retrieval.first_stage import first_stage, searcher


class Digits:
    """Vectors of small whole numbers, written in the text: many inner products tie."""

    fingerprint = "digits"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        self.texts += [] if query else texts
        return np.array([[float(part) for part in text.split()] for text in texts], dtype=np.float32)


def collection(texts: dict[str, str]) -> Collection:
    return Collection(
        name="made up", documents={i: Document(i, text) for i, text in texts.items()}, queries=(Query("q", "1 0 2"),),
        qrels={"q": {"a": 1}}, query_types={}, candidates={}, digest="",
    )  # fmt: skip


def many(count: int) -> dict[str, str]:
    rng = Random(3)
    return {f"d{n}": " ".join(str(rng.randint(-2, 2)) for _ in range(3)) for n in range(count)}


def test_the_first_documents_are_those_of_a_full_sort_ties_included(tmp_path: Path) -> None:
    texts = many(400)
    stage = Dense(Digits(), collection(texts), tmp_path)
    for query in ("1 0 2", "0 0 0", "-1 2 1"):
        wanted = np.array(query.split(), dtype=float)
        scored = [(i, float(np.array(text.split(), dtype=float) @ wanted)) for i, text in texts.items()]
        for depth in (1, 7, 100, 400, 500):
            (found,) = stage.search([query], depth)
            assert found == [(i, dict(scored)[i]) for i in order(scored)[:depth]]


def test_differences_below_the_rounding_of_float32_products_decide() -> None:
    for seed in range(10):
        drawn = np.random.default_rng(seed).normal(size=(300, 384))
        vectors = (drawn * 1e-6 + 1).astype(np.float32)

        class Near:
            fingerprint = "near"
            rows = vectors

            def encode(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
                return self.rows[[int(text) for text in texts]]

        stage = Dense(Near(), collection({f"{n}": f"{n}" for n in range(300)}))
        exact = dense.inner(vectors[:1], vectors)[0].tolist()
        (found,) = stage.search(["0"], 20)
        assert [i for i, _ in found] == order([(f"{n}", score) for n, score in enumerate(exact)])[:20]


def test_documents_are_encoded_once_whatever_is_added_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "PART", 8)
    texts, first, again, more = many(200), Digits(), Digits(), Digits()
    found = Dense(first, collection(texts), tmp_path).search(["1 0 2"], 10)
    assert sorted(first.texts) == sorted(texts.values())
    assert Dense(again, collection(texts), tmp_path).search(["1 0 2"], 10) == found
    assert again.texts == []
    Dense(more, collection({"new": "9 9 9", **texts}), tmp_path)
    assert 1 <= len(more.texts) < 40
    other = Digits()
    other.fingerprint = "others"
    Dense(other, collection(texts), tmp_path)
    assert len(other.texts) == 200


def test_a_text_that_is_added_ties_with_its_copy_in_the_collection_to_the_last_digit() -> None:
    rng = np.random.default_rng(1)
    vectors = {f"{n}": rng.normal(size=384).astype(np.float32) for n in range(60)}

    class Real:
        fingerprint = "real"

        def encode(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
            return np.stack([vectors[text] for text in texts])

    stage = Dense(Real(), collection({name: name for name in vectors}))
    (found,) = stage.search(["7"], 60)
    assert dict(found) == dict(zip(vectors, stage.scores(["7"], list(vectors))[0].tolist(), strict=True))


def test_vectors_that_are_none_are_refused() -> None:
    class Wrong(Digits):
        def encode(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
            return np.full((len(texts), 3), np.nan, dtype=np.float32)

    with pytest.raises(ContractError, match="one finite vector for each"):
        Dense(Wrong(), collection(many(3)))


def test_bm25_scores_what_is_added_as_its_index_would_to_the_last_digit() -> None:
    assert bm25_library()
    rng = Random(5)
    words = ["cat", "dog", "tree", "vitamin", "river", "stone", "glass"]
    texts = {f"d{n}": " ".join(rng.choices(words, k=rng.randint(1, 30))) for n in range(120)}
    stage = searcher(Plugin(use="bm25"), collection(texts))
    queries = ["cat vitamin cat", "stone", "river glass dog tree"]
    table = stage.scores(queries, list(texts.values()))
    for row, found in zip(table, stage.search(queries, 200), strict=True):
        assert dict(found) == {i: s for i, s in zip(texts, row.tolist(), strict=True) if s > 0}
    assert stage.scores(["zebra"], ["zebra cat"]).tolist() == [[float("-inf")]]  # a word that the collection lacks


def test_all_minilm_ranks_as_the_bi_encoder_scores(tmp_path: Path) -> None:
    texts = {"a": "Cats sleep all day.", "b": "Dogs bark at night.", "c": "A cat naps in the sun."}
    plugin = Plugin(use="dense", params={"cache": str(tmp_path)})
    (found,) = searcher(plugin, collection(texts)).search(["sleeping cats"], 3)
    docs = [Document(i, text) for i, text in texts.items()]
    scores = BiEncoder().score(Query("q", "sleeping cats"), docs)
    assert [i for i, _ in found] == order([(doc.doc_id, s) for doc, s in zip(docs, scores, strict=True)])
    assert dict(found) == pytest.approx({doc.doc_id: s for doc, s in zip(docs, scores, strict=True)}, abs=1e-5)


def test_gradients_at_word_pieces_are_those_of_small_steps() -> None:
    encoder = BiEncoder()
    text = "a cat naps"
    direction = encoder.encode(["sleeping dogs"], query=True)[0]
    (told,) = encoder.piece_gradients([text], direction)
    assert [encoder.vocabulary[i] for i in told.pieces] == ["a", "cat", "nap", "##s"]
    assert encoder.text(told.pieces) == text
    module = encoder._encoder._document_side().get_input_embeddings()
    step = told.gradient[1] / np.linalg.norm(told.gradient[1]) * 1e-2
    import torch

    def moved(sign: float) -> float:
        def nudge(_module: object, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
            changed = output.clone()
            changed[0, 2] += sign * torch.from_numpy(step)  # after [CLS] and "a"
            return changed

        handle = module.register_forward_hook(nudge)
        try:
            return float(encoder.encode([text], query=False)[0] @ direction)
        finally:
            handle.remove()

    assert (moved(1) - moved(-1)) / 2 == pytest.approx(float(told.gradient[1] @ step), rel=0.02)
    together = encoder.piece_gradients(["a much longer text about dogs that sleep", text], direction)[1]
    assert together.gradient == pytest.approx(told.gradient, abs=1e-5)


def test_wrong_parameters_are_refused_with_the_right_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown parameter 'modle'"):
        first_stage(Plugin(use="dense", params={"modle": "x"}), collection(many(3)), [], 5)
    with pytest.raises(ConfigError, match="max_length must be a whole number"):
        first_stage(Plugin(use="dense", params={"max_length": "x"}), collection(many(3)), [], 5)
    with pytest.raises(ConfigError, match=r"does not search \(those that do: bm25, dense\)"):
        searcher(Plugin(use="judged"), collection(many(3)))
