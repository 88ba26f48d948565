"""Random edits spend the whole budget on legal edits, and nothing else."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.types import Budget
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.substitutes import load
from robustrank.perturbations.verify import verify
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.substitution.random_edits import RandomEdits

RANKER = MeteredRanker(WordWeights())
TEXT = "The doctor studied a large car and the illness of big cats."
CASE = make_case(RANKER, "red fox", [TEXT, "other"], 0)


def edit(attack: RandomEdits, edits: int | None, seed: int = 0) -> tuple[str, int]:
    """The new text and how many words the harness counts as edited; it must be legal."""
    budget = Budget(edits=edits)
    done = attack.perturb(CASE, MeteredOracle(RANKER, CASE, attack.threat, budget), Random(seed))
    finding = verify(CASE, done, attack.threat, budget)
    assert finding.violations == ()
    return str(done.target), finding.edits


def test_substitution_uses_the_full_budget_or_every_word_it_can() -> None:
    possible = len(load("counterfitted|wordnet").within(TEXT))
    assert 4 < possible < 9
    assert [edit(RandomEdits(), edits)[1] for edits in (0, 1, 4, 50, None)] == [0, 1, 4, possible, possible]


def test_insertion_uses_the_full_budget_or_the_length_of_the_query() -> None:
    attack = RandomEdits(operation="insert")
    assert [edit(attack, edits)[1] for edits in (0, 1, 30, None)] == [0, 1, 30, 2]


@pytest.mark.parametrize("operation", ["substitute", "insert"])
def test_the_seed_decides(operation: str) -> None:
    attack = RandomEdits(operation=operation)  # type: ignore[arg-type]
    texts = Counter(edit(attack, 3, seed)[0] for seed in range(20))
    assert len(texts) > 10
    assert edit(attack, 3, 7) == edit(attack, 3, 7)


def test_it_is_a_control_and_costs_no_calls() -> None:
    assert RandomEdits().threat.control
    oracle = MeteredOracle(RANKER, CASE, RandomEdits().threat, Budget(calls=0))
    RandomEdits().perturb(CASE, oracle, Random(0))
    assert oracle.spent == 0


@pytest.mark.parametrize("operation", ["substitute", "insert", "delete", "reorder"])
def test_the_contract_holds(operation: str) -> None:
    check_attack(RandomEdits(operation=operation), RANKER, [CASE])  # type: ignore[arg-type]


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(PluginError, match="operation must be one of substitute, insert"):
        RandomEdits(operation="replace")  # type: ignore[arg-type]
