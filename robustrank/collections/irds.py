"""Any collection of the ``ir_datasets`` catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from robustrank.collections import build
from robustrank.errors import DataError, MissingExtra
from robustrank.types import Collection, Document, Qrel, Query


@dataclass(frozen=True, kw_only=True)
class IrDatasets:
    """A collection by its ``ir_datasets`` id, for example ``"beir/nfcorpus/test"``; downloaded on first use by it.

    Args:
        id: The catalogue id; it must have documents, queries and judgments.
        relevant: Least grade of a relevant document.
    """

    id: str
    relevant: int = 1

    def load(self) -> Collection:
        """Read it.

        Raises:
            MissingExtra: ir_datasets is not installed.
            DataError: No such id, or it lacks documents, queries or judgments.
        """
        try:
            import ir_datasets
        except ImportError as error:
            raise MissingExtra("the ir_datasets collection", extra="irds", package="ir_datasets") from error
        try:
            dataset = ir_datasets.load(self.id)
        except KeyError as error:
            raise DataError("ir_datasets knows no such id", path=self.id) from error
        lacking = [what for what in ("docs", "queries", "qrels") if not getattr(dataset, f"has_{what}")()]
        if lacking:
            raise DataError(f"has no {' and no '.join(lacking)}; choose an id that has all three", path=self.id)
        docs = build.documents(
            ((n, Document(d.doc_id, d.default_text())) for n, d in enumerate(dataset.docs_iter(), 1)), self.id
        )
        asked = build.queries(
            ((n, Query(q.query_id, q.default_text())) for n, q in enumerate(dataset.queries_iter(), 1)), self.id
        )
        judged = ((n, Qrel(q.query_id, q.doc_id, q.relevance)) for n, q in enumerate(dataset.qrels_iter(), 1))
        return build.collection(self.id, docs, asked, judged, self.id, relevant=self.relevant)
