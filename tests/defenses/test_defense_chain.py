"""A chain of defenses is one around the other, out of an audit file's tables, and its pairs are counted."""

from __future__ import annotations

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Document, Query
from robustrank.plugins import registry
from robustrank.rankers.controls import Random as RandomRanker
from robustrank.testing import check_defense
from robustrank.work.victims import MeteredVictim
from robustrank_defenses.chain import Chain
from robustrank_defenses.input.normalise import Normalise
from robustrank_defenses.input.trim import Trim
from robustrank_defenses.training.retrained import Retrained

QUERY = Query("1", "where is the sea")
DOCS = [Document("a", "The sea is wide."), Document("b", "Salt is white.")]


def built(use: str, **params: object) -> object:
    return registry.build("defense", Plugin(use=use, params=params))


def test_a_chain_out_of_tables_passes_a_text_in_order() -> None:
    chain = built("chain", defenses=[{"use": "normalise"}, {"use": "trim", "words": 3}])
    assert chain == Chain(defenses=[Normalise(), Trim(words=3)])
    written = Document("a", "The se\u200ba is wide.")  # invisible characters would make two words of one
    plain = chain.wrap(RandomRanker()).score(QUERY, [Document("a", "The sea is wide.")])
    assert chain.wrap(RandomRanker()).score(QUERY, [written]) == plain
    other = Chain(defenses=[Trim(words=3), Normalise()])
    assert other.wrap(RandomRanker()).score(QUERY, [written]) != plain


def test_an_empty_chain_and_a_chain_of_no_defenses_are_refused() -> None:
    for parts in ([], [{"use": "nothing"}], ["normalise"]):
        with pytest.raises(PluginError):
            built("chain", defenses=parts)


def test_another_ranker_takes_the_place_of_the_base_and_its_pairs_count() -> None:
    defense = Retrained(ranker=RandomRanker(seed=5))
    check_defense(defense, RandomRanker(), QUERY, DOCS)
    victim = MeteredVictim(RandomRanker(), defense)
    assert victim.uncached.score(QUERY, DOCS) == RandomRanker(seed=5).score(QUERY, DOCS)
    assert victim.pairs == 2
    assert victim.seconds > 0
    assert victim.declared == RandomRanker(seed=5).card
    assert built("retrained", ranker={"use": "random", "seed": 5}) == defense


def test_a_replacement_is_no_part_of_a_chain() -> None:
    with pytest.raises(PluginError, match=r"\[\[ranker\]\]"):
        Chain(defenses=[Trim(), Retrained(ranker=RandomRanker())])
