"""Groups of vectors, such as the embeddings of queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from robustrank.core.errors import MissingExtra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def clusters(vectors: NDArray[np.float32], count: int, seed: int) -> list[Sequence[int]]:
    """Rows of the vectors in at most so many groups by k-means (the best of ten starts), largest group first.

    Args:
        vectors: One row each.
        count: Groups wanted; there are no more than there are different vectors.
        seed: Of the starts.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    import numpy as np

    try:
        from sklearn.cluster import KMeans
    except ImportError as error:
        raise MissingExtra("clusters of queries", extra="torch", package="scikit-learn") from error
    wide = vectors.astype(np.float64)
    count = min(count, len(np.unique(wide, axis=0)))
    labels = KMeans(count, n_init=10, random_state=seed % 2**32).fit_predict(wide)
    groups = [np.flatnonzero(labels == label).tolist() for label in range(count)]
    return sorted((group for group in groups if group), key=lambda group: (-len(group), group))


def centroid(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean, at the length 1; the inner products of a set of vectors with it have the greatest sum."""
    import numpy as np

    mean = vectors.astype(np.float64).mean(axis=0)
    unit: NDArray[np.float32] = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
    return unit
