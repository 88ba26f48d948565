"""Six sentences and a query, the input on which ``robustrank check`` checks a plug-in."""

from __future__ import annotations

from robustrank.core.detector_types import Detector
from robustrank.core.errors import ConfigError, ContractError
from robustrank.core.interfaces import Attack, CollectionRanker, Defense, Ranker
from robustrank.core.types import Collection, Document, Query, Surface
from robustrank.testing import (
    WordWeights,
    check_attack,
    check_corpus_attack,
    check_defense,
    check_detector,
    check_ranker,
    make_case,
)

QUERY = Query("q1", "do vaccines prevent severe infection")
TEXTS = (
    "Vaccines prevent severe infection in most adults who receive two doses.",
    "A severe infection may follow surgery; antibiotics help to prevent it.",
    "The trial found that vaccines reduce hospital visits, although protection fades with time.",
    "Children often recover from a mild infection without any treatment at all.",
    "Rainfall in the valley was higher than usual, and the harvest came late.",
    "The old bridge was built of stone and still carries heavy traffic today.",
)
COLLECTION = Collection(
    name="sample",
    documents={str(i): Document(str(i), text) for i, text in enumerate(TEXTS)},
    queries=(QUERY,),
    qrels={QUERY.query_id: {"0": 1}},
    query_types={},
    candidates={},
    digest="sample/1",
)


def asked(ranker: Ranker | CollectionRanker) -> tuple[Ranker, list[tuple[Query, tuple[Document, ...]]]]:
    """A ranker, fitted where it has statistics of a collection, and the lists to ask it.

    Raises:
        ContractError: It is no ranker.
    """
    fitted = ranker.fit(COLLECTION) if isinstance(ranker, CollectionRanker) else ranker
    if not isinstance(fitted, Ranker):
        raise ContractError(f"{type(ranker).__name__} has no `card` or no `score`, so it is no ranker")
    return fitted, [(QUERY, tuple(COLLECTION.documents.values()))]


def check(plugin: Attack | Defense | Detector | Ranker | CollectionRanker) -> None:
    """Check the contract of an attack, a defense, a detector or a ranker.

    Raises:
        ContractError: The plug-in breaks its contract.
        ConfigError: The plug-in is none of them.
    """
    documents = tuple(COLLECTION.documents.values())
    ranker = WordWeights(weights={"vaccines": 0.5, "infection": 0.25, "stone": 0.125})
    if isinstance(plugin, Attack) and plugin.threat.surface is Surface.CORPUS:
        check_corpus_attack(plugin, COLLECTION)
    elif isinstance(plugin, Attack):
        check_attack(plugin, ranker, [make_case(ranker, QUERY.text, TEXTS, target) for target in (3, 5)])
    elif isinstance(plugin, Defense):
        check_defense(plugin, ranker, QUERY, documents)
    elif isinstance(plugin, Detector):
        check_detector(plugin, ranker, QUERY, documents)
    elif isinstance(plugin, CollectionRanker):
        check_ranker(plugin.fit(COLLECTION), QUERY, documents)
    elif isinstance(plugin, Ranker):
        check_ranker(plugin, QUERY, documents)
    else:
        raise ConfigError(f"{type(plugin).__name__} is no attack, no defense, no detector and no ranker")
