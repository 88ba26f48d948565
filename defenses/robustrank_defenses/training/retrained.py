"""Another ranker in the place of the base: the same one after robust training, or a ranker of another kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from robustrank.plugin import PluginError, Ranker


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """Put another ranker in the place of the base, so that the two are compared as a defense and its base are.

    Args:
        ranker: The table of the ranker, such as ``{ use = "cross_encoder", model = "./out/robust" }``.

    Raises:
        PluginError: It is no ranker.
    """

    ranker: Ranker

    def __post_init__(self) -> None:
        """Check the parameter."""
        if not callable(getattr(self.ranker, "score", None)):
            raise PluginError('retrained: ranker must be a table, such as { use = "cross_encoder", model = "..." }')

    @property
    def replaces(self) -> Literal[True]:
        """Pairs and seconds are those of the other ranker."""
        return True

    def wrap(self, ranker: Ranker, /) -> Ranker:
        """The other ranker, which never asks the base."""
        return self.ranker
