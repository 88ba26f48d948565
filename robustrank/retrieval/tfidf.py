"""tf-idf vectors of texts: cosine similarities of queries, and their leading directions, for clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from robustrank.core.errors import MissingExtra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Vectors:
    """tf-idf vectors of short texts (scikit-learn), with the inverse document frequencies of the texts given."""

    def __init__(self, texts: Sequence[str]) -> None:
        try:
            from sklearn.feature_extraction.text import TfidfVectorizer
        except ImportError as error:
            raise MissingExtra("tf-idf vectors", extra="topics", package="scikit-learn") from error
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

    def leading(self, texts: Sequence[str], dimensions: int) -> NDArray[np.float32]:
        """Vectors in their leading singular directions (latent semantic analysis), of length 1, or 0, as :meth:`rows`.

        Args:
            texts: One row each.
            dimensions: At most so many; all of them where the vectors have no more.
        """
        import numpy as np
        from sklearn.decomposition import TruncatedSVD

        vectors = self.rows(texts)
        if min(vectors.shape) > dimensions:
            reduced = TruncatedSVD(dimensions, random_state=0).fit_transform(vectors)
        else:
            reduced = vectors.toarray()
        lengths = np.linalg.norm(reduced, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (reduced / np.maximum(lengths, 1e-12)).astype(np.float32)
        return unit
