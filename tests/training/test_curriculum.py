"""The curriculum by the first stage: its three measures, weights of lists, and what it needs of a stage."""

from __future__ import annotations

import json
from dataclasses import replace
from math import isnan, nan
from pathlib import Path
from statistics import NormalDist, stdev

import numpy as np
import pytest
import torch

from robustrank.core.errors import ConfigError, PluginError
from robustrank.core.plugin_spec import Plugin, parse
from robustrank.core.progress import Silent
from robustrank.plugins import registry
from robustrank.testing.training_contract import small_batch
from robustrank.training import distill, judged
from robustrank.training.batches import Batch, Example, collate
from robustrank.training.judged_spec import JudgedSpec, JudgedStageSpec
from robustrank.training.parts import Acting
from robustrank.training.standing import Standing, standings
from robustrank.training.weightings.easy_first import EasyFirst, ease_by

LIST = [("a", 4.0), ("b", 3.0), ("c", 1.0)]


def test_the_three_measures_by_hand() -> None:
    first, second, third, absent = standings(LIST, ["a", "b", "c", "none"])
    assert [each.reciprocal_rank for each in (first, second, third)] == pytest.approx([1, 1 / 2, 1 / 3])
    assert [each.normalised_score for each in (first, second, third)] == pytest.approx([1, 2 / 3, 0])
    scores = [score for _, score in LIST]
    width = stdev(scores) * len(scores) ** (-1 / 5)  # Scott's rule
    for each, score in zip((first, second, third), scores, strict=True):
        by_hand = sum(NormalDist(other, width).cdf(score) for other in scores) / len(scores)
        assert each.kde == pytest.approx(by_hand, abs=1e-9)
    assert absent == Standing(0, 0, 0)


def test_the_density_measure_rises_with_the_score_and_is_a_half_in_the_middle_of_a_symmetric_list() -> None:
    scored = [(str(number), float(score)) for number, score in enumerate([9, 5, 4, 3, 2, 1, -3])]
    measures = [each.kde for each in standings(scored, [doc_id for doc_id, _ in scored])]
    assert measures == sorted(measures, reverse=True)
    assert len(set(measures)) == len(measures)
    assert 0 < measures[-1] < measures[0] < 1
    assert measures[3] == pytest.approx(0.5)


def test_shift_and_scale_of_the_scores_mean_nothing_and_equal_scores_are_a_half() -> None:
    moved = [(doc_id, 1e-3 * score - 70) for doc_id, score in LIST]
    for one, other in zip(standings(LIST, ["a", "b", "c"]), standings(moved, ["a", "b", "c"]), strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert standings([("a", 2.0), ("b", 2.0)], ["b"]) == (Standing(1 / 2, 0.5, 0.5),)
    assert standings([("a", 2.0)], ["a"]) == (Standing(1.0, 0.5, 0.5),)
    assert standings([], ["a"]) == (Standing(0, 0, 0),)
    (unknown,) = standings([("a", nan), ("b", nan)], ["b"])
    assert unknown.reciprocal_rank == 1 / 2
    assert isnan(unknown.normalised_score)
    assert isnan(unknown.kde)


def batch_of(rows: list[list[Standing]], places: list[int]) -> Batch:
    """Lists of standings, the relevant document of each at a place."""
    targets = torch.full((len(rows), max(map(len, rows))), torch.nan)
    for number, (row, place) in enumerate(zip(rows, places, strict=True)):
        targets[number, : len(row)] = 0.0
        targets[number, place] = 1.0
    padded = [row + [row[0]] * (targets.shape[1] - len(row)) for row in rows]
    return small_batch()._replace(targets=targets, standings=torch.tensor(padded), share=0.0)


def at(rank: int | None) -> Standing:
    return Standing(0.0, 0.0, 0.0) if rank is None else Standing(1 / rank, 1 - rank / 10, 1 - rank / 20)


ROWS = [[at(1), at(None)], [at(4), at(1), at(2)], [at(2), at(2), at(2)], [at(None), at(1)]]
EASE = [1.0, (1 / 2 - 1 + 1) / 2, 1 / 2, 0.0]
"""Rank 1 above no rank at all is easiest; the best of the others counts; equal ranks; the reverse of the first."""


def test_a_list_begins_with_its_ease_and_ends_with_a_weight_of_exactly_one() -> None:
    batch, losses = batch_of(ROWS, [0, 2, 0, 0]), torch.tensor([0.3, 1.7, 0.9, 2.2])
    plain = EasyFirst(by="reciprocal_rank", normalise=False)
    assert plain.weights(losses, batch).tolist() == pytest.approx(EASE, abs=1e-6)
    half = plain.weights(losses, batch._replace(share=0.25)).tolist()
    assert half == pytest.approx([(ease + 1) / 2 for ease in EASE], abs=1e-6)
    anti = EasyFirst(by="reciprocal_rank", normalise=False, hard=True).weights(losses, batch)
    assert anti.tolist() == pytest.approx([1 - ease for ease in EASE], abs=1e-6)
    assert EasyFirst(by="reciprocal_rank").weights(losses, batch).mean().item() == pytest.approx(1.0)
    reduce = Acting(weightings=[plain]).reduce()
    for share in (0.5, 0.9):
        assert plain.weights(losses, batch._replace(share=share)).tolist() == [1, 1, 1, 1]
        assert torch.equal(reduce(losses, batch._replace(share=share, learning=True)), losses.mean())


def test_each_measure_is_read_as_itself() -> None:
    batch = batch_of([[at(2), at(8)]], [0])
    for by, ease in (("reciprocal_rank", 0.6875), ("normalised_score", 0.8), ("kde", 0.65)):
        weights = EasyFirst(by=by, normalise=False).weights(torch.ones(1), batch)  # type: ignore[arg-type]
        assert weights.item() == pytest.approx(ease, abs=1e-6)


def test_places_without_a_document_do_not_count() -> None:
    targets = torch.tensor([[0.0, 1.0, torch.nan]])
    assert ease_by(torch.tensor([[0.25, 0.5, 1.0]]), targets).item() == pytest.approx((0.5 - 0.25 + 1) / 2)


def test_a_batch_of_lists_with_and_without_a_first_stage_has_no_standings() -> None:
    pair = np.ones(3, dtype=np.int32)
    known = Example((pair, pair), (pair, pair), (1.0, 0.0), standings=(at(1), at(2)))
    whole = collate([known, known], [(0, (1, 0)), (1, (0, 1))], 0)
    assert whole.standings is not None
    assert whole.standings[:, :, 0].tolist() == [[0.5, 1.0], [1.0, 0.5]]
    assert collate([known, known._replace(standings=())], [(0, (0, 1)), (1, (0, 1))], 0).standings is None


def test_lists_without_the_measure_and_lists_that_are_all_alike_are_refused() -> None:
    batch, losses = batch_of(ROWS, [0, 2, 0, 0]), torch.ones(4)
    with pytest.raises(PluginError, match="all lists of judgments are equally easy"):
        EasyFirst().weights(losses, batch)
    with pytest.raises(PluginError, match=r"needs a first_stage in every \[\[stage.judged\]\]"):
        EasyFirst(by="reciprocal_rank").weights(losses, batch._replace(standings=None))
    ranks = [[each._replace(kde=nan, normalised_score=nan) for each in row] for row in ROWS]
    without = batch_of(ranks, [0, 2, 0, 0])
    assert EasyFirst(by="reciprocal_rank", normalise=False).weights(losses, without)[0].item() == pytest.approx(1.0)
    with pytest.raises(PluginError, match="needs a first_stage with scores"):
        EasyFirst(by="kde").weights(losses, without)
    with pytest.raises(ConfigError, match="by must be one of 'targets', 'reciprocal_rank'"):
        registry.build("weighting", parse("easy_first(by='rank')"))


def stage_of(tmp_path: Path, first_stage: Plugin | None) -> JudgedStageSpec:
    spec = JudgedSpec(name="home", path=str(tmp_path / "home"), first_stage=first_stage, negatives=3)
    return JudgedStageSpec(name="only", judged=(spec,), dev=1, curriculum=Plugin(use="easy_first"))


def refuse(rule: object) -> object:
    raise AssertionError("no filter here")


def test_lists_from_judgments_hold_how_each_document_stands_in_its_querys_whole_run(
    training: Path, tmp_path: Path
) -> None:
    run = [("5", 9.0), ("3", 8.0), ("12", 7.0), ("0", 3.0), ("7", 2.0), ("1", 1.0)]
    rows = [f"{query} Q0 {doc_id} 0 {score} t" for query in range(8) for doc_id, score in run]
    (tmp_path / "own.trec").write_text("\n".join(rows) + "\n")
    stage = stage_of(tmp_path, Plugin(use="run", params={"path": str(tmp_path / "own.trec")}))
    texts = [json.loads(line)["text"] for line in (tmp_path / "home" / "corpus.jsonl").read_text().splitlines()]
    made = [each for part in judged.build(stage, set(), 1, refuse) for each in part]  # type: ignore[arg-type]
    assert len(made) == 8
    expected = dict(zip((doc_id for doc_id, _ in run), standings(run, [doc_id for doc_id, _ in run]), strict=True))
    for each in made:
        doc_ids = [str(texts.index(text)) for text in each.texts]
        assert each.standings == tuple(expected.get(doc_id, Standing(0, 0, 0)) for doc_id in doc_ids)
    plain = replace(stage, curriculum=None)
    assert not any(each.standings for part in judged.build(plain, set(), 1, refuse) for each in part)  # type: ignore[arg-type]


def test_a_stage_from_judgments_has_the_curriculum_and_without_a_first_stage_says_what_it_needs(
    training: Path, tmp_path: Path
) -> None:
    text = training.read_text()
    head, _, _ = text.partition("[[stage]]")
    stage = (
        '[[stage]]\nname = "only"\ndev = 2\nschedule = { epochs = 1, lists = 2, size = 4, checkpoint = 2 }\n'
        '[stage.curriculum]\nuse = "easy_first"\nby = "BY"\n'
        '[[stage.judged]]\nname = "home"\npath = "home"\nnegatives = 3\nFIRST\n'
    )
    training.write_text(head + stage.replace("BY", "kde").replace("FIRST", 'first_stage = { use = "bm25" }'))
    folder = distill.run(training, tmp_path / "out", Silent())
    assert (folder / "model.safetensors").is_file()
    training.write_text(head + stage.replace("BY", "kde").replace("FIRST", ""))
    with pytest.raises(PluginError, match="needs a first_stage with scores"):
        distill.run(training, tmp_path / "other", Silent())
