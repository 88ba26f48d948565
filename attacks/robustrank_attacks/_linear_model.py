"""The Bayesian linear model of edits: each adds an unknown amount to a score, with a Gaussian prior.

A text's score is the sum over its features (which of the possible edits it has, and what is expected of them) of an
unknown weight each, plus Gaussian noise. A scored text informs about all the weights that it shares with others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def signal(rows: Floats, spread: Floats) -> Floats:
    """Prior covariance of the scores of some texts, without noise.

    Args:
        rows: Texts x weights.
        spread: Prior variance of each weight.
    """
    covariance: Floats = (rows * spread) @ rows.T
    return covariance


def conditioned(weights: Floats, spread: Floats, rows: Floats, noise: Floats, scores: Floats) -> Floats:
    """Weights moved to agree with the scores of some texts (Matheron's rule).

    From the prior mean and the scores it gives the posterior mean. From a draw of the prior, and scores to which a draw
    of the noise was added, it gives a draw of the posterior (Journel and Huijbregts 1978).

    Args:
        weights: Prior mean, or a draw from the prior.
        spread: Prior variance of each weight.
        rows: Texts x weights.
        noise: Variance of the noise of each text's score; positive.
        scores: Of each text.
    """
    covariance = signal(rows, spread) + np.diag(noise)
    moved: Floats = weights + spread * (rows.T @ np.linalg.solve(covariance, scores - rows @ weights))
    return moved


def variances(texts: Floats, spread: Floats, rows: Floats, noise: Floats) -> Floats:
    """Posterior variance of the noiseless score of each of some texts, never negative.

    Args:
        texts: Texts x weights.
        spread: Prior variance of each weight.
        rows: The same for the texts whose scores were seen.
        noise: Variance of the noise of each of these scores.
    """
    prior = np.sum(np.square(texts) * spread, axis=1)
    across = (texts * spread) @ rows.T
    solved = np.linalg.solve(signal(rows, spread) + np.diag(noise), across.T)
    left: Floats = np.maximum(prior - np.sum(across.T * solved, axis=0), 0.0)
    return left
