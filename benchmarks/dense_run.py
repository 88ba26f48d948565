"""A dense retriever's run of a collection: ``python benchmarks/dense_run.py FOLDER OUT SPLIT...``.

FOLDER is a collection in BEIR layout. The bundled bi-encoder ranks all its documents for the queries of each split, and
the best 100 go to ``OUT/<collection>-<split>.trec.gz``.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from robustrank.collections.beir import Beir
from robustrank.core.ranking import order
from robustrank.core.types import Document
from robustrank.rankers.bi_encoder import BiEncoder

DEPTH, LENGTH = 100, 192


def main() -> None:
    folder, out, splits = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    ranker = BiEncoder(max_length=LENGTH, batch=64)
    for split in splits:
        collection = Beir(path=str(folder), split=split).load()
        documents: list[Document] = [collection.documents[doc_id] for doc_id in sorted(collection.documents)]
        out.mkdir(parents=True, exist_ok=True)
        with gzip.open(out / f"{folder.name}-{split}.trec.gz", "wt", encoding="utf-8") as file:
            for query in collection.queries:
                scores = dict(zip((doc.doc_id for doc in documents), ranker.score(query, documents), strict=True))
                for rank, doc_id in enumerate(order(list(scores.items()))[:DEPTH], start=1):
                    file.write(f"{query.query_id} Q0 {doc_id} {rank} {scores[doc_id]:.6f} dense\n")


if __name__ == "__main__":
    main()
