"""Sparse encoders: the formula on a small random model, independence of company, and the bundled model's answer."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM

from robustrank.core.errors import PluginError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Document, Query
from robustrank.plugins import registry
from robustrank.rankers.sparse_encoder import SparseEncoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "salt", "sea", "sun", "moon", "wide"]
QUERY = Query("q", "salt sea")
DOCS = [Document("a", "sea wide sun"), Document("b", "moon"), Document("c", "the sun and the moon wide sea salt")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("sparse")
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]").save_pretrained(folder)
    torch.manual_seed(2)
    sizes: dict[str, Any] = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(
        vocab_size=len(WORDS), num_hidden_layers=1, max_position_embeddings=16, initializer_range=1.0, **sizes
    )
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


def by_hand(folder: Path, text: str) -> torch.Tensor:
    """Formal et al. (2021), equation 1 with the maximum of SPLADE v2, for one text without padding."""
    inputs = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.no_grad():
        logits = AutoModelForMaskedLM.from_pretrained(folder).eval()(**inputs).logits[0]
    return torch.log(1 + logits.clamp(min=0)).max(dim=0).values


def test_scores_are_inner_products_of_saturated_maxima(model: Path) -> None:
    expected = [float(by_hand(model, QUERY.text) @ by_hand(model, doc.text)) for doc in DOCS]
    assert SparseEncoder(model=str(model), max_length=16).score(QUERY, DOCS) == pytest.approx(expected, rel=1e-5)
    assert min(expected) > 0


def test_a_score_does_not_depend_on_the_other_documents(model: Path) -> None:
    together = SparseEncoder(model=str(model), max_length=16).score(QUERY, DOCS)
    one_by_one = SparseEncoder(model=str(model), max_length=16, batch=1)
    assert [one_by_one.score(QUERY, [doc])[0] for doc in DOCS] == pytest.approx(together, rel=1e-5)
    assert SparseEncoder(model=str(model), max_length=16).score(QUERY, []) == []


def test_it_is_a_plugin_that_refuses_more_pieces_than_the_model_reads(model: Path) -> None:
    ranker = registry.build("ranker", Plugin(use="sparse_encoder", params={"model": str(model), "max_length": 64}))
    with pytest.raises(PluginError, match="exceeds the 16 word pieces"):
        ranker.score(QUERY, DOCS)


@pytest.mark.skipif(find_spec("cognition") is None, reason="the extra 'train' is not installed")
def test_the_bundled_sparse_model_knows_the_answer() -> None:
    docs = [Document("1", "Paris is the capital of France."), Document("2", "Bread is baked from flour.")]
    right, wrong = SparseEncoder().score(Query("q", "capital of france"), docs)
    assert right > 10
    assert wrong < 1
