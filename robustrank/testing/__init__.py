"""Contract checks for plug-ins and a ranker with exactly computable scores, for the tests of plug-ins."""

from robustrank.testing.contract import (
    BUDGETS,
    KilledAfter,
    WordWeights,
    check_attack,
    check_defense,
    check_ranker,
    make_case,
)
from robustrank.testing.corpus_contract import WordVectors, check_corpus_attack
from robustrank.testing.detector_contract import check_detector
from robustrank.testing.training_contract import check_change, check_optimizer

__all__ = [
    "BUDGETS",
    "KilledAfter",
    "WordVectors",
    "WordWeights",
    "check_attack",
    "check_change",
    "check_corpus_attack",
    "check_defense",
    "check_detector",
    "check_optimizer",
    "check_ranker",
    "make_case",
]
