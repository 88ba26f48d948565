"""Characters that readers do not see or take for others: hide a document from a ranker, or speak to it alone.

To demote (a censor, a competitor, a page that must not be found), words that the document shares with the query are
changed first, one edit each, then the others. To promote, words that are not in the query are changed where that
helps, or words of the query are hidden in the text. Without access to the ranker the first family that can change a
word does; with scores or ranks each family is tried on each word in turn and the best kept, as long as one helps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Goal,
    Oracle,
    Perturbation,
    PluginError,
    Surface,
    ThreatModel,
    analyze,
    function_words,
    gaps,
    look_the_same,
    words,
)
from robustrank_attacks._options import require_choice, require_positive
from robustrank_attacks.characters._families import FAMILIES, HIDDEN, IN_WORDS
from robustrank_attacks.insertion.template_sentence import twin_of

Edits = Mapping[int, str]
"""Word position to the word as it is changed."""


@dataclass(frozen=True, kw_only=True)
class Characters:
    """Change or hide single characters of the document.

    Args:
        families: One or several, in the order in which they are tried: ``"homoglyph"`` (a letter of another script),
            ``"filler"`` (a letter without ink), ``"zero_width"`` (a zero-width space), ``"bidi"`` (letters stored in
            reverse and shown as before), ``"backspace"`` (a letter and a backspace), each once a word; to promote also
            ``"hidden_tags"`` and ``"hidden_backspace"`` (words of the query that are not drawn). ``"accents"`` is
            visible, so it stands alone: at most one character a word, limited by ``edits`` and not ``characters``.
        goal: ``"demote"``: push a relevant document out of the top ten; or ``"promote"``.
        access: What it sees of the victim: ``"none"``, ``"ranks"``, ``"scores"``, or ``"weights"``, by which the words
            that are not in the query are ordered.
        most: Most characters (of accents, words) to change where the audit sets no limit.
        control: Change random words that are not in the query, or hide words of another query, without access.
    """

    families: Sequence[str] = ("homoglyph",)
    goal: Literal["demote", "promote"] = "demote"
    access: Literal["none", "ranks", "scores", "weights"] = "none"
    most: int = 10
    control: bool = False

    def __post_init__(self) -> None:
        require_choice("characters", "families", self.families, FAMILIES)
        require_positive("characters", "families", len(self.families))
        require_choice("characters", "goal", [self.goal], ["demote", "promote"])
        require_choice("characters", "access", [self.access], list(Access))
        require_positive("characters", "most", self.most)
        hides = [family for family in self.families if family in HIDDEN]
        if "accents" in self.families and len(self.families) > 1:
            raise PluginError("characters: accents are visible and counted in words; give them an attack of their own")
        if hides and (len(hides) < len(self.families) or self.goal == "demote"):
            raise PluginError(f"characters: {hides[0]!r} promotes, and goes with no family that changes words")

    @property
    def threat(self) -> ThreatModel:
        """Sees what ``access`` says, a control nothing; readers see the same text, or accents."""
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"),
            surface=Surface.DOCUMENT,
            access=Access.NONE if self.control else Access(self.access),
            edits=AttackSet(operation="misspell" if self._visible else "render"),
            goal=Goal(self.goal),
            control=self.control,
        )

    @property
    def _visible(self) -> bool:
        return "accents" in self.families

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The document with the edits that helped; with some that the ranker does not read where it reads none."""
        budget = oracle.budget.edits if self._visible else oracle.budget.characters
        limit = self.most if budget is None else budget
        if self.families[0] in HIDDEN:
            return self._hide(case, oracle, limit, rng)
        search = _Search(self, case, oracle, limit)
        positions = search.order(rng)
        edits = search.unseen(positions, rng) if self.threat.access is Access.NONE else search.seen(positions)
        return Perturbation(target=search.text(edits)) if edits else Perturbation()

    def _hide(self, case: Case, oracle: Oracle, limit: int, rng: Random) -> Perturbation:
        """Put words of the query in front of the text, content words first, as far as the limit pays for them."""
        query = list(dict.fromkeys(word.text for word in words(case.query.text) if word.text.isascii()))
        if self.control:
            query = twin_of(query, rng)
        content_first = sorted(query, key=lambda word: word.lower() in function_words())
        trials = []
        for family in self.families:
            hidden = ""
            for word in content_first:
                more = HIDDEN[family](word)
                hidden += more if len(hidden) + len(more) <= limit else ""
            if hidden and look_the_same(case.target.text, hidden + case.target.text):
                trials.append(Perturbation(target=hidden + case.target.text))
        if not trials or self.threat.access is Access.NONE:
            return next(iter(trials), Perturbation())
        trials = trials[: oracle.affordable()]
        ranks = oracle.rank(trials)
        return trials[ranks.index(min(ranks))] if trials else Perturbation()


class _Search:
    """One document under attack."""

    def __init__(self, attack: Characters, case: Case, oracle: Oracle, limit: int) -> None:
        self._attack, self._case, self._oracle, self._limit = attack, case, oracle, limit
        self._words = [word.text for word in words(case.target.text)]
        self._between = gaps(case.target.text)
        query = set(analyze([case.query.text])[0])
        self._in_query = [not query.isdisjoint(terms) for terms in analyze(self._words)]

    def text(self, edits: Edits) -> str:
        """The document with words changed."""
        changed = [edits.get(at, word) for at, word in enumerate(self._words)]
        return "".join(part for pair in zip(self._between, [*changed, ""], strict=True) for part in pair)

    def order(self, rng: Random) -> list[int]:
        """Positions of words, those to change first before the others."""
        places = range(len(self._words))
        others = [at for at in places if not self._in_query[at]]
        if self._attack.control:
            return rng.sample(others, len(others))
        if self._attack.access == "weights" and self._oracle.affordable() != 0 and others:
            importance = self._oracle.gradients(Perturbation(), {}).importance
            others.sort(key=lambda at: -importance[at])
        return others if self._attack.goal == "promote" else [at for at in places if self._in_query[at]] + others

    def unseen(self, positions: Sequence[int], rng: Random) -> dict[int, str]:
        """One edit a word until the limit; a control draws the family."""
        edits: dict[int, str] = {}
        left = self._limit
        for at in positions:
            families = self._attack.families
            if self._attack.control:
                families = rng.sample(list(families), len(families))
            for family in families:
                cost, changed = self._changed(edits, at, family)
                if changed is not None and cost <= left:
                    edits[at] = changed
                    left -= cost
                    break
            if left == 0:
                break
        return edits

    def seen(self, positions: Sequence[int]) -> dict[int, str]:
        """The best family for each word in turn, where it helps; all pairs are spent on words that may."""
        edits: dict[int, str] = {}
        idle: dict[int, str] = {}
        left = spare = self._limit
        ((rank, value),) = self._ask([Perturbation()])
        for at in positions:
            if self._reached(rank) or left == 0:
                break
            options = [self._changed(edits, at, family) for family in self._attack.families]
            possible = [(cost, word) for cost, word in options if word is not None and cost <= left]
            possible = possible[: self._oracle.affordable()]
            if not possible:
                continue
            answers = self._ask([Perturbation(target=self.text({**edits, at: word})) for _, word in possible])
            best = max(range(len(possible)), key=lambda n: (self._reached(answers[n][0]), answers[n][1]))
            cost, word = possible[best]
            if answers[best][1] > value or self._reached(answers[best][0]):
                edits[at], left = word, left - cost
                rank, value = answers[best]
            elif answers[best][1] == value and cost <= spare and self._legal({**idle, at: word}):
                idle[at], spare = word, spare - cost
        return edits or idle

    def _changed(self, edits: Edits, at: int, family: str) -> tuple[int, str | None]:
        """What a family costs, and its word; ``None`` where it has none or a reader would see it."""
        cost, make = IN_WORDS[family]
        word = make(self._words[at])
        return cost, word if word is not None and self._legal({**edits, at: word}) else None

    def _legal(self, edits: Edits) -> bool:
        """Whether a reader sees no difference, where none may be seen."""
        visible = "accents" in self._attack.families
        return visible or look_the_same(self._case.target.text, self.text(edits))

    def _reached(self, rank: int) -> bool:
        goal = self._case.goal_rank
        return rank >= goal if self._attack.goal == "demote" else rank <= goal

    def _ask(self, trials: Sequence[Perturbation]) -> list[tuple[int, float]]:
        """Rank of each trial, and how good it is for the attacker."""
        sign = -1 if self._attack.goal == "demote" else 1
        if self._attack.access == "ranks":
            return [(rank, -sign * float(rank)) for rank in self._oracle.rank(trials)]
        return [(rank, sign * score) for rank, score in self._oracle.outcomes(trials)]
