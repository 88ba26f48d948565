"""Any collection of the ``ir_datasets`` catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustrank.collections import validate
from robustrank.core.errors import DataError, MissingExtra, RobustRankError
from robustrank.core.types import Collection, Document, Qrel, Query


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
            DataError: No such id, it lacks documents, queries or judgments, or it could not be downloaded.
        """
        try:
            import ir_datasets
        except ImportError as error:
            raise MissingExtra("the ir_datasets collection", extra="irds", package="ir_datasets") from error
        try:
            return self._read(ir_datasets.load(self.id))
        except RobustRankError:
            raise
        except KeyError as error:
            raise DataError("ir_datasets has no such id", path=self.id) from error
        except Exception as error:  # its downloads and parsers raise many types
            reason = f"{type(error).__name__}: {error}"
            raise DataError(f"ir_datasets could not provide it: {reason}", path=self.id) from error

    def _read(self, dataset: Any) -> Collection:
        missing = [what for what in ("docs", "queries", "qrels") if not getattr(dataset, f"has_{what}")()]
        if missing:
            raise DataError(f"has no {' and no '.join(missing)}; choose an id that has all three", path=self.id)
        docs = ((n, Document(d.doc_id, d.default_text())) for n, d in enumerate(dataset.docs_iter(), 1))
        queries = ((n, Query(q.query_id, q.default_text())) for n, q in enumerate(dataset.queries_iter(), 1))
        qrels = ((n, Qrel(q.query_id, q.doc_id, q.relevance)) for n, q in enumerate(dataset.qrels_iter(), 1))
        return validate.collection(
            self.id,
            validate.documents(docs, self.id),
            validate.queries(queries, self.id),
            qrels,
            self.id,
            relevant=self.relevant,
        )
