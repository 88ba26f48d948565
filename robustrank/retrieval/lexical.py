"""BM25 over a collection: bm25s in its Lucene form, Anserini's parameters for passages, English stop words, Snowball.

Only documents that share a term with the query are retrieved, as in Lucene.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from math import inf, log
from typing import TYPE_CHECKING

from robustrank.core.errors import DataError
from robustrank.core.ranking import order
from robustrank.core.types import Collection
from robustrank.retrieval.analysis import analyze, analyzed, bm25_library
from robustrank.retrieval.searching import Scored

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

K1, B = 0.9, 0.4
"""Parameters of BM25, for the first stage and the ranker alike."""


class Lexical:
    """BM25 over a collection.

    Args:
        collection: What is searched.

    Raises:
        DataError: No document has a word.
    """

    def __init__(self, collection: Collection) -> None:
        self._ids = sorted(collection.documents)
        self._terms = analyzed(collection)
        if not any(self._terms):
            raise DataError(f"collection {collection.name!r}: no document has a word that BM25 could index")
        self._vocabulary = {term: n for n, term in enumerate(sorted(set(chain.from_iterable(self._terms))))}
        self._index = bm25_library().BM25(method="lucene", k1=K1, b=B, dtype="float64")
        numbered = [[self._vocabulary[term] for term in document] for document in self._terms]
        self._index.index((numbered, self._vocabulary), show_progress=False)
        self._idf: dict[str, float] = {}
        self._mean_length = sum(map(len, self._terms)) / len(self._terms)

    @property
    def identity(self) -> str:
        """Its parameters."""
        return f"bm25 {K1} {B}"

    def search(self, queries: Sequence[str], depth: int, /) -> list[Scored]:
        """For each query the best documents that share a term with it."""
        import numpy as np

        found = []
        for words in analyze(queries):
            scores = self._index.get_scores_from_ids([self._vocabulary[w] for w in words if w in self._vocabulary])
            least = np.partition(scores, -depth)[-depth] if depth < len(self._ids) else 0.0
            # Documents that tie at the cut-off are kept: order() applies the tie rule, numpy breaks ties arbitrarily.
            (candidates,) = np.nonzero((scores > 0) & (scores >= least))
            by_id = {self._ids[i]: float(scores[i]) for i in candidates}
            found.append([(doc_id, by_id[doc_id]) for doc_id in order(list(by_id.items()))[:depth]])
        return found

    def scores(self, queries: Sequence[str], texts: Sequence[str], /) -> NDArray[np.float64]:
        """As the index would score the texts, digit for digit, with the collection's statistics."""
        import numpy as np

        counts = [Counter(terms) for terms in analyze(texts)]
        lengths = [K1 * ((1 - B) + B * count.total() / self._mean_length) for count in counts]
        table = np.full((len(queries), len(texts)), -inf)
        for row, words in enumerate(analyze(queries)):
            weights = [(word, self._weight(word)) for word in words if word in self._vocabulary]
            for column, (count, length) in enumerate(zip(counts, lengths, strict=True)):
                score = 0.0
                for word, idf in weights:  # added one after another, as the index does; sum() may be more exact
                    score += idf * (count[word] / (length + count[word])) if count[word] else 0.0
                if score > 0:
                    table[row, column] = score
        return table

    def _weight(self, term: str) -> float:
        """Inverse document frequency, as the index has it."""
        if not self._idf:
            frequencies = Counter(chain.from_iterable(map(set, self._terms)))
            n = len(self._ids)
            self._idf = {each: log(1 + (n - df + 0.5) / (df + 0.5)) for each, df in frequencies.items()}
        return self._idf[term]
