"""The certificate auditor: tries a claimed bound on small spaces where the truth can be enumerated.

A counter-example is shrunk until nothing more can be taken away. A search without a counter-example proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

from robustrank.certificates.auditor.claims import Claim
from robustrank.certificates.auditor.spaces import Kind, SmallSpace, Text
from robustrank.certificates.insertion import AGGREGATES, Erasure, Reading, Windows

TOLERANCE = 1e-9
LETTERS = "abcdefgh"
STRANGER = "!"
"""The word an attacker writes in examples of masking and deletion."""


class CounterExample(NamedTuple):
    """A space in which an attack violates the bound."""

    space: SmallSpace
    attacked: Text
    claimed: float
    true: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of a search.

    Args:
        tried: Spaces enumerated up to the first counter-example, or all.
        example: The smallest counter-example, if there is one.
    """

    tried: int
    example: CounterExample | None


def audit(claim: Claim, *, cases: int = 2000, seed: int = 0) -> Verdict:
    """Try a claim on random small spaces, the smallest first, and shrink the first counter-example.

    Args:
        claim: The bound.
        cases: Spaces to try at most.
        seed: Of the spaces.
    """
    rng = Random(seed)
    for case in range(cases):
        space = draw(claim.kind, rng, size=1 + 4 * case // cases)
        example = violated(claim, space)
        if example is not None:
            return Verdict(tried=case + 1, example=shrunk(claim, example))
    return Verdict(tried=cases, example=None)


def violated(claim: Claim, space: SmallSpace) -> CounterExample | None:
    """The attack that violates the bound most, if one does."""
    claimed = claim.bound(space)
    sign = 1 if claim.side == "upper" else -1
    true, attacked = max(
        ((sign * space.smoothed(words), words) for words in space.attacks()), key=lambda attack: attack[0]
    )
    if true <= sign * claimed + TOLERANCE:
        return None
    return CounterExample(space, attacked, claimed, sign * true)


def draw(kind: Kind, rng: Random, size: int) -> SmallSpace:
    """A random space; ``size`` from 1 to 4 says how large it may be."""
    if kind not in ("substitution", "masking", "deletion"):
        return _drawn_block(kind, rng, size)
    length = rng.randint(1, min(size + 1, 3 if kind != "masking" else 5))
    letters = LETTERS[: rng.randint(2, size + 2)]
    if kind == "substitution":
        document = tuple(rng.choices(letters, k=length))
        synonyms: dict[str, Text] = dict.fromkeys(letters, ())
        for a, b in ((a, b) for a in letters for b in letters if a < b and rng.random() < 0.5):
            synonyms[a], synonyms[b] = (*synonyms[a], b), (*synonyms[b], a)
        sets = {word: tuple(sorted({word, *rng.sample(letters, rng.randint(0, len(letters)))})) for word in letters}
        space = SmallSpace(kind=kind, document=document, radius=rng.randint(1, length), synonyms=synonyms, sets=sets)
    else:
        document = tuple(LETTERS[:length])
        space = SmallSpace(
            kind=kind,
            document=document,
            radius=rng.randint(1, min(2, length)),
            vocabulary=(STRANGER,),
            kept=rng.randint(1, length),
            keep=rng.choice([0.25, 0.5, 0.75]),
        )
    return replace(space, scores=_scores(space, rng))


def _drawn_block(kind: Kind, rng: Random, size: int) -> SmallSpace:
    """A document, a way to read it and the longest block that an attacker may insert."""
    apart = kind == "windows_apart"  # takes some windows
    document = tuple(LETTERS[: rng.randint(4, len(LETTERS)) if apart else rng.randint(1, size + 2)])
    radius = rng.randint(1, min(size, 3))
    width = 2 if apart else rng.randint(1, size)
    reading: Reading = Windows(
        width=width,
        stride=width if apart else 1,
        aggregate={"windows_apart": "quantile", "highest_window": "max"}.get(kind, rng.choice(AGGREGATES[:3])),
        share=rng.choice([0.2, 0.34, 0.5, 0.7]),
    )
    if kind == "erasure":
        reading = Erasure(
            words=rng.randint(radius, 3),
            place=rng.choice(["anywhere", "anywhere", "start", "end"]),
            stride=rng.choice([1, 1, 2, 3]),
        )
    vocabulary = (STRANGER, rng.choice(document)) if size < 4 else (STRANGER,)
    space = SmallSpace(kind=kind, document=document, radius=radius, vocabulary=vocabulary, reading=reading)
    return replace(space, scores=_scores(space, rng))


def _scores(space: SmallSpace, rng: Random) -> dict[Text, float]:
    """A random base ranker: coin flips, any values, or one that looks for a word."""
    texts = sorted({text for document in space.attacks() for text in space.distribution(document)})
    how, word = rng.randrange(3), rng.choice(sorted({word for text in texts for word in text} or {""}))
    if how == 0:
        share = rng.random()
        scores = {text: float(rng.random() < share) for text in texts}
    elif how == 1:
        scores = {text: round(rng.random(), 2) for text in texts}
    else:
        scores = {text: float(word in text) for text in texts}
    return {text: score for text, score in scores.items() if score}


def shrunk(claim: Claim, example: CounterExample) -> CounterExample:
    """The same violation with everything taken away that it does not need."""
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(example.space):
            still = violated(claim, smaller)
            if still is not None:
                example, progress = still, True
                break
    return example


def _smaller(space: SmallSpace) -> Iterator[SmallSpace]:
    """Spaces one step simpler, the largest steps first."""
    for i in range(len(space.document)):
        shorter = (*space.document[:i], *space.document[i + 1 :])
        if shorter:
            if space.reading is None:
                kept_texts = {text: _without(text, i) for text in space.scores if len(text) == len(space.document)}
            else:  # parts of a text: the letter goes wherever it is
                letter = space.document[i]
                kept_texts = {text: tuple(word for word in text if word != letter) for text in space.scores}
            scores = {shorter_text: space.scores[text] for text, shorter_text in kept_texts.items()}
            radius, kept = min(space.radius, len(shorter)), max(1, min(space.kept, len(shorter)))
            yield replace(space, document=shorter, radius=radius, kept=kept, scores=scores)
    if space.radius > 1:
        yield replace(space, radius=space.radius - 1)
    if space.kind == "masking" and space.kept > 1:
        yield replace(space, kept=space.kept - 1)
    yield from (replace(space, synonyms=fewer) for fewer in _fewer(space.synonyms))
    yield from (replace(space, sets=fewer) for fewer in _fewer(space.sets))
    simpler: list[Callable[[float], float | None]] = [lambda score: None, lambda score: 1.0 if score != 1 else score]
    for text, score in sorted(space.scores.items()):
        for simplify in simpler:
            new = simplify(score)
            if new != score:
                rest = {other: value for other, value in space.scores.items() if other != text}
                yield replace(space, scores=rest if new is None else {**rest, text: new})


def _fewer(table: Mapping[str, Text]) -> Iterator[dict[str, Text]]:
    """The table less one member of one word's set; a word stays in its own."""
    for word in sorted(table):
        for other in table[word]:
            if other != word:
                yield {**table, word: tuple(w for w in table[word] if w != other)}


def _without(text: Text, place: int) -> Text:
    return (*text[:place], *text[place + 1 :])


def described(claim: Claim, verdict: Verdict) -> str:
    """The verdict in words."""
    head = f"{claim.name} ({claim.kind}, {claim.side} bound): {claim.formula}"
    if verdict.example is None:
        return f"{head}\nno counter-example in {verdict.tried} spaces; that is no proof"
    space, attacked, claimed, true = verdict.example
    lines = [
        head,
        f"does not hold as a worst-case bound in our test (space {verdict.tried}, then shrunk):",
        f"  document   {' '.join(space.document)}   radius {space.radius}",
        f"  attack     {' '.join(attacked) or '(nothing left)'}",
    ]
    if space.kind == "substitution":
        used = sorted({*space.document, *attacked})
        lines += [f"  drawn from {w}: {{{', '.join(space.sets.get(w, (w,)))}}}" for w in used]
    elif space.reading is not None:
        lines.append(f"  read in    {space.reading}")
    elif space.kind == "masking":
        lines.append(f"  smoothing  {space.kept} of {len(space.document)} words are read, the others are _")
    else:
        lines.append(f"  smoothing  each word stays with probability {space.keep:g}")
    lines += [
        f"  score      {score:g} for {' '.join(text) or '(nothing)'}" for text, score in sorted(space.scores.items())
    ]
    relation = "at most" if claim.side == "upper" else "at least"
    lines.append(
        f"  clean {space.smoothed():.4f}, claimed {relation} {claimed:.4f}, true {true:.4f}  (all other texts score 0)"
    )
    return "\n".join(lines)
