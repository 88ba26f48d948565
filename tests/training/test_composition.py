"""A mask that was trained on one collection and one that was trained on another are added to the parent exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from robustrank.core.progress import Silent
from robustrank.core.training_types import LowRank
from robustrank.training import changes, distill

ENTRIES = 300


@pytest.fixture
def domains(training: Path) -> Path:
    """A training file with a stage on each of two collections, whose masks are kept, and their sum.

    The first stage masks nothing (a share of 0), so that the model is stored in single precision.
    """
    home, other = training.parent / "home", training.parent / "other"
    (other / "qrels").mkdir(parents=True)
    rng = Random(6)
    texts = [" ".join(rng.choices(["law", "court", "judge", "claim", "appeal"], k=8)) for _ in range(20)]
    for name, rows in (("corpus", texts), ("queries", texts[:8])):
        lines = [json.dumps({"_id": f"{i}", "text": text}) for i, text in enumerate(rows)]
        (other / f"{name}.jsonl").write_text("\n".join(lines))
    (other / "qrels" / "train.tsv").write_text((home / "qrels" / "train.tsv").read_text())
    head, _, stage = training.read_text().partition("[[stage]]")
    adapter = 'checkpoint = 2 }}\n[stage.adapter]\nuse = "sparse_mask"\nentries = {}\nhead = false\nkeep = "{}"'
    text = head + '[[stage]]\nname = "nothing"\n[stage.compress]\nuse = "magnitude"\nshare = 0.0\n'
    for folder in ("home", "other"):
        mine = stage.replace('"only"', f'"{folder}"').replace('path = "home"', f'path = "{folder}"')
        text += "[[stage]]" + mine.replace("checkpoint = 2 }", adapter.format(ENTRIES, folder))
    training.write_text(text + '\n[[merge]]\nuse = "sum"\nadapters = ["home", "other"]\n')
    return training


def test_domain_and_ranking_masks_are_added_to_the_parents_weights_exactly(
    domains: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[dict[str, Any], Sequence[Mapping[str, LowRank]]]] = []
    merge = changes.merge

    def watched(model: Any, plugin: Any, kept: Sequence[Mapping[str, LowRank]], weights: Any) -> None:
        seen.append(({name: weight.clone() for name, weight in model.state_dict().items()}, kept))
        merge(model, plugin, kept, weights)

    monkeypatch.setattr(changes, "merge", watched)
    stored = load_file(distill.run(domains, tmp_path / "both", Silent()) / "model.safetensors")
    ((parent, (first, second)),) = seen
    changed = [{name: each.up for name, each in updates.items()} for updates in (first, second)]
    for mine in changed:
        assert sum(int((each != 0).sum()) for each in mine.values()) == ENTRIES
    assert any((changed[0][name] != changed[1][name]).any() for name in changed[0])
    for stored_name, weight in stored.items():
        name = stored_name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        part = name.removesuffix(".weight")
        added = changed[0][part] + changed[1][part] if part in changed[0] else torch.zeros_like(weight)
        assert torch.equal(weight, parent[name] + added), name

    domains.write_text(domains.read_text().replace('["home", "other"]', '["other", "home"]'))
    again = load_file(distill.run(domains, tmp_path / "again", Silent()) / "model.safetensors")
    assert all(torch.equal(again[name], weight) for name, weight in stored.items())


def test_a_kept_mask_is_what_it_is_without_the_one_before_it(domains: Path, tmp_path: Path) -> None:
    text = domains.read_text()
    domains.write_text(text.replace('"other"]\n', '"other"]\nweights = [0.0, 1.0]\n'))
    second = load_file(distill.run(domains, tmp_path / "second", Silent()) / "model.safetensors")
    first, last = text.index('[[stage]]\nname = "home"'), text.index('[[stage]]\nname = "other"')
    domains.write_text((text[:first] + text[last:]).replace('["home", "other"]', '["other"]'))
    alone = load_file(distill.run(domains, tmp_path / "alone", Silent()) / "model.safetensors")
    assert all(torch.equal(alone[name], weight) for name, weight in second.items())
