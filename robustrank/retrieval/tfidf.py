"""tf-idf vectors of short texts, for the cosine similarity of queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from robustrank.core.errors import MissingExtra


class Vectors:
    """tf-idf vectors of short texts (scikit-learn), with the inverse document frequencies of the texts given."""

    def __init__(self, texts: Sequence[str]) -> None:
        try:
            from sklearn.feature_extraction.text import TfidfVectorizer
        except ImportError as error:
            raise MissingExtra("topic groups", extra="topics", package="scikit-learn") from error
        self._vectorizer = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit(texts)

    def rows(self, texts: Sequence[str]) -> Any:
        """Texts x terms, sparse; each row has length 1, or 0 where the text has no term of the vocabulary."""
        return self._vectorizer.transform(texts)

    def cosines(self, texts: Sequence[str]) -> Any:
        """Cosine similarities, texts x texts; 1 on the diagonal, 0 for a text without a term of the vocabulary."""
        import numpy as np

        vectors = self.rows(texts)
        cosines = (vectors @ vectors.T).toarray()
        np.fill_diagonal(cosines, 1.0)
        return cosines

    def coherence(self, texts: Sequence[str]) -> float:
        """Mean cosine over all pairs of two texts; 1 for a single text."""
        if len(texts) < 2:
            return 1.0
        n = len(texts)
        return float((self.cosines(texts).sum() - n) / (n * (n - 1)))
