"""Documents of other corpora beside those of a collection: unjudged, so that a first stage has more to search."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from robustrank.collections import beir, jsonl, validate
from robustrank.core.errors import DataError
from robustrank.core.types import Collection, Document


def added(collection: Collection, folders: Sequence[str]) -> Collection:
    """The collection with the documents of folders in BEIR layout; the collection itself without folders.

    Documents whose text the collection has already are left out: a second copy of a relevant document would count as
    one that is not. Ids begin with the folder's name, so that they are no document's of the collection.

    Args:
        collection: Its queries and judgments stay as they are.
        folders: Each has a ``corpus.jsonl``, plain or compressed; nothing else of it is read.

    Raises:
        DataError: No such file, or a wrong one.
    """
    if not folders:
        return collection
    documents, own = dict(collection.documents), {doc.text for doc in collection.documents.values()}
    counts: Counter[str] = Counter()
    total = sha256(collection.digest.encode())
    for folder in map(Path, folders):
        corpus = beir.either(folder / "corpus.jsonl")
        if not corpus.is_file():
            raise DataError("no such corpus; a background is a folder with a corpus.jsonl", path=corpus)
        for doc in validate.documents(jsonl.documents(corpus, Counter()), corpus).values():
            if doc.text in own:
                counts["background documents whose text the collection has (left out)"] += 1
                continue
            doc_id = f"{'_'.join(folder.resolve().name.split())}:{doc.doc_id}"
            while doc_id in documents:
                doc_id = f"+{doc_id}"
            documents[doc_id] = Document(doc_id, doc.text)
            total.update(json.dumps([doc_id, doc.text]).encode())
            counts[f"unjudged background documents of {folder.resolve().name}"] += 1
    return replace(
        collection,
        documents=documents,
        digest=total.hexdigest(),
        warnings=(*collection.warnings, *(f"{what}: {count:,}" for what, count in counts.items())),
    )
