"""An injected instruction against a model that obeys it with a known probability: success is the closed form, exactly.

A fresh coin falls for every prompt that shows the document. The document is worth least, so it is last wherever the
model does not obey, and first where it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, sqrt
from random import Random

import pytest

from robustrank.core.interfaces import Ranker
from robustrank.core.ranking import order
from robustrank.core.types import Budget, Case, Document, Query
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.rankers.llm.backends.scripted import ScriptedModel
from robustrank.rankers.llm.windows import LlmWindows
from robustrank_attacks.injection.inject_instruction import CONTROLS, InjectInstruction

OBEYS = "the marker [KX7]"
"""What the instructions have, and no control of them."""
QUERY = Query("q", "alpha beta")


def documents(count: int, target: int) -> list[Document]:
    """All but the target have words of the query, and the earlier more of them."""
    return [Document(f"d{n:03}", "nothing of it" if n == target else f"alpha beta {'pad ' * n}") for n in range(count)]


def attacked(docs: Sequence[Document], target: int, attack: InjectInstruction) -> list[Document]:
    case = Case(QUERY, docs[target], tuple(docs), 1)
    oracle = MeteredOracle(MeteredRanker(LlmWindows(lm=ScriptedModel())), case, attack.threat, Budget())
    text = attack.perturb(case, oracle, Random(1)).target
    assert text is not None
    return [doc._replace(text=text) if doc.doc_id == docs[target].doc_id else doc for doc in docs]


def first(ranker: Ranker, docs: Sequence[Document]) -> str:
    return order(list(zip((doc.doc_id for doc in docs), ranker.score(QUERY, docs), strict=True)))[0]


def share_first(make: Callable[[int], Ranker], docs: Sequence[Document], target: int, seeds: int) -> float:
    return sum(first(make(seed), docs) == docs[target].doc_id for seed in range(seeds)) / seeds


def model(obedience: float, seed: int = 0) -> ScriptedModel:
    return ScriptedModel(obeys=OBEYS, obedience=obedience, seed=seed)


@pytest.mark.parametrize("kind", ["decision", "criteria", "verdict"])
@pytest.mark.parametrize("place", ["start", "middle", "end"])
def test_one_who_always_obeys_is_led_by_every_instruction_and_by_no_control(kind: str, place: str) -> None:
    docs = documents(6, 4)
    attack = InjectInstruction(kind=kind, place=place)  # type: ignore[arg-type]
    obeying, deaf = LlmWindows(lm=model(1.0)), LlmWindows(lm=model(0.0))
    assert first(obeying, attacked(docs, 4, attack)) == "d004"
    clean = deaf.score(QUERY, docs)
    assert deaf.score(QUERY, attacked(docs, 4, attack)) == clean, "one who never obeys: every cell equals its control"
    for control in CONTROLS:
        twin = InjectInstruction(kind=kind, place=place, control=control)  # type: ignore[arg-type]
        assert obeying.score(QUERY, attacked(docs, 4, twin)) == deaf.score(QUERY, attacked(docs, 4, twin)) == clean


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("count", "window", "step", "rank"), [(8, 20, 10, 8), (30, 10, 5, 30), (30, 10, 5, 12), (30, 10, 5, 3)]
)
def test_success_is_one_coin_for_every_window_that_shows_the_document(
    count: int, window: int, step: int, rank: int
) -> None:
    """Windows weaken an injection: with 30 documents, windows of 10 and step 5 it takes min(5, ceil(r / 5)) coins."""
    obedience, seeds, target = 0.7, 600, rank - 1
    coins = 1 if count <= window else min(1 + ceil((count - window) / step), ceil(rank / step))
    docs = attacked(documents(count, target), target, InjectInstruction())
    share = share_first(
        lambda seed: LlmWindows(lm=model(obedience, seed), window=window, step=step), docs, target, seeds
    )
    expected = obedience**coins
    assert abs(share - expected) < 3.5 * sqrt(expected * (1 - expected) / seeds)
    for certain in (0.0, 1.0):
        ranker = LlmWindows(lm=model(certain), window=window, step=step)
        assert (first(ranker, docs) == docs[target].doc_id) == bool(certain)
