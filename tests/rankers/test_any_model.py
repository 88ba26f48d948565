"""Any transformers or sentence-transformers model by path: scores, gradients against finite differences, refusals.

The models are random and tiny: they can test shapes and gradients, never a claim.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robustrank.core.errors import PluginError
from robustrank.core.types import Document, Query
from robustrank.core.words import words
from robustrank.rankers.bi_encoder import BiEncoder
from robustrank.rankers.cross_encoder import CrossEncoder, _tensors
from robustrank.rankers.models import weights
from robustrank.rankers.models.gradients import word_gradients
from robustrank.rankers.models.pairs import PairTokenizer
from robustrank.testing import check_ranker

QUERY = Query("q", "what is the capital of france")
DOCS = [
    Document("1", "Paris is the capital and largest city of France."),
    Document("2", "  Lyon is a large city in France, known for its food."),
    Document("3", "Bananas, unquestionably, are yellow. " * 12),
]
ALPHA = Document("d", "alpha unquestionably gamma delta")

Build = Callable[..., Path]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Saves a random two-layer BERT with a real tokenizer."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(str(weights.resolve("all-MiniLM-L6-v2")))

    def made(kind: str = "BertForSequenceClassification", labels: int = 1) -> Path:
        folder = tmp_path_factory.mktemp("tiny")
        torch.manual_seed(0)
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        config = transformers.BertConfig(vocab_size=len(tokenizer), num_labels=labels, **sizes)
        model = getattr(transformers, kind)(config)
        for parameter in model.parameters():
            parameter.data *= 5  # at its initial scale a random model hardly reacts to its input
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return made


@pytest.fixture(scope="session")
def cross(build: Build) -> CrossEncoder:
    return CrossEncoder(model=str(build()), device="cpu")


@pytest.fixture(scope="session")
def embedder(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., BiEncoder]:
    """Bi-encoders around one random BERT, with prompts and a similarity of their own."""
    from sentence_transformers import SentenceTransformer

    backbone = build("BertModel")

    def made(similarity: str = "cosine", **prompts: str) -> BiEncoder:
        folder = tmp_path_factory.mktemp("embedder")
        SentenceTransformer(str(backbone), device="cpu", prompts=prompts, similarity_fn_name=similarity).save(
            str(folder), create_model_card=False
        )
        return BiEncoder(model=str(folder), device="cpu", max_length=64)

    return made


def test_any_cross_encoder_keeps_the_contract_of_rankers(cross: CrossEncoder) -> None:
    check_ranker(cross, QUERY, DOCS)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_any_bi_encoder_keeps_the_contract_of_rankers(embedder: Callable[..., BiEncoder], similarity: str) -> None:
    check_ranker(embedder(similarity, query="find: ", document="text: "), QUERY, DOCS)


def test_scores_of_a_transformers_model_are_its_raw_logits(cross: CrossEncoder) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(cross.model).eval()
    tokenizer = AutoTokenizer.from_pretrained(cross.model)
    for doc, score in zip(DOCS, cross.score(QUERY, DOCS), strict=True):
        inputs = tokenizer(QUERY.text, doc.text, truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            assert float(model(**inputs).logits) == pytest.approx(score, abs=1e-4)


def test_two_labels_score_as_the_difference_of_their_logits(build: Build) -> None:
    import torch

    ranker = CrossEncoder(model=str(build(labels=2)), device="cpu")
    backend: Any = ranker._backend
    (pair,) = backend.tokenizer.encode(QUERY.text, [DOCS[0].text])
    with torch.inference_mode():
        against, for_ = backend.torch_model(**_tensors([pair], backend.torch_model)).logits[0].tolist()
    assert ranker.score(QUERY, DOCS[:1]) == [pytest.approx(for_ - against, abs=1e-5)]


def test_word_gradients_equal_finite_differences_of_a_cross_encoder(cross: CrossEncoder) -> None:
    backend: Any = cross._backend
    (pair,) = backend.tokenizer.encode(QUERY.text, [ALPHA.text])
    inputs = _tensors([pair], backend.torch_model)
    embeddings = backend.torch_model.get_input_embeddings()

    def logit() -> Any:
        return backend.torch_model(**inputs).logits[0, 0]

    gradients = cross.gradients(QUERY, ALPHA, {1: ["gamma", "alpha"]})
    _equals_finite_differences(gradients, logit, embeddings, pair.places, backend.tokenizer.pieces)
    assert all(parameter.grad is None for parameter in backend.torch_model.parameters())


def test_word_gradients_equal_finite_differences_of_a_bi_encoder(embedder: Callable[..., BiEncoder]) -> None:
    import torch

    ranker = embedder(query="find: ", document="a text: ")
    encoder = ranker._encoder
    inputs = encoder._model.preprocess(["a text: " + ALPHA.text])
    target = torch.nn.functional.normalize(torch.from_numpy(encoder.embed([QUERY.text], query=True)[0]), dim=0)

    def cosine() -> Any:
        return torch.nn.functional.normalize(encoder._model(inputs)["sentence_embedding"][0], dim=0) @ target

    places = encoder._places("a text: " + ALPHA.text, 8, inputs["input_ids"][0].tolist())
    assert places.count(None) == 5  # the prompt's three pieces and two special ones
    gradients = ranker.gradients(QUERY, ALPHA, {1: ["gamma", "alpha"]})
    embeddings = encoder._model[0].auto_model.get_input_embeddings()

    def pieces(word: str) -> Any:
        return encoder._model.tokenizer(word, add_special_tokens=False)["input_ids"]

    _equals_finite_differences(gradients, cosine, embeddings, places, pieces)


def _equals_finite_differences(
    gradients: Any, score: Any, embeddings: Any, places: Any, pieces: Callable[[str], list[int]]
) -> None:
    """The gains at word 1, of several pieces, and all importances, by moving input embeddings a little."""
    import torch

    def slope(move: Any, step: float = 1e-3) -> float:
        def at(distance: float) -> float:
            handle = embeddings.register_forward_hook(lambda module, inputs, output: output + distance * move)
            with torch.no_grad():
                value = float(score())
            handle.remove()
            return value

        return (at(step) - at(-step)) / (2 * step)

    word = words(ALPHA.text)[1]
    rows = [i for i, place in enumerate(places) if place and place[0] < word.end and place[1] > word.start]
    assert len(rows) > 1
    shape = (1, len(places), embeddings.weight.shape[1])
    here = embeddings.weight[pieces(word.text)].mean(dim=0).detach()
    for candidate, gain in zip(["gamma", "alpha"], gradients.gains[1], strict=True):
        move = torch.zeros(shape)
        move[0, rows] = embeddings.weight[pieces(candidate)].mean(dim=0).detach() - here
        assert gain == pytest.approx(slope(move), rel=0.03, abs=2e-3)
    partial = []
    for row in rows:
        for dimension in range(shape[2]):
            move = torch.zeros(shape)
            move[0, row, dimension] = 1.0
            partial.append(slope(move))
    assert gradients.importance[1] == pytest.approx(float(np.linalg.norm(partial)), rel=0.03)


def test_the_gradient_of_a_linear_score_is_exact() -> None:
    import torch

    torch.manual_seed(0)
    embeddings, direction = torch.nn.Embedding(10, 4), torch.randn(4)
    ids = {"a": [1], "bc": [2, 3], "d": [4, 5, 6]}

    def score() -> Any:
        return (embeddings(torch.tensor([[1, 2, 3]])) @ direction).sum()

    gradients = word_gradients(score, embeddings, [(0, 1), (2, 3), (3, 4)], "a bc", {0: ["d"], 1: ["d", "a"]}, ids.get)  # type: ignore[arg-type]
    weight = (embeddings.weight @ direction).detach()
    assert gradients.gains[0][0] == pytest.approx(float(weight[[4, 5, 6]].mean() - weight[1]), abs=1e-5)
    assert gradients.gains[1][1] == pytest.approx(float(2 * weight[1] - weight[2] - weight[3]), abs=1e-5)
    length = float(direction.norm())
    assert list(gradients.importance) == pytest.approx([length, length * 2**0.5])


def test_prompts_of_a_bi_encoder_are_used(embedder: Callable[..., BiEncoder]) -> None:
    prompted, plain = embedder(query="find: ", document="text: "), embedder()
    spelled_out = plain.score(QUERY._replace(text=f"find: {QUERY.text}"), [Document("1", f"text: {DOCS[0].text}")])
    assert prompted.score(QUERY, DOCS[:1]) == pytest.approx(spelled_out, abs=1e-5)
    assert prompted.score(QUERY, DOCS[:1]) != pytest.approx(plain.score(QUERY, DOCS[:1]), abs=1e-3)
    assert prompted.card.fingerprint != plain.card.fingerprint


def test_a_text_is_embedded_once(embedder: Callable[..., BiEncoder], monkeypatch: pytest.MonkeyPatch) -> None:
    ranker = embedder(query="seen: ")
    ranker.score(QUERY, DOCS)
    encoded: list[str] = []

    def encode(texts: list[str], **options: Any) -> Any:
        encoded.extend(texts)
        return np.ones((len(texts), 16), dtype=np.float32)

    monkeypatch.setattr(ranker._encoder._model, "encode_document", encode)
    ranker.score(QUERY, [*DOCS, Document("new", "A new text.")])
    assert encoded == ["A new text."]


def test_fingerprints_follow_weights_and_length(build: Build, cross: CrossEncoder) -> None:
    assert CrossEncoder(model=str(build()), device="cpu").card.fingerprint == cross.card.fingerprint
    assert CrossEncoder(model=cross.model, max_length=32).card.fingerprint != cross.card.fingerprint


def test_a_word_has_the_pieces_it_has_inside_a_text() -> None:
    from tokenizers import ByteLevelBPETokenizer

    tokenizer = ByteLevelBPETokenizer()  # marks the blank before a word, as RoBERTa's does
    tokenizer.train_from_iterator(["the capital of france"] * 9, vocab_size=320, show_progress=False)
    inside = tokenizer.encode("capital of france").ids
    assert inside[-1:] == PairTokenizer(tokenizer._tokenizer, 64).pieces("france")


def test_a_model_without_a_trained_head_is_refused(build: Build) -> None:
    with pytest.raises(PluginError, match=r"lack classifier\.weight.* not trained as a cross-encoder"):
        _ = CrossEncoder(model=str(build("BertModel")), device="cpu").card


def test_a_classifier_of_three_classes_is_no_ranker(build: Build) -> None:
    with pytest.raises(PluginError, match="3 labels, a ranker has 1 or 2"):
        _ = CrossEncoder(model=str(build(labels=3)), device="cpu").card


def test_more_word_pieces_than_a_model_can_read_are_refused(cross: CrossEncoder) -> None:
    for model in (cross.model, "ms-marco-MiniLM-L-12-v2"):
        with pytest.raises(PluginError, match="max_length 600 exceeds the 512 word pieces"):
            _ = CrossEncoder(model=model, max_length=600).card


def test_impossible_sizes_and_devices_are_refused(cross: CrossEncoder) -> None:
    with pytest.raises(PluginError, match="max_length must be at least 8 word pieces, not 3"):
        CrossEncoder(max_length=3)
    with pytest.raises(PluginError, match="batch must be at least 1, not 0"):
        BiEncoder(batch=0)
    with pytest.raises(PluginError, match="device 'abacus' cannot be used here"):
        _ = CrossEncoder(model=cross.model, device="abacus").card


@pytest.mark.parametrize("ranker", [CrossEncoder, BiEncoder])
def test_a_model_that_is_nowhere_is_named_with_what_can_be_given(
    ranker: type[CrossEncoder | BiEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # or it asks the hub five times
    with pytest.raises(PluginError, match=r"cannot load 'no/such-model'.*a bundled name, a local folder, or a hub id"):
        _ = ranker(model="no/such-model").card
