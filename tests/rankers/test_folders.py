"""A folder scores as the library that owns its format scores it, and gradients are those of the scores."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robustrank.core.errors import ContractError, MissingExtra, PluginError
from robustrank.core.types import Document, Query
from robustrank.core.words import words
from robustrank.rankers.bi_encoder import BiEncoder
from robustrank.rankers.cross_encoder import CrossEncoder
from robustrank.rankers.late_interaction import LateInteraction
from robustrank.rankers.models import owners
from robustrank.rankers.sparse_encoder import SparseEncoder
from robustrank.testing import check_ranker
from tests.model_folders import BI, CROSS, FAMILIES, SPARSE, Maker

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
"""Of the owners' use of each other."""

QUERY = Query("q", "what is the capital of france")
DOCS = [
    Document("1", "Paris is the capital and largest city of France."),
    Document("2", "  Lyon is a large city in France, known for its food."),
    Document("3", "Bananas, unquestionably, are yellow. " * 12),
]
ALPHA = Document("d", "alpha unquestionably gamma delta")
OPTIONS = {"device": "cpu", "trust_remote_code": False}


@pytest.fixture(scope="session")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    pytest.importorskip("sentence_transformers", minversion="6")
    return Maker(tmp_path_factory.mktemp("folders"))


def close(ours: Sequence[float], owners_: Sequence[float]) -> bool:
    """Equal but for the rounding of batches."""
    return list(ours) == pytest.approx(list(owners_), rel=1e-4, abs=1e-4)


def by_cross_encoder(folder: Path) -> list[float]:
    """What the owner computes."""
    import sentence_transformers
    import torch

    if folder.name == "adapter":  # peft's own loading, since sentence-transformers wants a config.json
        from peft import AutoPeftModelForSequenceClassification
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoPeftModelForSequenceClassification.from_pretrained(folder, num_labels=1).eval()
        rows = [tokenizer(QUERY.text, doc.text, truncation=True, max_length=512, return_tensors="pt") for doc in DOCS]
        with torch.inference_mode():
            return [float(model(**row).logits) for row in rows]
    model = sentence_transformers.CrossEncoder(str(folder), **OPTIONS)
    pairs = [(QUERY.text, doc.text) for doc in DOCS]
    if model.model.config.pad_token_id is None:  # the owner takes no batches then
        rows = [model.predict([pair], activation_fn=torch.nn.Identity())[0] for pair in pairs]
    else:
        rows = list(model.predict(pairs, activation_fn=torch.nn.Identity()))
    return [float(row[1] - row[0]) if getattr(row, "ndim", 0) else float(row) for row in rows]


@pytest.mark.parametrize("name", CROSS)
def test_a_cross_encoder_scores_as_its_owner_does(maker: Maker, name: str) -> None:
    folder = maker.cross(name)
    ranker = CrossEncoder(model=str(folder), device="cpu")
    near = 2e-2 if name == "half precision" else 1e-4
    assert ranker.score(QUERY, DOCS) == pytest.approx(by_cross_encoder(folder), rel=near, abs=near)
    if name != "half precision":  # whose rounding depends on the batch
        check_ranker(ranker, QUERY, DOCS)
    batched = "batched by length" in ranker.card.note
    assert batched is (name in FAMILIES)
    assert ranker.card.max_length == (24 if name.startswith("saved") else 512)
    assert ranker.card.gradients is (name != "causal, yes or no")
    if name != "half precision" and ranker.card.gradients:
        slope_is_gain(ranker, ranker._backend.torch_model, ranker._backend.pieces)


def test_the_bundled_small_model_scores_as_its_owner_does() -> None:
    """It is loaded without the owner."""
    from robustrank.rankers.models import weights

    folder = weights.resolve("robustrank-tiny")
    bundled, owned = CrossEncoder(model="robustrank-tiny"), CrossEncoder(model=str(folder), max_length=256)
    assert "as sentence-transformers scores" in owned.card.note
    assert bundled.score(QUERY, DOCS) == pytest.approx(owned.score(QUERY, DOCS), abs=1e-6)


@pytest.mark.parametrize("max_length", [None, 16])
def test_the_bundled_sentence_encoder_scores_as_its_owner_does(max_length: int | None) -> None:
    """It is loaded without the owner; embeddings are compared too, of texts that are empty, long, or padded much."""
    from sentence_transformers import SentenceTransformer

    folder = owners.Folder("all-MiniLM-L6-v2", "the test")
    owner = SentenceTransformer(str(folder.path), device="cpu", model_kwargs={"use_safetensors": True})
    if max_length:
        owner.max_seq_length = max_length
    texts = ["", " a word\n", "Paris is the capital of France.", "the capital of Germany is Berlin. " * 100, "ÄÖ 漢字"]
    ranker = BiEncoder(max_length=max_length, device="cpu")
    vectors = owner.encode(texts, convert_to_numpy=True)
    assert np.abs(ranker.encode(texts, query=False) - vectors).max() < 1e-6
    query = owner.encode(["what is the capital of france?"], convert_to_numpy=True)
    theirs = owner.similarity(query, vectors)[0].tolist()
    ours = ranker.score(
        Query("q", "what is the capital of france?"), [Document(str(n), t) for n, t in enumerate(texts)]
    )
    assert ours == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("name", BI)
def test_a_bi_encoder_scores_as_its_owner_does(maker: Maker, name: str) -> None:
    import sentence_transformers

    folder = maker.bi(name)
    ranker = BiEncoder(model=str(folder), device="cpu")
    model = sentence_transformers.SentenceTransformer(str(folder), **OPTIONS)
    rows = model.similarity(model.encode_query([QUERY.text]), model.encode_document([doc.text for doc in DOCS]))
    assert close(ranker.score(QUERY, DOCS), rows[0].tolist())
    check_ranker(ranker, QUERY, DOCS)
    assert ranker.card.gradients is (name != "static")
    assert ranker.card.max_length == {"length 16": 16, "static": None}.get(name, 512)
    assert ("search_query" in ranker.card.note) is (name == "prompts of other names")

    def pieces(word: str) -> list[int]:
        ids: list[int] = model.tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
        return ids

    if name == "static":
        with pytest.raises(ContractError, match="no gradients"):
            ranker.gradients(QUERY, ALPHA, {})
    else:
        slope_is_gain(ranker, ranker._encoder._document_side(), pieces)


def slope_is_gain(ranker: Any, model: Any, pieces: Any) -> None:
    """The gain of a candidate is how fast the score changes when the word's pieces move towards it."""
    import torch

    (gain,) = ranker.gradients(QUERY, ALPHA, {1: ["gamma"]}).gains[1]
    weight = model.get_input_embeddings().weight
    rows = pieces(words(ALPHA.text)[1].text)
    move = (weight[pieces("gamma")].mean(dim=0) - weight[rows].mean(dim=0)).detach()

    def score(distance: float) -> float:
        with torch.no_grad():
            weight[rows] += distance * move
            getattr(getattr(ranker, "_encoder", None), "_kept", {}).clear()
            value: float = ranker.score(QUERY, [ALPHA])[0]
            weight[rows] -= distance * move
        return value

    step = 2e-3
    assert gain == pytest.approx((score(step) - score(-step)) / (2 * step), rel=0.05, abs=5e-3)
    getattr(getattr(ranker, "_encoder", None), "_kept", {}).clear()


@pytest.mark.parametrize("name", SPARSE)
def test_a_sparse_encoder_scores_as_its_owner_does(maker: Maker, name: str) -> None:
    import sentence_transformers

    folder = maker.sparse(name)
    ranker = SparseEncoder(model=str(folder), device="cpu")
    model = sentence_transformers.SparseEncoder(str(folder), **OPTIONS)
    dense = {"convert_to_sparse_tensor": False}
    documents = model.encode_document([doc.text for doc in DOCS], **dense)
    rows = model.encode_query([QUERY.text], **dense) @ documents.T
    assert close(ranker.score(QUERY, DOCS), rows[0].tolist())
    if name != "log1p_relu":
        bare = SparseEncoder(model=str(maker.masked()), pooling=name, device="cpu")
        assert "SPLADE" in bare.card.note


def test_a_late_interaction_folder_scores_as_its_owner_does(maker: Maker) -> None:
    import sentence_transformers

    folder = maker.multi("markers")
    ranker = LateInteraction(model=str(folder), device="cpu")
    model = sentence_transformers.MultiVectorEncoder(str(folder), **OPTIONS)
    rows = model.similarity(model.encode_query([QUERY.text]), model.encode_document([doc.text for doc in DOCS]))
    assert close(ranker.score(QUERY, DOCS), rows[0].tolist())


def test_prompts_lengths_and_dimensions_can_be_overridden_and_are_part_of_the_identity(maker: Maker) -> None:
    folder = str(maker.bi("prompts"))
    base = BiEncoder(model=folder, device="cpu")
    plain = BiEncoder(model=str(maker.bi("mean")), device="cpu", query_prompt="query: ", document_prompt="text: ")
    assert close(plain.score(QUERY, DOCS), base.score(QUERY, DOCS))
    others = [
        BiEncoder(model=folder, device="cpu", query_prompt=""), BiEncoder(model=folder, device="cpu", max_length=8),
        BiEncoder(model=folder, device="cpu", truncate_dim=3),
    ]  # fmt: skip
    assert len({ranker.card.fingerprint for ranker in [base, plain, *others]}) == 5
    assert all(not close(ranker.score(QUERY, DOCS), base.score(QUERY, DOCS)) for ranker in others)


def test_weights_that_loading_makes_up_are_refused_where_they_matter_and_no_identity_where_not(maker: Maker) -> None:
    with pytest.raises(PluginError, match=r"lack classifier\.weight.* not trained as a cross-encoder"):
        _ = CrossEncoder(model=str(maker.encoder()), device="cpu").card
    folder = maker.bi("mean")
    from safetensors.torch import load_file, save_file

    lean = folder.with_name("without a pooler")
    shutil.copytree(folder, lean, dirs_exist_ok=True)
    kept = {name: t for name, t in load_file(lean / "model.safetensors").items() if not name.startswith("pooler.")}
    save_file(kept, lean / "model.safetensors", {"format": "pt"})
    cards = []
    for _ in range(2):
        from robustrank.rankers.bi_encoder import _load

        _load.cache_clear()
        cards.append(BiEncoder(model=str(lean), device="cpu").card.fingerprint)
    assert cards[0] == cards[1]
    assert close(
        BiEncoder(model=str(lean), device="cpu").score(QUERY, DOCS),
        BiEncoder(model=str(folder), device="cpu").score(QUERY, DOCS),
    )


def test_probes_that_are_no_numbers_excuse_no_missing_weights(maker: Maker) -> None:
    folder = owners.Folder(str(maker.encoder()), "cross-encoder 'x'")
    with pytest.raises(PluginError, match="its files lack"):
        owners.load(folder, "CrossEncoder", "cpu", lambda model: [float("nan"), float("nan")])


def test_a_folder_is_audited_as_what_it_was_saved(maker: Maker) -> None:
    for ranker, folder, right in (
        (SparseEncoder, maker.bi("mean"), "bi_encoder"),
        (BiEncoder, maker.sparse("max"), "sparse_encoder"),
        (CrossEncoder, maker.bi("mean"), "bi_encoder"),
        (BiEncoder, maker.multi("other"), "late_interaction"),
    ):
        with pytest.raises(PluginError, match=f'use = "{right}"'):
            ranker(model=str(folder), device="cpu").score(QUERY, DOCS)
    with pytest.raises(PluginError, match='pooling = "mean"'):
        BiEncoder(model=str(maker.encoder()), device="cpu").score(QUERY, DOCS)
    assert BiEncoder(model=str(maker.encoder()), device="cpu", pooling="mean").score(QUERY, DOCS)


def test_a_setting_that_is_not_known_is_refused_by_its_name(maker: Maker) -> None:
    folder = maker.bi("mean").with_name("strange")
    shutil.copytree(maker.bi("mean"), folder, dirs_exist_ok=True)
    path = folder / "config_sentence_transformers.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "rotate_by": 3}))
    with pytest.raises(PluginError, match="has rotate_by, which is not known"):
        _ = BiEncoder(model=str(folder), device="cpu").card


def test_an_adapter_needs_peft_and_its_base(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = maker.cross("adapter")
    lost = folder.with_name("adapter without a base")
    shutil.copytree(folder, lost, dirs_exist_ok=True)
    settings = json.loads((lost / "adapter_config.json").read_text())
    (lost / "adapter_config.json").write_text(json.dumps({**settings, "base_model_name_or_path": None}))
    with pytest.raises(PluginError, match="names no base model"):
        _ = CrossEncoder(model=str(lost), device="cpu").card
    monkeypatch.setattr(owners, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="peft"):
        _ = CrossEncoder(model=str(lost), device="cpu").card


def test_a_text_that_breaks_a_batch_is_scored_alone(maker: Maker) -> None:
    ranker = CrossEncoder(model=str(maker.cross("bart")), device="cpu")
    docs = [*DOCS, Document("4", "a [SEP] b")]
    assert ranker.score(QUERY, docs)[:3] == pytest.approx(ranker.score(QUERY, DOCS), abs=1e-5)
