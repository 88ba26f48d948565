"""The bundled small cross-encoder: the file that was checked, known scores, and what it was shipped to reach."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest
from safetensors import safe_open

import robustrank
from robustrank.collections.beir import Beir
from robustrank.config import audit_file
from robustrank.core.plugin_spec import Plugin
from robustrank.core.ranking import order
from robustrank.core.types import Document, Query
from robustrank.measures import effectiveness
from robustrank.rankers.cross_encoder import CrossEncoder
from robustrank.rankers.models import weights
from robustrank.retrieval.first_stage import first_stage

NAME = "robustrank-tiny"
QUERY = Query("q", "what is the capital of france")
DOCS = [
    Document("1", "Paris is the capital and largest city of France."),
    Document("2", "Lyon is a large city in France, known for its food."),
    Document("3", "Bananas are yellow and rich in potassium."),
]
SCORES = [14.450, 3.679, -10.395]


@pytest.fixture(scope="module")
def tiny() -> CrossEncoder:
    return CrossEncoder(model=NAME)


def test_it_comes_with_the_product_and_is_the_file_that_was_checked() -> None:
    folder = weights.resolve(NAME)
    assert isinstance(folder, Path)
    assert folder.is_relative_to(Path(robustrank.__path__[0]))
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118


def test_its_scores_are_the_known_ones(tiny: CrossEncoder) -> None:
    assert tiny.score(QUERY, DOCS) == pytest.approx(SCORES, abs=1e-3)


def test_it_has_two_layers_of_128_dimensions(tiny: CrossEncoder) -> None:
    model = tiny._backend.torch_model.config
    assert (model.num_hidden_layers, model.hidden_size) == (2, 128)


def test_its_training_file_is_the_example_in_the_docs() -> None:
    folder = weights.resolve(NAME)
    example = Path(__file__).resolve().parents[2] / "docs" / "examples" / "small-ranker.toml"
    assert (Path(folder) / "training.toml").read_text() == example.read_text()


def test_the_quick_audit_has_it_as_its_cross_encoder() -> None:
    rankers = audit_file.load("quick").rankers
    assert [r.plugin.params["model"] for r in rankers if r.plugin.use == "cross_encoder"] == [NAME]


@pytest.mark.slow
def test_dl19_reranked_by_it_reaches_what_it_was_shipped_for(shared_data: Path, tiny: CrossEncoder) -> None:
    dl19 = Beir(path=str(shared_data / "msmarco-dl19"), qrels="qrels_full/test.tsv", run="bm25", relevant=2).load()
    lists = first_stage(Plugin(use="candidates"), dl19, dl19.queries, 100)
    rankings = {}
    for query in dl19.queries:
        docs = [dl19.documents[doc_id] for doc_id in lists[query.query_id]]
        rankings[query.query_id] = order(
            [(doc.doc_id, score) for doc, score in zip(docs, tiny.score(query, docs), strict=True)]
        )
    values = effectiveness.per_query(["nDCG@10"], rankings, dl19.qrels)["nDCG@10"]
    assert len(values) == 43
    assert mean(values.values()) >= 0.60
