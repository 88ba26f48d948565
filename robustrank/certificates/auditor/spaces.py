"""Spaces so small that the truth about a bound can be enumerated: every attack and all perturbed texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from math import comb
from typing import Literal

from robustrank.certificates.insertion import Erasure, Reading, Run

Text = tuple[str, ...]
Kind = Literal["substitution", "masking", "deletion", "erasure", "windows", "windows_apart", "highest_window"]
HIDDEN = "_"
"""What stands in the place of a masked word."""


@dataclass(frozen=True, kw_only=True)
class SmallSpace:
    """One document, one smoothing distribution, one base ranker and one radius.

    Args:
        kind: ``"substitution"``: each word is drawn uniformly from its set; an attack writes synonyms.
            ``"masking"``: ``kept`` words, chosen uniformly, are read; an attack writes any words in place of others.
            ``"deletion"``: each word stays with probability ``keep``; an attack inserts, deletes and replaces words.
            The others: nothing is drawn; the text is read in parts as ``reading`` says, and an attack inserts one block
            of words.
        document: Its words.
        radius: Words an attack may change.
        scores: The base ranker's score of a perturbed text; 0 for all texts that are not here.
        vocabulary: Words an attacker may write, but for substitution.
        synonyms: Word to what an attacker may write instead, for substitution.
        sets: Word to the set it is drawn from, for substitution.
        kept: Words read, for masking.
        keep: Probability to stay, for deletion.
        reading: The parts that are read, where nothing is drawn.
    """

    kind: Kind
    document: Text
    radius: int
    scores: Mapping[Text, float] = field(default_factory=dict)
    vocabulary: Text = ()
    synonyms: Mapping[str, Text] = field(default_factory=dict)
    sets: Mapping[str, Text] = field(default_factory=dict)
    kept: int = 1
    keep: float = 0.5
    reading: Reading | None = None

    def distribution(self, document: Text | None = None) -> dict[Text, float]:
        """Perturbed text to its probability; of the clean document if none is named."""
        words = self.document if document is None else document
        probabilities: dict[Text, float] = {}
        for text, probability in self._draws(words):
            probabilities[text] = probabilities.get(text, 0.0) + probability
        return probabilities

    def smoothed(self, document: Text | None = None) -> float:
        """The mean score, or that of the parts read; of the clean document if none is named."""
        if self.reading is not None:
            words = self.document if document is None else document
            return self.reading.score(len(words), self.parts(self.reading, self.reading.runs(len(words)), words))
        return sum(share * self.scores.get(text, 0.0) for text, share in self.distribution(document).items())

    def parts(self, reading: Reading, runs: Sequence[Run], document: Text | None = None) -> dict[Run, float]:
        """Run to the base ranker's score of what is read for it; of the clean document if none is named."""
        words = self.document if document is None else document
        return {run: self.scores.get(tuple(reading.text(words, run).split()), 0.0) for run in runs}

    def attacks(self) -> list[Text]:
        """Every document that an attack can make, the clean one first."""
        reached = [self.document]
        if self.reading is not None:
            return list(dict.fromkeys(self._blocks()))
        if self.kind == "deletion":
            for _ in range(self.radius):
                reached = list(dict.fromkeys([*reached, *(new for old in reached for new in self._edited(old))]))
            return reached
        options = self.synonyms if self.kind == "substitution" else dict.fromkeys(self.document, self.vocabulary)
        for places in combinations(range(len(self.document)), min(self.radius, len(self.document))):
            choices = [(self.document[i], *options.get(self.document[i], ())) for i in places]
            for choice in product(*choices):
                words = list(self.document)
                for place, word in zip(places, choice, strict=True):
                    words[place] = word
                reached.append(tuple(words))
        return list(dict.fromkeys(reached))

    def _draws(self, words: Text) -> Iterator[tuple[Text, float]]:
        if self.reading is not None:
            runs = self.reading.runs(len(words))
            yield from ((tuple(self.reading.text(words, run).split()), 1 / len(runs)) for run in runs)
        elif self.kind == "substitution":
            members = [self.sets.get(word, (word,)) for word in words]
            total = 1
            for row in members:
                total *= len(row)
            yield from ((text, 1 / total) for text in product(*members))
        elif self.kind == "masking":
            kept = min(self.kept, len(words))
            for places in combinations(range(len(words)), kept):
                text = tuple(word if i in places else HIDDEN for i, word in enumerate(words))
                yield text, 1 / comb(len(words), kept)
        else:
            for stays in product((True, False), repeat=len(words)):
                left = sum(stays)
                share = self.keep**left * (1 - self.keep) ** (len(words) - left)
                yield tuple(word for word, stay in zip(words, stays, strict=True) if stay), share

    def _edited(self, words: Text) -> Iterator[Text]:
        for i in range(len(words) + 1):
            yield from ((*words[:i], new, *words[i:]) for new in self.vocabulary)
        for i in range(len(words)):
            yield (*words[:i], *words[i + 1 :])
            yield from ((*words[:i], new, *words[i + 1 :]) for new in self.vocabulary)

    def _blocks(self) -> Iterator[Text]:
        words = self.document
        places = self.reading.places(len(words)) if isinstance(self.reading, Erasure) else range(len(words) + 1)
        for count in range(self.radius + 1):
            for block in product(self.vocabulary, repeat=count):
                yield from ((*words[:place], *block, *words[place:]) for place in places)
