"""``[detection]``: detectors that judge the attacked texts of an audit, and where clean documents come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from robustrank.config.tables import key
from robustrank.core.plugin_spec import Plugin


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """One ``[[detection.detector]]``."""

    plugin: Plugin
    name: str


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """One ``[[detection.source]]``: a collection whose documents nobody attacked.

    Args:
        plugin: Its loader.
        name: Name in reports.
        kind: What its documents are, for reports: abstracts, forum posts, ...
    """

    plugin: Plugin
    name: str
    kind: str = ""


DETECTORS = (
    DetectorSpec(plugin=Plugin(use="perplexity"), name="perplexity"),
    DetectorSpec(plugin=Plugin(use="perplexity", params={"over": "window"}), name="perplexity, window"),
    DetectorSpec(plugin=Plugin(use="perplexity", params={"over": "ratio"}), name="perplexity, ratio"),
    DetectorSpec(plugin=Plugin(use="spamicity"), name="spamicity"),
    DetectorSpec(plugin=Plugin(use="query_words", params={"count": "coverage"}), name="query words"),
    DetectorSpec(plugin=Plugin(use="query_words", params={"count": "run"}), name="query words in a row"),
    DetectorSpec(plugin=Plugin(use="repetition"), name="repetition"),
    DetectorSpec(plugin=Plugin(use="near_duplicate"), name="near duplicate"),
    DetectorSpec(plugin=Plugin(use="odd_characters"), name="odd characters"),
)
"""Where the file names none: those that need neither gradients nor a model of their own."""

SOURCES = (
    SourceSpec(plugin=Plugin(use="scifact"), name="scifact", kind="abstracts"),
    SourceSpec(plugin=Plugin(use="selqa"), name="selqa", kind="sentences of an encyclopedia"),
)
"""Where the file names none: the collections that come with the package."""


@dataclass(frozen=True, kw_only=True)
class DetectionSpec:
    """``[detection]``: what detectors make of the attacked texts.

    Args:
        detectors: The detectors; default those of :data:`DETECTORS`.
        sources: Where clean documents come from, beside the attacked collection itself; default :data:`SOURCES`.
        documents: Clean documents drawn from each; a source with fewer than 1,000 has no threshold of its own.
        depth: Clean documents of a source are drawn from so many first ones of the lists of its own queries.
    """

    detectors: tuple[DetectorSpec, ...] = key("detector", default=DETECTORS)
    sources: tuple[SourceSpec, ...] = key("source", default=SOURCES)
    documents: Annotated[int, Meta(ge=1)] = 1000
    depth: Annotated[int, Meta(ge=1)] = 20
