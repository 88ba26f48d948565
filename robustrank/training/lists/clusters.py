"""Lists whose passages represent a collection: drawn from clusters (DUQGen, Chandradevan et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from robustrank.core.errors import ConfigError, PluginError
from robustrank.core.interfaces import Encoder, Ranker
from robustrank.retrieval import dense
from robustrank.retrieval.clusters import centroid, clusters
from robustrank.retrieval.tfidf import Vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIMENSIONS = 128
"""Leading directions of tf-idf vectors that are clustered."""


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Draw lists in proportion to the clusters of their first texts, typical ones of a cluster more often.

    For sources without ``split``, where the first text of a list is the passage that its query was made from. Within a
    cluster a list is drawn, without replacement, with weight ``e^(c / temperature)``, c the cosine of its text and the
    cluster's centroid. At temperature 1, as in the paper, cosines that differ by 0.1 differ by a tenth in probability:
    almost even draws.

    Args:
        count: Lists that are drawn; all where there are no more.
        clusters: Clusters of k-means, at most ``count``, so that each has a list.
        temperature: Large: drawn evenly; near 0: those nearest to the centroid.
        encoder: Embeds the texts, such as ``{ use = "bi_encoder" }``; without it they are tf-idf vectors in their 128
            leading directions.

    Raises:
        ConfigError: A number below 1, a temperature of 0 and below, or an encoder that has no vectors.
    """

    count: int
    clusters: int = 1000
    temperature: float = 1.0
    encoder: Ranker | None = None

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.count < 1 or self.clusters < 1 or not self.temperature > 0:
            raise ConfigError("clusters: count and clusters must be at least 1, and temperature above 0")
        if self.encoder is not None and not isinstance(self.encoder, Encoder):
            raise ConfigError('clusters: encoder must have vectors of texts, as { use = "bi_encoder" } has')

    def lists(self, lists: Sequence[Any], rng: Random, /) -> list[Any]:
        """The lists that are drawn, in their order."""
        if len(lists) <= self.count:
            return list(lists)
        vectors = self._vectors([each.texts[0] for each in lists])
        groups = clusters(vectors, min(self.clusters, self.count), rng.getrandbits(32))
        chosen: list[int] = []
        for members, quota in zip(groups, quotas([len(group) for group in groups], self.count), strict=True):
            own = vectors[list(members)]
            cosines = (own @ centroid(own)).tolist()
            chosen += [members[place] for place in drawn(cosines, quota, self.temperature, rng)]
        return [lists[number] for number in sorted(chosen)]

    def _vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A vector of length 1 (or 0) for each text."""
        import numpy as np

        if self.encoder is None:
            try:
                return Vectors(texts).leading(texts, DIMENSIONS)
            except ValueError as error:
                raise PluginError(f"clusters: the passages have no words to cluster by ({error})") from error
        assert isinstance(self.encoder, Encoder)
        vectors = dense.embedded(self.encoder, texts, Path(dense.CACHE))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(1e-12))
        return unit


def quotas(sizes: Sequence[int], total: int) -> list[int]:
    """Members drawn of each cluster: ``1 + floor((total - k) size / n)``, and what is left one by one to the largest.

    Args:
        sizes: Of the k clusters; n is their sum.
        total: From k to n.
    """
    n, k = sum(sizes), len(sizes)
    members = [1 + (total - k) * size // n for size in sizes]
    left = total - sum(members)
    while left:
        for place in sorted(range(k), key=lambda place: -sizes[place]):
            if left and members[place] < sizes[place]:
                members[place] += 1
                left -= 1
    return members


def drawn(cosines: Sequence[float], count: int, temperature: float, rng: Random) -> list[int]:
    """Places drawn one after another with weights ``e^(c / temperature)``, by Gumbel noise."""
    keys = [cosine / temperature - log(max(rng.expovariate(1.0), 1e-300)) for cosine in cosines]
    return sorted(range(len(keys)), key=lambda place: -keys[place])[:count]
