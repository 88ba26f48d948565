"""What a check of an operation says about two texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from robustrank.core.types import AttackSet


class Edited(NamedTuple):
    """The edits of one text, as measured.

    Args:
        edits: Words edited, in the unit of the operation.
        reasons: One sentence for each thing the operation does not allow; empty means legal.
        kinds: For an operation of several kinds of edit that may have limits of their own, the words of each:
            ``{"substituted": 2, "inserted": 1}``.
    """

    edits: int
    reasons: tuple[str, ...] = ()
    kinds: Mapping[str, int] = MappingProxyType({})


Check = Callable[[str, str, AttackSet], Edited]
"""The clean text, the perturbed text and the attack set, to the words edited and what is not allowed about them."""
