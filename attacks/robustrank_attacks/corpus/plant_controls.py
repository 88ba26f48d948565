"""Controls of corpus attacks: documents as long as an attack's that nothing was optimised for."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from robustrank.plugin import Access, AttackSet, CorpusCase, Perturbation, StageOracle, Surface, ThreatModel, words
from robustrank_attacks.corpus._texts import carried, cut, room


def _control(*, payload: bool = True) -> ThreatModel:
    return ThreatModel(
        surface=Surface.CORPUS, access=Access.NONE, edits=AttackSet(operation="plant"), control=True, payload=payload
    )


@dataclass(frozen=True, kw_only=True)
class PlantPayload:
    """Documents of the payload alone, or of a sentence of the corpus."""

    @property
    def threat(self) -> ThreatModel:
        """A control without access."""
        return _control()

    def perturb(self, case: CorpusCase, oracle: StageOracle, rng: Random, /) -> Perturbation:
        """As many as may be added, which with a payload are equal."""
        return Perturbation(inserted=tuple(carried(case, rng) for _ in range(case.plants)))


@dataclass(frozen=True, kw_only=True)
class PlantNatural:
    """Documents of the corpus, drawn at random and added a second time: what any document would do."""

    @property
    def threat(self) -> ThreatModel:
        """A control without access, which carries no payload."""
        return _control(payload=False)

    def perturb(self, case: CorpusCase, oracle: StageOracle, rng: Random, /) -> Perturbation:
        """As many as may be added, each cut where it is too long."""
        pool = [doc.text for doc in case.corpus if words(doc.text)]
        return Perturbation(
            inserted=tuple(cut(text, case.words) for text in rng.sample(pool, min(case.plants, len(pool))))
        )


@dataclass(frozen=True, kw_only=True)
class PlantStuffing:
    """Documents of the payload and as many known queries as the words allow, dealt out over the documents."""

    @property
    def threat(self) -> ThreatModel:
        """A control without access: what the same words do that nobody optimised."""
        return _control()

    def perturb(self, case: CorpusCase, oracle: StageOracle, rng: Random, /) -> Perturbation:
        """As many documents as may be added."""
        texts = []
        for number in range(case.plants):
            payload = case.payload or ""
            queries = ". ".join(query.text for query in case.group[number :: case.plants])
            texts.append(f"{payload} {cut(queries, room(case, payload))}".strip())
        return Perturbation(inserted=tuple(text for text in texts if text))
