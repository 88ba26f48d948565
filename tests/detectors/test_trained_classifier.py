"""The trained classifier: plain numbers, a model for each family left out, and what it says it was trained on."""

from __future__ import annotations

import json
from importlib.resources import files
from importlib.util import find_spec

import pytest

from robustrank.core.detector_types import shown
from robustrank.core.errors import ConfigError
from robustrank.core.types import Document, Query
from robustrank.plugins import registry
from robustrank_defenses.detectors.trained_classifier import FEATURES, TrainedClassifier

MODELS = json.loads(files("robustrank_defenses.detectors").joinpath("trained.json").read_text(encoding="utf-8"))
FAMILIES = MODELS["families"]


def test_there_is_a_model_without_each_family_and_one_of_all() -> None:
    assert MODELS["features"] == list(FEATURES)
    assert set(MODELS["models"]) == {"", *FAMILIES}
    for model in MODELS["models"].values():
        assert {len(model[name]) for name in ("mean", "scale", "weights")} == {len(FEATURES)}
    assert {name for names in FAMILIES.values() for name in names} <= set(registry.names("attack"))


@pytest.mark.parametrize("family", list(FAMILIES))
def test_it_does_not_claim_the_family_that_was_left_out(family: str) -> None:
    left_out = TrainedClassifier(without=family).card
    assert not set(FAMILIES[family]) & set(left_out.trained_on)
    assert set(TrainedClassifier().card.trained_on) == {name for names in FAMILIES.values() for name in names}
    assert left_out.fingerprint != TrainedClassifier().card.fingerprint


def test_a_family_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="without must be one of"):
        TrainedClassifier(without="sorcery")


@pytest.mark.skipif(find_spec("pocketsphinx") is None, reason="the extra fluency is not installed")
def test_a_pasted_query_is_more_suspicious_than_the_document() -> None:
    query = Query("q", "do vaccines prevent severe infection")
    text = "The old bridge was built of stone and still carries heavy traffic today in the valley below the town."
    values = []
    for each in (text, f"{query.text} {text}"):
        document = Document("d", each)
        detector = TrainedClassifier()
        values.append(detector.suspicion(document, shown(detector.card, document, query=query, documents=[document])))
    assert values[0] is not None
    assert values[1] is not None
    assert values[1] > values[0]
