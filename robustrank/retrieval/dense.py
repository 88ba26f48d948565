"""Dense retrieval: the embeddings of a whole collection, searched exactly.

Documents are encoded once and kept on disk, in files of some thousand texts whose names are hashes of the encoder and
the texts: an interrupted run goes on where it was, and other audits of the same texts find them there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from filelock import FileLock

from robustrank.core import import_path
from robustrank.core.errors import ContractError, DataError, MissingExtra, PluginError
from robustrank.core.interfaces import Encoder
from robustrank.core.plugin_spec import Plugin
from robustrank.core.ranking import order
from robustrank.core.types import Collection
from robustrank.plugins import registry
from robustrank.retrieval.searching import Scored
from robustrank.storage.hashing import digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENCODER: dict[str, type] = {
    "model": str, "max_length": int, "query_prompt": str, "document_prompt": str, "pooling": str,
    "truncate_dim": int, "device": str, "batch": int,
}  # fmt: skip
"""Parameters of the ranker ``bi_encoder``."""

PARAMETERS: dict[str, type] = {**ENCODER, "object": str, "cache": str}

CACHE = ".robustrank/vectors"
"""Where embeddings are kept: beside the folders of audits."""

PART = 1024
"""Texts of a file, on average."""


def build(collection: Collection, **params: Any) -> Dense:
    """Dense retrieval over a collection.

    Args:
        collection: What is searched.
        **params: Those of the ranker ``bi_encoder``; or ``object``, the import path of an
            :class:`robustrank.core.interfaces.Encoder`. ``cache`` is the folder of embeddings (:data:`CACHE`).

    Raises:
        MissingExtra: Packages of the encoder are not installed.
        PluginError: No such model, or the object is no encoder.
    """
    own = {name: value for name, value in params.items() if name in ENCODER}
    path = params.get("object")
    if path is None:
        encoder = registry.build("ranker", Plugin(use="bi_encoder", params=own))
    elif own:
        raise PluginError(f"first stage dense: with `object`, leave {', '.join(sorted(own))} out")
    else:
        encoder = import_path.load(path, "first stage dense: object")
        encoder = encoder() if isinstance(encoder, type) else encoder
    if not isinstance(encoder, Encoder):
        raise PluginError(f"first stage dense: {type(encoder).__name__} has no `encode` or no `fingerprint`")
    return Dense(encoder, collection, Path(params.get("cache", CACHE)))


class Dense:
    """The documents of a collection as vectors.

    Args:
        encoder: Embeds queries and documents.
        collection: What is searched.
        cache: Folder of embeddings; ``None`` keeps none.
    """

    def __init__(self, encoder: Encoder, collection: Collection, cache: Path | None = None) -> None:
        self.encoder = encoder
        self._ids = list(collection.documents)
        texts = [doc.text for doc in collection.documents.values()]
        if not any(map(str.strip, texts)):
            raise DataError(f"collection {collection.name!r}: no document has a text to encode")
        self._vectors = embedded(encoder, texts, cache)
        self._queries: dict[str, NDArray[np.float32]] = {}

    @property
    def identity(self) -> str:
        """That of the encoder."""
        return f"dense {self.encoder.fingerprint}"

    def query_vectors(self, queries: Sequence[str]) -> NDArray[np.float32]:
        """Queries x dimensions, each encoded once."""
        import numpy as np

        fresh = [text for text in dict.fromkeys(queries) if text not in self._queries]
        if fresh:
            self._queries.update(zip(fresh, encoded(self.encoder, fresh, query=True), strict=True))
        return np.stack([self._queries[text] for text in queries])

    def search(self, queries: Sequence[str], depth: int, /) -> list[Scored]:
        """For each query the nearest documents: exact, with the one tie rule."""
        if not queries:
            return []
        return [self.nearest(vector, depth) for vector in self.query_vectors(queries)]

    def nearest(self, vector: NDArray[np.float32], depth: int) -> Scored:
        """The documents with the greatest inner product with a vector, in float64.

        All documents are compared in float32 first, and those whose rounding errors could bring them among the first
        again in float64.
        """
        import numpy as np

        rough = self._vectors @ vector
        # |error| <= dimensions x eps x |a||b| (Higham, Accuracy and Stability, 3.5), on either side of the cut.
        norms = float(np.linalg.norm(vector)) * self.longest
        margin = 2.1 * len(vector) * float(np.finfo(np.float32).eps) * norms
        least = np.partition(rough, -depth)[-depth] - margin if depth < len(self._ids) else -inf
        (rows,) = np.nonzero(rough >= least)
        exact = inner(vector[None, :], self._vectors[rows])[0]
        by_id = {self._ids[row]: float(score) for row, score in zip(rows, exact, strict=True)}
        return [(doc_id, by_id[doc_id]) for doc_id in order(list(by_id.items()))[:depth]]

    def scores(self, queries: Sequence[str], texts: Sequence[str], /) -> NDArray[np.float64]:
        """Inner products with the embeddings of texts as documents."""
        return inner(self.query_vectors(queries), encoded(self.encoder, list(texts), query=False))

    @property
    def longest(self) -> float:
        """The greatest length of a document's vector."""
        import numpy as np

        if not hasattr(self, "_norm"):
            self._norm = float(np.linalg.norm(self._vectors, axis=1).max())
        return self._norm


def inner(rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float64]:
    """Inner products in float64, equal in every digit for equal vectors (those of a matrix product are not)."""
    import numpy as np

    wide = columns.astype(np.float64)
    return np.stack([(wide * row.astype(np.float64)).sum(axis=1) for row in rows])


def encoded(encoder: Encoder, texts: Sequence[str], *, query: bool) -> NDArray[np.float32]:
    """Embeddings, checked.

    Raises:
        ContractError: They are no finite vectors, one for each text.
    """
    import numpy as np

    vectors = np.asarray(encoder.encode(texts, query=query), dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
        raise ContractError(
            f"encoder {encoder.fingerprint}: {len(texts)} texts gave an array of shape {vectors.shape}; it must be one "
            "finite vector for each"
        )
    return vectors


def embedded(encoder: Encoder, texts: Sequence[str], cache: Path | None) -> NDArray[np.float32]:
    """Embeddings of documents, those on disk from there.

    Args:
        encoder: Embeds them.
        texts: Of the documents.
        cache: The folder; ``None`` keeps none.

    Raises:
        MissingExtra: safetensors, in which they are kept, is not installed.
    """
    import numpy as np

    if cache is None:
        return encoded(encoder, texts, query=False)
    try:
        from safetensors import SafetensorError, safe_open
        from safetensors.numpy import save_file
    except ImportError as error:
        raise MissingExtra("first stage dense", extra="torch", package="safetensors") from error
    cache.mkdir(parents=True, exist_ok=True)
    parts = []
    for part in _parts(texts):
        file = cache / f"{digest('vectors', encoder.fingerprint, part)}.safetensors"
        with FileLock(file.with_suffix(".lock")):  # several workers want the same ones
            try:
                with safe_open(str(file), "np") as kept:
                    vectors = kept.get_tensor("vectors")
            except (FileNotFoundError, SafetensorError):
                vectors = encoded(encoder, part, query=False)
                fresh = file.with_suffix(".part")
                save_file({"vectors": vectors}, str(fresh))
                fresh.replace(file)
        parts.append(vectors)
    return np.concatenate(parts)


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """Texts in order, cut after those whose hash says so: most parts of a corpus are parts of every larger one."""
    part: list[str] = []
    for text in texts:
        part.append(text)
        if crc32(text.encode("utf-8", "surrogatepass")) % PART == 0 or len(part) == 4 * PART:
            yield part
            part = []
    if part:
        yield part
