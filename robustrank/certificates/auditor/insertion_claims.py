"""Bounds on what one inserted block of words can do, for the auditor to try; three of them do not hold.

Theorems 10 and 11 of docs/certificates.md, as they are computed and as they are stated in closed form.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, inf

from robustrank.certificates.auditor.claims import Claim
from robustrank.certificates.auditor.spaces import SmallSpace
from robustrank.certificates.insertion import WHOLE, Erasure, Reading, Run, Windows


def _exact(space: SmallSpace) -> float:
    reading = _reading(space)
    length = len(space.document)
    return reading.bound(length, space.radius, space.parts(reading, reading.needed(length, space.radius)))


def _reading(space: SmallSpace) -> Reading:
    if space.reading is None:
        raise ValueError(f"a space of the kind {space.kind} is not read in parts")
    return space.reading


def _plain(space: SmallSpace) -> float:
    """T1 at stride 1, and T1' with the runs of all words that a block may take of the text itself."""
    reading = _reading(space)
    return _least_or_most(space, reading.stride - 1 + reading.words - 1) if isinstance(reading, Erasure) else inf


def _narrow(space: SmallSpace) -> float:
    reading = _reading(space)
    return _least_or_most(space, reading.stride - 1) if isinstance(reading, Erasure) else inf


def _least_or_most(space: SmallSpace, spare: int) -> float:
    """The score of the text at stride 1; else the highest without any run of at most so many words."""
    reading, length = _reading(space), len(space.document)
    stride = reading.stride if isinstance(reading, Erasure) else 1
    runs = [WHOLE, *(_up_to(length, spare) if stride > 1 else ())]
    return max(space.parts(reading, runs).values())


def _up_to(length: int, most: int) -> Iterator[Run]:
    for at in range(length):
        yield from ((at, end) for end in range(at + 1, min(length, at + most) + 1))


def _ordered(space: SmallSpace) -> float:
    """For quantiles: the clean window of rank ceil(share (n + R)) + width - 1."""
    reading, length = _reading(space), len(space.document)
    if not isinstance(reading, Windows) or reading.aggregate == "trimmed" or length < reading.width:
        return inf
    scores = sorted(space.parts(reading, reading.runs(length)).values())
    share = 0.5 if reading.aggregate == "median" else reading.share
    rank = ceil(share * (len(scores) + space.radius)) + reading.width - 1
    return scores[rank - 1] if rank <= len(scores) else inf


def _windows_apart(space: SmallSpace) -> float:
    """As if windows side by side kept their places: all but those that the block may part keep their scores."""
    reading, length = _reading(space), len(space.document)
    if not isinstance(reading, Windows) or length < reading.width:
        return inf
    scores = space.parts(reading, reading.runs(length))
    ranked, parted = sorted(scores.values()), 1 + ceil(space.radius / reading.width)
    share = 0.5 if reading.aggregate == "median" else reading.share
    rank = ceil(share * len(ranked)) + parted
    return ranked[rank - 1] if rank <= len(ranked) else inf


def _highest(space: SmallSpace) -> float:
    """The highest clean window, as if an attacker could write no better one."""
    reading, length = _reading(space), len(space.document)
    return max(space.parts(reading, reading.runs(length)).values())


ERASE = Claim(
    name="erase",
    kind="erasure",
    side="upper",
    bound=_exact,
    formula="theorem 10: the largest, over places of the block, of the least score of what runs that hold it leave",
)
ERASE_PLAIN = Claim(
    name="erase-plain",
    kind="erasure",
    side="upper",
    bound=_plain,
    formula="T1, the clean score; at a stride T1', the highest score without a run of at most s + stride - 2 words",
)
ERASE_NARROW = Claim(
    name="erase-narrow",
    kind="erasure",
    side="upper",
    bound=_narrow,
    formula="T1' for at most s words with runs of at most stride - 1 words, which suffice for exactly s",
)
WINDOWS = Claim(
    name="windows",
    kind="windows",
    side="upper",
    bound=_exact,
    formula="theorem 11: the aggregate with the windows that the block parts, and the new ones, at infinity",
)
WINDOWS_ORDERED = Claim(
    name="windows-ordered",
    kind="windows",
    side="upper",
    bound=_ordered,
    formula="for quantiles the clean window of rank ceil(q (n + R)) + W - 1",
)
WINDOWS_APART = Claim(
    name="windows-apart",
    kind="windows_apart",
    side="upper",
    bound=_windows_apart,
    formula="windows at a stride of W, all but those that R words in one place may part keeping their scores",
)
WINDOWS_HIGHEST = Claim(
    name="windows-highest",
    kind="highest_window",
    side="upper",
    bound=_highest,
    formula="the highest score of the clean windows (MaxP)",
)
