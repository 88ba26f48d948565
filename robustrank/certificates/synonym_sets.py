"""The words a smoothed ranker may read in place of a word, and how much an attack on that word can change them.

For a word w with direct synonyms S_w (what an attacker may write), P_w is what smoothing draws from, uniformly: the
words of w's connected component in the synonym graph, or the ``size`` nearest of them where it is larger (CertDR's
construction, with distance in the graph where it has cosines). q_w is the least overlap of P_w with P_s over s in S_w;
it is 1 in a component of at most ``size`` words, where a synonym changes nothing.
"""

from __future__ import annotations

from robustrank.certificates import overlap
from robustrank.core.errors import PluginError
from robustrank.core.words import match_case, words
from robustrank.perturbations.substitutes import SubstituteTable


class PerturbationSets:
    """Perturbation sets over one table of substitutes, each built on first use.

    Args:
        table: The direct synonyms.
        size: The most words in a set; 1 switches smoothing off, and the certificates with it.

    Raises:
        PluginError: ``size`` is below 1.
    """

    def __init__(self, table: SubstituteTable, size: int) -> None:
        if size < 1:
            raise PluginError(f"perturbation sets need a size of at least 1, got {size}")
        self.table = table
        self.size = size
        self._sets: dict[str, tuple[str, ...]] = {}
        self._overlaps: dict[str, float] = {}

    def of(self, word: str) -> tuple[str, ...]:
        """P_w, sorted; the word itself alone where the table has no synonym of it."""
        key = word.lower()
        if key not in self._sets:
            self._sets[key] = self._nearest(key)
        return self._sets[key]

    def overlap(self, word: str) -> float:
        """q_w: 1 where no synonym changes what smoothing draws, 0 where one may change it wholly."""
        key = word.lower()
        if key not in self._overlaps:
            self._overlaps[key] = min((self._pair(key, other) for other in self.table.of(key)), default=1.0)
        return self._overlaps[key]

    def _pair(self, word: str, other: str) -> float:
        return overlap(self.of(word), self.of(other)) if keeps_place(other) else 0.0

    def _nearest(self, word: str) -> tuple[str, ...]:
        members = {word}
        layer = [word]
        while layer and len(members) < self.size:
            reached = {other for near in layer for other in self.table.of(near)} - members
            layer = sorted(reached)[: self.size - len(members)]
            members.update(layer)
        return tuple(sorted(members))


def keeps_place(word: str) -> bool:
    """Whether putting this word into a text keeps the other words and the case of the word that it replaces.

    Otherwise the overlap of two sets says nothing about two texts: after "US" -> "A" the next draw would be
    capitalised where it was upper case before, and after "cannot" -> "can not" there would be one word more.
    """
    for model in ("ab", "Ab", "AB"):
        put = match_case(word, model)
        if [w.text for w in words(put)] != [put] or put.lower() != word or match_case("ab", put) != model:
            return False
    return True
