"""A model folder is data: its code never runs, nobody is asked to run it, and pickles are never read."""

from __future__ import annotations

import ast
import json
import pickle
from pathlib import Path

import pytest

import robustrank
from robustrank.core.errors import PluginError
from robustrank.core.types import Document, Query
from robustrank.rankers.bi_encoder import BiEncoder
from robustrank.rankers.cross_encoder import CrossEncoder
from robustrank.rankers.late_interaction import LateInteraction
from robustrank.rankers.models import torch_models
from robustrank.rankers.sparse_encoder import SparseEncoder

FAMILIES = [CrossEncoder, BiEncoder, SparseEncoder, LateInteraction]


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An unknown architecture with code of its own, pickled weights, and an answer of yes waiting at the prompt."""
    where = tmp_path / "model"
    where.mkdir()
    names = ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification", "AutoModelForMaskedLM", "AutoTokenizer")
    settings = {"model_type": "unheard-of", "auto_map": {name: f"evil.{name}" for name in names}}
    (where / "config.json").write_text(json.dumps(settings))
    (where / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with (where / "pytorch_model.bin").open("wb") as file:
        pickle.dump(Touch(tmp_path / "ran"), file)
    return where


@pytest.mark.parametrize("family", FAMILIES)
def test_code_of_a_folder_is_refused_without_a_question(
    family: type, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def yes(prompt: str = "") -> str:
        raise AssertionError(f"a question was asked: {prompt}")

    monkeypatch.setattr("builtins.input", yes)
    with pytest.raises(PluginError, match=r"auto_map.*never run"):
        family(model=str(folder)).score(Query("q", "a"), [Document("d", "b")])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("family", FAMILIES)
def test_pickled_weights_are_refused_with_the_way_to_convert_them(family: type, folder: Path, tmp_path: Path) -> None:
    from transformers import BertConfig

    (folder / "config.json").unlink()
    BertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=1).save_pretrained(folder)
    with pytest.raises(PluginError, match=r"pytorch_model\.bin, a pickle.*save_pretrained"):
        family(model=str(folder)).score(Query("q", "a"), [Document("d", "b")])
    assert not (tmp_path / "ran").exists()


def test_modules_of_a_sentence_encoder_are_classes_of_the_library(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "evil.Module"}]))
    with pytest.raises(PluginError, match=r"modules\.json has a module 'evil\.Module'; code that comes with a model"):
        _ = BiEncoder(model=str(tmp_path), device="cpu").card


def test_an_activation_is_one_of_torch(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"sentence_transformers": {"activation_fn": "torch.hub.load"}}))
    with pytest.raises(PluginError, match=r"the activation 'torch\.hub\.load' is none of torch\.nn"):
        _ = CrossEncoder(model=str(tmp_path), device="cpu").card


def test_every_model_is_loaded_in_the_one_place_that_forbids_code_and_pickles() -> None:
    """Calls that load models, in the whole source; ``torch.load`` reads pickles."""
    root = Path(robustrank.__file__).parents[1]
    places = set()
    for path in [p for part in ("robustrank", "attacks", "defenses") for p in (root / part).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                whose = ast.unparse(node.func)
                if name in ("from_pretrained", "SentenceTransformer") or whose in ("torch.load", "pickle.load"):
                    places.add((path.relative_to(root).as_posix(), name))
    assert {file for file, _ in places} == {"robustrank/rankers/models/torch_models.py"}


def test_a_limit_of_minus_one_is_none() -> None:
    class XLNet:
        max_position_embeddings = -1

    assert torch_models.longest(XLNet()) > 10**9
