"""Which clean documents `trim` and `normalise` change: ``python benchmarks/changed_texts.py FOLDER [SPLIT]``.

Takes the first relevant document of every query of a collection in BEIR layout, and prints, by type of query (a
language, in XQuAD), how many of these a defense changes before they are ranked.
"""

from __future__ import annotations

import argparse
from collections import Counter

from robustrank.collections.beir import Beir
from robustrank_defenses.input._unicode import clean
from robustrank_defenses.input.trim import Trim


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("split", nargs="?", default="test")
    options = parser.parse_args()
    collection = Beir(path=options.folder, split=options.split).load()
    trim, counts, trimmed, normalised = Trim(), Counter[str](), Counter[str](), Counter[str]()
    for query in collection.queries:
        kind = collection.query_types.get(query.query_id, "all")
        grades = collection.qrels[query.query_id]
        relevant = [doc_id for doc_id, grade in grades.items() if grade >= collection.relevant]
        for doc_id in [doc_id for doc_id in relevant if doc_id in collection.documents][:1]:
            text = collection.documents[doc_id].text
            counts[kind] += 1
            trimmed[kind] += trim.trimmed(query.text, text) != text
            normalised[kind] += clean(text) != text
    print("| type | documents | changed by trim | by normalise |\n|---|---|---|---|")
    for kind, count in sorted(counts.items()):
        print(f"| {kind} | {count} | {trimmed[kind] / count:.3f} | {normalised[kind] / count:.3f} |")


if __name__ == "__main__":
    main()
