"""Rankers of ``rerankers``, LangChain and Haystack, by the calls that these libraries document."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from robustrank.core.errors import ContractError
from robustrank.core.types import Document, Query, RankerCard
from robustrank.rankers import objects
from robustrank.rankers.objects import Placed

NUMBER = "robustrank_number"
"""Key of a document's metadata that says which of the list it is."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A re-ranking object of another library, by its import path and the method that it has.

    ``rank(query=, docs=, doc_ids=)``, as models of ``rerankers``; ``compress_documents(documents, query)``, as document
    compressors of LangChain; ``run(query=, documents=)``, as rankers of Haystack. Where an answer has no scores its
    order counts.

    Args:
        object: ``"package.module:name"`` of the object, or of a function that makes it. The module is installed, or
            lies beside the audit file.
        missing: ``"last"`` ranks documents that the object cuts off (``top_n``, ``top_k``) below all others; by default
            they are an error.
        pointwise: Set ``false`` where a document's score depends on the others of the list.
        version: Of what the object loads or calls; raise it with every change.
    """

    object: str
    missing: str = "refuse"
    pointwise: bool = True
    version: str = ""

    def __post_init__(self) -> None:
        objects.check_missing(self.missing, "adapter")

    @property
    def card(self) -> RankerCard:
        """What can be seen of the object."""
        _ = self._object
        pointwise = self.pointwise and self.missing == "refuse"
        return objects.card("adapter", self.object, self.version, (self.missing,), pointwise=pointwise)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The object's scores, or those of its order.

        Raises:
            ContractError: Its answer does not have every document once.
        """
        if not docs:
            return []
        method = next(name for name in CALLS if callable(getattr(self._object, name, None)))
        try:
            answer = list(CALLS[method](getattr(self._object, method), query.text, [doc.text for doc in docs]))
        except (AttributeError, KeyError, TypeError) as error:
            what = f"adapter({self.object}): `{method}` does not take or answer what its library documents"
            raise ContractError(f"{what}: {type(error).__name__}: {error}") from error
        if all(placed.score is not None for placed in answer):
            answer.sort(key=lambda placed: -(placed.score or 0.0))
        return objects.scores(answer, len(docs), f"adapter({self.object})", self.missing)

    @cached_property
    def _object(self) -> Any:
        value = objects.load(self.object, "adapter", tuple(CALLS))
        if callable(warm_up := getattr(value, "warm_up", None)):  # of Haystack, before the first run
            warm_up()
        return value


def _rerankers(rank: Callable[..., Any], query: str, texts: Sequence[str]) -> Iterator[Placed]:
    """``rerankers`` 0.10: results with ``document.doc_id`` and ``score``, best first."""
    for result in rank(query=query, docs=list(texts), doc_ids=list(range(len(texts)))).results:
        yield Placed(int(result.document.doc_id), _score(result.score))


def _langchain(compress: Callable[..., Any], query: str, texts: Sequence[str]) -> Iterator[Placed]:
    """LangChain: documents whose metadata is kept, best first, with ``relevance_score`` where there is one."""
    kind = _class("langchain_core.documents", "Document")
    documents = [kind(page_content=text, metadata={NUMBER: number}) for number, text in enumerate(texts)]
    for document in compress(documents, query):
        yield Placed(int(document.metadata[NUMBER]), _score(document.metadata.get("relevance_score")))


def _haystack(run: Callable[..., Any], query: str, texts: Sequence[str]) -> Iterator[Placed]:
    """Haystack 2: ``{"documents": [...]}`` with ``score``, best first."""
    kind = _class("haystack", "Document")
    documents = [kind(id=str(n), content=text, meta={NUMBER: n}, score=None) for n, text in enumerate(texts)]
    takes = inspect.signature(run).parameters
    answer: Mapping[str, Any] = run(
        query=query, documents=documents, **({"top_k": len(texts)} if "top_k" in takes else {})
    )
    for document in answer["documents"]:
        yield Placed(int(document.meta[NUMBER]), _score(document.score))


CALLS: Mapping[str, Callable[[Callable[..., Any], str, Sequence[str]], Iterator[Placed]]] = {
    "rank": _rerankers,
    "compress_documents": _langchain,
    "run": _haystack,
}
"""Method of an object to how it is called."""


def _class(module: str, name: str) -> Any:
    """The library's own class of documents, where it is installed; an object made without it may take any."""
    try:
        return getattr(__import__(module, fromlist=[name]), name)
    except ImportError:
        return SimpleNamespace


def _score(value: Any) -> float | None:
    return None if value is None else float(value)
