"""Erase and check, for scores: a text scores what its worst remainder does, when any short run of words is left out.

An attacker who inserts a block of words cannot lift the text above what it scored without it. Kumar et al., "Certifying
LLM Safety against Adversarial Prompting", 2023 (arXiv 2309.02705), erase tokens and check each remainder for harm; here
the least score is taken, and a list is certified. Theorem 10 of docs/certificates.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from robustrank.certificates.insertion import PLACES, Erasure
from robustrank.plugin import AttackSet, PluginError, Ranker
from robustrank_defenses.certified._readings import ReadingRanker, pointwise

EDITS = {"anywhere": "insert_block", "start": "insert_block_at_start", "end": "insert_block_at_end"}
"""Place to the attack set."""


@dataclass(frozen=True, kw_only=True)
class Erase:
    """Take the least score over texts from which a run of words is left out, and certify against an inserted block.

    Words alone are read, with a blank between two. At the start or end it costs `words` + 1 texts for one; anywhere,
    about `words` times the text's words at stride 1, and its words divided by `stride` else.

    Args:
        words: The longest inserted block that it certifies against.
        place: Where a block may be inserted: `"anywhere"`, `"start"` or `"end"`. Only there are words left out.
        stride: Above 1 it is cheaper to rank and certifies less. Anywhere, blocks of `words` + `stride` - 1 words that
            begin at every `stride`-th word are left out; at the start or end, lengths that are multiples of it.
    """

    words: int = 12
    place: str = "start"
    stride: int = 1

    def __post_init__(self) -> None:
        for name, least in (("words", 1), ("stride", 1)):
            if getattr(self, name) < least:
                raise PluginError(f"erase: {name} must be at least {least}, got {getattr(self, name)!r}")
        if self.place not in PLACES:
            raise PluginError(f"erase: place must be one of {', '.join(PLACES)}, got {self.place!r}")

    def wrap(self, ranker: Ranker, /) -> ReadingRanker:
        """The ranker whose scores are least ones.

        Raises:
            PluginError: The ranker's scores depend on the other documents of a call, or on chance.
        """
        reading = Erasure(words=self.words, place=self.place, stride=self.stride)
        where = self.place if self.place == "anywhere" else f"at the {self.place}"
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        note = f"least score of its words without any run of {self.words} {where}{stride}"
        return ReadingRanker(pointwise("erase", ranker), "erase", reading, AttackSet(operation=EDITS[self.place]), note)
