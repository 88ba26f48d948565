"""Checks of attacks' parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from robustrank.plugin import PluginError, words

SUBSTITUTES = "counterfitted|wordnet"
"""The table of every attack by substitution that is given no other: side by side, they differ in the search alone."""


def require_choice(attack: str, option: str, values: Iterable[str], choices: Sequence[str]) -> None:
    """Every value must be one of the choices.

    Raises:
        PluginError: One is not.
    """
    for value in values:
        if value not in choices:
            raise PluginError(f"{attack}: {option} must be one of {', '.join(choices)}, not {value!r}")


def require_positive(attack: str, option: str, value: int) -> None:
    """A count must be at least 1.

    Raises:
        PluginError: It is not.
    """
    if value < 1:
        raise PluginError(f"{attack}: {option} must be at least 1, not {value}")


def require_words(attack: str, option: str, values: Sequence[str]) -> None:
    """There must be words, and each value one word.

    Raises:
        PluginError: There is none, or a value is no single word.
    """
    if isinstance(values, str) or not values or any([w.text for w in words(value)] != [value] for value in values):
        raise PluginError(f"{attack}: {option} must be single words, not {values!r}")
