"""A classifier of attacked texts: logistic regression over the numbers of cheap detectors.

It was trained by ``tools/train_detector.py`` on attacks on BM25 (claims against abstracts, medical and encyclopedic
questions); its weights are plain numbers in ``trained.json``. What a classifier does against attacks that it was
trained on says little of others, so there is one for each family of attacks left out, to be judged on that family.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import log1p
from types import MappingProxyType
from typing import Any

from robustrank.plugin import ConfigError, Detector, DetectorCard, Document, Seen
from robustrank_defenses.detectors.near_duplicate import NearDuplicate
from robustrank_defenses.detectors.odd_characters import OddCharacters
from robustrank_defenses.detectors.perplexity import Perplexity
from robustrank_defenses.detectors.query_words import QueryWords
from robustrank_defenses.detectors.repetition import Repetition

FEATURES: Mapping[str, Detector] = MappingProxyType({
    "perplexity": Perplexity(),
    "perplexity, window": Perplexity(over="window"),
    "perplexity, ratio": Perplexity(over="ratio"),
    "query words": QueryWords(count="coverage"),
    "query words, density": QueryWords(count="density"),
    "query words in a row": QueryWords(),
    "repetition": Repetition(),
    "near duplicate": NearDuplicate(),
    "near duplicate, share": NearDuplicate(of="share"),
    "odd characters": OddCharacters(),
})  # fmt: skip
"""The detectors whose numbers it reads, as log(1 + x)."""


@dataclass(frozen=True, kw_only=True)
class TrainedClassifier:
    """Logistic regression over cheap detectors (extra ``fluency``), trained on attacks on other collections.

    Args:
        without: The family of attacks that it was not trained on: ``"query"``, ``"sentences"``, ``"words"``,
            ``"synonyms"`` or ``"characters"``; empty for the one that was trained on all.
    """

    without: str = ""

    def __post_init__(self) -> None:
        if self.without not in _models()["models"]:
            have = ", ".join(map(repr, _models()["models"]))
            raise ConfigError(f"without must be one of {have}, not {self.without!r}")

    @property
    def card(self) -> DetectorCard:
        """Reads the query and the other documents of the list."""
        trained_on = [
            plugin for family, names in _models()["families"].items() if family != self.without for plugin in names
        ]
        return DetectorCard(
            name=f"trained_classifier({f'without {self.without}' if self.without else 'all'})",
            fingerprint=f"trained {self.without} {json.dumps(_models()['models'][self.without])}",
            query=True,
            others=True,
            trained_on=tuple(trained_on),
        )

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        """The logit; ``None`` where one of the detectors cannot tell.

        Raises:
            MissingExtra: The trigram model is not installed.
        """
        values = features(document, seen)
        if values is None:
            return None
        model = _models()["models"][self.without]
        rows = zip(values, model["mean"], model["scale"], model["weights"], strict=True)
        return float(model["intercept"] + sum(weight * (x - mean) / scale for x, mean, scale, weight in rows))


def features(document: Document, seen: Seen) -> Sequence[float] | None:
    """The numbers of all detectors of :data:`FEATURES`; ``None`` where one cannot tell."""
    values = [detector.suspicion(document, seen) for detector in FEATURES.values()]
    known = [log1p(value) for value in values if value is not None]
    return known if len(known) == len(values) else None


@cache
def _models() -> Mapping[str, Any]:
    """``families`` (name to attacks) and ``models`` (family left out to mean, scale, weights and intercept)."""
    text = files("robustrank_defenses.detectors").joinpath("trained.json").read_text(encoding="utf-8")
    models: dict[str, Any] = json.loads(text)
    return models
