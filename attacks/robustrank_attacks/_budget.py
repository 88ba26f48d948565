"""How a search in steps divides its pairs."""

from __future__ import annotations


def share(left: int | None, step: int, steps: int) -> int | None:
    """Pairs of a step that leave some for the later ones; the first, which informs all others, gets half.

    Args:
        left: Pairs that may still be requested; ``None`` is no limit.
        step: Number of the step, from 0.
        steps: How many there may be.

    Returns:
        At least 1 where any are left; ``None`` without a limit.
    """
    if left is None:
        return None
    remaining = steps - step
    return max(min(left, 1), left // 2 if step == 0 and remaining > 1 else left // remaining)
