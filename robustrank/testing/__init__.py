"""Contract checks for plug-ins, and a ranker with known answers: for our tests and for anyone who writes a plug-in."""

from robustrank.testing.contract import (
    BUDGETS,
    KilledAfter,
    WordWeights,
    check_attack,
    check_defense,
    check_ranker,
    make_case,
)

__all__ = ["BUDGETS", "KilledAfter", "WordWeights", "check_attack", "check_defense", "check_ranker", "make_case"]
