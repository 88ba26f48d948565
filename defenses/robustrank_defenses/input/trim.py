"""What spammers repeat is removed before a document is ranked: pasted queries, equal sentences, boilerplate.

Each part is a rule about text, without a ranker or a fitted threshold, so its price is counted by reading what it
removes from clean documents. It is defeated by attackers who paraphrase the query, interleave it with other words, or
write a sentence of their own around it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from math import ceil
from pathlib import Path

from robustrank.plugin import DataError, Document, PluginError, Query, Ranker, RankerCard, Word, sentences, words

VERSION = 1
ECHO = 0.8
"""Share of the query's words that a run must repeat, in their order."""
FILLED = 1.25
"""Most words of a run, as a multiple of the query's."""
ENDS = 3
"""Runs are sought among so many times the query's words at either end of a document."""
SHORTEST = 3
"""Words of the shortest query that is sought: fewer stand at the head of any text about them."""


@dataclass(frozen=True, kw_only=True)
class Trim:
    """Rank documents without what is repeated in them.

    Args:
        query_echo: At both ends of a document, a run that repeats four fifths of the query's words in their order goes,
            whichever words stand between them; queries of fewer than three words are not sought.
        equal_sentences: Of equal sentences (whatever their case and white space) the first stays.
        word_repeats: How often a word may occur in a document; what is beyond goes. No limit where it is missing.
        boilerplate: A file with sentences that go wherever they occur, one a line.
        characters: Most characters of a document; it is cut there before anything reads it.
        words: Most words of a document.

    Raises:
        PluginError: A limit below 1.
        DataError: The file of boilerplate cannot be read.
    """

    query_echo: bool = True
    equal_sentences: bool = True
    word_repeats: int | None = None
    boilerplate: str | None = None
    characters: int | None = None
    words: int | None = None

    def __post_init__(self) -> None:
        """Check the parameters."""
        for name in ("word_repeats", "characters", "words"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise PluginError(f"trim: {name} must be at least 1")

    @cached_property
    def _unwanted(self) -> frozenset[str]:
        if self.boilerplate is None:
            return frozenset()
        try:
            lines = Path(self.boilerplate).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"trim: boilerplate cannot be read: {error}", path=self.boilerplate) from error
        return frozenset(_form(line) for line in lines if line.strip())

    def wrap(self, ranker: Ranker, /) -> Trimmed:
        """The ranker that reads trimmed documents."""
        return Trimmed(ranker, self, self._unwanted)

    def trimmed(self, query: str, text: str, unwanted: frozenset[str] = frozenset()) -> str:
        """A document's text as it is ranked for a query; a text that would be left without words stays as it is."""
        short = self._cut(text)
        kept = short
        if self.equal_sentences or unwanted:
            kept = _without_sentences(kept, unwanted, once=self.equal_sentences)
        if self.query_echo:
            kept = without_echo(query, kept)
        if self.word_repeats is not None:
            kept = _without_repeats(kept, self.word_repeats)
        return kept if words(kept) else short

    def _cut(self, text: str) -> str:
        if self.characters is not None:
            text = text[: self.characters]
        if self.words is not None and len(found := words(text)) > self.words:
            text = text[: found[self.words - 1].end]
        return text


@dataclass(frozen=True)
class Trimmed:
    """A ranker that reads trimmed documents."""

    base: Ranker
    rules: Trim
    unwanted: frozenset[str]

    @property
    def card(self) -> RankerCard:
        """The ranker's own card, under another name."""
        base = self.base.card
        rules = {name: value for name, value in asdict(self.rules).items() if name != "boilerplate"}
        state = f"{base.fingerprint} {VERSION} {rules} {sorted(self.unwanted)}"
        return replace(
            base, name=f"trim({base.name})", fingerprint=sha256(state.encode()).hexdigest()[:16], gradients=False
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The scores of the trimmed documents."""
        trim = self.rules.trimmed
        return self.base.score(query, [doc._replace(text=trim(query.text, doc.text, self.unwanted)) for doc in docs])


def without_echo(query: str, text: str) -> str:
    """A text without the runs at its ends that repeat the query."""
    sought = [word.text.lower() for word in words(query)]
    if len(sought) < SHORTEST:
        return text
    among, gone = words(text), []
    while (echo := _echo(sought, among)) is not None:
        first, last = echo
        gone.append((among[first].start, among[last].end))
        del among[first : last + 1]
    return _without(text, gone, among[0].start if among else len(text))


def _without(text: str, gone: Sequence[tuple[int, int]], begins: int) -> str:
    """A text without some stretches, which may overlap; ``begins`` is where the first word that is left stands."""
    if not gone:
        return text
    kept, last = "", 0
    for start, end in [*sorted(gone), (len(text), len(text))]:
        piece = text[last:start]
        if start > begins and start >= last:  # before, nothing is left but what stood between removed words
            if kept:
                piece = piece.lstrip()
                kept = f"{kept.rstrip()}{' ' if piece[:1].isalnum() else ''}{piece}"
            else:
                kept = piece.lstrip(" \t\r\n.,:;!?-") if last else piece
        last = max(last, end)
    return kept


def _echo(sought: Sequence[str], among: Sequence[Word]) -> tuple[int, int] | None:
    """First and last place of the run, at an end of a text, that repeats most of the query in the fewest words."""
    least, longest, zone = ceil(ECHO * len(sought)), ceil(FILLED * len(sought)), ENDS * len(sought)
    best: tuple[int, int, int, int] | None = None
    vocabulary = frozenset(sought)
    for begin in (0, len(among) - zone) if len(among) > zone else (0,):
        forms = [word.text.lower() for word in among[begin : begin + zone]]
        if sum(form in vocabulary for form in forms) < least:
            continue
        for first, last in _runs(forms, vocabulary, least, longest):
            common = _in_order(sought, forms[first : last + 1])
            candidate = (-common, last - first, begin + first, begin + last)
            if common >= least and (best is None or candidate < best):
                best = candidate
    return None if best is None else best[2:]


def _runs(forms: Sequence[str], vocabulary: frozenset[str], least: int, longest: int) -> Iterator[tuple[int, int]]:
    """First and last place of runs of allowed lengths that begin and end with a word of the query."""
    for first, form in enumerate(forms):
        if form in vocabulary:
            for last in range(first + least - 1, min(first + longest, len(forms))):
                if forms[last] in vocabulary:
                    yield first, last


def _in_order(sought: Sequence[str], run: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(run) + 1)
    for word in sought:
        diagonal = 0
        for place, other in enumerate(run, 1):
            diagonal, row[place] = row[place], diagonal + 1 if word == other else max(row[place], row[place - 1])
    return row[-1]


def _form(sentence: str) -> str:
    return " ".join(sentence.lower().split())


def _without_sentences(text: str, unwanted: frozenset[str], *, once: bool) -> str:
    """A text without boilerplate and, with ``once``, without sentences that stand in it before."""
    seen: set[str] = set()
    pieces, last = [], 0
    for sentence in sentences(text):
        form = _form(sentence.text)
        if form in unwanted or (once and form in seen):
            pieces.append(text[last : sentence.start])
            last = sentence.end
        seen.add(form)
    if not pieces:
        return text
    return " ".join(part for piece in (*pieces, text[last:]) if (part := piece.strip()))


def _without_repeats(text: str, most: int) -> str:
    """A text in which no word occurs more than ``most`` times."""
    counts: Counter[str] = Counter()
    pieces, last = [], 0
    for word in words(text):
        counts[word.text.lower()] += 1
        if counts[word.text.lower()] > most:
            pieces.append(text[last : word.start].rstrip())
            last = word.end
    return "".join([*pieces, text[last:]])
