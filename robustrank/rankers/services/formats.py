"""The formats of re-rank services: one declaration each, of how to ask and where the scores stand in the answer.

Sources: the services' own API references and server code, of 2025 and 2026.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from math import isfinite
from typing import Any

from robustrank.core.errors import ContractError, PluginError


@dataclass(frozen=True, kw_only=True)
class Format:
    """How a service is asked to score the documents of a query, and how it answers.

    Args:
        name: As in ``format = "..."``.
        path: Of the address; ``{model}`` stands for the model's name.
        query: Request field of the query.
        documents: Request field of the list of texts.
        top: Request field of the number of results wanted; ``""``: all come back anyway.
        model: Request field of the model's name; ``""``: none.
        always: Further request fields.
        cut: Fields that let the service cut texts which are too long for it.
        whole: Fields that make it refuse such texts.
        results: Path of the list of results in the answer, keys joined by dots; ``""``: the answer is the list.
        index: Key of a result's index into the documents asked; ``""``: results come in the order asked.
        score: Key of a result's score; ``""``: a result is the number itself.
        authorization: What precedes the key in the header ``Authorization``.
        limit: Documents of a call that the service is known to take.
        listwise: Whether a document's score is known to depend on the others of the call.
        billed: Path of the number of units billed, in the answer; ``""``: none is told.
        note: For the ranker's card.
    """

    name: str
    path: str
    query: str = "query"
    documents: str = "documents"
    top: str = ""
    model: str = "model"
    always: Mapping[str, Any] = field(default_factory=dict)
    cut: Mapping[str, Any] = field(default_factory=dict)
    whole: Mapping[str, Any] = field(default_factory=dict)
    results: str = "results"
    index: str = "index"
    score: str = "relevance_score"
    authorization: str = "Bearer"
    limit: int = 100
    listwise: bool = False
    billed: str = ""
    note: str = ""

    def request(self, query: str, texts: Sequence[str], model: str, *, cut: bool) -> dict[str, Any]:
        """The JSON body that asks for a score of every text."""
        body: dict[str, Any] = {self.model: model} if self.model and model else {}
        body |= {self.query: query, self.documents: list(texts)}
        if self.top:
            body[self.top] = len(texts)
        return body | dict(self.always) | dict(self.cut if cut else self.whole)

    def scores(self, answer: Any, count: int) -> list[float]:
        """The scores of an answer, in the order in which the texts were asked.

        Raises:
            ContractError: The answer is an error, has not the declared form, names a text twice, not at all, or one
                that was not asked; or a score is not a finite number.
        """
        if isinstance(answer, dict) and (answer.get("error") or answer.get("object") == "error"):
            raise ContractError(f"an error instead of scores: {str(answer.get('error') or answer)[:200]}")
        results = at(answer, self.results)
        if not isinstance(results, list):
            raise ContractError(f"no list of results at {self.results or 'the top'!r} of the answer")
        if len(results) != count:
            wanted = f"; the request's {self.top!r} was {count}" if self.top else ""
            raise ContractError(f"{len(results)} results for {count} documents{wanted}")
        scores: dict[int, float] = {}
        for place, result in enumerate(results):
            index = at(result, self.index) if self.index else place
            score = at(result, self.score) if self.score else result
            if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count:
                raise ContractError(f"result {place}: index {index!r} is none of the {count} documents")
            if index in scores:
                raise ContractError(f"result {place}: document {index} a second time")
            if isinstance(score, bool) or not isinstance(score, int | float) or not isfinite(score):
                raise ContractError(f"result {place}: the score of document {index} is {score!r}, no finite number")
            scores[index] = float(score)
        return [scores[index] for index in range(count)]

    def answer(self, scores: Sequence[float], order: Sequence[int] | None = None) -> Any:
        """An answer with these scores, as the service gives it: for fake services in tests.

        Args:
            scores: In the order asked.
            order: The order of the results; by default as asked.
        """
        results = []
        for index in order if order is not None and self.index else range(len(scores)):
            result: Any = scores[index]
            if self.score:
                result = _put({}, self.score, scores[index])
                if self.index:
                    _put(result, self.index, index)
            results.append(result)
        return _put({}, self.results, results) if self.results else results


FORMATS = {
    each.name: each
    for each in (
        Format(
            name="cohere", path="/v2/rerank", top="top_n", limit=1000, billed="meta.billed_units.search_units",
            note="texts are cut at max_tokens_per_doc (4096 unless set)",
        ),
        Format(
            name="cohere_v1", path="/v1/rerank", top="top_n", always={"return_documents": False}, limit=1000,
            billed="meta.billed_units.search_units", note="long texts are scored in chunks, the best one counts",
        ),
        Format(
            name="jina", path="/v1/rerank", top="top_n", always={"return_documents": False}, limit=64,
            billed="usage.total_tokens",
        ),
        Format(
            name="voyage", path="/v1/rerank", top="top_k", always={"return_documents": False}, results="data",
            cut={"truncation": True}, whole={"truncation": False}, limit=1000, billed="usage.total_tokens",
        ),
        Format(
            name="mixedbread", path="/v1/reranking", documents="input", top="top_k", results="data", score="score",
            always={"return_input": False, "rewrite_query": False}, billed="usage.total_tokens",
        ),
        Format(
            name="tei", path="/rerank", documents="texts", model="", results="", score="score", limit=32,
            always={"raw_scores": True, "return_text": False}, cut={"truncate": True}, whole={"truncate": False},
            note="logits",
        ),
        Format(
            name="vllm", path="/rerank", top="top_n", always={"use_activation": False},
            cut={"truncate_prompt_tokens": -1}, billed="usage.total_tokens", note="without the activation",
        ),
        Format(
            name="vllm_score", path="/score", query="queries", results="data", score="score",
            always={"use_activation": False}, cut={"truncate_prompt_tokens": -1}, billed="usage.total_tokens",
        ),
        Format(
            name="openai_score", path="/v1/score", query="text_1", documents="text_2", results="data", score="score",
            billed="usage.total_tokens",
        ),
        Format(
            name="infinity", path="/rerank", top="top_n", always={"raw_scores": True, "return_documents": False},
            limit=32, billed="usage.total_tokens", note="logits",
        ),
        Format(name="llamacpp", path="/v1/rerank", top="top_n", billed="usage.total_tokens"),
        Format(
            name="elastic", path="/_inference/rerank/{model}", documents="input", model="", results="rerank",
            authorization="ApiKey",
        ),
    )
}  # fmt: skip
"""The formats that have a name."""


def named(name: str) -> Format:
    """A format by its name.

    Raises:
        PluginError: There is none of that name; the message has the nearest and all of them.
    """
    if name not in FORMATS:
        near = get_close_matches(name, FORMATS, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        have = ", ".join(FORMATS)
        raise PluginError(f"http: no format {name!r}{meant} (have: {have}; or give `results` and `score` yourself)")
    return FORMATS[name]


def changed(base: Format, shape: Mapping[str, str]) -> Format:
    """A format with some of its parts replaced.

    Raises:
        PluginError: An unknown part, one that is not text, or a format of one's own without ``path``.
    """
    parts = ("path", "query", "documents", "top", "model", "results", "index", "score", "authorization", "billed")
    for name, value in shape.items():
        if name not in parts or not isinstance(value, str):
            near = get_close_matches(name, parts, n=1)
            meant = f"; did you mean {near[0]!r}?" if near and name not in parts else ""
            raise PluginError(f"http: shape: {name!r} = {value!r}{meant} (texts by the names: {', '.join(parts)})")
    if not base.name and "path" not in shape:
        raise PluginError(f"http: give a `format` ({', '.join(FORMATS)}), or a `shape` with at least `path`")
    return replace(base, **shape)  # type: ignore[arg-type]  # all of them texts, as checked


def at(value: Any, path: str) -> Any:
    """The value at a path of keys joined by dots; ``None`` where there is none."""
    for key in path.split(".") if path else ():
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _put(target: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    *outer, last = path.split(".")
    inner = target
    for key in outer:
        inner = inner.setdefault(key, {})
    inner[last] = value
    return target
