"""Types of queries by rules, and features of queries, for slices of collections without labels.

The rules are for English. Their accuracy on questions labelled by hand (``tests/data``) is given in docs/protocols.md;
a collection's own labels are to be preferred.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import log

import numpy as np

from robustrank.core.types import Query
from robustrank.core.words import words
from robustrank.retrieval.analysis import analyze, analyzed
from robustrank.retrieval.lists import DescribedQuery, Lists

WH = ("what", "which", "who", "when", "where", "why", "how")

_AUXILIARY = frozenset(
    ("is", "are", "was", "were", "do", "does", "did", "can", "could", "should", "would", "will", "has", "have", "had",
     "am", "may", "might", "must", "shall")
)  # fmt: skip
_NUMBER = re.compile(
    r"\b(how (many|much|long|old|far|tall|fast|often|big|large|high|deep|wide|heavy|hot|cold|late)|what (\w+ ){0,2}?"
    r"(year|date|day|month|century|time|number|percent|percentage|population|age|price|cost|distance|length|height|"
    r"speed|temperature|amount|size|rate|decade|score|budget|salary|zip code|area code)|which (year|date|day|month|"
    r"century|decade))\b"
)
_PERSON = re.compile(
    r"\b(who|whom|whose|(what|which) (\w+ ){0,3}?(person|man|woman|actor|actress|author|writer|president|king|queen|"
    r"singer|director|scientist|player|artist|composer|inventor|leader|founder|character|politician|emperor|poet|"
    r"philosopher|team|company|band|organization|group|university|people|producer|musician|architect))\b"
)
_PLACE = re.compile(
    r"\b(where|(what|which) (\w+ ){0,2}?(country|city|state|place|location|continent|town|river|lake|mountain|island|"
    r"county|capital|region|street|address|ocean|sea|province|planet|countries|cities|states|places|locations|"
    r"regions|areas|area|district|village|neighborhood))\b"
)
_REASON = re.compile(
    r"^(why|how (do|does|did|can|could|should|would|to|is|are|was|were|has|have|come)|what (is|are|was|were) "
    r"(a|an|the (meaning|definition|purpose|difference|cause|effect|reason|origin|function|role|process|history))\b|"
    r"what (does|do|did) .* (do|mean|stand for)\b|define\b|explain\b|describe\b|what causes?\b|what happen)"
)
_NAVIGATION = re.compile(r"(https?:|www\.|\.(com|org|net|edu|gov)\b|\b(login|log in|sign in|homepage|website)\b)")
_COMMERCE = re.compile(
    r"\b(buy|cheap|price|prices|cost|sale|order|download|hotel|hotels|coupon|rent|booking|for sale)\b"
)


def of(query: Query, axis: str) -> str:
    """A query's type by one of the rules that read the query alone.

    Args:
        query: The query.
        axis: ``"wh"``: its question word, ``"yes/no"`` or ``"none"``. ``"answer"``: ``"person"`` (or organisation),
            ``"place"``, ``"number"`` (dates too), ``"description"``, ``"entity"``, ``"yes/no"`` or ``"none"``.
            ``"intent"``: ``"question"``, ``"navigational"``, ``"transactional"``, ``"statement"`` (seven words or
            more) or ``"keywords"``. ``"length"``: words, up to 3, 4 to 7, 8 to 15, or more.
    """
    tokens = [word.text.lower() for word in words(query.text)]
    if axis == "wh":
        return _wh(tokens)
    if axis == "answer":
        return _answer(" ".join(tokens))
    if axis == "intent":
        return _intent(query.text.lower(), tokens)
    return next(name for most, name in _LENGTHS if len(tokens) <= most)


_LENGTHS = ((3, "1-3 words"), (7, "4-7 words"), (15, "8-15 words"), (10**9, "16 words and more"))


def _wh(tokens: Sequence[str]) -> str:
    if tokens and tokens[0] in _AUXILIARY:
        return "yes/no"
    wh = (word if word in WH else {"whom": "who", "whose": "who"}.get(word.partition("'")[0]) for word in tokens)
    return next((word for word in wh if word), "none")


def _answer(text: str) -> str:
    first = text.partition(" ")[0]
    if first in _AUXILIARY:
        return "yes/no"
    rules = (("number", _NUMBER), ("description", _REASON), ("person", _PERSON), ("place", _PLACE))
    for name, rule in rules:
        if rule.search(text):
            return "number" if name != "number" and re.search(r"\bwhen\b", text[:20]) else name
    if re.search(r"\bwhen\b", text):
        return "number"
    if re.search(r"\b(what|which)\b", text):
        return "entity"
    return "description" if re.search(r"\bhow\b", text) else "none"


def _intent(text: str, tokens: Sequence[str]) -> str:
    if _NAVIGATION.search(text):
        return "navigational"
    if text.rstrip().endswith("?") or (tokens and (tokens[0] in _AUXILIARY or _wh(tokens[:2]) != "none")):
        return "question"
    if _COMMERCE.search(text):
        return "transactional"
    return "statement" if len(tokens) >= 7 else "keywords"


def describe(lists: Lists, axes: Sequence[str]) -> dict[str, DescribedQuery]:
    """Types and features of every query, by query id.

    The axis ``"label"`` is the collection's own. ``"clarity"`` splits the queries into thirds by the simplified clarity
    score (He & Ounis 2004): the divergence, in bits, of the query's words from the collection's.

    Features are ``words``; ``rarity``, the mean idf of its terms; ``rarest``, the largest; ``first stage``, the share
    of its idf that the first candidate holds; ``cluster``, a topic (k-means over the queries' terms), a number without
    an order.
    """
    queries = list(lists.queries.values())
    terms = dict(zip(lists.queries, analyze([query.text for query in queries]), strict=True))
    counts, frequency = Counter[str](), Counter[str]()
    for document in analyzed(lists.collection):
        counts.update(document)
        frequency.update(set(document))
    n, total = len(lists.collection.documents), sum(counts.values())
    clear = _thirds({query_id: _clarity(query_terms, counts, total) for query_id, query_terms in terms.items()})
    topics = _clusters(terms)
    described: dict[str, DescribedQuery] = {}
    for query in queries:
        query_id = query.query_id
        types = {axis: clear[query_id] if axis == "clarity" else of(query, axis) for axis in axes if axis != "label"}
        if "label" in axes and query_id in lists.collection.query_types:
            types["label"] = lists.collection.query_types[query_id]
        first = lists.candidates[query_id][:1]
        held = set(analyze([first[0].text])[0]) if first else set()
        idf = {t: log(1 + (n - frequency[t] + 0.5) / (frequency[t] + 0.5)) for t in dict.fromkeys(terms[query_id])}
        features = {
            "words": float(len(words(query.text))),
            "rarity": sum(idf.values()) / len(idf) if idf else 0.0,
            "rarest": max(idf.values(), default=0.0),
            "first stage": sum(v for t, v in idf.items() if t in held) / sum(idf.values()) if idf else 0.0,
            "cluster": float(topics[query_id]),
        }
        described[query_id] = DescribedQuery(types=types, features=features)
    return described


def _clarity(terms: Sequence[str], counts: Mapping[str, int], total: int) -> float:
    own = Counter(terms)
    return sum(c / len(terms) * log(c / len(terms) * total / max(1, counts[t]), 2) for t, c in sorted(own.items()))


def _thirds(scores: Mapping[str, float]) -> dict[str, str]:
    ordered = sorted(scores, key=lambda query_id: (scores[query_id], query_id))
    names = ("vague", "middling", "clear")
    return {query_id: names[3 * place // len(ordered)] for place, query_id in enumerate(ordered)}


def _clusters(terms_by_query: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Cluster of each query: seeded k-means over the leading singular directions of the query-term matrix.

    There is one cluster for each 15 queries, at most 8; with fewer than two, all queries are in cluster 0.
    """
    from scipy.cluster.vq import kmeans2
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import svds

    ids = list(terms_by_query)
    vocabulary = {t: i for i, t in enumerate(sorted({t for terms in terms_by_query.values() for t in terms}))}
    count = min(8, len(ids) // 15)
    if count < 2 or len(vocabulary) <= count:
        return dict.fromkeys(ids, 0)
    rows = [i for i, query_id in enumerate(ids) for _ in terms_by_query[query_id]]
    columns = [vocabulary[t] for query_id in ids for t in terms_by_query[query_id]]
    matrix = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(ids), len(vocabulary)))
    left, singular_values, _ = svds(matrix, k=count, v0=np.ones(min(matrix.shape)), solver="arpack")
    points = left * singular_values
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    _, labels = kmeans2(points, count, seed=0, minit="++")
    return {query_id: int(label) for query_id, label in zip(ids, labels, strict=True)}
