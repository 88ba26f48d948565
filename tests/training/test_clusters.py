"""Lists drawn from clusters: quotas, what temperature does, planted clusters, seeds, vectors of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from robustrank.core.errors import ConfigError, PluginError
from robustrank.core.plugin_spec import parse
from robustrank.core.types import Document, Query, RankerCard
from robustrank.plugins import registry
from robustrank.training.groups import Group
from robustrank.training.lists.clusters import Clusters, drawn, quotas


def lists_of(words: Sequence[str], count: int, seed: int = 3) -> list[Group]:
    """Lists whose passages are of some words."""
    rng = Random(seed)
    return [Group(f"query {words[0]} {n}", (" ".join(rng.choices(words, k=12)), "other")) for n in range(count)]


SEA = lists_of(["salt", "tide", "wave", "shore", "whale"], 90)
STARS = lists_of(["quasar", "nebula", "orbit", "comet", "lunar"], 10)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=40), st.data())
def test_quotas_add_up_give_every_cluster_a_list_and_none_more_than_it_has(
    sizes: list[int], data: st.DataObject
) -> None:
    total = data.draw(st.integers(len(sizes), sum(sizes)))
    members = quotas(sizes, total)
    assert sum(members) == total
    assert all(1 <= quota <= size for quota, size in zip(members, sizes, strict=True))
    largest = sizes.index(max(sizes))
    assert members[largest] == max(members)


def test_quotas_by_hand() -> None:
    assert quotas([90, 10], 10) == [9, 1]  # 1 + floor(8 * 0.9) and 1 + floor(8 * 0.1), and one left for the largest
    assert quotas([5, 3, 2], 3) == [1, 1, 1]
    assert quotas([5, 3, 2], 10) == [5, 3, 2]
    assert quotas([10, *[1] * 90], 99) == [9, *[1] * 90]  # all that is left goes to the only one that has more


def test_a_hot_draw_is_even_a_cold_one_takes_the_nearest_and_between_them_it_is_a_softmax() -> None:
    cosines, rng, times = [0.9, 0.1, 0.5, -0.2], Random(1), 6000
    hot = [drawn(cosines, 1, 1e9, rng)[0] for _ in range(times)]
    assert [hot.count(n) / times for n in range(4)] == pytest.approx([0.25] * 4, abs=0.025)
    assert drawn(cosines, 2, 1e-6, rng) == [0, 2]
    warm = [drawn(cosines, 1, 0.5, rng)[0] for _ in range(times)]
    weights = [exp(cosine / 0.5) for cosine in cosines]
    assert [warm.count(n) / times for n in range(4)] == pytest.approx([w / sum(weights) for w in weights], abs=0.025)
    assert sorted(drawn(cosines, 4, 1.0, rng)) == [0, 1, 2, 3]


def test_of_two_planted_clusters_the_draw_has_the_shares() -> None:
    chosen = Clusters(count=20, clusters=2).lists(SEA + STARS, Random(4))
    assert len(chosen) == 20
    assert sum(each in SEA for each in chosen) == 18
    assert chosen == [each for each in SEA + STARS if each in chosen]


def test_the_same_seed_draws_the_same_lists_and_another_seed_others() -> None:
    plugin = Clusters(count=20, clusters=4)
    first = plugin.lists(SEA + STARS, Random(4))
    assert plugin.lists(SEA + STARS, Random(4)) == first
    assert plugin.lists(SEA + STARS, Random(5)) != first


def test_all_lists_are_kept_where_there_are_no_more() -> None:
    assert Clusters(count=11).lists(STARS, Random(0)) == STARS


class ByWord:
    """Vectors in the plane by the first word, a number, and long ones for large numbers."""

    card = RankerCard(name="by_word", fingerprint="by word 1")
    fingerprint = "by word 1"

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return [0.0 for _ in docs]

    def encode(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        angles = np.array([float(text.split()[0]) for text in texts])
        rows: NDArray[np.float32] = (np.stack([np.cos(angles), np.sin(angles)], 1) * (1 + angles[:, None])).astype("f4")
        return rows


def test_one_cluster_and_cold_takes_what_is_nearest_to_the_centroid_of_the_encoders_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lists = [Group(f"q{n}", (f"{0.1 * n:.1f} text", "other")) for n in range(9)]  # angles 0.0 to 0.8; the mean is 0.4
    chosen = Clusters(count=3, clusters=1, temperature=1e-6, encoder=ByWord()).lists(lists, Random(0))
    assert [each.query for each in chosen] == ["q3", "q4", "q5"]


def test_one_cluster_and_hot_draws_all_lists_equally_often() -> None:
    plugin, lists = Clusters(count=3, clusters=1, temperature=1e9), SEA[:6]
    times = [each.query for seed in range(200) for each in plugin.lists(lists, Random(seed))]
    assert [times.count(each.query) / 200 for each in lists] == pytest.approx([0.5] * 6, abs=0.13)


@pytest.mark.parametrize(
    "text", ["clusters(count=0)", "clusters(count=5, temperature=0)", "clusters(count=5, encoder={'use': 'random'})"]
)
def test_values_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="clusters"):
        registry.build("list_maker", parse(text))


def test_passages_without_words_are_refused() -> None:
    with pytest.raises(PluginError, match="no words to cluster by"):
        Clusters(count=1).lists([Group("q", ("the of", "a")), Group("q", ("and", "a"))], Random(0))
