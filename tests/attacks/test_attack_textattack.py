"""TextAttack's searches under our meter, on our substitutes (extra ``textattack``, in an environment of its own)."""

from __future__ import annotations

import json
from importlib.util import find_spec
from itertools import combinations, product
from pathlib import Path
from random import Random

import pytest

from robustrank.core.errors import MissingExtra, PluginError
from robustrank.core.types import Budget, Case, Document, Query
from robustrank.core.words import substitute
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.substitutes import load
from robustrank.perturbations.verify import verify
from robustrank.testing import WordWeights, make_case
from robustrank_attacks.textattack.recipe import TextAttackRecipe, as_classifier
from robustrank_attacks.textattack.search import TextAttackSearch

needs_textattack = pytest.mark.skipif(
    find_spec("textattack") is None, reason="textattack is not installed (it wants an environment of its own)"
)
# TextAttack itself logs by a method that Python deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated:DeprecationWarning")
TEXTS = ["q q q", "q q", "Old, cold; warm end-to-end tea", "none"]


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"old": ["aged", "ancient"], "cold": ["icy"], "warm": ["hot", "mild"], "tea": ["brew"]}))
    return str(path)


RANKER = WordWeights(weights={"aged": 0.5, "ancient": 0.25, "icy": 1.5, "hot": 0.75, "mild": 2.0, "brew": -1.0})


def _brute_force(case: Case, table: str, edits: int) -> float:
    possible = load(table).within(case.target.text)
    best = RANKER.score(case.query, [case.target])[0]
    for size in range(1, edits + 1):
        for positions in combinations(possible, size):
            for choice in product(*(possible[p] for p in positions)):
                text = substitute(case.target.text, dict(zip(positions, choice, strict=True)))
                best = max(best, *RANKER.score(case.query, [case.target._replace(text=text)]))
    return best


@pytest.mark.skipif(find_spec("textattack") is not None, reason="textattack is installed")
def test_without_the_package_the_error_names_the_extra(table: str) -> None:
    ranker = MeteredRanker(RANKER)
    case, attack = make_case(ranker, "q", TEXTS, 2), TextAttackSearch(substitutes=table)
    with pytest.raises(MissingExtra, match=r"pip install 'robustrank\[textattack\]'"):
        attack.perturb(case, MeteredOracle(ranker, case, attack.threat, Budget()), Random(0))


def test_an_unknown_search_is_refused() -> None:
    with pytest.raises(PluginError, match="search must be one of greedy_wir, greedy, beam"):
        TextAttackSearch(search="genetic")  # type: ignore[arg-type]


@needs_textattack
@pytest.mark.parametrize("search", ["greedy_wir", "greedy", "beam"])
@pytest.mark.parametrize("edits", [1, 2])
def test_on_an_additive_ranker_the_search_finds_the_optimum_legally(table: str, search: str, edits: int) -> None:
    ranker = MeteredRanker(RANKER)
    case = make_case(ranker, "q", TEXTS, 2)
    attack = TextAttackSearch(search=search, substitutes=table)  # type: ignore[arg-type]
    budget = Budget(edits=edits)
    oracle = MeteredOracle(ranker, case, attack.threat, budget)
    perturbation = attack.perturb(case, oracle, Random(0))
    assert not verify(case, perturbation, attack.threat, budget).violations
    assert perturbation.target is not None
    reached = RANKER.score(Query("q", "q"), [case.target._replace(text=perturbation.target)])[0]
    if search == "greedy_wir":  # it goes word by word in order of importance and may stop at the goal
        assert reached > RANKER.score(Query("q", "q"), [case.target])[0]
    else:
        assert reached == pytest.approx(_brute_force(case, table, edits))


@needs_textattack
def test_the_budget_of_calls_holds_and_the_best_so_far_is_returned(table: str) -> None:
    ranker = MeteredRanker(RANKER)
    case, attack = make_case(ranker, "q", TEXTS, 2), TextAttackSearch(search="beam", substitutes=table)
    for calls in range(0, 12, 3):
        oracle = MeteredOracle(ranker, case, attack.threat, Budget(edits=2, calls=calls))
        attack.perturb(case, oracle, Random(0))
        assert oracle.spent <= calls


LETTERS = WordWeights(weights={"ancient": -2.0, "frozen": -1.0, "coffee": -1.5})


@needs_textattack
@pytest.mark.parametrize("recipe", ["DeepWordBugGao2018", "Pruthi2019"])
def test_a_recipe_by_name_lifts_a_document_legally_and_the_same_seed_gives_the_same_text(recipe: str) -> None:
    ranker, attack, budget = MeteredRanker(LETTERS), TextAttackRecipe(recipe=recipe), Budget(edits=2, calls=60)
    case = make_case(ranker, "q", ["none", "nothing", "Ancient, frozen; warm end-to-end coffee"], 2)
    perturbations = []
    for _ in range(2):
        oracle = MeteredOracle(ranker, case, attack.threat, budget)
        perturbations.append(attack.perturb(case, oracle, Random(0)))
        assert oracle.spent <= 60
    assert perturbations[0] == perturbations[1]
    assert perturbations[0].target is not None
    assert not verify(case, perturbations[0], attack.threat, budget).violations
    before, after = ranker.score(case.query, [case.target, case.target._replace(text=perturbations[0].target)])
    assert after > before


@needs_textattack
def test_an_unknown_recipe_names_the_known_ones_and_one_that_cannot_be_built_says_so() -> None:
    ranker = MeteredRanker(LETTERS)
    case = make_case(ranker, "q", ["none", "ancient coffee"], 1)
    for attack, message in [
        (TextAttackRecipe(recipe="TextFoolerJin"), "no recipe 'TextFoolerJin' .*TextFoolerJin2019"),
        (TextAttackRecipe(recipe="BERTAttackLi2020"), "BERTAttackLi2020 cannot be built here"),
    ]:
        with pytest.raises(PluginError, match=message):
            attack.perturb(case, MeteredOracle(ranker, case, attack.threat, Budget()), Random(0))


@needs_textattack
def test_a_ranker_is_a_model_that_textattack_attacks_by_itself() -> None:
    import textattack

    model = as_classifier(LETTERS, Query("q", "q"), bar=-0.5)
    assert model(["ancient coffee", "none"]).round(3).tolist() == [[0.953, 0.047], [0.378, 0.622]]
    attack = textattack.attack_recipes.DeepWordBugGao2018.build(model)
    result = attack.attack("ancient coffee with milk", 0)
    assert isinstance(result, textattack.attack_results.SuccessfulAttackResult)
    assert LETTERS.score(Query("q", "q"), [Document("", result.perturbed_text())])[0] > -0.5


@pytest.mark.skipif(find_spec("textattack") is not None, reason="textattack is installed")
def test_recipes_and_the_model_name_the_extra_too() -> None:
    ranker = MeteredRanker(RANKER)
    case, attack = make_case(ranker, "q", TEXTS, 2), TextAttackRecipe()
    with pytest.raises(MissingExtra, match=r"pip install 'robustrank\[textattack\]'"):
        attack.perturb(case, MeteredOracle(ranker, case, attack.threat, Budget()), Random(0))
    with pytest.raises(MissingExtra, match=r"pip install 'robustrank\[textattack\]'"):
        as_classifier(RANKER, Query("q", "q"), 0.0)
