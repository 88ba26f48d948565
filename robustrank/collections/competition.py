"""A ranking competition: documents that their authors edited in rounds to rank higher.

The layout is that of ``asrc2017`` (Raifer, Raiber, Tennenholtz, Kurland, "Information Retrieval Meets Game Theory",
SIGIR 2017): a BEIR folder whose document ids are ``ROUND-<round>-<query>-<author>``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from robustrank.collections.beir import Beir
from robustrank.core.errors import DataError
from robustrank.core.types import Collection, Edit

_ID = re.compile(r"ROUND-(\d+)-([^-]+)-(.+)")


@dataclass(frozen=True, kw_only=True)
class Competition:
    """Edited documents with judgments of every version.

    The candidates and judgments of a query are those of its last round. An edit is an author's document in one round
    and in the next; its rivals are all documents of the first of the two rounds. Seed documents had no rivals.

    Args:
        path: The folder.
        split: Name of the judgments in ``qrels/``.
        relevant: Least grade of a relevant document.
        terms: Origin and licence, for the report.
    """

    path: str
    split: str = "test"
    relevant: int = 1
    terms: str = ""

    def load(self) -> Collection:
        """Read and check the folder.

        Raises:
            DataError: Names file, line and fix.
        """
        collection = Beir(path=self.path, split=self.split, relevant=self.relevant, terms=self.terms).load()
        rounds: dict[str, dict[int, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
        for doc_id in sorted(collection.documents):
            match = _ID.fullmatch(doc_id)
            if match is None:
                raise DataError(f"document id {doc_id!r} is not ROUND-<round>-<query>-<author>", path=Path(self.path))
            rounds[match[2]][int(match[1])][match[3]] = doc_id
        candidates = {query: tuple(rounds[query][max(rounds[query])].values()) for query in sorted(rounds)}
        candidates = {query: ids for query, ids in candidates.items() if query in collection.qrels}
        edits = [
            Edit(
                query,
                doc_id,
                later := rounds[query][number + 1][author],
                tuple(authors.values()),
                collection.qrels[query].get(doc_id),
                collection.qrels[query].get(later),
            )
            for query in sorted(rounds)
            for number, authors in sorted(rounds[query].items())
            if len(authors) > 1
            for author, doc_id in authors.items()
            if query in collection.qrels and author in rounds[query].get(number + 1, {})
        ]
        qrels = {
            q: {i: collection.qrels[q][i] for i in ids if i in collection.qrels[q]} for q, ids in candidates.items()
        }
        digest = sha256(f"{collection.digest} last round".encode()).hexdigest()
        return replace(collection, digest=digest, candidates=candidates, edits=tuple(edits), qrels=qrels)
