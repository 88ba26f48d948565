"""Leading directions of tf-idf vectors: texts of two topics stay apart, in few directions as in all of them."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from robustrank.retrieval.tfidf import Vectors

TOPICS = (["salt", "tide", "wave", "shore"], ["quasar", "nebula", "orbit", "comet"])


@pytest.mark.parametrize("dimensions", [2, 100])
def test_texts_of_one_topic_are_near_each_other_and_far_from_those_of_another(dimensions: int) -> None:
    rng = Random(2)
    texts = [" ".join(rng.choices(words, k=30)) for words in TOPICS for _ in range(10)]
    vectors = Vectors(texts).leading([*texts, "unknown words"], dimensions)
    assert vectors.shape == (21, min(dimensions, 8))
    assert np.linalg.norm(vectors, axis=1).tolist() == pytest.approx([1.0] * 20 + [0.0], abs=1e-5)
    cosines = vectors[:20] @ vectors[:20].T
    assert cosines[:10, :10].min() > 0.8
    assert np.abs(cosines[:10, 10:]).max() < 0.05
